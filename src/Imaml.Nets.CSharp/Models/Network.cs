// A network as a function of its parameters: logits = f(parameters [B, d], images [B, n, H, W, C]), all B tasks in one pass.

using System.Collections.Concurrent;
using System.Globalization;
using Imaml.Nets.Tensors;
using static TorchSharp.torch;

namespace Imaml.Nets.Models;

/// <summary>Layers one after another, their parameters one flat vector in the order of the layers.</summary>
public sealed class Network
{
    private const int MostPlans = 16;

    private readonly Layer[] _layers;
    private readonly int _firstWithParameters;
    private readonly Lazy<Network> _features;
    private readonly ConcurrentDictionary<(int Images, int Reference), ProcessorNetwork?> _processor = new();

    /// <summary>A network of these layers; the last one's output is the logits of one image.</summary>
    /// <exception cref="ArgumentException">There are no layers, one is null, or one does not take the output of the one before it.</exception>
    public Network(ImageShape input, params Layer[] layers)
    {
        ArgumentNullException.ThrowIfNull(layers);
        if (layers.Length == 0)
        {
            throw new ArgumentException("a network needs a layer", nameof(layers));
        }

        var shape = input.Sound();
        for (var i = 0; i < layers.Length; i++)
        {
            var layer = layers[i] ?? throw new ArgumentException($"layer {i + 1} is null", nameof(layers));
            if (layer.InputShape is { } needed && needed != shape)
            {
                throw new ArgumentException($"layer {i + 1} ({layer.GetType().Name}) takes {needed}, but {(i == 0 ? "an image" : $"the output of layer {i}")} is {shape}", nameof(layers));
            }

            shape = layer.OutputShape;
        }

        (Input, _layers) = (input, [.. layers]);
        ParameterCount = layers.Sum(layer => layer.ParameterCount);
        _features = new Lazy<Network>(() => layers is [.. var before, Dense] && before.Length > 0
            ? new Network(input, before)
            : throw new ArgumentException("a head needs a network whose last layer is dense, after others that give the features"));
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

    /// <summary>The layers, in their order.</summary>
    internal IReadOnlyList<Layer> Layers => _layers;

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
    public NetworkPass Forward(Tensor parameters, Tensor images) => Forward(parameters, Arrange(images), ownsImages: true);

    /// <summary>Images in the order that a pass takes: made once, they are used by every pass. Their tensor is in the dispose scope that is open.</summary>
    /// <param name="images">[B, n, H, W, C]</param>
    /// <param name="reference">How many images of a task, the first ones, give the statistics of the batch; null for all.</param>
    /// <exception cref="ArgumentException">The shape is not that of the network's images.</exception>
    internal NetworkImages Arrange(Tensor images, long? reference = null)
    {
        CheckImages(images);
        using var off = Unrecorded.Begin();
        return ProcessorNetwork.IsFor(images) && Processor((int)images.shape[1], (int)(reference ?? images.shape[1])) is { } processor
            ? new NetworkImages(processor.Patches(images), images.shape[0], reference, processor)
            : new NetworkImages(ToLayers(images), images.shape[0], reference, null);
    }

    private Tensor ToLayers(Tensor images) => TaskRows.ToImages(images.flatten(2), Input);

    // For so many images, of which so many give the statistics. Its plans are large enough to be made once, and to be given up where there are many.
    private ProcessorNetwork? Processor(int images, int reference)
    {
        if (_processor.Count > MostPlans)
        {
            _processor.Clear();
        }

        return _processor.GetOrAdd((images, reference), static (key, network) => network.Plan(key.Images, key.Reference), this);
    }

    private ProcessorNetwork? Plan(int images, int reference)
    {
        if (images > 1)
        {
            RequireFits(images, "images of a task in one pass");
        }

        return ProcessorNetwork.Create(this, images, reference);
    }

    /// <summary>Refuses more images than one pass can take, or than fit into the machine's memory.</summary>
    /// <param name="images">n.</param>
    /// <param name="what">What they are, in messages.</param>
    /// <exception cref="ArgumentException">They are too many.</exception>
    internal void RequireFits(int images, string what)
    {
        // What one image takes, and what a pass takes besides.
        var (largest, bytes, fixedBytes) = Processor(1, 1) is { } one ? (one.LargestTensor, one.Bytes, sizeof(float) * (long)one.Scratch)
            : (0L, 16L * (Input.Count + _layers.Sum(layer => (long)layer.OutputShape.Count)), 0L);
        var needed = fixedBytes + (images * (double)bytes);
        var (most, memory) = (largest == 0 ? int.MaxValue : int.MaxValue / (sizeof(float) * largest), GC.GetGCMemoryInfo().TotalAvailableMemoryBytes);
        if (images > most)
        {
            throw new ArgumentException($"{images} {what} are more than this network can take at once: at most {most}");
        }

        if (needed > memory)
        {
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"{images} {what} need about {needed / (1 << 30):F0} GiB of memory, and there are {memory / (double)(1 << 30):F0}: take fewer"));
        }
    }

    /// <summary>Layer by layer its type and the shape of an image's output.</summary>
    internal string Description => string.Join(", ", _layers.Select(layer => $"{layer.GetType().Name} {layer.OutputShape}"));

    private void CheckImages(Tensor images)
    {
        if (images.dim() != 5 || images.shape[2] != Input.Height || images.shape[3] != Input.Width || images.shape[4] != Input.Channels)
        {
            throw new ArgumentException($"images must be [B, n, {Input.Height}, {Input.Width}, {Input.Channels}], not [{string.Join(", ", images.shape)}]", nameof(images));
        }
    }

    /// <summary>Forward for images that Arrange has put in order.</summary>
    /// <param name="parameters">[B, d]</param>
    /// <param name="images">The images, which must not be disposed while the pass is used.</param>
    /// <param name="ownsImages">Whether they belong to what the pass keeps; otherwise they are the caller's.</param>
    internal NetworkPass Forward(Tensor parameters, NetworkImages images, bool ownsImages = false)
    {
        CheckParameters(parameters, images.Tasks, images.Values);
        using var off = Unrecorded.Begin();
        return images.Processor is { } processor ? new ProcessorPass(processor, parameters, images, ownsImages) : new LayeredPass(this, parameters, images);
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
        CheckImages(images);
        CheckParameters(parameters, images.shape[0], images);
        var value = ToLayers(images);
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

    /// <summary>The network with other outputs in place of its own, for another number of classes, and the places of its parameters in this one's vector; −1 for those of the outputs, which have none.</summary>
    /// <exception cref="ArgumentException">The last layer is not dense, or there would be fewer than 2 outputs.</exception>
    internal (Network Network, int[] Places) WithNewOutputs(int count)
    {
        if (_layers[^1] is not Dense last || count < 2)
        {
            throw new ArgumentException(count < 2 ? $"a task needs at least 2 classes, not {count}" : "other outputs need a dense last layer");
        }

        var network = new Network(Input, [.. _layers[..^1], last.WithOutputs(count)]);
        var before = ParameterCount - last.ParameterCount;
        return (network, [.. Enumerable.Range(0, before), .. Enumerable.Repeat(-1, network.ParameterCount - before)]);
    }

    /// <summary>The network without its last layer, whose outputs are the features that a linear head works on: [B, n, I]. Its parameters are the first ones.</summary>
    /// <exception cref="ArgumentException">The last layer is not dense.</exception>
    internal Network Features => _features.Value;

    /// <summary>Images that were put in order for this network, for its Features.</summary>
    internal NetworkImages OfFeatures(NetworkImages images) => images.Processor is { } processor
        ? images with { Processor = Features.Processor(processor.Images, (int)(images.Reference ?? processor.Images)) }
        : images;

    internal IEnumerable<(int Layer, Tensor Slice)> Slices(Tensor parameters)
    {
        var offset = 0;
        for (var i = 0; i < _layers.Length; i++)
        {
            yield return (i, parameters.narrow(1, offset, _layers[i].ParameterCount));
            offset += _layers[i].ParameterCount;
        }
    }

    private void CheckParameters(Tensor parameters, long tasks, Tensor images)
    {
        if (parameters.dim() != 2 || parameters.shape[1] != ParameterCount || parameters.shape[0] != tasks)
        {
            throw new ArgumentException($"parameters must be [{tasks}, {ParameterCount}] for the images of {tasks} tasks, not [{string.Join(", ", parameters.shape)}]", nameof(parameters));
        }

        if (parameters.dtype != images.dtype || parameters.device_type != images.device_type)
        {
            throw new ArgumentException($"parameters must be {images.dtype} on {images.device}, as the images are, not {parameters.dtype} on {parameters.device}", nameof(parameters));
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
