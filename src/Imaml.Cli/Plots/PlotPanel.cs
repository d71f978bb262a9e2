// What a plot shows, independently of how it is drawn. Titles and names are in the notation of PlotText.

namespace Imaml.Cli.Plots;

/// <summary>How an axis places numbers.</summary>
internal enum Scale
{
    Linear,

    /// <summary>Decades; numbers that are not positive are omitted.</summary>
    Logarithmic,
}

/// <summary>One axis.</summary>
/// <param name="Title">What it shows, with its unit.</param>
/// <param name="Scale">How it places numbers.</param>
/// <param name="Low">Its lower end; null for what the curves need.</param>
/// <param name="High">Its upper end; null for what the curves need.</param>
internal sealed record PlotAxis(string Title, Scale Scale, double? Low = null, double? High = null)
{
    /// <summary>The coordinate of a number; NaN where it has none.</summary>
    public double Place(double value) => Scale == Scale.Linear ? value : value > 0 ? double.Log10(value) : double.NaN;
}

/// <summary>One curve: points in the order in which they are joined. A point that is not a number, or cannot be drawn on a logarithmic axis, is a gap.</summary>
/// <param name="Label">Its name in the legend; empty for none.</param>
/// <param name="Style">Its look.</param>
/// <param name="X">Abscissas.</param>
/// <param name="Y">Ordinates.</param>
internal sealed record PlotCurve(string Label, PlotStyle Style, IReadOnlyList<double> X, IReadOnlyList<double> Y)
{
    /// <summary>The lower and upper edge of a band around the curve, at the same abscissas; null for none. The only band of a panel is an area, several are whiskers, whose colours do not mix.</summary>
    public (IReadOnlyList<double> Low, IReadOnlyList<double> High)? Band { get; init; }

    public bool Line { get; init; } = true;

    public bool Markers { get; init; } = true;
}

/// <summary>One pair of axes with its curves.</summary>
/// <param name="Title">Above the axes; empty for none.</param>
/// <param name="X">The horizontal axis.</param>
/// <param name="Y">The vertical axis.</param>
/// <param name="Curves">In the order of the legend; later ones are drawn over earlier ones.</param>
/// <param name="Legend">Whether it has a legend: in an empty place of the axes, or to their right where there is none.</param>
internal sealed record PlotPanel(string Title, PlotAxis X, PlotAxis Y, IReadOnlyList<PlotCurve> Curves, bool Legend = true);
