// The exact solution of a small problem by dense solves, against which every method is measured: Alg*(θ), d_θL(Alg*(θ)), the Jacobian, dL/dΛ.

using Imaml.Math;
using Imaml.Theory;
using Vector = MathNet.Numerics.LinearAlgebra.Vector<double>;

namespace Imaml.Cli.Problems;

/// <summary>Where Newton's method with dense Hessians ended, and what that point is.</summary>
internal sealed class DenseSolution
{
    private readonly BilevelTask _task;

    private DenseSolution(BilevelTask task, Vector phi)
    {
        (_task, Phi) = (task, phi);
        Objective = BilevelTaskModule.innerObjective(task, task.Theta, phi);
        IsFinite = phi.ForAll(double.IsFinite);
        if (!IsFinite)
        {
            return;
        }

        Stationarity = StationarityModule.at(task, task.Theta, phi);
        IsFinite = Stationarity.IsFinite;
        if (IsFinite)
        {
            U = BilevelTaskModule.adjoint(task, phi);
            Gradient = ProximalModule.apply(task.Proximal, U);
            IsSolved = U.ForAll(double.IsFinite) && Gradient.ForAll(double.IsFinite);
            // A singular H + Λ has no solution, though nothing overflows.
            IsFinite = IsSolved || Stationarity.SmallestCurvature is <= 0 and > Finding.Overflowing;
            ByLambda = BilevelTaskModule.exactRegularizerGradient(task, phi);
        }
    }

    /// <summary>φ*, where it is the minimiser.</summary>
    public Vector Phi { get; }

    /// <summary>G(φ, θ).</summary>
    public double Objective { get; }

    /// <summary>What φ is to the inner problem; null where φ is not finite.</summary>
    public Stationarity? Stationarity { get; }

    /// <summary>u = (H+Λ)⁻¹∇L(φ); null where H or φ is not finite.</summary>
    public Vector? U { get; }

    /// <summary>g = Λu.</summary>
    public Vector? Gradient { get; }

    /// <summary>dL/dΛ; null where H or φ is not finite.</summary>
    public RegularizerGradient<Vector, double, ProximalGradient>? ByLambda { get; }

    /// <summary>Whether u and g are finite.</summary>
    public bool IsSolved { get; }

    /// <summary>Whether φ and H are finite, and u and g where H + Λ is positive definite; nothing that overflowed is a solution.</summary>
    public bool IsFinite { get; }

    /// <summary>Whether φ is a minimum of G as far as its gradient shows, and everything is finite.</summary>
    public bool IsMinimum => IsSolved && Stationarity!.IsMinimum;

    /// <summary>From θ.</summary>
    public static DenseSolution Of(BilevelTask task) => new(task, BilevelTaskModule.exactSolution(task, task.Theta));

    /// <summary>This one, or the minimum that a point leads to where it is lower: G of a network has more than one.</summary>
    public DenseSolution OrLower(Vector start)
    {
        if (_task.Inner.Kind is BoundKind.Certified || !start.ForAll(double.IsFinite))
        {
            return this;
        }

        var other = new DenseSolution(_task, BilevelTaskModule.exactSolutionFrom(start, _task, _task.Theta));
        return other.IsMinimum && (!IsMinimum || other.Objective < Objective) ? other : this;
    }

    /// <summary>As it is printed.</summary>
    public ExactSolution Report(double errorBound) => new(
        FiniteNumbers.Of(Phi),
        FiniteNumbers.Of(Gradient!),
        FiniteNumbers.Of(BilevelTaskModule.jacobian(_task, Phi)),
        FiniteNumbers.Of(ByLambda!.Gradient),
        FiniteNumbers.Of(errorBound));
}
