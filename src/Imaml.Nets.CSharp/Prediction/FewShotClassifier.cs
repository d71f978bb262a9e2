// Few-shot classification for callers who want no tensors: load a model, adapt it to labelled pictures, predict.
//
// An adapted classifier is inductive: the statistics of its normalisations are those of the examples, fixed once, so that a prediction depends on
// its picture alone.

using System.Diagnostics;
using Imaml.Math;
using Imaml.Nets.Learning;
using Imaml.Nets.LibTorch;
using Imaml.Nets.Methods;
using Imaml.Nets.Models;
using Imaml.Nets.Runs;
using Imaml.Nets.Storage;
using Imaml.Nets.Tasks;
using Imaml.Nets.Tensors;
using static TorchSharp.torch;

namespace Imaml.Nets.Prediction;

/// <summary>A meta-trained network that adapts to a few labelled pictures. Safe to use from many threads at once.</summary>
public sealed class FewShotClassifier : IDisposable
{
    private readonly CheckpointHeader _header;
    private readonly Network _network;
    private readonly Method _method;
    private readonly MetaLearner _learner;
    private readonly Shared _shared;

    private FewShotClassifier(string name, byte[] bytes, CheckpointHeader header, OwnParts own, int? innerSteps)
    {
        (Name, _header) = (name, header);
        (Form, _network, Ways, _method) = own.Of(header.Experiment, name);
        var method = _method.ForPrediction;
        var plan = header.Experiment.Plan with { Method = innerSteps is { } wanted ? method.WithInnerSteps(wanted) : method };
        _learner = Checkpoint.ReadTrained(bytes, name, LearningProblem.Of(new NoTasks(header.Tasks, Ways), new ImageClassifier(_network)), 1, plan);
        _shared = new Shared(_learner, nameof(FewShotClassifier));
    }

    /// <summary>Loads a model.</summary>
    /// <param name="model">A folder that <c>imaml train</c> made, of which the state of the best validation is taken where there is one; a checkpoint or model file; or the name of a model that comes with the library, see <see cref="PretrainedModel.All"/>, where a folder of that name is ./NAME.</param>
    /// <param name="innerSteps">
    /// Steps of the inner solver when it adapts, or null for those of its training. For iMAML null is at least 100 steps (10 Newton steps): its classifier is the solution φ*,
    /// which every step approaches. It does not stop at the δ of its training.
    /// </param>
    /// <param name="own">The parts of the model that are the caller's own code, such as its network; null where it has none.</param>
    /// <exception cref="ArgumentException">Fewer steps than 1, or more than 100,000, or any for a method without inner steps.</exception>
    /// <exception cref="CheckpointException">There is no such model, it is damaged, or a part of its experiment is not the library's and not given.</exception>
    /// <exception cref="LibTorchLoadException">libtorch cannot be loaded on this machine.</exception>
    public static FewShotClassifier Load(string model, int? innerSteps = null, OwnParts? own = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(model);
        var (name, bytes) = PretrainedModel.Read(model);
        return Of(name, bytes, innerSteps, own);
    }

    private static FewShotClassifier Of(string name, byte[] bytes, int? innerSteps, OwnParts? own)
    {
        if (innerSteps is { } steps)
        {
            ArgumentOutOfRangeException.ThrowIfNegativeOrZero(steps, nameof(innerSteps));
            ArgumentOutOfRangeException.ThrowIfGreaterThan(steps, Rule.MostSteps, nameof(innerSteps));
        }

        LibTorchLoader.EnsureLoaded();
        var (header, _) = Checkpoint.Open(bytes, name);
        if (innerSteps is { } other)
        {
            _ = header.Experiment.Method.WithInnerSteps(other);
        }

        try
        {
            return new FewShotClassifier(name, bytes, header, own ?? OwnParts.None, innerSteps);
        }
        catch (ArgumentException e)
        {
            throw new CheckpointException($"{name} cannot be used ({e.Message}); train anew", e);
        }
    }

    /// <summary>Reads a model whose parameters are in a safetensors file: one of <see cref="SaveSafeTensors"/>, or of PyTorch.</summary>
    /// <param name="path">The file. Its tensors are float32, of the names and shapes that <see cref="SaveSafeTensors"/> writes.</param>
    /// <param name="experiment">Tasks, network and method of the model, or null for those that the file's metadata say.</param>
    /// <param name="innerSteps">See <see cref="Load"/>.</param>
    /// <param name="own">Likewise.</param>
    /// <exception cref="ArgumentException">Fewer steps than 1, or an experiment that cannot be run.</exception>
    /// <exception cref="CheckpointException">The file is missing or damaged, names no experiment, or holds other tensors than the network has; or a part is not the library's and not given.</exception>
    /// <exception cref="LibTorchLoadException">libtorch cannot be loaded on this machine.</exception>
    public static FewShotClassifier LoadSafeTensors(string path, Experiment? experiment = null, int? innerSteps = null, OwnParts? own = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return Of(path, SafeTensorsModel.Read(path, experiment, own ?? OwnParts.None), innerSteps, own);
    }

    /// <summary>Loads a model in the background.</summary>
    /// <inheritdoc cref="Load"/>
    public static Task<FewShotClassifier> LoadAsync(string model, int? innerSteps = null, OwnParts? own = null, CancellationToken cancel = default) =>
        Task.Run(() => Load(model, innerSteps, own), cancel);

    /// <summary>What was loaded.</summary>
    public string Name { get; }

    /// <summary>The classes of its training tasks: the largest number of classes that it can distinguish. A head that starts at 0 has no such limit.</summary>
    public int Ways { get; }

    /// <summary>The form that pictures are brought to.</summary>
    public ImageForm Form { get; }

    /// <summary>How it was trained.</summary>
    public Experiment Experiment => _header.Experiment;

    /// <summary>Adapts to examples.</summary>
    /// <param name="examples">At least one of each class, of 2 to <see cref="Ways"/> classes, or of any number where <see cref="Ways"/> is not a limit; the labels are put in their ordinal order, so that the order of the classes does not matter.</param>
    /// <param name="cancel">Ends it: between two pictures that are read, and between two steps of the inner solver.</param>
    /// <exception cref="ArgumentException">There are too few or too many classes, more examples than the network can take at once or than fit into memory, or an example is null or has no label that is Unicode text or no picture.</exception>
    /// <exception cref="DataException">A picture cannot be read.</exception>
    /// <exception cref="AdaptationException">The adapted network is not finite.</exception>
    /// <exception cref="ObjectDisposedException">The model has been disposed.</exception>
    /// <exception cref="OperationCanceledException">Asked to end.</exception>
    public AdaptedClassifier Adapt(IReadOnlyList<LabelledPicture> examples, CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(examples);
        for (var i = 0; i < examples.Count; i++)
        {
            if (Fault(examples[i]) is { } fault)
            {
                throw new ArgumentException($"example {i + 1} {fault}", nameof(examples));
            }
        }

        using var use = _shared.Begin();
        AllocatorSettings.GiveBackFreedMemoryAtTimes();
        var watch = Stopwatch.StartNew();
        // Class by class, in the order of the labels.
        examples = [.. examples.OrderBy(example => example.Label, StringComparer.Ordinal)];
        string[] labels = [.. examples.Select(example => example.Label).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
        var (network, kept) = OtherWays.Of(_method, _network, Ways, labels.Length);
        network.RequireFits(examples.Count, "examples");
        using var scope = NewDisposeScope();
        var images = Images(Form, [.. examples.Select(example => example.Picture)], cancel);
        var places = tensor([.. examples.Select(example => (long)Array.IndexOf(labels, example.Label))], device: CPU);
        var set = new LabelledImages(images, nn.functional.one_hot(places, labels.Length).to_type(ScalarType.Float32).unsqueeze(0));
        using var learner = _learner.Restrict(LearningProblem.Of(new NoTasks(_header.Tasks, examples.Count), new ImageClassifier(network)), kept);
        cancel.ThrowIfCancellationRequested();
        var adapted = learner.Adapt(new FewShotProblem(network, set, set) { Cancel = cancel }, 1);
        var status = adapted.Read(new TensorSpace(1, adapted.Phi))[0].Status;
        var parameters = network.FixStatistics(adapted.Phi, images);
        if (status == InnerStatus.NonFinite || !parameters.isfinite().all().Truth())
        {
            throw new AdaptationException($"adapting {Name} to these {examples.Count} pictures does not stay finite ({status.Describe()})");
        }

        return new AdaptedClassifier(new AdaptedHeader(Name, Form, Experiment.Network, labels, status, watch.Elapsed, Experiment.Network is OwnNetwork ? network.Description : null), network, parameters);

        static string? Fault(LabelledPicture? example) => example switch
        {
            null => "is null",
            { Label: null or "" } => "has no label",
            { Label: var label } when Enumerable.Range(0, label.Length).Any(i => IsHalf(label, i)) => "has a label with half of a surrogate pair, which no file can hold",
            { Picture: null } => $"({example.Label}) has no picture",
            _ => null,
        };

        static bool IsHalf(string text, int i) =>
            char.IsSurrogate(text[i]) && !(i + 1 < text.Length && char.IsSurrogatePair(text, i)) && !(i > 0 && char.IsSurrogatePair(text, i - 1));
    }

    /// <summary>Adapts in the background.</summary>
    /// <inheritdoc cref="Adapt"/>
    public Task<AdaptedClassifier> AdaptAsync(IReadOnlyList<LabelledPicture> examples, CancellationToken cancel = default) => Task.Run(() => Adapt(examples, cancel), cancel);

    /// <summary>Writes the model without its optimiser's state into one file, which <see cref="Load"/> takes.</summary>
    /// <exception cref="IOException">The file cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">Likewise.</exception>
    /// <exception cref="ObjectDisposedException">The model has been disposed.</exception>
    public void Save(string path)
    {
        using var use = _shared.Begin();
        Checkpoint.WriteModel(path, _header, _learner);
    }

    /// <summary>
    /// Writes θ for PyTorch: <c>conv1.weight</c> [O, C, 3, 3], <c>conv1.bias</c> [O], <c>norm1.weight</c> [O] (γ), <c>norm1.bias</c> [O] (β), …, <c>classifier.weight</c> [N, I],
    /// <c>classifier.bias</c> [N], in float32. What the method learned next to θ is <c>learned</c>, [p], in float64. <see cref="LoadSafeTensors"/> reads the file to the last bit.
    /// </summary>
    /// <exception cref="ArgumentException">A layer with parameters is the caller's own, or a dense one is not the last.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">Likewise.</exception>
    /// <exception cref="ObjectDisposedException">The model has been disposed.</exception>
    public void SaveSafeTensors(string path)
    {
        using var use = _shared.Begin();
        AtomicFile.Write(path, SafeTensorsModel.Bytes(_header, _network, _learner.Theta.data<float>().ToArray(), _learner.Learned?.Numbers.ToArray()));
    }

    /// <inheritdoc/>
    public void Dispose() => _shared.Dispose();

    /// <summary>Pictures as a network takes them, [1, n, H, W, C] in 0 … 1.</summary>
    internal static Tensor Images(ImageForm form, IReadOnlyList<Picture> pictures, CancellationToken cancel)
    {
        var numbers = new float[pictures.Count * form.Bytes];
        for (var i = 0; i < pictures.Count; i++)
        {
            cancel.ThrowIfCancellationRequested();
            var bytes = pictures[i].Read(form);
            for (var k = 0; k < bytes.Length; k++)
            {
                numbers[i * form.Bytes + k] = bytes[k] / 255f;
            }
        }

        return tensor(numbers, [1, pictures.Count, form.Size, form.Size, form.Channels], device: CPU);
    }

    /// <summary>A source for a model that only adapts to tasks that come by themselves.</summary>
    private sealed class NoTasks(string identity, int supportExamples) : ITaskSource<EpisodeBatch>
    {
        public string Identity => identity;

        public int SupportExamples => supportExamples;

        public bool Has(ClassPart part) => false;

        public EpisodeBatch Take(TaskRange range) => throw new InvalidOperationException("a loaded model has no tasks of its own");
    }
}

/// <summary>Adapting gave no network that can be used; the message says why.</summary>
public sealed class AdaptationException(string message) : Exception(message);
