// What one meta-step reports: how well it learns, and whether its meta-gradient can be trusted.

using System.Text.Json.Serialization;
using Imaml.Math;
using Imaml.Nets.Methods;

namespace Imaml.Nets.Learning;

/// <summary>How the inner and the linear solves of tasks ended.</summary>
/// <param name="Inner">Tasks by the status of their inner solve.</param>
/// <param name="Linear">Tasks by the status of their linear solve.</param>
/// <param name="NotFinite">Tasks whose inner solve or meta-gradient is not finite.</param>
public sealed record TaskStatuses(IReadOnlyDictionary<InnerStatus, int> Inner, IReadOnlyDictionary<SolveStatus, int> Linear, int NotFinite)
{
    internal static TaskStatuses Of(MetaStepReport step) => new(
        step.Tasks.CountBy(task => task.Inner.Status).ToDictionary(),
        step.Tasks.CountBy(task => task.Solve.Status).ToDictionary(),
        step.Tasks.Count(task => !task.Usable || task.Inner.Status == InnerStatus.NonFinite));

    /// <summary>Whether the counts are the same.</summary>
    public bool Equals(TaskStatuses? other) =>
        other is not null && NotFinite == other.NotFinite && Same(Inner, other.Inner) && Same(Linear, other.Linear);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(NotFinite, Inner.Count, Linear.Count);

    private static bool Same<T>(IReadOnlyDictionary<T, int> a, IReadOnlyDictionary<T, int> b)
        where T : struct => a.Count == b.Count && a.All(one => b.TryGetValue(one.Key, out var count) && count == one.Value);

    /// <summary>The counts of several meta-steps together.</summary>
    public static TaskStatuses Sum(IEnumerable<TaskStatuses> parts)
    {
        TaskStatuses[] all = [.. parts];
        Dictionary<T, int> Counts<T>(Func<TaskStatuses, IReadOnlyDictionary<T, int>> of)
            where T : struct => all.SelectMany(of).GroupBy(one => one.Key).OrderBy(one => one.Key).ToDictionary(one => one.Key, one => one.Sum(count => count.Value));
        return new TaskStatuses(Counts(one => one.Inner), Counts(one => one.Linear), all.Sum(one => one.NotFinite));
    }
}

/// <summary>One meta-step, over its B tasks.</summary>
/// <param name="MetaStep">Counted from 1.</param>
/// <param name="Tasks">Tasks seen so far, this step's included.</param>
/// <param name="OuterLoss">Mean of L(φ), the query loss after adapting.</param>
/// <param name="OuterAccuracy">Share of the query images classified correctly after adapting; not a number where the problem is not a classification.</param>
/// <param name="InnerLoss">Mean of L̂(φ), the support loss after adapting.</param>
/// <param name="InnerGradientNorm">Largest ‖∇G(φ)‖ of the tasks: over µ it bounds δ.</param>
/// <param name="CgResidual">Largest relative residual of the tasks' linear solves, which δ′ follows; not a number where none is made.</param>
/// <param name="LargestCurvature">Largest Ritz value of any task less ‖Λ‖: an estimate, from below, of the top eigenvalue of ∇²L̂(φ); not a number where there are no Ritz values.</param>
/// <param name="MetaGradientNorm">‖mean of g‖.</param>
/// <param name="NonPositiveCurvature">Tasks whose solve found a direction of non-positive curvature, even where a remedy was used.</param>
/// <param name="NonFinite">Tasks omitted from the mean because their meta-gradient was not finite.</param>
/// <param name="LargestRaise">The largest factor on a task's Λ, against negative curvature.</param>
/// <param name="Learned">What is learned with θ, as it was at this step; null where nothing is.</param>
/// <param name="Ended">How the tasks' solves ended; null in a log of a version that did not count them.</param>
/// <param name="Gradients">Gradients ∇L̂ and ∇L of all tasks; null likewise.</param>
/// <param name="HessianProducts">Products ∇²L̂·w of all tasks; null likewise.</param>
/// <param name="CertifiedError">The largest certified bound on the relative error of a task's meta-gradient in the features; null for methods without one.</param>
public sealed record StepReport(
    int MetaStep,
    long Tasks,
    double OuterLoss,
    double OuterAccuracy,
    double InnerLoss,
    double InnerGradientNorm,
    double CgResidual,
    double LargestCurvature,
    double MetaGradientNorm,
    int NonPositiveCurvature,
    int NonFinite,
    double LargestRaise = 1,
    LearnedRange? Learned = null,
    TaskStatuses? Ended = null,
    long? Gradients = null,
    long? HessianProducts = null,
    double? CertifiedError = null)
{
    // Of one line of a log: far more than any has, few enough to be added up.
    private const int MostTasks = 10_000_000;
    private const long MostOperations = 1_000_000_000_000;

    /// <summary>Whether these can be numbers of tasks.</summary>
    internal static bool AreCounts(IEnumerable<int> counts) => counts.All(count => count is >= 0 and <= MostTasks);

    /// <summary>Whether what it counts can be numbers of tasks and of operations: a damaged log may hold any numbers.</summary>
    [JsonIgnore]
    internal bool HasCounts =>
        AreCounts([NonPositiveCurvature, NonFinite, Ended?.NotFinite ?? 0, .. Ended?.Inner.Values ?? [], .. Ended?.Linear.Values ?? []])
        && Gradients is null or (>= 0 and <= MostOperations) && HessianProducts is null or (>= 0 and <= MostOperations);

    /// <summary>This report of several meta-steps with that of the next ones: means of losses and accuracy, the largest of norms, residual, curvature and raise, sums of counts.</summary>
    /// <param name="next">The next meta-steps.</param>
    /// <param name="steps">How many this is of.</param>
    /// <param name="more">How many the next is of.</param>
    internal StepReport And(StepReport next, int steps, int more = 1)
    {
        // One after another, so that it does not matter where a run was stopped.
        double Mean(double before, double after) => before + ((after - before) * more / (steps + more));
        return next with
        {
            OuterLoss = Mean(OuterLoss, next.OuterLoss),
            OuterAccuracy = Mean(OuterAccuracy, next.OuterAccuracy),
            InnerLoss = Mean(InnerLoss, next.InnerLoss),
            InnerGradientNorm = double.MaxNumber(InnerGradientNorm, next.InnerGradientNorm),
            CgResidual = double.MaxNumber(CgResidual, next.CgResidual),
            LargestCurvature = double.MaxNumber(LargestCurvature, next.LargestCurvature),
            MetaGradientNorm = double.MaxNumber(MetaGradientNorm, next.MetaGradientNorm),
            NonPositiveCurvature = NonPositiveCurvature + next.NonPositiveCurvature,
            NonFinite = NonFinite + next.NonFinite,
            LargestRaise = double.Max(LargestRaise, next.LargestRaise),
            Ended = Ended is { } ended && next.Ended is { } last ? TaskStatuses.Sum([ended, last]) : null,
            Gradients = Gradients + next.Gradients,
            HessianProducts = HessianProducts + next.HessianProducts,
            CertifiedError = CertifiedError is { } bound && next.CertifiedError is { } other ? double.Max(bound, other) : null,
        };
    }

    internal static StepReport Create(int metaBatch, BoundMethod method, MetaStepReport step, IReadOnlyList<double> accuracies)
    {
        var usable = step.Tasks.Index().Where(one => one.Item.Usable).ToArray();
        return new StepReport(
            step.Step,
            (long)step.Step * metaBatch,
            step.OuterLoss,
            usable.Average(one => accuracies[one.Index]),
            usable.Average(one => one.Item.InnerLoss),
            usable.Max(one => one.Item.InnerGradientNorm),
            usable[0].Item.Solve.Status == SolveStatus.NotMade ? double.NaN : usable.Max(one => one.Item.Solve.RelativeResidual),
            usable.SelectMany(one => one.Item.Solve.RitzValues).DefaultIfEmpty(double.NaN).Max() - method.Regularizer.LargestEigenvalue,
            step.GradientNorm,
            step.Tasks.Count(task => task.NegativeCurvature),
            step.Tasks.Length - step.Usable,
            usable.Max(one => one.Item.Raised),
            method.Learned,
            TaskStatuses.Of(step),
            step.Tasks.Sum(task => (long)task.Cost.Gradients + task.Cost.OuterGradients),
            step.Tasks.Sum(task => (long)task.Cost.HessianProducts),
            usable.Max(one => one.Item.Certified) is var largest && double.IsNaN(largest) ? null : largest);
    }
}
