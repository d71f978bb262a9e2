// A line with its pattern. SVG as SkiaSharp writes it knows no dashes, so that a dashed line is drawn as the areas of its dashes.

using ScottPlot;
using SkiaSharp;

namespace Imaml.Cli.Plots;

/// <summary>Points joined in their order, on the axes of a plot.</summary>
/// <param name="points">Coordinates, all finite.</param>
/// <param name="style">Colour and pattern.</param>
internal sealed class PlotLine(Coordinates[] points, PlotStyle style) : IPlottable
{
    private const float Width = 1.8f;

    /// <inheritdoc/>
    public bool IsVisible { get; set; } = true;

    /// <inheritdoc/>
    public IAxes Axes { get; set; } = new Axes();

    /// <inheritdoc/>
    public IEnumerable<LegendItem> LegendItems => [];

    /// <summary>Draws a line through these points of a canvas.</summary>
    public static void Draw(SKCanvas canvas, SKPoint[] points, PlotStyle style)
    {
        using var line = new SKPath();
        line.AddPoly(points, close: false);
        using var paint = new SKPaint { Style = SKPaintStyle.Stroke, StrokeWidth = Width, IsAntialias = true, Color = style.Color.ToSKColor(), StrokeJoin = SKStrokeJoin.Round };
        if (style.Dashes is not { } dashes)
        {
            canvas.DrawPath(line, paint);
            return;
        }

        paint.PathEffect = SKPathEffect.CreateDash(dashes, 0);
        using var areas = paint.GetFillPath(line);
        using var fill = new SKPaint { Style = SKPaintStyle.Fill, IsAntialias = true, Color = paint.Color };
        canvas.DrawPath(areas, fill);
    }

    /// <inheritdoc/>
    public AxisLimits GetAxisLimits() => new(points.Min(point => point.X), points.Max(point => point.X), points.Min(point => point.Y), points.Max(point => point.Y));

    /// <inheritdoc/>
    public void Render(RenderPack rp) => Draw(rp.Canvas, [.. points.Select(point => Axes.GetPixel(point).ToSKPoint())], style);
}
