// A diagnosis as two pictures: the ends of the spectrum along training, and the errors of the meta-gradients.

using System.Text.Json;
using Imaml.Cli.Benchmarks;
using Imaml.Cli.Plots;
using Imaml.Cli.Results;
using Imaml.Nets.Assumptions;
using Imaml.Nets.Runs;

namespace Imaml.Cli.Diagnoses;

/// <summary>Draws a diagnosis.</summary>
internal static class DiagnosisFigures
{
    private static readonly PlotAxis MetaSteps = new("meta-steps", Scale.Linear);

    /// <summary>Draws the figures again from diagnosis.json, which was written by this program or by one of version 0.1.</summary>
    public static void Redraw(ResultFolder folder)
    {
        if (folder.ReadJson<Drawn>("diagnosis.json", RunJson.Indented) is not ({ } training, { Count: > 0 } states))
        {
            throw new JsonException("it has no training or no states");
        }

        if ((training.Method?.Inner.Steps ?? training.InnerSteps, training.Method?.Adjoint.Steps ?? training.CgSteps) is not ({ } inner, { } linear))
        {
            throw new JsonException("training has no numbers of steps");
        }

        foreach (var (name, panels) in All([.. states.Select(state => state.Lambda > 0 ? state : state with { Lambda = training.Lambda })], inner, linear))
        {
            folder.WriteFigure(name, panels);
        }
    }

    /// <summary>The figures by their names.</summary>
    /// <param name="states">In the order of their meta-steps.</param>
    /// <param name="inner">The run's inner steps.</param>
    /// <param name="linear">The run's steps of the linear solve.</param>
    public static IEnumerable<(string Name, IReadOnlyList<PlotPanel> Panels)> All(IReadOnlyList<StateSummary> states, int inner, int linear)
    {
        var (tasks, references) = (states.Max(state => state.Tasks), states.Max(state => state.Reference.Tasks));
        PlotCurve Over(string label, PlotStyle style, Func<StateSummary, Quantiles?> figure)
        {
            var all = states.Select(state => figure(state) ?? Quantiles.Of([])).ToArray();
            return new PlotCurve(label, style, [.. states.Select(state => (double)state.MetaStep)], [.. all.Select(one => one.Median)])
            {
                Band = all.All(one => one.Tenth == one.NinetyHundredths) ? null : ([.. all.Select(one => one.Tenth)], [.. all.Select(one => one.NinetyHundredths)]),
            };
        }

        var (phi, theta) = (PlotStyle.Others[0], PlotStyle.Others[1]);
        yield return ("diagnosis-curvature",
        [
            new(
                $"Largest eigenvalue: {Figure.Spread(tasks, "task")}",
                MetaSteps,
                new PlotAxis("largest eigenvalue of $∇^2L̂$", Scale.Linear, Low: 0),
                [Over("at $φ$, after the inner steps", phi, state => state.Phi.Largest), Over("at $θ$", theta, state => state.Theta.Largest)]),
            new(
                "Smallest eigenvalue",
                MetaSteps,
                new PlotAxis("smallest eigenvalue of $∇^2L̂$", Scale.Linear),
                [
                    Over("at $φ$, after the inner steps", phi, state => state.Phi.Smallest),
                    new PlotCurve("$−λ$: below it $G$ is not convex", PlotStyle.Reference, [.. states.Select(state => (double)state.MetaStep)], [.. states.Select(state => -state.Lambda)]) { Markers = false },
                ]),
        ]);

        BudgetSummary? Cell(StateSummary state, int cgSteps) => state.Reference.Errors.FirstOrDefault(cell => cell.InnerSteps == inner && cell.CgSteps == cgSteps);
        PlotStyle Method(string name) => PlotStyle.Methods[name];
        yield return ("diagnosis-gradients",
        [
            new(
                $"Angle to iMAML: {Figure.Spread(tasks, "task")}",
                MetaSteps,
                new PlotAxis("1 − cosine", Scale.Logarithmic),
                [
                    Over("first-order", Method(PlotStyle.FirstOrder), state => FromOne(state.PerTask.ImplicitFirstOrder.Cosine)),
                    Over("first-order, meta-batches", Method(PlotStyle.FirstOrder).Open, state => FromOne(state.MetaBatches.ImplicitFirstOrder.Cosine)),
                    Over("MAML (unrolled)", Method(BenchMethod.Maml), state => FromOne(state.PerTask.ImplicitUnrolled.Cosine)),
                    Over("iMAML, linear system solved", Method(PlotStyle.Imaml10), state => FromOne(state.PerTask.ImplicitConverged.Cosine)),
                ]),
            new(
                $"Error of $g$: {Figure.Spread(references, "task")}",
                MetaSteps,
                new PlotAxis("$‖g − g^∗‖ / ‖g^∗‖$", Scale.Logarithmic),
                [
                    Over($"iMAML, {inner} inner, {linear} CG steps", Method(BenchMethod.Imaml), state => Cell(state, linear)?.Total),
                    Over("its linear part $δ′$", PlotStyle.Others[1], state => Cell(state, linear)?.Linear),
                    Over("its inner part", PlotStyle.Others[2], state => Cell(state, linear)?.Inner),
                    Over($"first-order, {inner} inner steps", Method(PlotStyle.FirstOrder), state => Cell(state, 0)?.Total),
                    Over("Theorem 1, measured constants", PlotStyle.Reference with { Shape = ScottPlot.MarkerShape.Eks }, state => Cell(state, linear)?.Estimate),
                ]),
        ]);
    }

    // Of diagnosis.json what is drawn. Version 0.1 had a flat list of options, and λ in it alone.
    private sealed record Drawn(DrawnTraining? Training, IReadOnlyList<StateSummary>? States);

    private sealed record DrawnTraining(DrawnMethod? Method, int? InnerSteps, int? CgSteps, double Lambda);

    private sealed record DrawnMethod(DrawnSolver Inner, DrawnSolver Adjoint);

    private sealed record DrawnSolver(int Steps);

    /// <summary>The quantiles of 1 − x.</summary>
    private static Quantiles FromOne(Quantiles x) => new(1 - x.Greatest, 1 - x.NinetyHundredths, 1 - x.Median, 1 - x.Tenth, 1 - x.Least);
}
