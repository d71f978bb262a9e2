// A run's state in one file, from which it goes on as if it had never stopped: θ and what the outer optimiser remembers, to the last bit, and the
// experiment that made them. Tasks need no state: task number n is a function of (seed, n).
//
//     "IMAMLCK3" · header length (int32) · header (JSON) · θ · the optimiser's vectors (float32, little-endian, d each)
//                · learned numbers · their optimiser's vectors (float64, p each; none where nothing but θ is learned) · SHA-256 of all before

using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Imaml.Math;
using Imaml.Nets.Learning;
using Imaml.Nets.Storage;
using MathNet.Numerics.LinearAlgebra;
using static TorchSharp.torch;

namespace Imaml.Nets.Runs;

/// <summary>A checkpoint cannot be used; the message says which file, why, and what to do.</summary>
public sealed class CheckpointException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>A number that an optimiser remembers.</summary>
internal sealed record RememberedNumber(string Name, double Value);

/// <summary>What an optimiser remembers: the vectors by name, in the order of the file, and the numbers.</summary>
internal sealed record OptimizerMemory(IReadOnlyList<string> Vectors, IReadOnlyList<RememberedNumber> Numbers)
{
    internal static OptimizerMemory Of<TVector>(OptimizerState<TVector> state) => new(
        [.. state.Vectors.Select(one => one.Item1)], [.. state.Numbers.Select(one => new RememberedNumber(one.Item1, one.Item2))]);

    internal OptimizerState<TVector> With<TVector>(int steps, Func<int, TVector> vector) => new(
        steps, [.. Vectors.Select((name, i) => (name, vector(i)))], [.. Numbers.Select(one => (one.Name, one.Value))]);
}

/// <summary>The header of a checkpoint.</summary>
/// <param name="Experiment">What the run is doing.</param>
/// <param name="Tasks">What determines its tasks.</param>
/// <param name="MetaStep">Meta-steps made.</param>
/// <param name="Seconds">Wall seconds that they took.</param>
/// <param name="Outer">What the outer optimiser remembers.</param>
/// <param name="Learned">What the optimiser of the learned numbers remembers, or null where nothing but θ is learned.</param>
internal sealed record CheckpointHeader(Experiment Experiment, string Tasks, int MetaStep, double Seconds, OptimizerMemory Outer, OptimizerMemory? Learned);

/// <summary>Reads and writes checkpoints.</summary>
internal static class Checkpoint
{
    // The last digit is the format's version: the first two had their options as a list in place of an experiment.
    private static readonly byte[] Family = Encoding.ASCII.GetBytes("IMAMLCK"), Magic = [.. Family, (byte)'3'];

    /// <summary>Writes the state in one piece.</summary>
    public static void Write(string path, Experiment experiment, double seconds, MetaLearner learner)
    {
        using var scope = NewDisposeScope();
        var outer = learner.Outer;
        var learned = learner.Learned?.Optimizer.State(new EuclideanSpace());
        var header = new CheckpointHeader(experiment, learner.Problem.Identity, learner.MetaStep, seconds, OptimizerMemory.Of(outer), learned is null ? null : OptimizerMemory.Of(learned));
        var json = JsonSerializer.SerializeToUtf8Bytes(header, RunJson.Options);
        using var stream = new MemoryStream();
        stream.Write(Magic);
        Span<byte> length = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(length, json.Length);
        stream.Write(length);
        stream.Write(json);
        foreach (var tensor in outer.Vectors.Select(one => one.Item2).Prepend(learner.Theta))
        {
            stream.Write(MemoryMarshal.AsBytes<float>(tensor.cpu().data<float>().ToArray()));
        }

        foreach (var numbers in learned?.Vectors.Select(one => one.Item2).Prepend(learner.Learned!.Numbers) ?? [])
        {
            stream.Write(MemoryMarshal.AsBytes<double>(numbers.ToArray()));
        }

        stream.Write(SHA256.HashData(stream.GetBuffer().AsSpan(0, (int)stream.Length)));
        AtomicFile.Write(path, stream.GetBuffer().AsSpan(0, (int)stream.Length));
    }

    /// <summary>Reads the header, having checked that the file is whole.</summary>
    /// <exception cref="CheckpointException">The file is missing, damaged, cut off, or no checkpoint.</exception>
    public static CheckpointHeader ReadHeader(string path) => Open(path).Header;

    /// <summary>Reads the whole state, to the processor, wherever it was computed.</summary>
    /// <param name="path">The file.</param>
    /// <param name="problem">The tasks and the model.</param>
    /// <param name="threads">Threads of the learner; no number depends on them.</param>
    /// <param name="experiment">The experiment that goes on with it, or null for its own.</param>
    /// <exception cref="CheckpointException">As for the header, or the parameters are not those of the model.</exception>
    public static (CheckpointHeader Header, MetaLearner Learner) Read(string path, LearningProblem problem, int threads, Experiment? experiment = null)
    {
        var (header, state) = Open(path);
        var each = problem.ParameterCount * sizeof(float);
        var eachLearned = (header.Experiment.Method.Learns?.Numbers(problem.LayerSizes).Count ?? 0) * sizeof(double);
        var vectors = 1 + header.Outer.Vectors.Count;
        var needed = (long)vectors * each + (1L + (header.Learned?.Vectors.Count ?? 0)) * eachLearned;
        if (state.Length != needed || header.Learned is null != (eachLearned == 0))
        {
            throw new CheckpointException($"{path} holds {state.Length} bytes of state, but its network and method need {needed}; it was written by another version or for another network: train anew");
        }

        using var scope = NewDisposeScope();
        Tensor Part(int index) => tensor(MemoryMarshal.Cast<byte, float>(state.AsSpan(index * each, each)).ToArray(), [1, problem.ParameterCount], ScalarType.Float32, CPU);
        Vector<double> Learned(int index) => Vector<double>.Build.Dense(MemoryMarshal.Cast<byte, double>(state.AsSpan(vectors * each + index * eachLearned, eachLearned)).ToArray());
        var outer = header.Outer.With(header.MetaStep, i => Part(1 + i));
        try
        {
            return (header, MetaLearner.Restore(
                (experiment ?? header.Experiment).Plan, problem, threads, Part(0), outer,
                header.Learned is { } learned ? (Learned(0), learned.With(header.MetaStep, i => Learned(1 + i))) : null));
        }
        catch (ArgumentException e)
        {
            throw new CheckpointException($"{path} cannot be used ({e.Message}); train anew", e);
        }
    }

    private static (CheckpointHeader Header, byte[] State) Open(string path)
    {
        byte[] bytes;
        try
        {
            bytes = File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new CheckpointException($"there is no checkpoint {path}; name a folder that `imaml train` made", e);
        }

        if (bytes.Length < Magic.Length || !bytes.AsSpan(0, Magic.Length).SequenceEqual(Magic))
        {
            throw new CheckpointException(bytes.AsSpan().StartsWith(Family)
                ? $"{path} was written by another version of this program; train anew"
                : $"{path} is no checkpoint of this program; name a folder that `imaml train` made");
        }

        var end = bytes.Length - SHA256.HashSizeInBytes;
        if (end < Magic.Length + 4 || !SHA256.HashData(bytes.AsSpan(0, end)).AsSpan().SequenceEqual(bytes.AsSpan(end)))
        {
            throw new CheckpointException($"{path} is cut off or damaged; restore it from a copy, or delete the folder and train anew");
        }

        try
        {
            var start = Magic.Length + 4;
            var length = BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(Magic.Length));
            var header = JsonSerializer.Deserialize<CheckpointHeader>(bytes.AsSpan(start, length), RunJson.Options)
                ?? throw new JsonException("the header is empty");
            return (header, bytes[(start + length)..end]);
        }
        catch (Exception e) when (e is JsonException or ArgumentOutOfRangeException)
        {
            throw new CheckpointException($"{path} was written by another version of this program ({e.Message.Split('\n')[0]}); train anew", e);
        }
    }
}
