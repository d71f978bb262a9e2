// Algorithm 1, lines 3 to 7, on the tasks of a file: the mean of their gradients. Its error is at most the mean of the tasks' bounds, and rounding of the mean.

using Imaml.Math;
using Imaml.Theory;
using Vector = MathNet.Numerics.LinearAlgebra.Vector<double>;

namespace Imaml.Cli.Problems;

/// <summary>The answers of several tasks, and their mean.</summary>
/// <param name="Tasks">The tasks' answers, in the order of the file.</param>
/// <param name="OuterLoss">The mean of L(φ).</param>
/// <param name="MetaGradient">The mean of g; null where a task has none.</param>
/// <param name="ErrorBound">A bound on its error.</param>
/// <param name="BoundKind">Whether the bound is certified or estimated: the weakest kind among the tasks.</param>
/// <param name="ParameterGradient">The mean of ∇F(z); null without parameters, or where a task has none.</param>
/// <param name="ParameterErrorBound">A bound on its error.</param>
/// <param name="ParameterBoundKind">Whether that bound is certified or estimated.</param>
internal sealed record MeanOutcome(
    IReadOnlyList<SolveOutcome> Tasks,
    double? OuterLoss,
    double?[]? MetaGradient,
    double? ErrorBound,
    BoundKind BoundKind,
    double?[]? ParameterGradient,
    double? ParameterErrorBound,
    BoundKind ParameterBoundKind)
{
    /// <summary>The mean of at least one answer.</summary>
    public static MeanOutcome Of(IReadOnlyList<SolveOutcome> tasks)
    {
        var (gradient, bound, kind) = Mean(tasks.Select(task => ((double?[]?)task.MetaGradient, task.ErrorBound, task.BoundKind)));
        var (byParameters, parameterBound, parameterKind) = Mean(tasks.Select(task => (task.Parameters?.Gradient, task.Parameters?.ErrorBound, task.Parameters?.BoundKind ?? BoundKind.None)));
        var loss = tasks.All(task => task.OuterLoss is not null) ? FiniteNumbers.Of(tasks.Average(task => task.OuterLoss!.Value)) : null;
        return new(tasks, loss, gradient, bound, kind, byParameters, parameterBound, parameterKind);
    }

    private static (double?[]? Gradient, double? Bound, BoundKind Kind) Mean(IEnumerable<(double?[]? Gradient, double? Bound, BoundKind Kind)> answers)
    {
        var all = answers.ToArray();
        if (all.Any(answer => answer.Gradient is null || answer.Gradient.Any(value => value is null)))
        {
            return (null, null, BoundKind.None);
        }

        var mean = Enumerable.Range(0, all[0].Gradient!.Length).Select(j => FiniteNumbers.Of(all.Average(answer => answer.Gradient![j]!.Value))).ToArray();
        if (mean.Any(value => value is null) || all.Any(answer => answer.Kind is BoundKind.None || answer.Bound is null))
        {
            return (mean, null, BoundKind.None);
        }

        // n sums and a quotient of each number, and as many of the bounds: twice that.
        var rounding = 2.0 * (all.Length + 2) * System.Math.ScaleB(1, -53);
        var size = all.Average(answer => Rounding.norm(Vector.Build.DenseOfEnumerable(answer.Gradient!.Select(value => value!.Value))));
        var bound = System.Math.BitIncrement((all.Average(answer => answer.Bound!.Value) + (rounding * size)) * (1 + rounding));
        var kind = all.All(answer => answer.Kind is BoundKind.Certified) ? BoundKind.Certified : BoundKind.Estimated;
        return double.IsFinite(bound) ? (mean, bound, kind) : (mean, null, BoundKind.None);
    }
}
