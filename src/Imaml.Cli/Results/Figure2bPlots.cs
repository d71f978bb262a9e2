using Imaml.Cli.Benchmarks;
using Imaml.Cli.Plots;

namespace Imaml.Cli.Results;

/// <summary>Figure 2(b) as two panels: memory, and time.</summary>
internal sealed class Figure2bPlots(Figure2bOptions options, IReadOnlyList<Figure2bPoint> points)
{
    private static readonly PlotAxis InnerSteps = new("inner gradient steps", Scale.Linear, Low: 0);

    /// <summary>The panels, on linear axes: what grows with the steps is a slope.</summary>
    public IReadOnlyList<PlotPanel> Panels() =>
    [
        new(
            $"Figure 2(b): memory of a thread's tensors, {options.Setting}",
            InnerSteps,
            new PlotAxis("most bytes of live tensors at once, MiB", Scale.Linear, Low: 0),
            [.. Curves(point => point.Mib)],
            LegendPlace.Below),
        new(
            $"Figure 2(b): time of a task, {options.Threads} {(options.Threads == 1 ? "thread" : "threads")}",
            InnerSteps,
            new PlotAxis("seconds a task", Scale.Linear, Low: 0),
            [.. Curves(point => point.Seconds)],
            LegendPlace.Below),
    ];

    private IEnumerable<PlotCurve> Curves(Func<Figure2bPoint, double> quantity) => options.Methods.Select(method =>
    {
        var curve = points.Where(point => point.Method == method && point.Finite).ToArray();
        return new PlotCurve(BenchMethod.Of(method).Label, Style(method), [.. curve.Select(point => (double)point.InnerSteps)], [.. curve.Select(quantity)]);
    });

    // iMAML and MAML look as they do in Figure 2(a), whatever the order and number of the methods.
    private static int Style(string method) => method switch
    {
        BenchMethod.Imaml => 0,
        BenchMethod.Maml => 2,
        BenchMethod.MamlRecompute => 5,
        _ => 1,
    };
}
