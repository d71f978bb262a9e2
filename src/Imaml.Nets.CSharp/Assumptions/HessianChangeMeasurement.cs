// ρ seen from φ: how fast ∇²L̂ changes along three directions, over shrinking distances.

using Imaml.Math;
using Imaml.Nets.Tensors;
using static TorchSharp.torch;

namespace Imaml.Nets.Assumptions;

/// <summary>A direction from φ.</summary>
public enum ChangeDirection
{
    /// <summary>A random one.</summary>
    Random,

    /// <summary>φ − θ, the way that the inner solver came.</summary>
    Displacement,

    /// <summary>The eigenvector of the largest eigenvalue of ∇²L̂(φ).</summary>
    Top,
}

/// <summary>‖(H(φ + hs) − H(φ))s‖/h for every task, a lower bound on ρ.</summary>
/// <param name="Direction">s.</param>
/// <param name="Distance">h.</param>
/// <param name="PerTask">One number per task.</param>
internal sealed record HessianChanges(ChangeDirection Direction, double Distance, double[] PerTask);

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
