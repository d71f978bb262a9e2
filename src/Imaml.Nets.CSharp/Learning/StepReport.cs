// What one meta-step tells: how well it learns, and whether its meta-gradient can be trusted.

using Imaml.Math;
using Imaml.Nets.Methods;
using Imaml.Nets.Runs;

namespace Imaml.Nets.Learning;

/// <summary>The numbers that are learned beside θ.</summary>
/// <param name="Name">What they are: λ, or α for step sizes.</param>
/// <param name="Smallest">The smallest of them.</param>
/// <param name="Mean">Their mean.</param>
/// <param name="Largest">The largest of them.</param>
public sealed record LearnedRange(string Name, double Smallest, double Mean, double Largest);

/// <summary>One meta-step, over its B tasks.</summary>
/// <param name="MetaStep">Counted from 1.</param>
/// <param name="Tasks">Tasks seen so far, this step's included.</param>
/// <param name="OuterLoss">Mean of L(φ), the query loss after adapting.</param>
/// <param name="OuterAccuracy">Share of the query images classified correctly after adapting.</param>
/// <param name="InnerLoss">Mean of L̂(φ), the support loss after adapting.</param>
/// <param name="InnerGradientNorm">Largest ‖∇G(φ)‖ of the tasks: over µ it bounds δ.</param>
/// <param name="CgResidual">Largest relative residual of the tasks' linear solves, which δ′ follows; not a number where none is made.</param>
/// <param name="LargestCurvature">Largest Ritz value of any task less ‖Λ‖: an estimate, from below, of the top eigenvalue of ∇²L̂(φ); not a number where there are no Ritz values.</param>
/// <param name="MetaGradientNorm">‖mean of g‖.</param>
/// <param name="NonPositiveCurvature">Tasks whose solve met a direction of non-positive curvature, whatever was done about it.</param>
/// <param name="NonFinite">Tasks left out of the mean because their meta-gradient was not finite.</param>
/// <param name="LargestRaise">The most that a task's Λ was multiplied by against negative curvature.</param>
/// <param name="Learned">What is learned beside θ, as it was at this step; null where nothing is.</param>
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
    LearnedRange? Learned = null)
{
    internal static StepReport Create(TrainingOptions options, Method method, int metaStep, IReadOnlyList<TaskReport> tasks, double metaGradientNorm)
    {
        var healthy = tasks.Where(task => task.Healthy).ToArray();
        return new StepReport(
            metaStep,
            (long)metaStep * options.MetaBatch,
            healthy.Average(task => task.OuterLoss),
            healthy.Average(task => task.OuterAccuracy),
            healthy.Average(task => task.InnerLoss),
            healthy.Max(task => task.InnerGradientNorm),
            tasks[0].Solve.Status == SolveStatus.NotMade ? double.NaN : healthy.Max(task => task.Solve.RelativeResidual),
            healthy.SelectMany(task => task.Solve.RitzValues).DefaultIfEmpty(double.NaN).Max() - method.Regularizer.LargestEigenvalue,
            metaGradientNorm,
            tasks.Count(task => task.NegativeCurvature),
            tasks.Count - healthy.Length,
            healthy.Max(task => task.Raised),
            method.Learned);
    }
}
