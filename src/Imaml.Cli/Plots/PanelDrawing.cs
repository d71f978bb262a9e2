// One panel: ScottPlot draws axes, grid and curves; titles and legend, which may hold formulas, are drawn here. The legend is inside the axes where there is an empty place, else next to them.

using System.Globalization;
using ScottPlot;
using ScottPlot.TickGenerators;
using SkiaSharp;

namespace Imaml.Cli.Plots;

/// <summary>A panel with a place for everything.</summary>
internal sealed class PanelDrawing : IDisposable
{
    // The panel, and its axes in it.
    private const int Width = 400, Height = 300, LegendGap = 8, LegendInset = 6, Clearance = 3;
    private static readonly PixelRect Axes = new(left: 64, right: Width - 14, bottom: Height - 46, top: 30);

    // Of a curve with more points every second, third … has a marker.
    private const int MostMarkers = 14;

    // With more curves some share abscissas of their markers.
    private const int MostApart = 4;

    // Curves with few points and whiskers are shifted apart by so many pixels.
    private const int FewPoints = 5, Shift = 6;

    private const double BandOpacity = 0.18, Margin = 0.12, ApartMargin = 0.25;

    // Places for the legend along each direction; and how often the vertical axis is made higher, by a share, to get one.
    private const int PlacesTried = 16, Rises = 6, BandLines = 32;
    private const double Rise = 0.1;

    private readonly PlotPanel _panel;
    private readonly PlotLegend _legend;
    private readonly Plot _plot;
    private readonly List<PlotTrace> _traces = [];
    private readonly List<(double X, double Low, double High)> _edges = [];
    private readonly SKPoint? _legendInside;

    /// <summary>Arranges the panel.</summary>
    public PanelDrawing(PlotPanel panel)
    {
        (_panel, _legend) = (panel, new PlotLegend(panel));
        // Makes the font known before the plot takes the usual one.
        PlotFont.OfFigures(Figure.Text).Dispose();
        _plot = new Plot();
        var bands = panel.Curves.Where(curve => curve.Band is not null).ToArray();
        if (bands is [var only])
        {
            AddBand(only);
        }

        var whiskers = bands.Length > 1;
        var apart = whiskers && panel.Curves.All(curve => curve.X.Count <= FewPoints);
        AddTraces(whiskers, apart);
        Arrange(_plot.Axes.Bottom, panel.X);
        Arrange(_plot.Axes.Left, panel.Y);
        _plot.Axes.Margins(apart ? ApartMargin : Margin, Margin);
        _plot.Axes.AutoScale();
        var automatic = _plot.Axes.GetLimits();
        _plot.Axes.SetLimits(
            Limit(panel.X, panel.X.Low),
            High(panel.X, panel.Curves.SelectMany(curve => curve.X), automatic.Right),
            Limit(panel.Y, panel.Y.Low),
            High(panel.Y, panel.Curves.SelectMany(curve => curve.Band is { } band ? curve.Y.Concat(band.High) : curve.Y), automatic.Top));
        _plot.Axes.Title.IsVisible = false;
        _plot.Layout.Fixed(new PixelPadding(Axes.Left, Width - Axes.Right, Height - Axes.Bottom, Axes.Top));
        _plot.Grid.MajorLineColor = Colors.Black.WithOpacity(0.10);
        _plot.HideLegend();
        _plot.RenderManager.ClearCanvasBeforeEachRender = false;
        _legendInside = PlaceLegend();
    }

    /// <summary>The size with the legend.</summary>
    public SKSize Size => _legendInside is null && _legend.Size is { IsEmpty: false } legend ? new(Width + legend.Width + LegendGap, float.Max(Height, Axes.Top + legend.Height)) : new(Width, Height);

    /// <summary>Where the legend lies.</summary>
    public SKRect Legend => SKRect.Create(_legendInside ?? new(Width, Axes.Top), _legend.Size);

    /// <summary>Draws it at the canvas's origin.</summary>
    public void Draw(SKCanvas canvas)
    {
        _plot.Render(canvas, new PixelRect(0, Width, Height, 0));
        Text(_panel.Title).Draw(canvas, Axes.HorizontalCenter, Axes.Top - 10, SKTextAlign.Center);
        Text(_panel.X.Title).Draw(canvas, Axes.HorizontalCenter, Height - 9, SKTextAlign.Center);
        canvas.Save();
        canvas.RotateDegrees(-90);
        Text(_panel.Y.Title).Draw(canvas, -Axes.VerticalCenter, 15, SKTextAlign.Center);
        canvas.Restore();
        if (!_legend.Size.IsEmpty)
        {
            _legend.Draw(canvas, Legend.Location);
        }
    }

    /// <summary>Points of all curves, whiskers and bands on the canvas, a pixel from each other.</summary>
    public IEnumerable<SKPoint> Ink()
    {
        var limits = _plot.Axes.GetLimits();
        SKPoint At(Coordinates point) => new(
            (float)(Axes.Left + ((point.X - limits.Left) / limits.HorizontalSpan * Axes.Width)),
            (float)(Axes.Bottom - ((point.Y - limits.Bottom) / limits.VerticalSpan * Axes.Height)));
        // Of a band, lines from edge to edge.
        var band = _edges.Zip(_edges.Skip(1)).SelectMany(pair => Enumerable.Range(0, BandLines + 1).Select(i =>
        {
            double Between(double from, double to) => from + ((to - from) * i / BandLines);
            var (x, low, high) = (Between(pair.First.X, pair.Second.X), Between(pair.First.Low, pair.Second.Low), Between(pair.First.High, pair.Second.High));
            return new[] { At(new(x, low)), At(new(x, high)) };
        }));
        return _traces.SelectMany(trace => trace.Strokes(At)).Concat(band).SelectMany(Dense);
    }

    /// <inheritdoc/>
    public void Dispose() => _plot.Dispose();

    private static PlotText Text(string text) => new(text, Figure.Text);

    private static double? Limit(PlotAxis axis, double? value) => value is { } number ? axis.Place(number) : null;

    // The usual margin is a share of what the points span. From a given lower end on they span more: nearly equal points would lie on the frame.
    private static double High(PlotAxis axis, IEnumerable<double> values, double automatic)
    {
        var highest = values.Select(axis.Place).Where(double.IsFinite).DefaultIfEmpty(double.NaN).Max();
        return Limit(axis, axis.High) ?? (Limit(axis, axis.Low) is { } low && highest > low ? double.Max(automatic, highest + (Margin / 2 * (highest - low))) : automatic);
    }

    private static IEnumerable<SKPoint> Dense(SKPoint[] line)
    {
        yield return line[0];
        foreach (var (from, to) in line.Zip(line.Skip(1)))
        {
            var pieces = int.Clamp((int)SKPoint.Distance(from, to), 1, 4 * Width);
            for (var i = 1; i <= pieces; i++)
            {
                yield return new(from.X + ((to.X - from.X) * i / pieces), from.Y + ((to.Y - from.Y) * i / pieces));
            }
        }
    }

    private static void Arrange(IAxis axis, PlotAxis description)
    {
        axis.Label.IsVisible = false;
        axis.TickLabelStyle.FontSize = Figure.SmallText;
        axis.TickGenerator = description.Scale == Scale.Logarithmic
            ? new DecadeTicks()
            : new NumericAutomatic { TickDensity = 0.8, LabelFormatter = number => number.ToString("#,0.####", CultureInfo.InvariantCulture).Replace('-', '−') };
    }

    private void AddTraces(bool whiskers, bool apart)
    {
        var (curves, points) = (_panel.Curves, _panel.Curves.Select(curve => curve.X.Count).DefaultIfEmpty().Max());
        var every = points > MostMarkers ? int.Max(1 + ((points - 1) / MostMarkers), int.Min(MostApart, curves.Count)) : 1;
        foreach (var (i, curve) in curves.Index())
        {
            // Where there are many points, the first that is marked differs from curve to curve, so that markers do not hide each other where curves meet.
            var trace = new PlotTrace(_panel, curve, every, i % every, whiskers, apart ? (i - ((curves.Count - 1) / 2f)) * Shift : 0);
            _plot.Add.Plottable(trace);
            _traces.Add(trace);
        }
    }

    private void AddBand(PlotCurve curve)
    {
        var band = curve.Band!.Value;
        var edges = curve.X.Select((x, i) => (X: _panel.X.Place(x), Low: _panel.Y.Place(band.Low[i]), High: _panel.Y.Place(band.High[i])));
        foreach (var piece in PlotTrace.Pieces(edges, edge => double.IsFinite(edge.X + edge.Low + edge.High)))
        {
            var area = _plot.Add.FillY([.. piece.Select(edge => edge.X)], [.. piece.Select(edge => edge.Low)], [.. piece.Select(edge => edge.High)]);
            area.FillColor = curve.Style.Color.WithOpacity(BandOpacity);
            area.LineWidth = 0;
            area.MarkerSize = 0;
            _edges.AddRange(piece);
        }
    }

    // Inside, if need be above the curves; null: next to the axes.
    private SKPoint? PlaceLegend()
    {
        var limits = _plot.Axes.GetLimits();
        for (var i = 0; i <= (_panel.Y.High is null ? Rises : 0); i++)
        {
            _plot.Axes.SetLimitsY(limits.Bottom, limits.Top + (i * Rise * limits.VerticalSpan));
            if (EmptyPlace() is { } place)
            {
                return place;
            }
        }

        _plot.Axes.SetLimits(limits);
        return null;
    }

    /// <summary>The corner of a place in the axes that no curve crosses and that is large enough for the legend, the nearest to a corner of the axes; null where there is none.</summary>
    private SKPoint? EmptyPlace()
    {
        var (size, ink) = (_legend.Size, Ink().ToArray());
        var (right, down) = (Axes.Width - size.Width - (2 * LegendInset), Axes.Height - size.Height - (2 * LegendInset));
        if (size.IsEmpty || right < 0 || down < 0)
        {
            return null;
        }

        static IEnumerable<float> Along(float length) => Enumerable.Range(0, PlacesTried + 1).Select(i => length * i / PlacesTried);
        static float FromEnd(float at, float length) => float.Min(at, length - at);
        return (from y in Along(down)
                from x in Along(right)
                let place = SKRect.Create(Axes.Left + LegendInset + x, Axes.Top + LegendInset + y, size.Width, size.Height)
                orderby FromEnd(x, right) + FromEnd(y, down)
                let clear = SKRect.Inflate(place, Clearance, Clearance)
                where !ink.Any(clear.Contains)
                select (SKPoint?)place.Location).FirstOrDefault();
    }
}
