using Imaml.Cli.Plots;
using Imaml.Theory;

namespace Imaml.Cli.Results;

/// <summary>Table 1 as two pictures: compute against κ, and memory against the steps.</summary>
internal static class Table1Plots
{
    /// <summary>From left to right.</summary>
    public static IReadOnlyList<PlotPanel> Panels(Table1Result result) =>
    [
        new(
            $"Compute to reach δ/D = {result.Accuracy:G}",
            new PlotAxis("condition number κ", Scale.Logarithmic),
            new PlotAxis("gradients and Hessian–vector products", Scale.Logarithmic),
            [.. result.Rows.Select((row, i) => Points($"{row.Name}: exponent {row.ComputeSlope.Slope:F2}", i, Of(result.Points, row.Method), p => p.Condition, p => p.Compute))],
            LegendPlace.Below),
        new(
            "Memory",
            new PlotAxis("inner steps that are differentiated; of implicit MAML all steps", Scale.Logarithmic),
            new PlotAxis("vectors that live at once", Scale.Logarithmic),
            [
                .. result.Rows.Select((row, i) => Points(
                    $"{row.Name}: {row.VectorsPerStep.Slope:F2} vectors a step",
                    i,
                    Of(result.Points.Union(result.AccuracyPoints), row.Method),
                    p => p.Method == Table1Method.ImplicitMaml ? p.Steps + p.LinearSteps : p.KeptSteps,
                    p => p.Vectors)),
            ],
            LegendPlace.Below),
    ];

    private static IEnumerable<Table1Point> Of(IEnumerable<Table1Point> points, Table1Method method) => points.Where(point => point.Method == method);

    // Problems at one abscissa become their mean: their spread is in the intervals and in the CSV.
    private static PlotCurve Points(string label, int style, IEnumerable<Table1Point> points, Func<Table1Point, double> x, Func<Table1Point, double> y)
    {
        var groups = points.GroupBy(x).OrderBy(group => group.Key).ToArray();
        return new PlotCurve(label, style, [.. groups.Select(group => group.Key)], [.. groups.Select(group => group.Average(y))])
        {
            Band = ([.. groups.Select(group => group.Min(y))], [.. groups.Select(group => group.Max(y))]),
        };
    }
}
