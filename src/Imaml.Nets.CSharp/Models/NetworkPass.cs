// A network at one point of parameter space. Two passes compute the same to rounding: layer by layer in libtorch's operations, on any device and in
// any precision; and by the processor's kernels, in float32, for networks of the layers that these support.

using Imaml.Nets.Tensors;
using static TorchSharp.torch;

namespace Imaml.Nets.Models;

/// <summary>Images of B tasks in the order that a network's passes take.</summary>
/// <param name="Values">[n, B·C, H, W] with channels last; for the processor's kernels the patches of the first convolution.</param>
/// <param name="Tasks">B.</param>
/// <param name="Reference">How many of a task's images, the first ones, give the statistics of the batch; null for all.</param>
/// <param name="Processor">The kernels that they are for, or null.</param>
internal sealed record NetworkImages(Tensor Values, long Tasks, long? Reference, ProcessorNetwork? Processor);

/// <summary>A network at one point of parameter space, for one set of images.</summary>
/// <param name="logits">[B, n, N]</param>
public abstract class NetworkPass(Tensor logits)
{
    /// <summary>[B, n, N]</summary>
    public Tensor Logits { get; } = logits;

    /// <summary>The tensors that products at this point need.</summary>
    public abstract IEnumerable<Tensor> Kept { get; }

    /// <summary>∂loss/∂parameters, [B, d], from ∂loss/∂logits, [B, n, N].</summary>
    public abstract Tensor Backward(Tensor logitGradient);

    /// <summary>The same, and what products at this point need is kept. Once, before Tangent and what follows it.</summary>
    public abstract Tensor Linearize(Tensor logitGradient);

    /// <summary>Jᵀ times [B, n, N], J the derivative of the logits in the parameters: Backward of a vector that is not a loss's gradient, after Linearize.</summary>
    public abstract Tensor TransposeProduct(Tensor logits);

    /// <summary>The derivative of the logits in the direction w, [B, n, N].</summary>
    public abstract Tensor Tangent(Tensor w);

    /// <summary>The derivative of Backward in the direction last given to Tangent, [B, d].</summary>
    public abstract Tensor TangentBackward(Tensor logitGradientTangent);
}

/// <summary>Layer by layer.</summary>
internal sealed class LayeredPass : NetworkPass
{
    private readonly Network _network;
    private readonly LayerPass[] _passes;
    private readonly ImageShape _output;

    public LayeredPass(Network network, Tensor parameters, NetworkImages images)
        : this(network, Forward(network, parameters, images), images.Tasks)
    {
    }

    private LayeredPass(Network network, LayerPass[] passes, long tasks)
        : base(TaskRows.Of(passes[^1].Output, tasks)) =>
        (_network, _passes, _output) = (network, passes, network.Layers[^1].OutputShape);

    private static LayerPass[] Forward(Network network, Tensor parameters, NetworkImages images)
    {
        var layers = network.Layers;
        var passes = new LayerPass[layers.Count];
        var value = images.Values.detach(); // A handle of this pass's own, which a layer may keep and dispose.
        foreach (var (i, slice) in network.Slices(parameters))
        {
            passes[i] = images.Reference is { } first ? layers[i].Forward(slice, value, first) : layers[i].Forward(slice, value);
            value = passes[i].Output;
        }

        return passes;
    }

    /// <inheritdoc/>
    public override IEnumerable<Tensor> Kept => _passes.SelectMany(pass => pass.Kept);

    /// <inheritdoc/>
    public override Tensor Backward(Tensor logitGradient) => Pull(logitGradient, (pass, gradient, toInput) => pass.Backward(gradient, toInput));

    /// <inheritdoc/>
    public override Tensor TransposeProduct(Tensor logits) => Pull(logits, (pass, gradient, toInput) => pass.Transpose(gradient, toInput));

    /// <inheritdoc/>
    public override Tensor Linearize(Tensor logitGradient)
    {
        using var off = Unrecorded.Begin();
        var gradient = Backward(logitGradient);
        Array.ForEach(_passes, pass => pass.PrepareProducts());
        return gradient;
    }

    /// <inheritdoc/>
    public override Tensor Tangent(Tensor w)
    {
        using var off = Unrecorded.Begin();
        Tensor? tangent = null;
        foreach (var (i, slice) in _network.Slices(w))
        {
            tangent = _passes[i].Tangent(slice, tangent);
        }

        return TaskRows.Of(tangent!, w.shape[0]);
    }

    /// <inheritdoc/>
    public override Tensor TangentBackward(Tensor logitGradientTangent) => Pull(logitGradientTangent, (pass, gradient, toInput) => pass.TangentBackward(gradient, toInput));

    private Tensor Pull(Tensor logitGradient, Func<LayerPass, Tensor, bool, LayerGradient> back)
    {
        using var off = Unrecorded.Begin();
        var parts = new Stack<Tensor[]>();
        Tensor? gradient = TaskRows.ToImages(logitGradient, _output);
        for (var i = _passes.Length - 1; i >= 0 && gradient is not null; i--)
        {
            (var parameters, gradient) = back(_passes[i], gradient, _network.NeedsInputGradient(i));
            parts.Push(parameters);
        }

        return cat([.. parts.SelectMany(part => part)], 1);
    }
}
