// What one meta-step tells: how well it learns, and whether its meta-gradient can be trusted.

using Imaml.Math;
using static TorchSharp.torch;

namespace Imaml.Nets.Training;

/// <summary>One meta-step, over its B tasks.</summary>
/// <param name="MetaStep">Counted from 1.</param>
/// <param name="Tasks">Tasks seen so far, this step's included.</param>
/// <param name="OuterLoss">Mean of L(φ), the query loss after adapting.</param>
/// <param name="OuterAccuracy">Share of the query images classified correctly after adapting.</param>
/// <param name="InnerLoss">Mean of L̂(φ), the support loss after adapting.</param>
/// <param name="InnerGradientNorm">Largest ‖∇G(φ)‖ of the tasks: over µ it bounds δ.</param>
/// <param name="CgResidual">Largest relative residual of the tasks' linear solves, which δ′ follows; infinite where no system is solved.</param>
/// <param name="LargestCurvature">Largest Ritz value of any task less λ: an estimate, from below, of the top eigenvalue of ∇²L̂(φ); not a number where no system is solved.</param>
/// <param name="MetaGradientNorm">‖mean of g‖.</param>
/// <param name="NonPositiveCurvature">Tasks whose solve met a direction of non-positive curvature.</param>
/// <param name="NonFinite">Tasks left out of the mean because their meta-gradient was not finite.</param>
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
    int NonFinite)
{
    internal static StepReport Create(
        TensorSpace space, TrainingOptions options, int metaStep, MetaGradient<Tensor, Tensor> result, SolveStatistics[] solves, IReadOnlyList<double> accuracies, int[] healthy, double metaGradientNorm)
    {
        double[] Healthy(Tensor scalar)
        {
            var all = space.Read(scalar);
            return [.. healthy.Select(task => all[task])];
        }

        return new StepReport(
            metaStep,
            (long)metaStep * options.MetaBatch,
            Healthy(result.OuterLoss).Average(),
            healthy.Average(task => accuracies[task]),
            Healthy(result.InnerLoss).Average(),
            Healthy(result.InnerGradientNorm).Max(),
            healthy.Max(task => solves[task].RelativeResidual),
            healthy.SelectMany(task => solves[task].RitzValues).DefaultIfEmpty(double.NaN).Max() - options.Lambda,
            metaGradientNorm,
            solves.Count(solve => solve.Status == SolveStatus.NonPositiveCurvature),
            solves.Length - healthy.Length);
    }
}
