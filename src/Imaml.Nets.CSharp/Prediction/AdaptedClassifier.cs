// A network that has been adapted to examples: its parameters, with the examples' statistics in them, and the labels.

using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Serialization;
using Imaml.Math;
using Imaml.Nets.LibTorch;
using Imaml.Nets.Models;
using Imaml.Nets.Runs;
using Imaml.Nets.Storage;
using Imaml.Nets.Tasks;
using static TorchSharp.torch;

namespace Imaml.Nets.Prediction;

/// <summary>The description of an adapted classifier, without its parameters.</summary>
internal sealed record AdaptedHeader(string Model, ImageForm Form, NetworkSpec Network, IReadOnlyList<string> Labels, InnerStatus Status, TimeSpan Time,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Layers = null)
{
    /// <summary>Why no program of this library can have written it, or null.</summary>
    public string? Fault() =>
        Network.Complaints().FirstOrDefault() is { } complaint ? complaint.In("network").ToString()
        : Form is not { Size: >= 1 and <= 1024, Channels: >= 1 and <= 16 } ? "its images have no size that can be read"
        : Labels.Count < 2 || Labels.Any(string.IsNullOrEmpty) || Labels.Distinct(StringComparer.Ordinal).Count() < Labels.Count ? "its classes have no names of their own"
        : Network is ConvolutionalNetwork network && network.ClassifierWeights(Form.Size, Labels.Count) > 100_000_000 ? "it has more classes than fit into memory"
        : null;
}

/// <summary>Classifies pictures, each by itself. Safe to use from many threads at once, until it is disposed.</summary>
public sealed class AdaptedClassifier : IDisposable
{
    // Pictures of one forward pass.
    private const int AtOnce = 32;

    private static readonly byte[] Family = SealedFile.Adapted.ToArray(), Magic = [.. Family, (byte)'1'];

    private readonly AdaptedHeader _header;
    private readonly Network _network;
    private readonly Tensor _parameters;
    private readonly Shared _shared;

    /// <summary>Takes the parameters over from the dispose scope that is open.</summary>
    /// <param name="header">What the classifier is.</param>
    /// <param name="network">Its network, with as many outputs as there are labels.</param>
    /// <param name="parameters">The parameters of the network with fixed statistics, [1, d].</param>
    /// <exception cref="ArgumentException">They are not as many as the network has; they then stay the caller's.</exception>
    internal AdaptedClassifier(AdaptedHeader header, Network network, Tensor parameters)
    {
        if (network.ParameterCount != parameters.numel())
        {
            throw new ArgumentException($"{parameters.numel()} numbers are not the {network.ParameterCount} of the network");
        }

        (_header, _network, _parameters) = (header, network.WithFixedStatistics, parameters.DetachFromDisposeScope());
        _shared = new Shared(_parameters, nameof(AdaptedClassifier));
    }

    /// <summary>The model that was adapted.</summary>
    public string Model => _header.Model;

    /// <summary>The classes, in their ordinal order.</summary>
    public IReadOnlyList<string> Labels => _header.Labels;

    /// <summary>The form that pictures are brought to.</summary>
    public ImageForm Form => _header.Form;

    /// <summary>How the inner solve ended.</summary>
    public InnerStatus Status => _header.Status;

    /// <summary>How long adapting took, the reading of the examples included.</summary>
    public TimeSpan AdaptingTime => _header.Time;

    /// <summary>Reads what <see cref="Save"/> wrote.</summary>
    /// <param name="path">The file.</param>
    /// <param name="network">The network that was adapted, where it is the caller's own; null for one of the library's.</param>
    /// <exception cref="CheckpointException">The file is missing, damaged, or not an adapted classifier, or its network is not the library's and not given.</exception>
    public static AdaptedClassifier Load(string path, Network? network = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        LibTorchLoader.EnsureLoaded();
        try
        {
            var bytes = FileContent.Read(path, Magic.Length, start => start.AsSpan().StartsWith(Family));
            if (!bytes.AsSpan().StartsWith(Magic))
            {
                throw new CheckpointException(bytes.AsSpan().StartsWith(Family) ? $"{path} was written by another version of this library; adapt anew" : $"{path} is not an adapted classifier");
            }

            if (SealedFile.Open(bytes, Magic.Length) is not var (header, body))
            {
                throw new CheckpointException($"{path} is cut off or damaged; adapt anew");
            }

            var described = RunJson.Whole<AdaptedHeader>(header);
            if (described.Fault() is { } fault)
            {
                throw new CheckpointException($"{path} has a header that makes no sense ({fault}); adapt anew");
            }

            var numbers = MemoryMarshal.Cast<byte, float>(body).ToArray();
            if (!Array.TrueForAll(numbers, float.IsFinite))
            {
                throw new CheckpointException($"{path} holds parameters that are not finite; adapt anew");
            }

            using var scope = NewDisposeScope();
            return new AdaptedClassifier(described, NetworkOf(described, path, network), tensor(numbers, [1, numbers.Length], device: CPU));
        }
        catch (ArgumentException e)
        {
            throw new CheckpointException($"{path} cannot be used ({e.Message}); adapt anew", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            throw new CheckpointException(
                e is NamedPathException ? $"{e.Message}; name a classifier that `imaml predict --save` wrote" : $"{path} cannot be read ({e.Message.Split('\n')[0].TrimEnd('.')})", e)
            { IsOfRequest = e is NamedPathException };
        }
    }

    private static Network NetworkOf(AdaptedHeader header, string path, Network? own)
    {
        var shape = new ImageShape(header.Form.Size, header.Form.Size, header.Form.Channels);
        var network = Given(header, path, own, shape);
        return header.Layers is null || header.Layers == network.Description ? network
            : throw new CheckpointException($"{path} has the layers {Rule.Printed(header.Layers, Rule.Description)}; those of the network given are {network.Description}");
    }

    private static Network Given(AdaptedHeader header, string path, Network? own, ImageShape shape) =>
        (header.Network, own) switch
        {
            (ConvolutionalNetwork network, _) => network.Build(shape, header.Labels.Count),
            (_, { } given) when given.Input != shape => throw new CheckpointException($"{path} classifies images of {shape}, which the network given does not take"),
            (_, { } given) => given.Layers[^1].OutputShape.Count == header.Labels.Count ? given : given.WithNewOutputs(header.Labels.Count).Network,
            _ => throw new CheckpointException($"{path} has a network of its own program ({(header.Network as OwnNetwork)?.Name}), which must give it"),
        };

    /// <summary>Writes the classifier into one file, from which it gives the same predictions, to the last bit.</summary>
    /// <exception cref="IOException">The file cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">Likewise.</exception>
    /// <exception cref="ObjectDisposedException">The classifier has been disposed.</exception>
    public void Save(string path)
    {
        using var use = _shared.Begin();
        AtomicFile.Write(path, SealedFile.Bytes(Magic, JsonSerializer.SerializeToUtf8Bytes(_header, RunJson.Options), [MemoryMarshal.AsBytes<float>(_parameters.data<float>().ToArray()).ToArray()]));
    }

    /// <summary>
    /// Writes the classifier for ONNX runtimes: <c>images</c>, [n, C, H, W] in float32 from 0 to 1 for pictures of <see cref="Form"/>, gives <c>logits</c> and <c>probabilities</c>, [n, N] each, for any n.
    /// The metadata <c>labels</c> is a JSON array.
    /// </summary>
    /// <remarks>The statistics of the normalisations are factors of the convolutions' weights, and biases.</remarks>
    /// <exception cref="ArgumentException">A layer is the caller's own, or the last one is not dense.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">Likewise.</exception>
    /// <exception cref="ObjectDisposedException">The classifier has been disposed.</exception>
    public void SaveOnnx(string path)
    {
        using var use = _shared.Begin();
        AtomicFile.Write(path, OnnxClassifier.Bytes(_header, _network, _parameters.data<float>().ToArray()));
    }

    /// <summary>The probabilities of a picture's classes.</summary>
    /// <exception cref="ArgumentException">It is null.</exception>
    /// <exception cref="DataException">It cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The classifier has been disposed.</exception>
    public Prediction Predict(Picture picture) => Predict([picture])[0];

    /// <summary>The probabilities of every picture's classes; each is what it would be by itself, to rounding.</summary>
    /// <param name="pictures">The pictures.</param>
    /// <param name="cancel">Ends it, between two pictures that are read.</param>
    /// <exception cref="ArgumentException">One is null.</exception>
    /// <exception cref="DataException">One cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The classifier has been disposed. Predictions that have begun before are completed.</exception>
    /// <exception cref="OperationCanceledException">Asked to end.</exception>
    public IReadOnlyList<Prediction> Predict(IReadOnlyList<Picture> pictures, CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(pictures);
        for (var i = 0; i < pictures.Count; i++)
        {
            _ = pictures[i] ?? throw new ArgumentException($"picture {i + 1} is null", nameof(pictures));
        }

        using var use = _shared.Begin();
        return [.. pictures.Chunk(AtOnce).SelectMany(some => Some(some, cancel))];
    }

    /// <summary>The probabilities of a picture's classes, in the background.</summary>
    /// <inheritdoc cref="Predict(Picture)"/>
    public Task<Prediction> PredictAsync(Picture picture, CancellationToken cancel = default) => Task.Run(() => Predict([picture], cancel)[0], cancel);

    private List<Prediction> Some(Picture[] pictures, CancellationToken cancel)
    {
        using var scope = NewDisposeScope();
        var probabilities = Logits(pictures, cancel).to_type(ScalarType.Float64).softmax(-1).data<double>().ToArray();
        return [.. probabilities.Chunk(Labels.Count).Select(one => new Prediction([.. Labels.Zip(one).OrderByDescending(pair => pair.Second)]))];
    }

    /// <summary>The network's logits of pictures, [1, n, N]; of the dispose scope that is open.</summary>
    internal Tensor Logits(IReadOnlyList<Picture> pictures, CancellationToken cancel = default) => _network.Forward(_parameters, FewShotClassifier.Images(Form, pictures, cancel)).Logits;

    /// <inheritdoc/>
    public void Dispose() => _shared.Dispose();
}
