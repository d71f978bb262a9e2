using System.Globalization;
using Imaml.Cli.Benchmarks;
using Imaml.Cli.Plots;
using Imaml.Theory;

namespace Imaml.Cli.Results;

/// <summary>Table 1 as two pictures: compute and memory against κ.</summary>
internal static class Table1Plots
{
    private static readonly PlotAxis Condition = new("condition number $κ$", Scale.Logarithmic);

    /// <summary>From left to right.</summary>
    /// <param name="accuracy">δ/D.</param>
    /// <param name="rows">The table.</param>
    /// <param name="points">The points of this accuracy.</param>
    public static IReadOnlyList<PlotPanel> Panels(double accuracy, IReadOnlyList<Table1Row> rows, IReadOnlyList<Table1Point> points)
    {
        PlotPanel Panel(string title, string axis, Func<Table1Row, FittedSlope> slope, Func<Table1Point, double> quantity) => new(
            string.Create(CultureInfo.InvariantCulture, $"{title} to reach $δ/D$ = {accuracy:G}"),
            Condition,
            new PlotAxis(axis, Scale.Logarithmic),
            [.. rows.Select(row => Curve($"{Label(row.Method)}: $κ^{{{Exponent(slope(row).Slope)}}}$", row.Method, points, quantity))]);

        return
        [
            Panel("Compute", "gradients and Hessian–vector products", row => row.ComputeSlope, point => point.Compute),
            Panel("Memory", "vectors held at once", row => row.MemorySlope, point => point.Vectors),
        ];
    }

    // A zero has no sign.
    private static string Exponent(double slope) => (double.Round(slope, 2) + 0.0).ToString("F2", CultureInfo.InvariantCulture).Replace('-', '−');

    private static string Label(Table1Method method) => method switch
    {
        Table1Method.MamlGradientDescent => "MAML",
        Table1Method.MamlNesterov => "MAML, Nesterov",
        Table1Method.TruncatedBackPropagation => "truncated",
        _ => "iMAML, Nesterov",
    };

    private static PlotStyle Style(Table1Method method) => PlotStyle.Methods[method switch
    {
        Table1Method.MamlGradientDescent => BenchMethod.Maml,
        Table1Method.MamlNesterov => PlotStyle.MamlNesterov,
        Table1Method.TruncatedBackPropagation => PlotStyle.Truncated,
        _ => PlotStyle.ImamlNesterov,
    }];

    // Problems with one κ become their mean: their spread is in the intervals and in the CSV.
    private static PlotCurve Curve(string label, Table1Method method, IReadOnlyList<Table1Point> points, Func<Table1Point, double> quantity)
    {
        var groups = points.Where(point => point.Method == method).GroupBy(point => point.Condition).OrderBy(group => group.Key).ToArray();
        return new PlotCurve(label, Style(method), [.. groups.Select(group => group.Key)], [.. groups.Select(group => group.Average(quantity))]);
    }
}
