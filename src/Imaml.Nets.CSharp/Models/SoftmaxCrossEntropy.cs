// Losses of the logits: the classification loss, mean over a task's n images of −log softmax(z)_label; and squares, of the ridge head.

using Imaml.Nets.Tensors;
using static TorchSharp.torch;

namespace Imaml.Nets.Models;

/// <summary>A loss of B tasks' logits z [B, n, N], the mean over a task's n images.</summary>
internal interface ILogitLoss
{
    /// <summary>The tensor that LogitGradientTangent needs.</summary>
    Tensor Kept { get; }

    /// <summary>The loss of each task, [B, 1].</summary>
    Tensor Loss();

    /// <summary>∂loss/∂z, [B, n, N].</summary>
    Tensor LogitGradient();

    /// <summary>The derivative of LogitGradient in the direction ż.</summary>
    Tensor LogitGradientTangent(Tensor logitTangent);

    /// <summary>For every image a bound on the largest eigenvalue of its loss's Hessian in the logits, [B, n].</summary>
    Tensor Curvatures();
}

/// <summary>Cross-entropy of B tasks' logits z [B, n, N] against labels given as one-hot rows [B, n, N].</summary>
/// <exception cref="ArgumentException">The labels' shape is not the logits'; libtorch would broadcast it without an error.</exception>
internal sealed class SoftmaxCrossEntropy(Tensor logits, Tensor oneHot) : ILogitLoss
{
    private readonly Tensor _probabilities = logits.shape.AsSpan().SequenceEqual(oneHot.shape)
        ? logits.softmax(-1)
        : throw new ArgumentException($"one-hot labels must be [{string.Join(", ", logits.shape)}], not [{string.Join(", ", oneHot.shape)}]", nameof(oneHot));

    /// <summary>The tensor that LogitGradientTangent needs.</summary>
    public Tensor Kept => _probabilities;

    /// <summary>The loss of each task, [B, 1].</summary>
    public Tensor Loss()
    {
        using var scope = NewDisposeScope();
        return nn.functional.log_softmax(logits, -1).mul(oneHot).sum(-1).mean([1], keepdim: true).neg().MoveToOuterDisposeScope();
    }

    /// <summary>∂loss/∂z = (softmax(z) − y)/n</summary>
    public Tensor LogitGradient()
    {
        using var scope = NewDisposeScope();
        return _probabilities.sub(oneHot).DivideBy(oneHot.shape[1]).MoveToOuterDisposeScope();
    }

    /// <summary>The derivative of LogitGradient in the direction ż, which is the loss's Hessian in the logits times ż: p∘(ż − ⟨p, ż⟩)/n for each image's p = softmax(z).</summary>
    public Tensor LogitGradientTangent(Tensor logitTangent)
    {
        using var scope = NewDisposeScope();
        var weighted = _probabilities * logitTangent;
        return weighted.MinusProduct(_probabilities, weighted.sum(-1, keepdim: true)).DivideBy(oneHot.shape[1]).MoveToOuterDisposeScope();
    }

    /// <summary>2 max p(1 − p), at most ½: Gershgorin's discs of diag(p) − ppᵀ.</summary>
    public Tensor Curvatures()
    {
        using var scope = NewDisposeScope();
        return _probabilities.MinusProduct(_probabilities, _probabilities).amax(-1).Times(2).MoveToOuterDisposeScope();
    }
}

/// <summary>½‖z − y‖² against labels given as one-hot rows [B, n, N].</summary>
internal sealed class SquaredDistance(Tensor logits, Tensor oneHot) : ILogitLoss
{
    /// <inheritdoc/>
    public Tensor Kept => logits;

    /// <summary>The loss of each task, [B, 1].</summary>
    public Tensor Loss()
    {
        using var scope = NewDisposeScope();
        var distance = logits.sub(oneHot);
        return distance.mul(distance).sum(-1).mean([1], keepdim: true).Times(0.5).MoveToOuterDisposeScope();
    }

    /// <summary>∂loss/∂z = (z − y)/n</summary>
    public Tensor LogitGradient()
    {
        using var scope = NewDisposeScope();
        return logits.sub(oneHot).DivideBy(oneHot.shape[1]).MoveToOuterDisposeScope();
    }

    /// <summary>ż/n</summary>
    public Tensor LogitGradientTangent(Tensor logitTangent) => logitTangent.DividedBy(oneHot.shape[1]);

    /// <summary>1</summary>
    public Tensor Curvatures() => ones(oneHot.shape[..2], oneHot.dtype, oneHot.device);
}
