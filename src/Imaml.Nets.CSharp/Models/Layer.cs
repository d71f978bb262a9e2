// A layer of B networks at once, with its first and second derivatives.
//
// The Hessian–vector product ∇²L̂(φ)w is the derivative of ∇L̂ at φ in the direction w. Pearlmutter (1994) takes it by differentiating the
// forward and the backward pass themselves, so each layer states four maps: forward, backward, and the tangent of each. What forward and
// backward computed at φ serves every product at φ: a product costs about two gradients, and no graph is kept or walked.

using static TorchSharp.torch;

namespace Imaml.Nets.Models;

/// <summary>The height, width and channels of one image, or of a layer's output for it.</summary>
public readonly record struct ImageShape(int Height, int Width, int Channels)
{
    /// <summary>Numbers in one image.</summary>
    public int Count => Height * Width * Channels;
}

/// <summary>A map of images that B tasks share in form, each with parameters of its own.</summary>
public abstract class Layer
{
    /// <summary>The shape of the output for one image.</summary>
    public abstract ImageShape OutputShape { get; }

    /// <summary>How many numbers of a task's parameter vector belong to this layer.</summary>
    public abstract int ParameterCount { get; }

    /// <summary>The layer's part of new meta-parameters, [ParameterCount].</summary>
    public abstract Tensor InitialParameters(Generator generator);

    /// <summary>Applies the layer for all tasks.</summary>
    /// <param name="parameters">[B, ParameterCount]</param>
    /// <param name="input">[B, n·H·W, C]: every position of every image as a row.</param>
    public abstract LayerPass Forward(Tensor parameters, Tensor input);
}

/// <summary>One layer at one point: its output and the maps that the output's derivatives need.</summary>
/// <remarks>The passes run in the order Backward, then for each product Tangent and TangentBackward; each uses what the one before it left.</remarks>
public abstract class LayerPass(Tensor output)
{
    /// <summary>The layer's output, [B, rows, channels].</summary>
    public Tensor Output { get; } = output;

    /// <summary>The output's sizes, which outlive it.</summary>
    public long[] OutputSizes { get; } = output.shape;

    /// <summary>Pulls the loss's gradient back through the layer.</summary>
    /// <param name="outputGradient">∂loss/∂output, of the output's shape.</param>
    /// <param name="parameterGradients">Receives ∂loss/∂parameters, [B, ParameterCount], if the layer has parameters.</param>
    /// <param name="toInput">Whether the gradient with respect to the input is wanted.</param>
    /// <returns>∂loss/∂input, or null where it is not wanted.</returns>
    public abstract Tensor? Backward(Tensor outputGradient, IList<Tensor> parameterGradients, bool toInput);

    /// <summary>The same map of a vector that is no loss's gradient, after Backward: it leaves nothing behind for the products.</summary>
    /// <inheritdoc cref="Backward"/>
    public abstract Tensor? Transpose(Tensor outputGradient, IList<Tensor> parameterGradients, bool toInput);

    /// <summary>The derivative of the output in a direction.</summary>
    /// <param name="parameterTangent">The direction's part for this layer, [B, ParameterCount].</param>
    /// <param name="inputTangent">The derivative of the input, or null where it is zero.</param>
    /// <returns>The derivative of the output, or null where it is zero.</returns>
    public abstract Tensor? Tangent(Tensor parameterTangent, Tensor? inputTangent);

    /// <summary>The derivative of Backward in the direction last given to Tangent.</summary>
    /// <inheritdoc cref="Backward"/>
    public abstract Tensor? TangentBackward(Tensor outputGradientTangent, IList<Tensor> parameterGradientTangents, bool toInput);

    /// <summary>The tensors that this pass needs as long as products are taken.</summary>
    public abstract IEnumerable<Tensor> Kept { get; }
}
