// Gradients in the parameters of a file, and someone's own answer, with bounds and true errors. The bound of a gradient h that comes with a φ alone:
//
//     ‖h − ∇F‖ ≤ ‖h − (∂_z f − Cᵀu)‖ + certificate of (φ, u)
//
// with the u that a solve at φ gives; of a g = Λu in θ, u = Λ⁻¹g itself, so that no system is solved.

using Imaml.Math;
using Imaml.Theory;
using Vector = MathNet.Numerics.LinearAlgebra.Vector<double>;

namespace Imaml.Cli.Problems;

/// <summary>Bounds the errors of gradients of one task.</summary>
internal sealed class AnswerJudge(
    BilevelTask task, IRegularizer<Vector, double> regularizer, IBilevelProblem<Vector, double> problem, OuterParameters? parameters, Func<Vector, Vector, Certificate> bound)
{
    // All digits but two of the u that an answer is compared with.
    private const double Residual = 1e-14;

    private const int MostSteps = 100_000;

    private static readonly IInnerProductSpace<Vector, double> Space = new EuclideanSpace();

    /// <summary>∇F(z) from φ and u, with its bound.</summary>
    /// <param name="phi">φ.</param>
    /// <param name="u">u; null where no linear system was solved.</param>
    /// <param name="unsolved">Why that is so.</param>
    /// <param name="lower">The bound of g = Λu.</param>
    /// <param name="exact">The dense solution, if there is one.</param>
    /// <param name="exactBound">Its certificate.</param>
    public ParameterOutcome Parameters(Vector phi, Vector? u, string unsolved, SolveBound lower, DenseSolution? exact, Certificate? exactBound)
    {
        var best = exact is null ? null : Pulled(exact.Phi, exact.U!);
        var bestBound = exact is null ? null : LowerLevelCertificate.Of(exactBound!, parameters!.PullBack.BoundAt(exact.Phi, exact.U!));
        var finite = u is not null && phi.ForAll(double.IsFinite) && u.ForAll(double.IsFinite);
        var gradient = finite ? Pulled(phi, u!) : null;
        var certificate = finite && lower.Kind is not BoundKind.None ? LowerLevelCertificate.Of(bound(phi, u!), parameters!.PullBack.BoundAt(phi, u!)) : null;
        var kind = certificate?.Kind ?? BoundKind.None;
        var reason = certificate?.Reason ?? (finite ? lower.Reason : u is null ? unsolved : "φ or u is not finite");
        var error = best is null || gradient is null ? (double?)null : Space.Norm(gradient - best);
        if (kind is BoundKind.Estimated && error is not null && !(error <= certificate!.Total + bestBound!.Total))
        {
            (kind, reason) = (BoundKind.None, Finding.Missed);
        }

        return new(
            parameters!.Kind,
            gradient is null ? null : FiniteNumbers.Of(gradient),
            kind is BoundKind.None ? null : FiniteNumbers.Of(certificate!.Total),
            kind is BoundKind.None ? null : FiniteNumbers.Of(certificate!.Rounding),
            kind,
            kind is BoundKind.None ? reason : null,
            best is null ? null : FiniteNumbers.Of(best),
            bestBound is null ? null : FiniteNumbers.Of(bestBound.Total),
            error is null ? null : FiniteNumbers.Of(error.Value));
    }

    /// <summary>The bounds and true errors of the file's own φ and gradient.</summary>
    public AnswerOutcome Answer(OwnAnswer answer, DenseSolution? exact, Certificate? exactBound)
    {
        var (phi, given) = (answer.Phi, answer.Gradient);
        var u = parameters is null ? regularizer.ApplyInverse(Space, given) : Solved(phi);
        var pulled = parameters is null ? regularizer.Apply(Space, u) : Pulled(phi, u);
        // Inputs may have any size: where a norm overflows there is no bound.
        var finite = u.ForAll(double.IsFinite) && pulled.ForAll(double.IsFinite);
        var lower = finite ? bound(phi, u) : null;
        var whole = lower is null || parameters is null ? null : LowerLevelCertificate.Of(lower, parameters.PullBack.BoundAt(phi, u));
        var kind = whole?.Kind ?? lower?.Kind ?? BoundKind.None;
        var reason = whole?.Reason ?? lower?.Reason ?? "numbers overflow";
        // The difference and its norm round; a hundred times that.
        var distance = System.Math.BitIncrement(Rounding.norm(given - pulled) + (100.0 * System.Math.ScaleB(1, -52) * given.Count * (Rounding.norm(given) + Rounding.norm(pulled))));
        var total = System.Math.BitIncrement(((parameters is null ? lower?.Total : whole?.Total) ?? double.PositiveInfinity) + distance);
        if (kind is not BoundKind.None && !(total < double.PositiveInfinity))
        {
            (kind, reason) = (BoundKind.None, "the bound overflows");
        }

        var best = exact is null ? null : parameters is null ? exact.Gradient! : Pulled(exact.Phi, exact.U!);
        var (phiError, error) = (exact is null ? (double?)null : Space.Norm(phi - exact.Phi), best is null ? (double?)null : Space.Norm(given - best));
        if (kind is BoundKind.Estimated && exact is not null)
        {
            var bestTotal = parameters is null ? exactBound!.Total : LowerLevelCertificate.Of(exactBound!, parameters.PullBack.BoundAt(exact.Phi, exact.U!)).Total;
            if (!(phiError <= lower!.InnerError + exactBound!.InnerError && error <= total + bestTotal))
            {
                (kind, reason) = (BoundKind.None, Finding.Missed);
            }
        }

        return new(
            FiniteNumbers.Of(Space.Norm(BilevelTaskModule.innerGradient(task, task.Theta, phi))),
            kind is BoundKind.None ? null : FiniteNumbers.Of(lower!.InnerError),
            phiError is null ? null : FiniteNumbers.Of(phiError.Value),
            kind is BoundKind.None ? null : FiniteNumbers.Of(total),
            kind,
            kind is BoundKind.None ? reason : null,
            error is null ? null : FiniteNumbers.Of(error.Value));
    }

    private Vector Pulled(Vector phi, Vector u) => parameters!.PullBack.GradientAt(phi, u, regularizer.Apply(Space, u));

    // (H + Λ)u = ∇L(φ) as accurately as conjugate gradients have it.
    private Vector Solved(Vector phi)
    {
        using var linearization = problem.LinearizeInner(phi);
        var (_, v) = problem.OuterLossAndGradient(phi);
        ILinearSolver<Vector, double> solver = new ConjugateGradientSolver<Vector, double>(LinearSolveOptions.ToTolerance(System.Math.Min(MostSteps, 20 * phi.Count), Residual));
        return solver.Solve(Space, AdjointSolve.Operator(Space, regularizer, linearization), v, 0.0).Solution;
    }
}
