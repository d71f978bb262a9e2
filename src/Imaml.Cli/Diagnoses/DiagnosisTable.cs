using System.Globalization;
using Imaml.Nets.Assumptions;
using Spectre.Console;

namespace Imaml.Cli.Diagnoses;

/// <summary>One state of a run as two tables.</summary>
internal static class DiagnosisTable
{
    /// <summary>Prints them.</summary>
    public static void Print(StateSummary state)
    {
        Figures(state).Print();
        if (state.Reference.Tasks > 0)
        {
            Errors(state.Reference).Print();
        }
    }

    private static TextTable Figures(StateSummary state)
    {
        var table = new TextTable("", "median", "10 %", "90 %", "least", "greatest")
        {
            Border = TableBorder.Rounded,
            Title = $"after {state.MetaStep} meta-steps: {state.Tasks} tasks, {Accuracy(state)}; inner solves: {SolveWords.Evaluation(state.Inner, null)}",
        };
        void Row(string name, Quantiles figure) =>
            table.Add(name, Number(figure.Median), Number(figure.Tenth), Number(figure.NinetyHundredths), Number(figure.Least), Number(figure.Greatest));

        foreach (var (at, point) in (IReadOnlyList<(string, CurvatureSummary)>)[("θ", state.Theta), ("φ", state.Phi)])
        {
            Row($"λ_min of ∇²L̂ at {at}, at most", point.Smallest);
            Row($"λ_max of ∇²L̂ at {at}, at least", point.Largest);
            Row("  an eigenvalue is within, of the first", point.SmallestResidual);
            Row("  an eigenvalue is within, of the second", point.LargestResidual);
            Row("  the spectrum reaches farther by at most (error 1 % a task)", point.Missed);
            Row($"negative eigenvalues at {at}, at least", point.Negative);
            Row($"µ = λ + λ_min at {at}, at most", point.StrongConvexity);
            Row($"κ of G at {at}, at least", point.Condition);
            table.Add($"G not convex at {at}", $"{point.Refuted} of {state.Tasks}");
            table.Add($"G strongly convex at {at} (error 1 % a task)", $"{point.Probable} of {state.Tasks}");
            table.Add($"G strongly convex at {at} (error 1 % for all together)", $"{point.ProbableAmongAll} of {state.Tasks}");
        }

        Row("‖φ − θ‖", state.Displacement);
        Row("‖∇G(φ)‖", state.Phi.GradientNorm);
        Row("δ, estimated: ‖∇G(φ)‖/µ", state.Phi.InnerError);
        Row("residual of the linear solve", state.CgResidual);
        foreach (var change in state.HessianChanges)
        {
            Row(string.Create(CultureInfo.InvariantCulture, $"ρ at least, {Words(change.Direction)}, h = {change.Distance:0e-0}"), change.Quotient);
        }

        foreach (var (of, agreements) in (IReadOnlyList<(string, AgreementsSummary)>)[("task", state.PerTask), ("meta-batch", state.MetaBatches)])
        {
            Row($"cosine, {of}: implicit, first-order", agreements.ImplicitFirstOrder.Cosine);
            Row($"cosine, {of}: implicit, unrolled", agreements.ImplicitUnrolled.Cosine);
            Row($"cosine, {of}: first-order, unrolled", agreements.FirstOrderUnrolled.Cosine);
            Row($"cosine, {of}: implicit, with the system solved", agreements.ImplicitConverged.Cosine);
            Row($"‖g − ∇L(φ)‖/‖∇L(φ)‖, {of}", agreements.ImplicitFirstOrder.Distance);
        }

        table.Add("cosine, mean of all: implicit, first-order", Number(state.AllTasks.ImplicitFirstOrder.Cosine));
        table.Add("cosine, mean of all: implicit, unrolled", Number(state.AllTasks.ImplicitUnrolled.Cosine));
        return table;
    }

    private static TextTable Errors(ReferenceSummary reference)
    {
        var solved = reference.Dense ? "dense" : "MINRES";
        var table = new TextTable("inner steps", "linear steps", "total", "linear (δ′)", "inner", "Theorem 1's estimate")
        {
            Border = TableBorder.Rounded,
            Title =
                $"error of g over ‖g*‖, medians of {reference.Tasks} tasks; g* at the reference φ*, the best φ that was found, by {solved}; exact in {reference.Exact}, H + λI not positive definite in {reference.Indefinite}, ‖∇G(φ*)‖ {Number(reference.Reached.Median)} of ‖∇G(θ)‖",
        };
        foreach (var cell in reference.Errors)
        {
            table.Add(
                cell.InnerSteps?.ToString(CultureInfo.InvariantCulture) ?? "reference",
                cell.CgSteps == 0 ? "0: g = ∇L(φ)" : $"{cell.CgSteps}",
                Number(cell.Total.Median),
                Number(cell.Linear.Median),
                Number(cell.Inner.Median),
                cell.Estimate is { } estimate ? Number(estimate.Median) : "");
        }

        return table;
    }

    private static string Words(ChangeDirection direction) => direction switch
    {
        ChangeDirection.Random => "a random direction",
        ChangeDirection.Displacement => "along φ − θ",
        ChangeDirection.Top => "along the top eigenvector",
        _ => throw new ArgumentOutOfRangeException(nameof(direction), direction, "not a direction"),
    };

    private static string Accuracy(StateSummary state) =>
        double.IsFinite(state.Accuracy) ? string.Create(CultureInfo.InvariantCulture, $"accuracy {100 * state.Accuracy:F1} %") : "no accuracy: adapted networks are not finite";

    private static string Number(double value) => value switch
    {
        double.NaN => "–",
        double.PositiveInfinity => "∞",
        0 => "0",
        _ when double.Abs(value) is >= 1e5 or < 1e-3 => value.ToString("0.0e-0", CultureInfo.InvariantCulture),
        _ => value.ToString("G4", CultureInfo.InvariantCulture),
    };
}
