// A curve with its pattern, markers and whiskers. SVG as SkiaSharp writes it has no dashes, so a dashed line is drawn as the areas of its dashes.

using ScottPlot;
using SkiaSharp;

namespace Imaml.Cli.Plots;

/// <summary>A curve on the axes of a plot.</summary>
/// <param name="panel">The panel with its axes.</param>
/// <param name="curve">The curve.</param>
/// <param name="every">Every second, third … point has a marker, and whiskers where the curve has a band.</param>
/// <param name="first">The first point that has one.</param>
/// <param name="whiskers">Whether the band is drawn as whiskers.</param>
/// <param name="shift">Pixels to the right.</param>
internal sealed class PlotTrace(PlotPanel panel, PlotCurve curve, int every, int first, bool whiskers, float shift) : IPlottable
{
    private const float LineWidth = 1.5f, WhiskerWidth = 0.9f, Cap = 2.5f;

    private readonly Coordinates[] _points = [.. curve.X.Select((x, i) => new Coordinates(panel.X.Place(x), panel.Y.Place(curve.Y[i])))];

    /// <inheritdoc/>
    public bool IsVisible { get; set; } = true;

    /// <inheritdoc/>
    public IAxes Axes { get; set; } = new Axes();

    /// <inheritdoc/>
    public IEnumerable<LegendItem> LegendItems => [];

    private IEnumerable<int> Marked => Enumerable.Range(0, _points.Length).Where(i => (i - first) % every == 0 && IsPlace(_points[i]));

    private IEnumerable<(Coordinates Low, Coordinates High)> Whiskers =>
        whiskers && curve.Band is { } band
            ? Marked.Select(i => (new Coordinates(_points[i].X, panel.Y.Place(band.Low[i])), new Coordinates(_points[i].X, panel.Y.Place(band.High[i])))).Where(one => IsPlace(one.Item1) && IsPlace(one.Item2))
            : [];

    private IEnumerable<Coordinates[]> Lines => curve.Line ? Pieces(_points, IsPlace) : [];

    /// <summary>Draws a line through these points of a canvas.</summary>
    public static void Draw(SKCanvas canvas, SKPoint[] points, PlotStyle style)
    {
        using var line = new SKPath();
        line.AddPoly(points, close: false);
        using var paint = new SKPaint { Style = SKPaintStyle.Stroke, StrokeWidth = LineWidth, IsAntialias = true, Color = style.Color.ToSKColor(), StrokeJoin = SKStrokeJoin.Round };
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

    /// <summary>The longest runs of consecutive points that can be drawn.</summary>
    public static IEnumerable<T[]> Pieces<T>(IEnumerable<T> points, Func<T, bool> hasPlace)
    {
        var piece = new List<T>();
        foreach (var point in points)
        {
            if (hasPlace(point))
            {
                piece.Add(point);
            }
            else if (piece.Count > 0)
            {
                yield return [.. piece];
                piece.Clear();
            }
        }

        if (piece.Count > 0)
        {
            yield return [.. piece];
        }
    }

    /// <summary>Lines and whiskers as they lie on a canvas.</summary>
    public IEnumerable<SKPoint[]> Strokes(Func<Coordinates, SKPoint> place) =>
        Lines.Concat(Whiskers.Select(one => new[] { one.Low, one.High })).Select(points => points.Select(point => Shifted(place(point))).ToArray());

    /// <inheritdoc/>
    public AxisLimits GetAxisLimits()
    {
        Coordinates[] all = [.. _points.Where(IsPlace), .. Whiskers.SelectMany(one => new[] { one.Low, one.High })];
        return all is [] ? AxisLimits.NoLimits : new(all.Min(point => point.X), all.Max(point => point.X), all.Min(point => point.Y), all.Max(point => point.Y));
    }

    /// <inheritdoc/>
    public void Render(RenderPack rp)
    {
        SKPoint At(Coordinates point) => Shifted(Axes.GetPixel(point).ToSKPoint());
        using var thin = new SKPaint { Style = SKPaintStyle.Stroke, StrokeWidth = WhiskerWidth, IsAntialias = true, Color = curve.Style.Color.ToSKColor() };
        foreach (var (low, high) in Whiskers.Select(one => (At(one.Low), At(one.High))))
        {
            rp.Canvas.DrawLine(low, high, thin);
            foreach (var end in new[] { low, high })
            {
                rp.Canvas.DrawLine(end.X - Cap, end.Y, end.X + Cap, end.Y, thin);
            }
        }

        foreach (var line in Lines)
        {
            Draw(rp.Canvas, [.. line.Select(At)], curve.Style);
        }

        using var paint = Paint.NewDisposablePaint();
        foreach (var mark in curve.Markers ? Marked.Select(i => At(_points[i])) : [])
        {
            curve.Style.Marker.Render(rp.Canvas, new Pixel(mark.X, mark.Y), paint);
        }
    }

    private static bool IsPlace(Coordinates point) => double.IsFinite(point.X + point.Y);

    private SKPoint Shifted(SKPoint point) => new(point.X + shift, point.Y);
}
