// The outer variables z of a problem file, where they are not θ:
//
//     {"kind": "log-lambda"}                               log λ: one, or one for each parameter, as the regularizer has it
//     {"kind": "log-lambda", "groups": [3, 1]}             one for each group of consecutive parameters, whose λ are equal
//     {"kind": "example-weights", "logits": [0, 2, …]}     the inner loss is (1/n) Σ σ(zᵢ)ℓᵢ over its examples
//     {"kind": "quadratic", "value": [1, 2], "cross": [[…]], "outerCross": [[…]]}
//                                                          φᵀBz is added to L̂ and, with outerCross, φᵀEz to L; d rows, a column for each zⱼ

using Imaml.Math;
using Imaml.Theory;
using MathNet.Numerics.LinearAlgebra;

namespace Imaml.Cli.Problems;

/// <summary>Reads the outer variables.</summary>
internal static class ParametersReader
{
    private const string LogLambda = "log-lambda", Weights = "example-weights", Cross = "quadratic";

    /// <summary>The kinds of outer variables that there are.</summary>
    public static string[] Kinds { get; } = [LogLambda, Weights, Cross];

    /// <summary>The task at z, and the pull-back.</summary>
    /// <exception cref="ProblemFileException">A rule is broken.</exception>
    public static (BilevelTask Task, OuterParameters Parameters) Read(ProblemNode node, ProblemNode innerNode, BilevelTask task)
    {
        var kind = node.Kind("kind", Kinds);
        return kind switch
        {
            LogLambda => ReadLogLambda(node, task),
            Weights => ReadWeights(node, innerNode, task),
            _ => ReadCross(node, task),
        };
    }

    private static (BilevelTask Task, OuterParameters Parameters) ReadLogLambda(ProblemNode node, BilevelTask task)
    {
        var properties = node.Properties(["kind"], "groups");
        if (task.Proximal is Proximal.Matrix)
        {
            throw node.Error($"{LogLambda} needs a scalar or diagonal regularizer, not a matrix");
        }

        var sharing = properties.TryGetValue("groups", out var groups) ? ReadGroups(groups, task)
            : task.Proximal is Proximal.Scalar ? Sharing.OneForAll
            : Sharing.OnePerCoordinate;
        var pullBack = LowerLevels.logLambdaPullBack(sharing, task.Proximal, task.Theta);
        return (task, new(LogLambda, sharing.Count(task.Theta.Count), pullBack));
    }

    private static Sharing ReadGroups(ProblemNode node, BilevelTask task)
    {
        var sizes = node.WholeNumbers(1);
        if (sizes.Sum(size => (double)size) != task.Theta.Count)
        {
            throw node.Error($"groups of {string.Join(" + ", sizes.Take(8))}{(sizes.Length > 8 ? " + …" : "")} parameters, but theta has {ProblemNode.Count(task.Theta.Count)}");
        }

        if (task.Proximal is Proximal.Diagonal { lambdas: var lambdas })
        {
            var start = 0;
            foreach (var (size, group) in sizes.Select((size, group) => (size, group)))
            {
                var differs = Enumerable.Range(start, size).FirstOrDefault(j => lambdas[j] != lambdas[start], -1);
                if (differs >= 0)
                {
                    throw node.ErrorAt($"[{group}]", $"the λ of a group must be equal, but regularizer.lambda[{start}] is {ProblemNode.Show(lambdas[start])} and [{differs}] is {ProblemNode.Show(lambdas[differs])}");
                }

                start += size;
            }
        }

        return Sharing.NewOnePerLayer(sizes);
    }

    private static (BilevelTask Task, OuterParameters Parameters) ReadWeights(ProblemNode node, ProblemNode innerNode, BilevelTask task)
    {
        var logits = node.Properties(["kind", "logits"])["logits"];
        var z = logits.Vector();
        var (link, x, y) = LossReader.Examples(innerNode, task.Theta.Count);
        if (z.Count != y.Count)
        {
            throw logits.Error($"{ProblemNode.Count(z.Count)}, but {innerNode.Path} has {ProblemNode.Count(y.Count, "example")}: one for each");
        }

        var level = LowerLevels.exampleWeights(link, x, y, task.Outer, task.Proximal, task.Theta);
        return (level.Task.Invoke(z), new(Weights, z.Count, level.PullBack.Invoke(z)));
    }

    private static (BilevelTask Task, OuterParameters Parameters) ReadCross(ProblemNode node, BilevelTask task)
    {
        var properties = node.Properties(["kind", "value", "cross"], "outerCross");
        var z = properties["value"].Vector();
        var inner = ReadMatrix(properties["cross"], z.Count, task);
        var outer = properties.TryGetValue("outerCross", out var given) ? ReadMatrix(given, z.Count, task) : Matrix<double>.Build.Dense(task.Theta.Count, z.Count);
        var level = LowerLevels.cross(inner, outer, task.Inner, task.Outer, task.Proximal, task.Theta);
        return (level.Task.Invoke(z), new(Cross, z.Count, level.PullBack.Invoke(z)));
    }

    private static Matrix<double> ReadMatrix(ProblemNode node, int columns, BilevelTask task)
    {
        var matrix = node.Matrix();
        return matrix.RowCount == task.Theta.Count && matrix.ColumnCount == columns
            ? matrix
            : throw node.Error($"{ProblemNode.Shape(matrix)}, but theta has {ProblemNode.Count(task.Theta.Count)} and value {columns}: {task.Theta.Count} × {columns} is needed");
    }
}
