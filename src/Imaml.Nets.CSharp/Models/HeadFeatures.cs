// The input of a network's last layer: the features of B tasks, and the backward pass from their gradient to the weights before that layer.

using Imaml.Math;
using static TorchSharp.torch;

namespace Imaml.Nets.Models;

/// <summary>A problem whose model is features with a linear head on them; its parameters are the features' weights, then the head's, I + 1 × N row by row.</summary>
internal interface IHeadProblem : IBilevelProblem<Tensor, Tensor>
{
    /// <summary>The support features under the weights in θ, [B, d].</summary>
    HeadExamples SupportExamples(Tensor theta);

    /// <summary>The features of the support and of the query images.</summary>
    HeadFeatures Features(Tensor theta);

    /// <summary>Stores the query logits of this φ, so that no pass computes them again; neither tensor may be disposed before the problem.</summary>
    void Remember(Tensor phi, Tensor queryLogits);
}

/// <summary>Features of B tasks with the pass that they come from.</summary>
/// <param name="Support">Of the support images.</param>
/// <param name="Query">Of the query images.</param>
/// <param name="Backward">∂/∂weights, [B, weights], from ∂/∂ the support features, [B, n, I], and the query features, [B, m, I], in the network's type.</param>
internal sealed record HeadFeatures(HeadExamples Support, HeadExamples Query, Func<Tensor, Tensor, Tensor> Backward);
