// A network as a function of its parameters: logits = f(parameters [B, d], images [B, n, H, W, C]), all B tasks in one pass.

using static TorchSharp.torch;

namespace Imaml.Nets.Models;

/// <summary>Layers one after another, their parameters one flat vector in the order of the layers.</summary>
public sealed class Network
{
    private readonly Layer[] _layers;
    private readonly int _logits;

    /// <summary>A network of these layers; the last one's output is the logits of one image.</summary>
    public Network(ImageShape input, params Layer[] layers)
    {
        (Input, _layers, _logits) = (input, layers, layers[^1].OutputShape.Count);
        ParameterCount = layers.Sum(layer => layer.ParameterCount);
    }

    /// <summary>The shape of one image.</summary>
    public ImageShape Input { get; }

    /// <summary>d.</summary>
    public int ParameterCount { get; }

    /// <summary>How many parameters each layer has that has any, in the order of the parameter vector.</summary>
    public int[] LayerSizes => [.. _layers.Select(layer => layer.ParameterCount).Where(count => count > 0)];

    /// <summary>New meta-parameters, [d], in float32 on the CPU.</summary>
    public Tensor InitialParameters(Generator generator)
    {
        using var scope = NewDisposeScope();
        return cat(_layers.Select(layer => layer.InitialParameters(generator)).ToArray()).MoveToOuterDisposeScope();
    }

    /// <summary>Applies the network of every task to that task's images.</summary>
    /// <param name="parameters">[B, d]</param>
    /// <param name="images">[B, n, H, W, C]</param>
    /// <exception cref="ArgumentException">The shapes do not fit the network.</exception>
    public NetworkPass Forward(Tensor parameters, Tensor images)
    {
        if (parameters.dim() != 2 || parameters.shape[1] != ParameterCount)
        {
            throw new ArgumentException($"parameters must be [B, {ParameterCount}], not [{string.Join(", ", parameters.shape)}]", nameof(parameters));
        }

        if (images.dim() != 5 || images.shape[0] != parameters.shape[0] || images.shape[2] != Input.Height || images.shape[3] != Input.Width || images.shape[4] != Input.Channels)
        {
            throw new ArgumentException(
                $"images must be [{parameters.shape[0]}, n, {Input.Height}, {Input.Width}, {Input.Channels}], not [{string.Join(", ", images.shape)}]", nameof(images));
        }

        var passes = new LayerPass[_layers.Length];
        var value = images.reshape(images.shape[0], -1, Input.Channels);
        foreach (var (i, slice) in Slices(parameters))
        {
            passes[i] = _layers[i].Forward(slice, value);
            value = passes[i].Output;
        }

        return new NetworkPass(this, passes, value.reshape(images.shape[0], images.shape[1], _logits));
    }

    internal IEnumerable<(int Layer, Tensor Slice)> Slices(Tensor parameters)
    {
        var offset = 0;
        for (var i = 0; i < _layers.Length; i++)
        {
            yield return (i, parameters.narrow(1, offset, _layers[i].ParameterCount));
            offset += _layers[i].ParameterCount;
        }
    }

    /// <summary>Whether any layer up to and including this one's predecessors has parameters, so that its input's gradient is of use.</summary>
    internal bool NeedsInputGradient(int layer) => _layers.Take(layer).Any(before => before.ParameterCount > 0);
}

/// <summary>A network at one point of parameter space, for one set of images.</summary>
public sealed class NetworkPass
{
    private readonly Network _network;
    private readonly LayerPass[] _passes;
    private readonly long[] _sizes;

    internal NetworkPass(Network network, LayerPass[] passes, Tensor logits) => (_network, _passes, Logits, _sizes) = (network, passes, logits, logits.shape);

    /// <summary>[B, n, N]</summary>
    public Tensor Logits { get; }

    /// <summary>The tensors that products at this point need.</summary>
    public IEnumerable<Tensor> Kept => _passes.SelectMany(pass => pass.Kept);

    /// <summary>∂loss/∂parameters, [B, d], from ∂loss/∂logits, [B, n, N].</summary>
    public Tensor Backward(Tensor logitGradient) => Pull(logitGradient, (pass, gradient, parts, toInput) => pass.Backward(gradient, parts, toInput));

    /// <summary>Jᵀ times [B, n, N], J the derivative of the logits in the parameters: Backward of what is no loss's gradient, after it.</summary>
    public Tensor TransposeProduct(Tensor logits) => Pull(logits, (pass, gradient, parts, toInput) => pass.Transpose(gradient, parts, toInput));

    /// <summary>The derivative of the logits in the direction w, [B, n, N].</summary>
    public Tensor Tangent(Tensor w)
    {
        Tensor? tangent = null;
        foreach (var (i, slice) in _network.Slices(w))
        {
            tangent = _passes[i].Tangent(slice, tangent);
        }

        return tangent!.reshape(_sizes);
    }

    /// <summary>The derivative of Backward in the direction last given to Tangent, [B, d].</summary>
    public Tensor TangentBackward(Tensor logitGradientTangent) =>
        Pull(logitGradientTangent, (pass, gradient, parts, toInput) => pass.TangentBackward(gradient, parts, toInput));

    private Tensor Pull(Tensor logitGradient, Func<LayerPass, Tensor, IList<Tensor>, bool, Tensor?> back)
    {
        var parts = new List<Tensor>();
        Tensor? gradient = logitGradient;
        for (var i = _passes.Length - 1; i >= 0 && gradient is not null; i--)
        {
            gradient = back(_passes[i], gradient.reshape(_passes[i].OutputSizes), parts, _network.NeedsInputGradient(i));
        }

        parts.Reverse();
        return cat(parts, 1);
    }
}
