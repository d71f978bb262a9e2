// A run's state in one file, from which it goes on as if it had never stopped: θ and what the outer optimiser remembers, to the last bit, and the
// experiment that made them. Tasks need no state: task number n is a function of (seed, n).
//
//     a sealed file "IMAMLCK3" with a JSON header and θ · the optimiser's vectors (float32, little-endian, d each)
//     · learned numbers · their optimiser's vectors (float64, p each; none where nothing but θ is learned)

using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Imaml.Math;
using Imaml.Nets.Learning;
using Imaml.Nets.Machines;
using Imaml.Nets.Models;
using Imaml.Nets.Storage;
using MathNet.Numerics.LinearAlgebra;
using static TorchSharp.torch;

namespace Imaml.Nets.Runs;

/// <summary>A checkpoint cannot be used; the message says which file, why, and what to do.</summary>
public sealed class CheckpointException(string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>Whether what the caller named is not there: a mistake in the request, not in a file.</summary>
    internal bool IsOfRequest { get; init; }
}

/// <summary>Reads and writes checkpoints.</summary>
internal static class Checkpoint
{
    // The last digit is the format's version: the first two had their options as a list in place of an experiment.
    private static readonly byte[] Family = Encoding.ASCII.GetBytes("IMAMLCK"), Magic = [.. Family, (byte)'3'];

    /// <summary>Writes the state in one piece.</summary>
    /// <param name="path">The file.</param>
    /// <param name="experiment">What the run is doing.</param>
    /// <param name="seconds">Wall seconds of training.</param>
    /// <param name="learner">The state.</param>
    /// <param name="previous">The name that the file before it is kept under, or null to replace it.</param>
    public static void Write(string path, Experiment experiment, double seconds, MetaLearner learner, string? previous = null)
    {
        using var scope = NewDisposeScope();
        var outer = learner.Outer;
        var learned = learner.Learned?.Optimizer.State(new EuclideanSpace());
        var header = new CheckpointHeader(experiment, learner.Problem.Identity, learner.MetaStep, seconds, OptimizerMemory.Of(outer), learned is null ? null : OptimizerMemory.Of(learned), Layers: LayersOf(experiment, learner.Problem));
        AtomicFile.Write(path, Bytes(header, [learner.Theta, .. outer.Vectors.Select(one => one.Item2)], [.. learned is null ? [] : learned.Vectors.Select(one => one.Item2).Prepend(learner.Learned!.Numbers)]), previous);
    }

    /// <summary>The state of a validation, as a model.</summary>
    public static void WriteValidated(string path, Experiment experiment, double seconds, MetaLearner learner, double validation, bool averaged)
    {
        var nothing = OptimizerMemory.None;
        WriteModel(path, new CheckpointHeader(experiment, learner.Problem.Identity, learner.MetaStep, seconds, nothing, learner.Learned is null ? null : nothing, validation, averaged, LayersOf(experiment, learner.Problem)), learner);
    }

    /// <summary>A model: θ and the learned numbers of a state, from which tasks can be adapted to but no training can go on.</summary>
    public static void WriteModel(string path, CheckpointHeader header, MetaLearner learner)
    {
        using var scope = NewDisposeScope();
        var nothing = OptimizerMemory.None;
        AtomicFile.Write(path, Bytes(
            header with { Outer = nothing, Learned = header.Learned is null ? null : nothing }, [learner.Theta], learner.Learned is { } learned ? [learned.Numbers] : []));
    }

    /// <summary>The model of a state, without the network that it is of.</summary>
    /// <exception cref="CheckpointException">The content is damaged or not finite, or has learned numbers, of which only its network says where they begin.</exception>
    public static void WriteModel(string path, byte[] bytes, string name)
    {
        var header = SoundHeader(bytes, name, null);
        if (header.Learned is not null)
        {
            throw new CheckpointException($"{name} holds numbers that are learned with θ, and only its program's network says which they are; FewShotClassifier.Save writes its model");
        }

        var (_, state) = Open(bytes, name);
        var theta = state[..(state.Length / (1 + header.Outer.Vectors.Count))];
        AtomicFile.Write(path, ModelBytes(header with { Outer = OptimizerMemory.None }, MemoryMarshal.Cast<byte, float>(theta), []));
    }

    /// <summary>The content of a model file.</summary>
    /// <param name="header">What it is; its optimisers remember nothing.</param>
    /// <param name="theta">θ, [d].</param>
    /// <param name="learned">The learned numbers, [p]; none where nothing but θ is learned.</param>
    public static byte[] ModelBytes(CheckpointHeader header, ReadOnlySpan<float> theta, ReadOnlySpan<double> learned) =>
        SealedFile.Bytes(Magic, JsonSerializer.SerializeToUtf8Bytes(header, RunJson.Options), [MemoryMarshal.AsBytes(theta).ToArray(), MemoryMarshal.AsBytes(learned).ToArray()]);

    private static string? LayersOf(Experiment experiment, LearningProblem problem) => experiment.Network is OwnNetwork ? problem.Layers : null;

    private static byte[] Bytes(CheckpointHeader header, IReadOnlyList<Tensor> vectors, IReadOnlyList<Vector<double>> learned)
    {
        byte[] OfTensor(Tensor tensor) => MemoryMarshal.AsBytes<float>(tensor.cpu().data<float>().ToArray()).ToArray();
        byte[] OfNumbers(Vector<double> numbers) => MemoryMarshal.AsBytes<double>(numbers.ToArray()).ToArray();
        return SealedFile.Bytes(Magic, JsonSerializer.SerializeToUtf8Bytes(header, RunJson.Options), [.. vectors.Select(OfTensor), .. learned.Select(OfNumbers)]);
    }

    /// <summary>Reads the header, having checked that the file is whole.</summary>
    /// <exception cref="CheckpointException">The file is missing, damaged, cut off, or no checkpoint.</exception>
    public static CheckpointHeader ReadHeader(string path) => Open(path).Header;

    /// <summary>Reads the whole state, to the processor, wherever it was computed.</summary>
    /// <param name="path">The file.</param>
    /// <param name="problem">The tasks and the model.</param>
    /// <param name="threads">Threads of the learner; no number depends on them.</param>
    /// <param name="experiment">The experiment that goes on with it, or null for its own.</param>
    /// <exception cref="CheckpointException">As for the header, or the parameters are not those of the model, or not finite.</exception>
    public static (CheckpointHeader Header, MetaLearner Learner) Read(string path, LearningProblem problem, int threads, Experiment? experiment = null) =>
        Read(ReadFile(path), path, problem, threads, experiment, Ranks.Alone);

    /// <summary>The same of a file's content, which rank 0 may have read.</summary>
    public static (CheckpointHeader Header, MetaLearner Learner) Read(byte[] bytes, string path, LearningProblem problem, int threads, Experiment? experiment, IRanks ranks)
    {
        var (header, state) = Open(bytes, path);
        using var scope = NewDisposeScope();
        var parts = new Parts(path, header, state, problem);
        if (header.Outer.Vectors.Count == 0 && header.Experiment.Outer is not Outer.GradientDescent)
        {
            throw new CheckpointException($"{path} is a model without its optimiser's memory: it adapts to tasks, but cannot be trained on");
        }

        try
        {
            return (header, MetaLearner.Restore(
                (experiment ?? header.Experiment).Plan, problem, threads, parts.Vector(0), header.Outer.With(header.MetaStep, i => parts.Vector(1 + i)),
                header.Learned is { } learned ? (parts.Learned(0), learned.With(header.MetaStep, i => parts.Learned(1 + i))) : null, ranks));
        }
        catch (ArgumentException e)
        {
            throw new CheckpointException($"{path} cannot be used ({e.Message}); train anew", e);
        }
    }

    /// <summary>Reads what training ended with, to adapt it to tasks: of a checkpoint or of a model.</summary>
    /// <param name="bytes">The file's content.</param>
    /// <param name="name">Names it in messages.</param>
    /// <param name="problem">The tasks and the model that the header describes.</param>
    /// <param name="threads">Threads of the learner.</param>
    /// <param name="plan">How it adapts, by the header.</param>
    /// <param name="ranks">The processes that share out the tasks, or null for one.</param>
    /// <exception cref="CheckpointException">As for the header, or the parameters are not those of the model, or not finite.</exception>
    public static MetaLearner ReadTrained(byte[] bytes, string name, LearningProblem problem, int threads, LearningPlan plan, IRanks? ranks = null)
    {
        var (header, state) = Open(bytes, name);
        using var scope = NewDisposeScope();
        var parts = new Parts(name, header, state, problem);
        return MetaLearner.Trained(plan, problem, threads, header.MetaStep, parts.Vector(0), header.Learned is null ? null : parts.Learned(0), ranks);
    }

    /// <summary>The vectors of a state: θ and its optimiser's, then the learned numbers and their optimiser's.</summary>
    private sealed class Parts
    {
        private readonly byte[] _state;
        private readonly int _each, _eachLearned, _vectors;

        /// <exception cref="CheckpointException">They are not as many as the model and the method have, or θ or what is learned with it is not finite.</exception>
        public Parts(string path, CheckpointHeader header, byte[] state, LearningProblem problem)
        {
            header.RequireLayers(problem.Layers, path);
            (_state, _each, _vectors) = (state, problem.ParameterCount * sizeof(float), 1 + header.Outer.Vectors.Count);
            _eachLearned = (header.Experiment.Method.Learns?.Numbers(problem.LayerSizes).Count ?? 0) * sizeof(double);
            var needed = (long)_vectors * _each + (1L + (header.Learned?.Vectors.Count ?? 0)) * _eachLearned;
            if (state.Length != needed || header.Learned is null != (_eachLearned == 0))
            {
                throw new CheckpointException($"{path} holds {state.Length} bytes of state, but its network and method need {needed}; it was written by another version or for another network: train anew");
            }

            RequireFinite(Floats(0), path);
            if (header.Learned is not null && !Array.TrueForAll(Doubles(0), double.IsFinite))
            {
                throw NotFinite(path);
            }
        }

        /// <summary>[1, d], on the processor.</summary>
        public Tensor Vector(int index) => tensor(Floats(index), [1, _each / sizeof(float)], ScalarType.Float32, CPU);

        public Vector<double> Learned(int index) => Vector<double>.Build.Dense(Doubles(index));

        private float[] Floats(int index) => MemoryMarshal.Cast<byte, float>(_state.AsSpan(index * _each, _each)).ToArray();

        private double[] Doubles(int index) => MemoryMarshal.Cast<byte, double>(_state.AsSpan(_vectors * _each + index * _eachLearned, _eachLearned)).ToArray();
    }

    /// <summary>The header of a state that is whole and finite, and of this problem, as far as that can be told.</summary>
    /// <exception cref="CheckpointException">With what is wrong.</exception>
    public static CheckpointHeader SoundHeader(byte[] bytes, string path, LearningProblem? problem)
    {
        var (header, state) = Open(bytes, path);
        if (problem is not null)
        {
            _ = new Parts(path, header, state, problem);
        }
        else if (header.Learned is null)
        {
            // Vectors of equal length, θ first.
            var (each, rest) = int.DivRem(state.Length, 1 + header.Outer.Vectors.Count);
            if (rest != 0 || each % sizeof(float) != 0)
            {
                throw new CheckpointException($"{path} holds {state.Length} bytes of state, which are no {1 + header.Outer.Vectors.Count} vectors; restore it from a copy");
            }

            RequireFinite(MemoryMarshal.Cast<byte, float>(state.AsSpan(0, each)).ToArray(), path);
        }

        return header;
    }

    private static void RequireFinite(float[] theta, string path)
    {
        if (!Array.TrueForAll(theta, float.IsFinite))
        {
            throw NotFinite(path);
        }
    }

    private static CheckpointException NotFinite(string path) =>
        new($"{path} holds parameters that are not finite: nothing can be measured of it, and no training can go on from it; train anew with a lower outer rate or inner step size");

    private static (CheckpointHeader Header, byte[] State) Open(string path) => Open(ReadFile(path), path);

    /// <summary>A file's content, or its beginning where that is not a checkpoint's.</summary>
    /// <exception cref="NamedPathException">There is no such file.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">Likewise.</exception>
    internal static byte[] Content(string path) => FileContent.Read(path, Family.Length, start => start.AsSpan().StartsWith(Family));

    /// <summary>A checkpoint's content.</summary>
    /// <exception cref="CheckpointException">There is none.</exception>
    public static byte[] ReadFile(string path)
    {
        try
        {
            return Content(path);
        }
        catch (NamedPathException e)
        {
            throw new CheckpointException($"{(Path.Exists(path) ? e.Message : $"there is no checkpoint {path}")}; name a folder that `imaml train` made", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException($"{path} cannot be read ({e.Message.TrimEnd('.')}); check its permissions", e);
        }
    }

    /// <summary>The header and the state of a file's content.</summary>
    /// <exception cref="CheckpointException">It is damaged, cut off, or no checkpoint.</exception>
    public static (CheckpointHeader Header, byte[] State) Open(byte[] bytes, string path)
    {
        if (bytes.Length < Magic.Length || !bytes.AsSpan(0, Magic.Length).SequenceEqual(Magic))
        {
            throw new CheckpointException(bytes.AsSpan().StartsWith(Family)
                ? $"{path} was written by another version of this program; train anew"
                : bytes.AsSpan().StartsWith(SealedFile.Adapted) ? $"{path} is a classifier that has been adapted (imaml predict --save); name the model that it was made of"
                : $"{path} is not a checkpoint of this program; {(path.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase) ? "`imaml models import` makes a model of it" : "name a folder that `imaml train` made")}");
        }

        if (SealedFile.Open(bytes, Magic.Length) is not var (header, state))
        {
            throw new CheckpointException($"{path} is cut off or damaged; restore it from a copy");
        }

        try
        {
            var read = RunJson.Whole<CheckpointHeader>(header);
            return read.Fault() is { } fault ? throw new JsonException(fault) : (read, state);
        }
        catch (JsonException e)
        {
            throw new CheckpointException($"{path} has a header that makes no sense ({RunJson.Describe(e)}); it was written by another version of this program: train anew", e);
        }
    }
}
