// What one task's part of a meta-step tells, on the host.

using Imaml.Math;
using Imaml.Nets.Methods;
using Imaml.Nets.Tensors;
using static TorchSharp.torch;

namespace Imaml.Nets.Learning;

/// <summary>One task of a meta-step.</summary>
/// <param name="OuterLoss">L(φ), the query loss after adapting.</param>
/// <param name="OuterAccuracy">Share of the query images classified correctly after adapting.</param>
/// <param name="InnerLoss">L̂(φ), the support loss after adapting.</param>
/// <param name="InnerGradientNorm">‖∇G(φ)‖.</param>
/// <param name="Solve">The linear solve.</param>
/// <param name="MetaGradientNorm">‖g‖.</param>
/// <param name="NegativeCurvature">Whether H + Λ was seen not to be positive definite, whatever was done about it.</param>
/// <param name="Raised">What Λ was multiplied by.</param>
/// <param name="LearnedGradient">The gradient in the learned numbers; null where nothing but θ is learned.</param>
internal sealed record TaskReport(
    double OuterLoss,
    double OuterAccuracy,
    double InnerLoss,
    double InnerGradientNorm,
    SolveStatistics Solve,
    double MetaGradientNorm,
    bool NegativeCurvature,
    double Raised,
    double[]? LearnedGradient)
{
    /// <summary>Whether the meta-gradient is finite and its solve was.</summary>
    public bool Healthy => Solve.Status != SolveStatus.NonFinite && double.IsFinite(MetaGradientNorm);

    /// <summary>Reads a result off the device, after the last of its operations was asked for.</summary>
    public static TaskReport[] Read(TensorSpace space, MethodGradient result, IReadOnlyList<double> accuracies)
    {
        var (gradient, learned) = (result.Result, result.Learned);
        var solves = LinearSolver.read(space, gradient.Solve);
        double[][] numbers =
        [
            .. new[] { gradient.OuterLoss, gradient.InnerLoss, gradient.InnerGradientNorm, space.Norm(gradient.Gradient), gradient.NegativeCurvature, gradient.Raised }.Select(space.Read),
        ];
        return
        [
            .. Enumerable.Range(0, space.Tasks).Select(task => new TaskReport(
                numbers[0][task], accuracies[task], numbers[1][task], numbers[2][task], solves[task], numbers[3][task], numbers[4][task] > 0.5, numbers[5][task], learned?[task])),
        ];
    }
}

/// <summary>The part of a meta-step that one chunk of tasks gives.</summary>
/// <param name="Sum">The sum of the healthy tasks' meta-gradients, [d], in no dispose scope.</param>
/// <param name="Tasks">Every task.</param>
internal sealed record ChunkResult(Tensor Sum, TaskReport[] Tasks);
