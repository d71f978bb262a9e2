// θ as safetensors, for PyTorch and back: the tensors of PyTorchLayout, and in the metadata the rest of a model file's header.
//
// What a method learns next to θ (step sizes, λ) is one more tensor, `learned`, in double precision.

using System.Globalization;
using System.Text.Json;
using Imaml.Nets.Methods;
using Imaml.Nets.Models;
using Imaml.Nets.Runs;
using Imaml.Nets.Storage;

namespace Imaml.Nets.Prediction;

/// <summary>Writes a model as safetensors and reads one.</summary>
internal static class SafeTensorsModel
{
    private const string Format = "format", PyTorch = "pt", ExperimentKey = "imaml.experiment", TasksKey = "imaml.tasks", MetaStepKey = "imaml.metaStep", Learned = "learned";

    private const int LongestList = 3;

    /// <summary>The bytes of a file.</summary>
    /// <param name="header">What the model is.</param>
    /// <param name="network">Its network.</param>
    /// <param name="theta">θ, [d].</param>
    /// <param name="learned">What its method learned next to θ, or null.</param>
    public static byte[] Bytes(CheckpointHeader header, Network network, float[] theta, double[]? learned) => new SafeTensors(
        [
            // First, since its numbers are the longest: those of every tensor then lie at a multiple of their length.
            .. learned is null ? (StoredTensor[])[] : [StoredTensor.Of(Learned, [learned.Length], learned)],
            .. PyTorchLayout.Of(network).Select(part => StoredTensor.Of(part.Name, part.Shape, part.Of(theta))),
        ],
        new Dictionary<string, string>
        {
            [Format] = PyTorch,
            [ExperimentKey] = JsonSerializer.Serialize(header.Experiment, RunJson.Options),
            [TasksKey] = header.Tasks,
            [MetaStepKey] = header.MetaStep.ToString(CultureInfo.InvariantCulture),
        }).Bytes();

    /// <summary>The bytes of the model file that has the parameters of a safetensors file.</summary>
    /// <param name="path">The safetensors file.</param>
    /// <param name="experiment">The tasks, the network and the method that the parameters are for, or null where the file's metadata say it.</param>
    /// <param name="own">Its parts that are the caller's own.</param>
    /// <exception cref="ArgumentException">The experiment cannot be run.</exception>
    /// <exception cref="CheckpointException">The file is missing or damaged, names no experiment, or holds other tensors than the network has; or a part is missing.</exception>
    public static byte[] Read(string path, Experiment? experiment, OwnParts own)
    {
        experiment?.Validate();
        try
        {
            var file = SafeTensors.Read(FileContent.Read(path, sizeof(ulong) + 1, SafeTensors.MayBegin));
            var told = experiment ?? (file.Metadata.TryGetValue(ExperimentKey, out var text)
                ? ExperimentFile.Parse(text)
                : throw new InvalidDataException("does not say which experiment its parameters are for, as files of PyTorch do not; name it"));
            var network = own.Of(told, path).Network;
            var (theta, learned) = Numbers(file, network, told.Method);
            var nothing = OptimizerMemory.None;
            // Whose tasks another program's parameters were trained on is not known.
            var trained = experiment is null ? file.Metadata.GetValueOrDefault(TasksKey, "") : "";
            var steps = experiment is null && int.TryParse(file.Metadata.GetValueOrDefault(MetaStepKey), NumberStyles.None, CultureInfo.InvariantCulture, out var made) ? made : 0;
            return Checkpoint.ModelBytes(new CheckpointHeader(told, trained, steps, 0, nothing, learned.Length == 0 ? null : nothing), theta, learned);
        }
        catch (InvalidDataException e)
        {
            throw new CheckpointException($"{path} {e.Message}", e);
        }
        catch (Exception e) when (e is ArgumentException or OverflowException)
        {
            throw new CheckpointException($"{path} names an experiment that cannot be used ({e.Message})", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException(e is NamedPathException ? $"{e.Message}; name a safetensors file" : $"{path} cannot be read ({e.Message.TrimEnd('.')}); check its permissions", e) { IsOfRequest = e is NamedPathException };
        }
    }

    /// <summary>θ, and what is learned next to it.</summary>
    /// <exception cref="InvalidDataException">The tensors are not those of the network and the method, or not finite.</exception>
    private static (float[] Theta, double[] Learned) Numbers(SafeTensors file, Network network, Method method)
    {
        var parts = PyTorchLayout.Of(network);
        var found = file.Tensors.ToDictionary(tensor => tensor.Name, StringComparer.Ordinal);
        Require([.. parts.Select(part => (part.Name, $"{part}"))]);
        // Made where the network is known to be no larger than the file.
        double[] learned = [];
        if (method.Learns is { } learns)
        {
            Require([(Learned, $"{StoredTensor.Double} [{learns.Numbers(network.LayerSizes).Count}]")]);
            learned = found[Learned].Doubles.ToArray();
        }

        string[] unknown = [.. found.Keys.Except(parts.Select(part => part.Name)).Where(name => method.Learns is null || name != Learned)];
        Refuse([.. unknown.Select(name => $"{Rule.Printed(name)} is unknown{Advice(name)}")]);
        var theta = new float[network.ParameterCount];
        foreach (var part in parts)
        {
            var next = 0;
            foreach (var place in part.Places)
            {
                theta[place] = found[part.Name].Singles[next++];
            }
        }

        return theta.All(float.IsFinite) && learned.All(double.IsFinite) ? (theta, learned) : throw new InvalidDataException("holds numbers that are not finite");

        void Require((string Name, string Form)[] expected) => Refuse(
        [
            .. expected.Where(one => !found.ContainsKey(one.Name)).Select(one => $"{one.Name} is missing, {one.Form}"),
            .. expected.Where(one => found.TryGetValue(one.Name, out var tensor) && $"{tensor}" != one.Form).Select(one => $"{one.Name} is {Rule.Printed($"{found[one.Name]}")}, not {one.Form}"),
        ]);
    }

    private static void Refuse(string[] faults)
    {
        if (faults.Length > 0)
        {
            var more = faults.Length > LongestList ? $"; and {faults.Length - LongestList} more" : "";
            throw new InvalidDataException($"does not hold the parameters of the network: {string.Join("; ", faults.Take(LongestList))}{more}");
        }
    }

    private static string Advice(string name) =>
        name.Contains(".running_", StringComparison.Ordinal) || name.EndsWith(".num_batches_tracked", StringComparison.Ordinal) ? " (normalisations take the statistics of each task; BatchNorm2d with track_running_stats=False has no others)" : "";
}
