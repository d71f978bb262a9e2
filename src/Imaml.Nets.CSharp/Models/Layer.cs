// A layer of B networks at once, with its first and second derivatives.
//
// The Hessian–vector product ∇²L̂(φ)w is the derivative of ∇L̂ at φ in the direction w. Pearlmutter (1994) takes it by differentiating the
// forward and the backward pass themselves, so each layer states four maps: forward, backward, and the tangent of each. What forward and
// backward computed at φ is used by every product at φ: a product costs about two gradients, and no graph spans more than one operation.
//
// Images lie in memory as [n, H, W, B, C]: channels last, the tasks side by side in the channels. To libtorch that is a tensor
// [n, B·C, H, W] in its channels-last format, of which a convolution in B groups and a normalisation of B·C channels treat each task alone.

using static TorchSharp.torch;

namespace Imaml.Nets.Models;

/// <summary>The height, width and channels of one image, or of a layer's output for it.</summary>
public readonly record struct ImageShape(int Height, int Width, int Channels)
{
    /// <summary>Numbers in one image.</summary>
    public int Count => Height * Width * Channels;

    /// <summary>As messages have it: 28×28×1.</summary>
    public override string ToString() => $"{Height}×{Width}×{Channels}";

    /// <exception cref="ArgumentException">It has no numbers, or more than an array can have.</exception>
    internal ImageShape Sound() => Height >= 1 && Width >= 1 && Channels >= 1 && (double)Height * Width * Channels < int.MaxValue
        ? this : throw new ArgumentException($"an image of {this} cannot be: height, width and channels must be at least 1, their product less than 2³¹");
}

/// <summary>What a layer passes back.</summary>
/// <param name="Parameters">∂loss/∂parameters, or its tangent: tensors [B, ·] that make up [B, ParameterCount] side by side; none for a layer without parameters.</param>
/// <param name="Input">∂loss/∂input, or its tangent, of the input's shape; null where it is not wanted.</param>
public readonly record struct LayerGradient(Tensor[] Parameters, Tensor? Input)
{
    /// <summary>Of a layer without parameters.</summary>
    public static LayerGradient OfInput(Tensor? input) => new([], input);
}

/// <summary>A map of images that B tasks share in form, each with parameters of its own.</summary>
public abstract class Layer
{
    /// <summary>The shape of one image of the input, or null where it may be any; a network checks that it is the output of the layer before.</summary>
    public virtual ImageShape? InputShape => null;

    /// <summary>The shape of the output for one image.</summary>
    public abstract ImageShape OutputShape { get; }

    /// <summary>How many numbers of a task's parameter vector belong to this layer.</summary>
    public virtual int ParameterCount => 0;

    /// <summary>Floating-point operations of the layer's products with its parameters for one image, 2 for a multiplication and an addition.</summary>
    public virtual double ForwardFlops => 0;

    /// <summary>The layer's part of new meta-parameters, [ParameterCount].</summary>
    public virtual Tensor InitialParameters(Generator generator) => zeros(0, device: CPU);

    /// <summary>Applies the layer for all tasks.</summary>
    /// <param name="parameters">[B, ParameterCount]</param>
    /// <param name="input">[n, B·C, H, W], channels last.</param>
    public abstract LayerPass Forward(Tensor parameters, Tensor input);

    /// <summary>
    /// The same where the statistics of the batch, for a layer that takes any, are those of its first images, and the others do not change
    /// them. Of such a pass first derivatives exist, no products.
    /// </summary>
    /// <param name="parameters">[B, ParameterCount]</param>
    /// <param name="input">[n, B·C, H, W], channels last.</param>
    /// <param name="reference">How many images come first, 1 … n.</param>
    public virtual LayerPass Forward(Tensor parameters, Tensor input, long reference) => Forward(parameters, input);

    /// <summary>The layer once the statistics that it takes from a batch are fixed: one of as many parameters; itself where it takes none.</summary>
    public virtual Layer WithFixedStatistics => this;

    /// <summary>The parameters of <see cref="WithFixedStatistics"/> with the statistics of these images.</summary>
    /// <param name="parameters">[B, ParameterCount]</param>
    /// <param name="input">[n, B·C, H, W], channels last.</param>
    public virtual Tensor FixStatistics(Tensor parameters, Tensor input) => parameters;
}

/// <summary>One layer at one point: its output and the maps that the output's derivatives need.</summary>
/// <remarks>
/// The passes run in the order Backward, PrepareProducts, then for each product Tangent and TangentBackward; each uses what the one before it left.
/// </remarks>
public abstract class LayerPass(Tensor output)
{
    /// <summary>The layer's output, [n, B·C′, H′, W′], channels last.</summary>
    public Tensor Output { get; } = output;

    /// <summary>Pulls the loss's gradient back through the layer.</summary>
    /// <param name="outputGradient">∂loss/∂output, of the output's shape.</param>
    /// <param name="toInput">Whether the gradient with respect to the input is wanted.</param>
    public abstract LayerGradient Backward(Tensor outputGradient, bool toInput);

    /// <summary>The same map of a vector that is not a loss's gradient, after Backward: it stores nothing for the products.</summary>
    /// <inheritdoc cref="Backward"/>
    public abstract LayerGradient Transpose(Tensor outputGradient, bool toInput);

    /// <summary>Computes what products need at this point and the gradient alone does not.</summary>
    public virtual void PrepareProducts()
    {
    }

    /// <summary>The derivative of the output in a direction.</summary>
    /// <param name="parameterTangent">The direction's part for this layer, [B, ParameterCount].</param>
    /// <param name="inputTangent">The derivative of the input, or null where it is zero.</param>
    /// <returns>The derivative of the output, or null where it is zero.</returns>
    public abstract Tensor? Tangent(Tensor parameterTangent, Tensor? inputTangent);

    /// <summary>The derivative of Backward in the direction last given to Tangent.</summary>
    /// <param name="outputGradientTangent">The derivative of ∂loss/∂output.</param>
    /// <param name="toInput">Whether the derivative of the input's gradient is wanted.</param>
    public abstract LayerGradient TangentBackward(Tensor outputGradientTangent, bool toInput);

    /// <summary>The tensors that this pass needs as long as products are taken.</summary>
    public abstract IEnumerable<Tensor> Kept { get; }
}
