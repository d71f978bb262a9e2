// A network as a function of its parameters: logits = f(parameters [B, d], images [B, n, H, W, C]), all B tasks in one pass.

using Imaml.Nets.Tensors;
using static TorchSharp.torch;

namespace Imaml.Nets.Models;

/// <summary>Layers one after another, their parameters one flat vector in the order of the layers.</summary>
public sealed class Network
{
    private readonly Layer[] _layers;
    private readonly int _firstWithParameters;

    /// <summary>A network of these layers; the last one's output is the logits of one image.</summary>
    public Network(ImageShape input, params Layer[] layers)
    {
        (Input, _layers) = (input, layers);
        ParameterCount = layers.Sum(layer => layer.ParameterCount);
        _firstWithParameters = Array.FindIndex(layers, layer => layer.ParameterCount > 0);
        // A gradient is the forward pass, the parameters' part and the input's; a product with the Hessian twice each. The first layer that has
        // parameters is not asked for its input's part, nor given a tangent of it.
        double Sum(double first, double other) => layers.Select((layer, i) => layer.ForwardFlops * (i == _firstWithParameters ? first : other)).Sum();
        Flops = new NetworkFlops(Sum(1, 1), Sum(2, 3), Sum(2, 6));
    }

    /// <summary>The shape of one image.</summary>
    public ImageShape Input { get; }

    /// <summary>d.</summary>
    public int ParameterCount { get; }

    /// <summary>How many parameters each layer has that has any, in the order of the parameter vector.</summary>
    public int[] LayerSizes => [.. _layers.Select(layer => layer.ParameterCount).Where(count => count > 0)];

    /// <summary>What a pass over one image costs.</summary>
    internal NetworkFlops Flops { get; }

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
    public NetworkPass Forward(Tensor parameters, Tensor images) => ForwardArranged(parameters, Arrange(images));

    /// <summary>Images in the order that the layers take, [n, B·C, H, W] with channels last: made once, they serve every pass.</summary>
    /// <param name="images">[B, n, H, W, C]</param>
    /// <exception cref="ArgumentException">The shape is not that of the network's images.</exception>
    internal Tensor Arrange(Tensor images)
    {
        if (images.dim() != 5 || images.shape[2] != Input.Height || images.shape[3] != Input.Width || images.shape[4] != Input.Channels)
        {
            throw new ArgumentException($"images must be [B, n, {Input.Height}, {Input.Width}, {Input.Channels}], not [{string.Join(", ", images.shape)}]", nameof(images));
        }

        using var off = Unrecorded.Begin();
        return TaskRows.ToImages(images.flatten(2), Input);
    }

    /// <summary>Forward for images that Arrange has put in order, which stay the caller's.</summary>
    /// <param name="parameters">[B, d]</param>
    /// <param name="arranged">[n, B·C, H, W]</param>
    /// <param name="reference">How many of the images, the first ones, give the statistics of the batch; null for all.</param>
    internal NetworkPass ForwardArranged(Tensor parameters, Tensor arranged, long? reference = null)
    {
        var tasks = arranged.shape[1] / Input.Channels;
        CheckParameters(parameters, tasks);
        using var off = Unrecorded.Begin();
        var passes = new LayerPass[_layers.Length];
        var value = arranged.detach(); // A handle of this pass's own, which a layer may keep and dispose.
        foreach (var (i, slice) in Slices(parameters))
        {
            passes[i] = reference is { } first ? _layers[i].Forward(slice, value, first) : _layers[i].Forward(slice, value);
            value = passes[i].Output;
        }

        return new NetworkPass(this, passes, TaskRows.Of(value, tasks));
    }

    /// <summary>The network once the statistics that its layers take from a batch are fixed; it has as many parameters, in the same places.</summary>
    public Network WithFixedStatistics => new(Input, [.. _layers.Select(layer => layer.WithFixedStatistics)]);

    /// <summary>
    /// The parameters of <see cref="WithFixedStatistics"/> with the statistics of these images: an image's logits then do not depend on the images that it
    /// comes with, and are to rounding those of an inductive pass.
    /// </summary>
    /// <param name="parameters">[B, d]</param>
    /// <param name="images">[B, n, H, W, C], a task's support images.</param>
    /// <exception cref="ArgumentException">The shapes do not fit the network.</exception>
    public Tensor FixStatistics(Tensor parameters, Tensor images)
    {
        using var scope = NewDisposeScope();
        using var off = Unrecorded.Begin();
        var value = Arrange(images);
        CheckParameters(parameters, images.shape[0]);
        var parts = new Tensor[_layers.Length];
        foreach (var (i, slice) in Slices(parameters))
        {
            parts[i] = _layers[i].FixStatistics(slice, value);
            value = _layers[i].WithFixedStatistics.Forward(parts[i], value).Output;
        }

        return cat(parts, 1).MoveToOuterDisposeScope();
    }

    /// <summary>The network with these of its outputs alone, for tasks of fewer classes, and the places of its parameters in this one's vector.</summary>
    /// <param name="outputs">The outputs that stay, in their new order.</param>
    /// <exception cref="ArgumentException">The last layer is not dense, or has no such output.</exception>
    internal (Network Network, int[] Places) WithOutputs(IReadOnlyList<int> outputs)
    {
        if (_layers[^1] is not Dense last || outputs.Any(output => output < 0 || output >= last.OutputShape.Channels))
        {
            throw new ArgumentException($"outputs can be taken from a dense last layer, out of those that it has, not {string.Join(", ", outputs)}", nameof(outputs));
        }

        var (layer, places) = last.WithOutputs(outputs);
        var before = ParameterCount - last.ParameterCount;
        return (new Network(Input, [.. _layers[..^1], layer]), [.. Enumerable.Range(0, before), .. places.Select(place => before + place)]);
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

    private void CheckParameters(Tensor parameters, long tasks)
    {
        if (parameters.dim() != 2 || parameters.shape[1] != ParameterCount || parameters.shape[0] != tasks)
        {
            throw new ArgumentException($"parameters must be [{tasks}, {ParameterCount}] for the images of {tasks} tasks, not [{string.Join(", ", parameters.shape)}]", nameof(parameters));
        }
    }

    /// <summary>Whether a layer before this one has parameters, so that its input's gradient is of use.</summary>
    internal bool NeedsInputGradient(int layer) => layer > _firstWithParameters;
}

/// <summary>Floating-point operations of a network's products with its parameters for one image, 2 for a multiplication and an addition.</summary>
/// <remarks>Normalisations, rectifiers and the loss are not counted, as is usual: they move numbers more than they compute.</remarks>
/// <param name="Forward">The forward pass.</param>
/// <param name="Gradient">The loss's gradient, its forward pass included.</param>
/// <param name="HessianProduct">A product with the loss's Hessian, where the gradient has been taken.</param>
internal sealed record NetworkFlops(double Forward, double Gradient, double HessianProduct);

/// <summary>A network at one point of parameter space, for one set of images.</summary>
public sealed class NetworkPass
{
    private readonly Network _network;
    private readonly LayerPass[] _passes;
    private readonly ImageShape _output;

    internal NetworkPass(Network network, LayerPass[] passes, Tensor logits) =>
        (_network, _passes, Logits, _output) = (network, passes, logits, new ImageShape(1, 1, (int)logits.shape[2]));

    /// <summary>[B, n, N]</summary>
    public Tensor Logits { get; }

    /// <summary>The tensors that products at this point need.</summary>
    public IEnumerable<Tensor> Kept => _passes.SelectMany(pass => pass.Kept);

    /// <summary>∂loss/∂parameters, [B, d], from ∂loss/∂logits, [B, n, N].</summary>
    public Tensor Backward(Tensor logitGradient) => Pull(logitGradient, (pass, gradient, toInput) => pass.Backward(gradient, toInput));

    /// <summary>Jᵀ times [B, n, N], J the derivative of the logits in the parameters: Backward of what is no loss's gradient, after it.</summary>
    public Tensor TransposeProduct(Tensor logits) => Pull(logits, (pass, gradient, toInput) => pass.Transpose(gradient, toInput));

    /// <summary>Computes what products at this point need and the gradient alone does not. Call after Backward, once.</summary>
    public void PrepareProducts()
    {
        using var off = Unrecorded.Begin();
        Array.ForEach(_passes, pass => pass.PrepareProducts());
    }

    /// <summary>The derivative of the logits in the direction w, [B, n, N].</summary>
    public Tensor Tangent(Tensor w)
    {
        using var off = Unrecorded.Begin();
        Tensor? tangent = null;
        foreach (var (i, slice) in _network.Slices(w))
        {
            tangent = _passes[i].Tangent(slice, tangent);
        }

        return TaskRows.Of(tangent!, w.shape[0]);
    }

    /// <summary>The derivative of Backward in the direction last given to Tangent, [B, d].</summary>
    public Tensor TangentBackward(Tensor logitGradientTangent) => Pull(logitGradientTangent, (pass, gradient, toInput) => pass.TangentBackward(gradient, toInput));

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
