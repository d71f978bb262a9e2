// A run's state in one file, from which it goes on as if it had never stopped: θ and Adam's moments to the last bit, and the options under
// which they were made. Episodes need no state: episode number n is a function of (seed, n).
//
//     "IMAMLCK2" · header length (int32) · header (JSON) · θ · m · v (float32, little-endian, d each)
//                · learned numbers · m · v (float64, p each; p is 0 where nothing but θ is learned) · SHA-256 of all before

using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Imaml.Math;
using Imaml.Nets.Learning;
using Imaml.Nets.Methods;
using Imaml.Nets.Models;
using Imaml.Nets.Storage;
using MathNet.Numerics.LinearAlgebra;
using static TorchSharp.torch;
using LearnedNumbers = Imaml.Nets.Methods.LearnedNumbers;

namespace Imaml.Nets.Runs;

/// <summary>A checkpoint cannot be used; the message says which file, why, and what to do.</summary>
public sealed class CheckpointException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>The state of a training run.</summary>
/// <param name="Options">What the run is doing.</param>
/// <param name="ManifestHash">The classes it trains, validates and tests on.</param>
/// <param name="MetaStep">Meta-steps made.</param>
/// <param name="Seconds">Wall seconds that they took.</param>
public sealed record CheckpointHeader(TrainingOptions Options, string ManifestHash, int MetaStep, double Seconds);

/// <summary>Reads and writes checkpoints.</summary>
public static class Checkpoint
{
    // The last digit is the format's version: in the first a convolution's weights lay inputs by outputs.
    private static readonly byte[] Family = Encoding.ASCII.GetBytes("IMAMLCK"), Magic = [.. Family, (byte)'2'];

    /// <summary>Writes the state in one piece.</summary>
    public static void Write(string path, CheckpointHeader header, MetaLearner learner)
    {
        var json = JsonSerializer.SerializeToUtf8Bytes(header, RunJson.Options);
        using var stream = new MemoryStream();
        stream.Write(Magic);
        Span<byte> length = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(length, json.Length);
        stream.Write(length);
        stream.Write(json);
        foreach (var tensor in (Tensor[])[learner.Theta, learner.Outer.FirstMoment, learner.Outer.SecondMoment])
        {
            using var scope = NewDisposeScope();
            stream.Write(MemoryMarshal.AsBytes<float>(tensor.cpu().data<float>().ToArray()));
        }

        if (learner.Learned is { } learned)
        {
            foreach (var numbers in (Vector<double>[])[learned.Numbers, learned.Outer.FirstMoment, learned.Outer.SecondMoment])
            {
                stream.Write(MemoryMarshal.AsBytes<double>(numbers.ToArray()));
            }
        }

        stream.Write(SHA256.HashData(stream.GetBuffer().AsSpan(0, (int)stream.Length)));
        AtomicFile.Write(path, stream.GetBuffer().AsSpan(0, (int)stream.Length));
    }

    /// <summary>Reads the header, having checked that the file is whole.</summary>
    /// <exception cref="CheckpointException">The file is missing, damaged, cut off, or no checkpoint.</exception>
    public static CheckpointHeader ReadHeader(string path) => Open(path).Header;

    /// <summary>Reads the whole state, to the processor, wherever it was computed.</summary>
    /// <param name="path">The file.</param>
    /// <param name="network">Builds the network that the options describe.</param>
    /// <param name="innerSteps">Steps of the inner solver, where they are to differ from training's.</param>
    /// <param name="threads">Threads of the learner, where they are to differ from training's; no number depends on them.</param>
    /// <exception cref="CheckpointException">As for the header, or the parameters are not those of the network.</exception>
    public static (CheckpointHeader Header, MetaLearner Learner) Read(string path, Func<TrainingOptions, Network> network, int? innerSteps = null, int? threads = null)
    {
        var (header, state) = Open(path);
        var built = network(header.Options);
        var each = built.ParameterCount * sizeof(float);
        var start = Method.Start(header.Options, built);
        var eachLearned = (start?.Numbers.Count ?? 0) * sizeof(double);
        if (state.Length != 3 * (each + eachLearned))
        {
            throw new CheckpointException($"{path} holds {state.Length} bytes of state, but its network and algorithm need {3 * (each + eachLearned)}; it was written by another version: train anew");
        }

        using var scope = NewDisposeScope();
        Tensor Part(int index) => tensor(MemoryMarshal.Cast<byte, float>(state.AsSpan(index * each, each)).ToArray(), ScalarType.Float32, CPU);
        Vector<double> Learned(int index) => Vector<double>.Build.Dense(MemoryMarshal.Cast<byte, double>(state.AsSpan(3 * each + index * eachLearned, eachLearned)).ToArray());
        var learned = start is null ? null : new LearnedNumbers(Learned(0), new AdamState<Vector<double>>(header.MetaStep, Learned(1), Learned(2)));
        var outer = new AdamState<Tensor>(header.MetaStep, Part(1), Part(2));
        var options = header.Options with { InnerSteps = innerSteps ?? header.Options.InnerSteps, Threads = threads ?? header.Options.Threads };
        return (header, new MetaLearner(options, built, Part(0), outer, learned));
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
            throw new CheckpointException($"there is no checkpoint {path}; `imaml train --out {Path.GetDirectoryName(path)}` makes one", e);
        }

        if (bytes.Length < Magic.Length || !bytes.AsSpan(0, Magic.Length).SequenceEqual(Magic))
        {
            throw new CheckpointException(bytes.AsSpan().StartsWith(Family)
                ? $"{path} was written by another version of this program, whose parameters lie in another order; train anew"
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
