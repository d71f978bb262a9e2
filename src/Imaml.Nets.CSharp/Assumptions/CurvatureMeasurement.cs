// ∇²L̂ at a point, task by task: the ends of its spectrum; and ρ seen from φ, how fast it changes along three directions, over shrinking distances.

using Imaml.Math;
using Imaml.Nets.Tensors;
using static TorchSharp.torch;

namespace Imaml.Nets.Assumptions;

/// <summary>What Lanczos's method on ∇²L̂ shows at one point of one task.</summary>
/// <param name="Smallest">The smallest Ritz value: λ_min is at most this.</param>
/// <param name="SmallestResidual">An eigenvalue is this near to it.</param>
/// <param name="Largest">The largest Ritz value: λ_max is at least this.</param>
/// <param name="LargestResidual">An eigenvalue is this near to it.</param>
/// <param name="Missed">The spectrum may reach this much farther at either end, with a chance of error of 1 % for this task alone.</param>
/// <param name="Negative">At least so many eigenvalues are negative.</param>
/// <param name="StrongConvexity">λ + Smallest, which µ is at most.</param>
/// <param name="Condition">κ of G as seen; infinite where µ is not positive.</param>
/// <param name="Refuted">Whether a curvature below −λ was seen, so that G is not convex here.</param>
/// <param name="Probable">Whether G is strongly convex here, with a chance of error of 1 % for this task alone.</param>
/// <param name="ProbableAmongAll">The same with that chance for all tasks of the state together: 1 % over their number for this one.</param>
/// <param name="GradientNorm">‖∇G‖.</param>
/// <param name="InnerError">‖∇G‖/µ with the µ that was seen, an estimate of δ; infinite where µ is not positive.</param>
public sealed record PointCurvature(
    double Smallest,
    double SmallestResidual,
    double Largest,
    double LargestResidual,
    double Missed,
    int Negative,
    double StrongConvexity,
    double Condition,
    bool Refuted,
    bool Probable,
    bool ProbableAmongAll,
    double GradientNorm,
    double InnerError);

/// <summary>Measures curvature.</summary>
internal static class CurvatureMeasurement
{
    /// <summary>The curvature of every task at a point, and the unit vectors along which it is largest, [B, d].</summary>
    public static (PointCurvature[] Curvature, Tensor Top) At(TaskBatch tasks, Tensor point, AssumptionOptions options)
    {
        using var scope = NewDisposeScope();
        var space = tasks.Space;
        using var linearization = tasks.Problem.LinearizeInner(point);
        var gradients = space.Read(space.Norm(InnerObjective.Gradient(space, tasks.Regularizer, linearization.Gradient, point, tasks.Theta)));
        var report = Lanczos.Run(space, int.Min(options.LanczosSteps, tasks.Parameters), LinearOperator.Of<Tensor>(linearization.HessianProduct), tasks.RandomVectors(RandomPurpose.LanczosStart));
        var spectra = Lanczos.Read(space, report);
        var top = Lanczos.Vector(space, report, [.. spectra.Select(spectrum => spectrum.Vectors.LastOrDefault([]))]);
        return ([.. spectra.Select((spectrum, task) => Of(spectrum, tasks, options.Tasks, gradients[task]))], top.MoveToOuterDisposeScope());
    }

    private static PointCurvature Of(RitzSpectrum spectrum, TaskBatch tasks, int allTasks, double gradient)
    {
        ObservedCurvature Seen(double failure) => ObservedCurvature.Of(spectrum, tasks.Lambda, tasks.Parameters, failure);
        var curvature = Seen(AssumptionOptions.Failure);
        return new PointCurvature(
            spectrum.Smallest,
            spectrum.Residuals.FirstOrDefault(double.NaN),
            spectrum.Largest,
            spectrum.Residuals.LastOrDefault(double.NaN),
            curvature.Missed,
            spectrum.NegativeAtLeast,
            curvature.StrongConvexityAtMost,
            curvature.ConditionAtLeast,
            curvature.IsRefuted,
            curvature.IsProbable,
            Seen(AssumptionOptions.Failure / allTasks).IsProbable,
            gradient,
            curvature.InnerError(gradient));
    }
}

/// <summary>A direction from φ.</summary>
public enum ChangeDirection
{
    /// <summary>A random one.</summary>
    Random,

    /// <summary>φ − θ, the displacement by the inner solver.</summary>
    Displacement,

    /// <summary>The eigenvector of the largest eigenvalue of ∇²L̂(φ).</summary>
    Top,
}

/// <summary>‖(H(φ + hs) − H(φ))s‖/h for every task, a lower bound on ρ.</summary>
/// <param name="Direction">s.</param>
/// <param name="Distance">h.</param>
/// <param name="PerTask">One number per task.</param>
public sealed record HessianChanges(ChangeDirection Direction, double Distance, IReadOnlyList<double> PerTask);

/// <summary>Measures how ∇²L̂ changes.</summary>
internal static class HessianChangeMeasurement
{
    /// <summary>The distances h: from a tenth, about that of φ from θ, to where a double's rounding of H is still a millionth of the quotient.</summary>
    public static readonly double[] Distances = [1e-1, 1e-2, 1e-3, 1e-4, 1e-5];

    /// <summary>Every direction at every distance.</summary>
    public static List<HessianChanges> At(TaskBatch tasks, Tensor phi, Tensor top)
    {
        using var scope = NewDisposeScope();
        var space = tasks.Space;
        using var linearization = tasks.Problem.LinearizeInner(phi);
        (ChangeDirection Name, Tensor Vector)[] directions =
            [(ChangeDirection.Random, tasks.RandomVectors(RandomPurpose.ChangeDirection)), (ChangeDirection.Displacement, phi - tasks.Theta), (ChangeDirection.Top, top)];
        return
        [
            .. from direction in directions
               from distance in Distances
               select new HessianChanges(
                   direction.Name,
                   distance,
                   space.Read(HessianChange.Along(space, tasks.Problem, linearization, phi, direction.Vector, direction.Vector, distance))),
        ];
    }
}
