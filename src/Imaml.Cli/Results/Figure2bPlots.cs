using Imaml.Cli.Benchmarks;
using Imaml.Cli.Plots;
using Imaml.Nets.Tasks;

namespace Imaml.Cli.Results;

/// <summary>Figure 2(b) as two panels: memory, and time.</summary>
internal sealed class Figure2bPlots(Figure2bOptions options, IReadOnlyList<Figure2bPoint> points)
{
    private static readonly PlotAxis InnerSteps = new("inner gradient steps", Scale.Linear, Low: 0);

    /// <summary>The panels, with one legend, on linear axes: a cost that grows with the steps is a slope. Memory is that of live tensors, which does not depend on the allocator.</summary>
    public IReadOnlyList<PlotPanel> Panels() =>
    [
        new(
            $"Memory of a thread's tensors, {Tasks.Ways}-way {Tasks.Shots}-shot",
            InnerSteps,
            new PlotAxis("live tensors at their most, MiB", Scale.Linear, Low: 0),
            [.. Curves(point => point.Mib)]),
        new(
            $"Time of a task, {options.Threads} {(options.Threads == 1 ? "thread" : "threads")}",
            InnerSteps,
            new PlotAxis("seconds per task", Scale.Linear, Low: 0),
            [.. Curves(point => point.Seconds)],
            Legend: false),
    ];

    private EpisodeSpec Tasks => BenchSetting.Of(options.Setting).Tasks;

    private IEnumerable<PlotCurve> Curves(Func<Figure2bPoint, double> quantity) => options.Methods.Select(method =>
    {
        var curve = points.Where(point => point.Method == method && point.Finite).ToArray();
        return new PlotCurve(BenchMethod.Of(method).Label, PlotStyle.Methods[method], [.. curve.Select(point => (double)point.InnerSteps)], [.. curve.Select(quantity)]);
    });
}
