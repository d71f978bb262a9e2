// The classification loss: mean over a task's n images of −log softmax(z)_label.

using static TorchSharp.torch;

namespace Imaml.Nets.Losses;

/// <summary>Cross-entropy of B tasks' logits z [B, n, N] against labels given as one-hot rows [B, n, N].</summary>
public sealed class SoftmaxCrossEntropy(Tensor logits, Tensor oneHot)
{
    private readonly Tensor _probabilities = logits.softmax(-1);

    /// <summary>The tensor that LogitTangent needs.</summary>
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
        return _probabilities.sub(oneHot).div_(oneHot.shape[1]).MoveToOuterDisposeScope();
    }

    /// <summary>The derivative of LogitGradient in the direction ż: p∘(ż − ⟨p, ż⟩)/n for each image's p = softmax(z).</summary>
    public Tensor LogitGradientTangent(Tensor logitTangent)
    {
        using var scope = NewDisposeScope();
        var weighted = _probabilities * logitTangent;
        return addcmul(weighted, _probabilities, weighted.sum(-1, keepdim: true), -1).div_(oneHot.shape[1]).MoveToOuterDisposeScope();
    }
}
