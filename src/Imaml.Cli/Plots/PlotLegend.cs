using ScottPlot;
using SkiaSharp;

namespace Imaml.Cli.Plots;

/// <summary>The curves' names with a sample of each, one below the other, in a place of their own beside or below the axes.</summary>
internal sealed class PlotLegend
{
    private const float LineHeight = 24, Sample = 46, Gap = 8, Margin = 12;

    private readonly PlotCurve[] _curves;
    private readonly SKFont _font = PlotFont.OfSize(Figure.TextSize);

    /// <summary>Of the curves that have a name.</summary>
    public PlotLegend(PlotPanel panel) => _curves = panel.Legend == LegendPlace.None ? [] : [.. panel.Curves.Where(curve => curve.Label.Length > 0)];

    /// <summary>What it takes of the figure, its margins included.</summary>
    public (int Width, int Height) Size =>
        _curves is []
            ? (0, 0)
            : ((int)float.Ceiling(_curves.Max(curve => _font.MeasureText(curve.Label)) + Sample + Gap + (2 * Margin)), (int)(_curves.Length * LineHeight + (2 * Margin)));

    /// <summary>Draws it from this corner on.</summary>
    public void Draw(SKCanvas canvas, float left, float top)
    {
        using var ink = new SKPaint { Color = SKColors.Black, IsAntialias = true };
        using var paint = Paint.NewDisposablePaint();
        foreach (var (i, curve) in _curves.Index())
        {
            var style = PlotStyle.Of(curve.Style);
            var (x, y) = (left + Margin, top + Margin + ((i + 0.5f) * LineHeight));
            if (curve.Line)
            {
                PlotLine.Draw(canvas, [new(x, y), new(x + Sample, y)], style);
            }

            if (curve.Markers)
            {
                style.Marker.Render(canvas, new Pixel(x + (Sample / 2), y), paint);
            }

            canvas.DrawText(curve.Label, x + Sample + Gap, y + (0.36f * Figure.TextSize), SKTextAlign.Left, _font, ink);
        }
    }
}
