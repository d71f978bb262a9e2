// The problem that `imaml solve` solves, from a file:
//
//     {
//       "inner": {"kind": "quadratic", "A": [[2, 0], [0, 1]], "b": [1, -1]},
//       "outer": {"kind": "quadratic", "A": [[1, 0], [0, 1]], "b": [0, 0]},
//       "theta": [0, 0],
//       "regularizer": {"kind": "scalar", "lambda": 2.0}
//     }
//
// With "tasks": [{"inner": …, "outer": …}, …] in place of the two losses it holds several tasks. Losses in LossReader, regularizers in RegularizerReader; with "parameters" other outer variables than θ (ParametersReader); with "phi" and
// "metaGradient" someone's own answer. The file is checked strictly: misspelt or missing properties, values that
// are not numbers, and shapes that do not fit are errors that name their path.

using Imaml.Theory;

namespace Imaml.Cli.Problems;

/// <summary>Reads problem files.</summary>
internal static class ProblemFile
{
    private const long Longest = 1L << 30;

    /// <summary>The problem in a file, or on the standard input where the path is <c>-</c>; one for each task where it has several.</summary>
    /// <exception cref="ProblemFileException">The file is not JSON, or breaks a rule; one line says where.</exception>
    /// <exception cref="IOException">There is no such file, or it cannot be read; the message names it.</exception>
    public static IReadOnlyList<Problem> Read(string path, CancellationToken stop = default)
    {
        try
        {
            return Parse(Bytes(path, stop));
        }
        catch (ProblemFileException e)
        {
            throw new ProblemFileException($"{path}: {e.Message}");
        }
    }

    /// <summary>The problem in a text; one for each task where it has several.</summary>
    /// <exception cref="ProblemFileException">The text is not JSON or breaks a rule; one line says where.</exception>
    public static IReadOnlyList<Problem> Parse(ReadOnlyMemory<byte> utf8)
    {
        using var document = JsonText.Parse(utf8);
        var root = new ProblemNode(document.RootElement, "");
        if (!root.Has("tasks"))
        {
            var alone = root.Properties(["inner", "outer", "theta", "regularizer"], "parameters", "phi", "metaGradient");
            return [ReadTask(alone, alone) with { IsAlone = true }];
        }

        var properties = root.Properties(["tasks", "theta", "regularizer"], "parameters");
        return [.. properties["tasks"].Elements().Select(task => ReadTask(properties, task.Properties(["inner", "outer"], "phi", "metaGradient")))];
    }

    /// <summary>One task: what all share, its own losses, and an answer of its own.</summary>
    private static Problem ReadTask(IReadOnlyDictionary<string, ProblemNode> shared, IReadOnlyDictionary<string, ProblemNode> own)
    {
        var theta = shared["theta"].Vector();
        var (inner, innerKind) = LossReader.Read(own["inner"], theta.Count);
        var (outer, outerKind) = LossReader.Read(own["outer"], theta.Count);
        var (proximal, regularizerKind) = RegularizerReader.Read(shared["regularizer"], theta.Count);
        var task = BilevelTaskModule.create(inner, outer, proximal, theta);
        OuterParameters? parameters = null;
        if (shared.TryGetValue("parameters", out var node))
        {
            (task, parameters) = ParametersReader.Read(node, own["inner"], task);
        }

        return new Problem(task, innerKind, outerKind, regularizerKind, parameters, ReadAnswer(own, theta.Count, parameters));
    }

    private static OwnAnswer? ReadAnswer(IReadOnlyDictionary<string, ProblemNode> properties, int dimension, OuterParameters? parameters)
    {
        if (!properties.TryGetValue("phi", out var phi) & !properties.TryGetValue("metaGradient", out var gradient))
        {
            return null;
        }

        if (phi is null || gradient is null)
        {
            throw (phi ?? gradient)!.Error("phi and metaGradient go together: both are needed to judge an answer");
        }

        return new OwnAnswer(
            OfLength(phi, dimension, $"theta has {dimension}"),
            OfLength(gradient, parameters?.Count ?? dimension, parameters is null ? $"theta has {dimension}" : $"there are {ProblemNode.Count(parameters.Count, "parameter")} {parameters.Kind}"));
    }

    private static MathNet.Numerics.LinearAlgebra.Vector<double> OfLength(ProblemNode node, int count, string reason)
    {
        var vector = node.Vector();
        return vector.Count == count ? vector : throw node.Error($"{ProblemNode.Count(vector.Count)}, but {reason}");
    }

    private static byte[] Bytes(string path, CancellationToken stop)
    {
        if (path == StandardInput.Name)
        {
            return StandardInput.Read(Longest, stop);
        }

        try
        {
            return StandardInput.ReadFile(path, Longest, stop);
        }
        catch (InvalidDataException)
        {
            throw new ProblemFileException("longer than a gigabyte");
        }
    }
}
