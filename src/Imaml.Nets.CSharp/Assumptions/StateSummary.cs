// One state of a run in a few figures: order statistics over its tasks.

using Imaml.Math;
using Imaml.Nets.Runs;
using MathNet.Numerics.Statistics;

namespace Imaml.Nets.Assumptions;

/// <summary>Order statistics of one figure over the tasks, by MathNet's definition of quantiles (median-unbiased, R8). Not a number where there is no task.</summary>
/// <param name="Least">The smallest.</param>
/// <param name="Tenth">The 10 % quantile.</param>
/// <param name="Median">The median.</param>
/// <param name="NinetyHundredths">The 90 % quantile.</param>
/// <param name="Greatest">The largest.</param>
internal sealed record Quantiles(double Least, double Tenth, double Median, double NinetyHundredths, double Greatest)
{
    /// <summary>Those of these numbers, of which some may be infinite.</summary>
    public static Quantiles Of(IEnumerable<double> numbers)
    {
        var sorted = numbers.Order().ToArray();
        // Between two infinities of one sign lies that infinity, where an interpolation would be ∞ − ∞.
        double At(double share) => SortedArrayStatistics.Quantile(sorted, share) is var quantile && double.IsNaN(quantile) && sorted.Length > 0
            ? sorted[int.Clamp((int)(share * sorted.Length), 0, sorted.Length - 1)]
            : quantile;
        return new Quantiles(At(0), At(0.1), At(0.5), At(0.9), At(1));
    }
}

/// <summary>How ∇²L̂ changes near φ along one direction, over the tasks: lower bounds on ρ.</summary>
/// <param name="Direction">s.</param>
/// <param name="Distance">h.</param>
/// <param name="Quotient">‖(H(φ + hs) − H(φ))s‖/h.</param>
internal sealed record HessianChangeSummary(ChangeDirection Direction, double Distance, Quantiles Quotient);

/// <summary>
/// The curvature at a point, over the tasks; the fields of <see cref="PointCurvature"/>, of which Refuted, Probable and ProbableAmongAll count the tasks.
/// </summary>
internal sealed record CurvatureSummary(
    Quantiles Smallest,
    Quantiles SmallestResidual,
    Quantiles Largest,
    Quantiles LargestResidual,
    Quantiles Missed,
    Quantiles Negative,
    Quantiles StrongConvexity,
    Quantiles Condition,
    Quantiles GradientNorm,
    Quantiles InnerError,
    int Refuted,
    int Probable,
    int ProbableAmongAll)
{
    internal static CurvatureSummary Of(IReadOnlyList<PointCurvature> points)
    {
        Quantiles Over(Func<PointCurvature, double> figure) => Quantiles.Of(points.Select(figure));
        return new CurvatureSummary(
            Over(point => point.Smallest),
            Over(point => point.SmallestResidual),
            Over(point => point.Largest),
            Over(point => point.LargestResidual),
            Over(point => point.Missed),
            Over(point => point.Negative),
            Over(point => point.StrongConvexity),
            Over(point => point.Condition),
            Over(point => point.GradientNorm),
            Over(point => point.InnerError),
            points.Count(point => point.Refuted),
            points.Count(point => point.Probable),
            points.Count(point => point.ProbableAmongAll));
    }
}

/// <summary>How two meta-gradients compare, over tasks or meta-batches.</summary>
internal sealed record AgreementSummary(Quantiles Cosine, Quantiles Distance);

/// <summary>The comparisons of <see cref="Agreements"/>, over tasks or meta-batches.</summary>
internal sealed record AgreementsSummary(
    AgreementSummary ImplicitFirstOrder, AgreementSummary ImplicitUnrolled, AgreementSummary FirstOrderUnrolled, AgreementSummary ImplicitConverged, AgreementSummary FirstOrderConverged)
{
    internal static AgreementsSummary Of(IReadOnlyList<Agreements> all)
    {
        AgreementSummary Over(Func<Agreements, Agreement> pair) => new(Quantiles.Of(all.Select(one => pair(one).Cosine)), Quantiles.Of(all.Select(one => pair(one).Distance)));
        return new AgreementsSummary(
            Over(one => one.ImplicitFirstOrder), Over(one => one.ImplicitUnrolled), Over(one => one.FirstOrderUnrolled), Over(one => one.ImplicitConverged), Over(one => one.FirstOrderConverged));
    }
}

/// <summary>Errors at one pair of budgets, over the tasks; the fields of <see cref="BudgetError"/>.</summary>
internal sealed record BudgetSummary(int? InnerSteps, int CgSteps, Quantiles Total, Quantiles Linear, Quantiles Inner, Quantiles? Estimate);

/// <summary>The comparison with the exact meta-gradient, or the best that was found.</summary>
/// <param name="Tasks">Tasks in which it was looked for.</param>
/// <param name="Exact">Tasks whose reference is a strict minimiser to rounding.</param>
/// <param name="Indefinite">Tasks in which H + λI is not positive definite at the reference.</param>
/// <param name="Reached">‖∇G‖ at the reference over ‖∇G(θ)‖.</param>
/// <param name="Dense">Whether the linear system was solved by its dense matrix, or by MINRES.</param>
/// <param name="Errors">For each pair of budgets.</param>
internal sealed record ReferenceSummary(int Tasks, int Exact, int Indefinite, Quantiles Reached, bool Dense, IReadOnlyList<BudgetSummary> Errors)
{
    internal static ReferenceSummary Of(IReadOnlyList<TaskErrors> tasks, bool dense) => new(
        tasks.Count,
        tasks.Count(task => task.Status == ReferenceStatus.Exact),
        tasks.Count(task => task.Status == ReferenceStatus.Indefinite),
        Quantiles.Of(tasks.Select(task => task.Reached)),
        dense,
        [
            .. from error in tasks.SelectMany(task => task.Errors)
               group error by (error.InnerSteps, error.CgSteps) into cell
               select new BudgetSummary(
                   cell.Key.InnerSteps,
                   cell.Key.CgSteps,
                   Quantiles.Of(cell.Select(one => one.Total)),
                   Quantiles.Of(cell.Select(one => one.Linear)),
                   Quantiles.Of(cell.Select(one => one.Inner)),
                   cell.All(one => one.Estimate is null) ? null : Quantiles.Of(cell.Select(one => one.Estimate!.Value))),
        ]);
}

/// <summary>One state of a run.</summary>
/// <param name="MetaStep">Meta-steps made.</param>
/// <param name="Lambda">λ at this state.</param>
/// <param name="Tasks">Tasks measured.</param>
/// <param name="Inner">How many of their inner solves ended how.</param>
/// <param name="NotFinite">Tasks whose adapted network or linear solve is not finite; where there are any, no figure of this state is to be used.</param>
/// <param name="Accuracy">Their mean accuracy after adapting; not a number where an adapted network is not finite.</param>
/// <param name="Theta">The curvature at θ.</param>
/// <param name="Phi">The curvature at φ.</param>
/// <param name="Displacement">‖φ − θ‖.</param>
/// <param name="CgResidual">Relative residual of the run's linear solve.</param>
/// <param name="HessianChanges">Lower bounds on ρ, for each direction and distance.</param>
/// <param name="PerTask">Meta-gradients of single tasks compared.</param>
/// <param name="MetaBatches">Meta-gradients of meta-batches compared.</param>
/// <param name="AllTasks">The mean over all tasks compared.</param>
/// <param name="Reference">The comparison with the exact meta-gradient.</param>
internal sealed record StateSummary(
    int MetaStep,
    double Lambda,
    int Tasks,
    IReadOnlyDictionary<InnerStatus, int> Inner,
    int NotFinite,
    double Accuracy,
    CurvatureSummary Theta,
    CurvatureSummary Phi,
    Quantiles Displacement,
    Quantiles CgResidual,
    IReadOnlyList<HessianChangeSummary> HessianChanges,
    AgreementsSummary PerTask,
    AgreementsSummary MetaBatches,
    Agreements AllTasks,
    ReferenceSummary Reference)
{
    /// <summary>The summary of what was measured.</summary>
    public static StateSummary Of(StateAssumptions state) => new(
        state.MetaStep,
        state.Lambda,
        state.Tasks.Count,
        state.Tasks.CountBy(task => task.Inner).ToDictionary(),
        state.Tasks.Count(task => task.Inner == InnerStatus.NonFinite || !double.IsFinite(task.CgResidual)),
        state.Tasks.Average(task => task.Accuracy),
        CurvatureSummary.Of([.. state.Tasks.Select(task => task.Theta)]),
        CurvatureSummary.Of([.. state.Tasks.Select(task => task.Phi)]),
        Quantiles.Of(state.Tasks.Select(task => task.Displacement)),
        Quantiles.Of(state.Tasks.Select(task => task.CgResidual)),
        [.. state.HessianChanges.Select(change => new HessianChangeSummary(change.Direction, change.Distance, Quantiles.Of(change.PerTask)))],
        AgreementsSummary.Of([.. state.Tasks.Select(task => task.Gradients)]),
        AgreementsSummary.Of(state.MetaBatches),
        state.AllTasks,
        ReferenceSummary.Of(state.Reference, state.Parameters <= AssumptionOptions.LargestDense));
}

/// <summary>The content of diagnosis.json.</summary>
/// <param name="Options">What was measured.</param>
/// <param name="Training">How the run was trained.</param>
/// <param name="Tasks">Its classes.</param>
/// <param name="Provenance">Program and machine of the diagnosis.</param>
/// <param name="Parameters">d.</param>
/// <param name="States">In the order of their meta-steps.</param>
internal sealed record AssumptionReport(
    AssumptionOptions Options, Experiment Training, string Tasks, Provenance Provenance, int Parameters, IReadOnlyList<StateSummary> States);
