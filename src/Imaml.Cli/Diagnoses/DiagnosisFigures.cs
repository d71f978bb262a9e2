// A diagnosis as two pictures: the ends of the spectrum along training, and what the meta-gradients are worth.

using Imaml.Cli.Plots;
using Imaml.Nets.Assumptions;
using Imaml.Nets.Methods;

namespace Imaml.Cli.Diagnoses;

/// <summary>Draws a diagnosis.</summary>
internal static class DiagnosisFigures
{
    /// <summary>Writes diagnosis-curvature and diagnosis-gradients, each as PNG and SVG.</summary>
    public static void Write(string folder, AssumptionReport report)
    {
        var steps = new PlotAxis("meta-steps", Scale.Linear);
        PlotCurve Over(string label, int style, Func<StateSummary, Quantiles?> figure)
        {
            var all = report.States.Select(state => figure(state) ?? Quantiles.Of([])).ToArray();
            return new PlotCurve(label, style, [.. report.States.Select(state => (double)state.MetaStep)], [.. all.Select(one => one.Median)])
            {
                Band = ([.. all.Select(one => one.Tenth)], [.. all.Select(one => one.NinetyHundredths)]),
            };
        }

        var method = (ImplicitMaml)report.Training.Method;
        var minusLambda = new PlotCurve("−λ: below it G is not convex at φ", 2, [.. report.States.Select(state => (double)state.MetaStep)], [.. report.States.Select(state => -state.Lambda)]) { Markers = false };
        Figure.Write(
            folder,
            "diagnosis-curvature",
            new PlotPanel(
                "Largest eigenvalue of ∇²L̂: median, 10 to 90 % of the tasks",
                steps,
                new PlotAxis("eigenvalue", Scale.Linear, Low: 0),
                [Over("at φ, after the inner steps", 0, state => state.Phi.Largest), Over("at θ", 1, state => state.Theta.Largest)],
                LegendPlace.Below),
            new PlotPanel(
                "Smallest eigenvalue of ∇²L̂ at φ",
                steps,
                new PlotAxis("eigenvalue", Scale.Linear),
                [Over("at φ, after the inner steps", 0, state => state.Phi.Smallest), minusLambda],
                LegendPlace.Below));

        var (inner, linear) = (method.Inner.Steps, method.Adjoint.Steps);
        BudgetSummary? Cell(StateSummary state, int? innerSteps, int cgSteps) => state.Reference.Errors.FirstOrDefault(cell => cell.InnerSteps == innerSteps && cell.CgSteps == cgSteps);
        Figure.Write(
            folder,
            "diagnosis-gradients",
            new PlotPanel(
                "Angle between meta-gradients: median, 10 to 90 %",
                steps,
                new PlotAxis("1 − cosine", Scale.Logarithmic),
                [
                    Over("implicit and first-order, task", 0, state => FromOne(state.PerTask.ImplicitFirstOrder.Cosine)),
                    Over("implicit and first-order, meta-batch", 1, state => FromOne(state.MetaBatches.ImplicitFirstOrder.Cosine)),
                    Over("implicit and unrolled, task", 2, state => FromOne(state.PerTask.ImplicitUnrolled.Cosine)),
                    Over("implicit and the same with its system solved, task", 3, state => FromOne(state.PerTask.ImplicitConverged.Cosine)),
                ],
                LegendPlace.Below),
            new PlotPanel(
                "Error of g relative to the exact meta-gradient",
                steps,
                new PlotAxis("‖g − g*‖/‖g*‖", Scale.Logarithmic),
                [
                    Over($"{inner} inner steps, {linear} linear steps", 0, state => Cell(state, inner, linear)?.Total),
                    Over("  its linear part δ′", 1, state => Cell(state, inner, linear)?.Linear),
                    Over("  its inner part", 3, state => Cell(state, inner, linear)?.Inner),
                    Over($"{inner} inner steps, first-order", 4, state => Cell(state, inner, 0)?.Total),
                    Over("Theorem 1 with measured constants", 2, state => Cell(state, inner, linear)?.Estimate),
                ],
                LegendPlace.Below));
    }

    /// <summary>The quantiles of 1 − x.</summary>
    private static Quantiles FromOne(Quantiles x) => new(1 - x.Greatest, 1 - x.NinetyHundredths, 1 - x.Median, 1 - x.Tenth, 1 - x.Least);
}
