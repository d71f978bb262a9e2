// Implicit MAML that adapts the last layer alone, W on the features of the layers before it: a convex inner problem, solved exactly (ANIL's model, Raghu et
// al. 2020, with the exact solution of MetaOptNet, Lee et al. 2019).
//
//     φ = (w, W*),  W* = argmin (1/n) Σ ℓ(Wᵀx_w,i) + (λ/2)‖W − W₀‖²,  θ = (w, W₀)
//
// W₀ is 0 unless it is learned. The labels of a task are drawn at random, so a W₀ that differs between the classes has no information about a task. One
// that does not differ adds a constant to the logits, on which the softmax does not depend. With W₀ = 0 tasks may have any number of classes.

using System.Text.Json.Serialization;
using Imaml.Math;
using Imaml.Nets.Models;
using Imaml.Nets.Storage;
using Imaml.Nets.Tensors;
using static TorchSharp.torch;

namespace Imaml.Nets.Methods;

/// <summary>Features with a linear head for each task: Algorithm 2 in the head, and one pass back to the features' weights.</summary>
/// <param name="Lambda">λ; where it is learned, its first value.</param>
/// <param name="LearnedLambda">How one λ is learned with θ, or null where it is fixed.</param>
/// <param name="Loss">ℓ: the cross-entropy, or squares for a ridge head.</param>
/// <param name="LearnStart">Whether W₀ is learned; otherwise it is 0.</param>
/// <param name="Accuracy">ε: the head's solves go on until the relative error of the meta-gradient in the features is certified to be at most this; null for solves to rounding of the features.</param>
public sealed record ConvexHeadMaml(double Lambda, LearnedLambda? LearnedLambda = null, HeadLoss Loss = HeadLoss.CrossEntropy, bool LearnStart = false, double? Accuracy = null) : Method
{
    // Each Newton step doubles the digits once it is near.
    private const int MaxSteps = 100;

    /// <inheritdoc/>
    public override string Name => "head";

    /// <inheritdoc/>
    public override int? InnerSteps => null;

    [JsonIgnore]
    internal override LearnedPart? Learns => LearnedLambda is { } learned ? new LearnedPart(LearnedPer.One, double.Log(Lambda), learned.Rate) : null;

    [JsonIgnore]
    internal override bool ServesAnyWays => !LearnStart;

    [JsonIgnore]
    internal override string IfNoneIsFinite => "features, or a solution of the head, overflowed; raise λ, or lower the outer rate or that of λ";

    /// <inheritdoc/>
    public override Method WithInnerSteps(int steps) => throw new ArgumentException("the head is solved to an accuracy, not by a number of inner steps");

    /// <inheritdoc/>
    public override IEnumerable<Complaint> Complaints() =>
    [
        .. Rule.Positive(Lambda, "lambda"),
        .. LearnedLambda?.Complaints().Select(one => one.In("learnedLambda")) ?? [],
        .. LearnedLambda is { Per: not LearnedPer.One } ? new[] { new Complaint("learnedLambda.per", "must be one: a head has one λ") } : [],
        .. Rule.Defined(Loss, "loss"),
        .. Rule.Positive(Accuracy, "accuracy"),
    ];

    // The last layer starts at 0, and with gradient 0 it stays there.
    internal override Tensor Start(Tensor initial, IReadOnlyList<int> layerSizes)
    {
        if (LearnStart)
        {
            return initial;
        }

        using var scope = NewDisposeScope();
        var features = initial.narrow(1, 0, initial.shape[1] - layerSizes[^1]);
        return cat([features, zeros([1, layerSizes[^1]], initial.dtype, initial.device)], 1).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override BoundMethod Bind(MethodContext context)
    {
        var learned = Learns is { } learns ? new LearnedRegularizer<Tensor, Tensor>(new TensorCoordinates(), learns.Sharing(context.LayerSizes), context.Like, context.Learned!.ToArray()) : null;
        var regularizer = learned?.Regularizer ?? Proximal(Lambda);
        var newton = new HeadNewtonSolver(MaxSteps);
        return new BoundMethod(
            regularizer,
            new HeadSolver(Loss, context.LayerSizes[^1], newton),
            new HeadStrategy(Loss, context.LayerSizes[^1], LearnStart, Strategy, Accuracy),
            HeadStrategy.Enough)
        {
            Learned = learned is null ? null : LearnedRange.Of("λ", learned.Lambda),
        };

        IMetaGradientStrategy<Tensor, Tensor> Strategy(Thresholds thresholds)
        {
            var strategy = new ImplicitStrategy<Tensor, Tensor>(newton, new HeadAdjointSolver(), thresholds);
            return learned is null ? strategy : new LearnedRegularizerStrategy<Tensor, Tensor>(strategy, learned);
        }
    }
}
