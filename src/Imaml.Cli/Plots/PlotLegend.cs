using ScottPlot;
using SkiaSharp;

namespace Imaml.Cli.Plots;

/// <summary>The curves' names with a sample of each, one below the other.</summary>
internal sealed class PlotLegend
{
    private const float LineHeight = 15.5f, Sample = 30, Gap = 6, Margin = 5;

    private readonly (PlotCurve Curve, PlotText Name)[] _lines;

    /// <summary>Of the curves that have a name.</summary>
    public PlotLegend(PlotPanel panel) => _lines = [.. panel.Curves.Where(curve => panel.Legend && curve.Label.Length > 0).Select(curve => (curve, new PlotText(curve.Label, Figure.SmallText)))];

    /// <summary>What it takes of the figure, its margins included; nothing where no curve has a name.</summary>
    public SKSize Size => _lines is [] ? SKSize.Empty : new(float.Ceiling(_lines.Max(line => line.Name.Width) + Sample + Gap + (2 * Margin)), (_lines.Length * LineHeight) + (2 * Margin));

    /// <summary>Draws it from this corner on, over a lightened ground, so that grid lines do not cross the names.</summary>
    public void Draw(SKCanvas canvas, SKPoint corner)
    {
        using var ground = new SKPaint { Color = SKColors.White.WithAlpha(0xE0) };
        canvas.DrawRect(SKRect.Create(corner, Size), ground);
        using var paint = Paint.NewDisposablePaint();
        foreach (var (i, (curve, name)) in _lines.Index())
        {
            var (x, y) = (corner.X + Margin, corner.Y + Margin + ((i + 0.5f) * LineHeight));
            if (curve.Line)
            {
                PlotTrace.Draw(canvas, [new(x, y), new(x + Sample, y)], curve.Style);
            }

            if (curve.Markers)
            {
                curve.Style.Marker.Render(canvas, new Pixel(x + (Sample / 2), y), paint);
            }

            name.Draw(canvas, x + Sample + Gap, y + (0.36f * Figure.SmallText));
        }
    }
}
