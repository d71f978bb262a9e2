// Panels side by side, drawn once as pixels and once as lines, from the same description.

using System.Text;
using Imaml.Nets.Storage;
using ScottPlot;
using SkiaSharp;

namespace Imaml.Cli.Plots;

/// <summary>Draws panels and writes them as NAME.png and NAME.svg.</summary>
internal static class Figure
{
    /// <summary>The height of every letter, in pixels.</summary>
    public const float TextSize = 14;

    private const int PanelWidth = 640, PanelHeight = 420, PanelIndent = 70, LegendDrop = 24;

    // Pixels of the PNG for one of the SVG.
    private const int Sharpness = 2;

    // Of a curve with more points every second, third … has a marker.
    private const int MostMarkers = 14;

    private const double BandOpacity = 0.14;

    /// <summary>Writes both files, each in one piece, and returns their paths.</summary>
    /// <param name="folder">The folder, made where it is missing.</param>
    /// <param name="name">The files' name without its ending.</param>
    /// <param name="panels">From left to right.</param>
    /// <exception cref="IOException">The folder or the disk refuses.</exception>
    public static IReadOnlyList<string> Write(string folder, string name, params IReadOnlyList<PlotPanel> panels)
    {
        var (png, svg) = (Path.Combine(folder, name + ".png"), Path.Combine(folder, name + ".svg"));
        var pixels = Png(panels);
        AtomicFile.Write(svg, Svg(panels));
        AtomicFile.Write(png, pixels);
        return [png, svg];
    }

    /// <summary>The figure as pixels.</summary>
    public static byte[] Png(params IReadOnlyList<PlotPanel> panels)
    {
        var (width, height) = Size(panels);
        using var surface = SKSurface.Create(new SKImageInfo(width * Sharpness, height * Sharpness, SKColorType.Rgba8888, SKAlphaType.Premul));
        surface.Canvas.Scale(Sharpness);
        Draw(surface.Canvas, panels);
        using var image = surface.Snapshot();
        using var encoded = image.Encode(SKEncodedImageFormat.Png, quality: 100);
        return encoded.ToArray();
    }

    /// <summary>The figure as lines.</summary>
    public static byte[] Svg(params IReadOnlyList<PlotPanel> panels)
    {
        var (width, height) = Size(panels);
        using var stream = new MemoryStream();
        using (var canvas = SKSvgCanvas.Create(new SKRect(0, 0, width, height), stream))
        {
            Draw(canvas, panels);
        }

        // A reader without this font takes the next that is alike; every letter has its place in the file.
        var text = Encoding.UTF8.GetString(stream.ToArray()).Replace($"font-family=\"{PlotFont.Name}\"", $"font-family=\"{PlotFont.Name}, Verdana, sans-serif\"", StringComparison.Ordinal);
        return Encoding.UTF8.GetBytes(text.TrimEnd() + "\n");
    }

    private static (int Width, int Height) Size(PlotPanel panel)
    {
        var legend = new PlotLegend(panel).Size;
        return panel.Legend == LegendPlace.Below ? (int.Max(PanelWidth, legend.Width), PanelHeight + legend.Height) : (PanelWidth + legend.Width, int.Max(PanelHeight, legend.Height));
    }

    private static (int Width, int Height) Size(IReadOnlyList<PlotPanel> panels) => (panels.Sum(panel => Size(panel).Width), panels.Max(panel => Size(panel).Height));

    private static void Draw(SKCanvas canvas, IReadOnlyList<PlotPanel> panels)
    {
        canvas.Clear(SKColors.White);
        var left = 0;
        foreach (var panel in panels)
        {
            var legend = new PlotLegend(panel);
            using var plot = Plot(panel);
            plot.RenderManager.ClearCanvasBeforeEachRender = false;
            plot.Render(canvas, new PixelRect(left, left + PanelWidth, PanelHeight, 0));
            legend.Draw(canvas, panel.Legend == LegendPlace.Right ? left + PanelWidth : left + PanelIndent, panel.Legend == LegendPlace.Right ? LegendDrop : PanelHeight);
            left += Size(panel).Width;
        }
    }

    private static Plot Plot(PlotPanel panel)
    {
        var plot = new Plot();
        foreach (var curve in panel.Curves)
        {
            AddBand(plot, panel, curve);
        }

        foreach (var curve in panel.Curves)
        {
            AddCurve(plot, panel, curve);
        }

        Arrange(plot.Axes.Bottom, panel.X);
        Arrange(plot.Axes.Left, panel.Y);
        plot.Axes.AutoScale();
        plot.Axes.SetLimits(
            panel.X.Low is { } left ? Place(panel.X, left) : null,
            panel.X.High is { } right ? Place(panel.X, right) : null,
            panel.Y.Low is { } low ? Place(panel.Y, low) : null,
            panel.Y.High is { } high ? Place(panel.Y, high) : null);
        plot.Axes.Title.Label.Text = panel.Title;
        plot.Axes.Title.Label.Bold = false;
        plot.Axes.Title.Label.FontSize = TextSize;
        plot.Axes.Title.IsVisible = panel.Title.Length > 0;
        plot.Grid.MajorLineColor = Colors.Black.WithOpacity(0.12);
        plot.HideLegend();
        return plot;
    }

    private static void Arrange(IAxis axis, PlotAxis description)
    {
        axis.Label.Text = description.Title;
        axis.Label.Bold = false;
        axis.Label.FontSize = TextSize;
        axis.TickLabelStyle.FontSize = TextSize;
        if (description.Scale == Scale.Logarithmic)
        {
            axis.TickGenerator = new DecadeTicks();
        }
    }

    // All bands lie below all curves.
    private static void AddBand(Plot plot, PlotPanel panel, PlotCurve curve)
    {
        if (curve.Band is not { } band)
        {
            return;
        }

        var edges = curve.X.Select((x, i) => (X: Place(panel.X, x), Low: Place(panel.Y, band.Low[i]), High: Place(panel.Y, band.High[i])));
        foreach (var piece in Pieces(edges, edge => double.IsFinite(edge.X + edge.Low + edge.High)))
        {
            var area = plot.Add.FillY([.. piece.Select(edge => edge.X)], [.. piece.Select(edge => edge.Low)], [.. piece.Select(edge => edge.High)]);
            area.FillColor = PlotStyle.Of(curve.Style).Color.WithOpacity(BandOpacity);
            area.LineWidth = 0;
            area.MarkerSize = 0;
        }
    }

    private static void AddCurve(Plot plot, PlotPanel panel, PlotCurve curve)
    {
        var style = PlotStyle.Of(curve.Style);
        var points = curve.X.Select((x, i) => new Coordinates(Place(panel.X, x), Place(panel.Y, curve.Y[i]))).ToArray();
        var pieces = Pieces(points, point => double.IsFinite(point.X + point.Y)).ToArray();
        foreach (var piece in curve.Line ? pieces : [])
        {
            plot.Add.Plottable(new PlotLine(piece, style));
        }

        // The first point that is marked differs from curve to curve, so that markers do not hide each other where curves meet.
        var every = 1 + ((points.Length - 1) / MostMarkers);
        var marked = points.Where((point, i) => (i - curve.Style) % every == 0 && double.IsFinite(point.X + point.Y)).ToArray();
        if (curve.Markers && marked.Length > 0)
        {
            var markers = plot.Add.ScatterPoints(marked, style.Color);
            markers.MarkerStyle = style.Marker;
        }
    }

    private static double Place(PlotAxis axis, double value) => axis.Scale == Scale.Linear ? value : value > 0 ? double.Log10(value) : double.NaN;

    /// <summary>The runs of neighbours that have a place.</summary>
    private static IEnumerable<T[]> Pieces<T>(IEnumerable<T> points, Func<T, bool> hasPlace)
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
}
