using Expecto;
using Imaml.Math;
using MathNet.Numerics.LinearAlgebra;
using static Imaml.Interop.Tests.Check;
using static Imaml.Interop.Tests.Quadratic;

namespace Imaml.Interop.Tests;

/// <summary>Mu = v by every linear solver, on M whose eigenvalues are (9 ± √5)/2.</summary>
public static class LinearSolverTests
{
    private static readonly ILinearOperator<Vector<double>> Operator = LinearOperator.Of<Vector<double>>(w => M * w);

    private static SolveStatistics Solves(ILinearSolver<Vector<double>, double> solver, SolveStatus status)
    {
        var report = solver.Solve(Space, Operator, V, 0.0);
        Close(report.Solution, U, "u");
        var statistics = report.Read(Space)[0];
        // A fixed budget may end on a residual of exactly 0, by chance of rounding.
        That(statistics.Status == status || (status == SolveStatus.StepLimit && statistics.RelativeResidual == 0.0), $"{statistics.Status}");
        Close(statistics.RightHandSideNorm, V.L2Norm(), "‖v‖");
        return statistics;
    }

    private static ILinearSolver<Vector<double>, double> Conjugate(LinearSolveOptions options) => new ConjugateGradientSolver<Vector<double>, double>(options);

    private static ILinearSolver<Vector<double>, double> MinimalResidual(LinearSolveOptions options) => new MinresSolver<Vector<double>, double>(options);

    private static ILinearSolver<Vector<double>, double> Series(double alpha, LinearSolveOptions options) =>
        new NeumannSolver<Vector<double>, double>(alpha, options);

    private static void ConjugateGradients()
    {
        var budget = Solves(Conjugate(LinearSolveOptions.FixedBudget(2)), SolveStatus.StepLimit);
        Equal(budget.Steps, 2, "steps");
        // As many steps as eigenvalues: the Ritz values are the eigenvalues.
        Close(Of(budget.RitzValues), Of(Mu, Beta), "Ritz values");
        Equal(Solves(Conjugate(LinearSolveOptions.ToTolerance(50, 1e-13)), SolveStatus.Converged).Steps, 2, "steps");
        Equal((LinearSolveOptions.FixedBudget(7).CheckEvery, LinearSolveOptions.ToTolerance(7, 0.1).CheckEvery), (0, 1), "looks at the residual");
    }

    private static void Preconditioned()
    {
        // With M⁻¹ itself one step is enough.
        var inverse = LinearOperator.Of<Vector<double>>(w => M.Solve(w));
        Equal(Solves(new PreconditionedConjugateGradientSolver<Vector<double>, double>(LinearSolveOptions.FixedBudget(1), inverse), SolveStatus.StepLimit).Steps, 1, "steps");
        Equal(Solves(new PreconditionedConjugateGradientSolver<Vector<double>, double>(LinearSolveOptions.ToTolerance(50, 1e-13), inverse), SolveStatus.Converged).Steps, 1, "steps");
        // Λ = λI is a multiple of the identity, which changes nothing.
        var multiple = LinearOperator.Of<Vector<double>>(w => ((IRegularizer<Vector<double>, double>)Proximal).ApplyInverse(Space, w));
        Close(multiple.Apply(V), V / Lambda, "Λ⁻¹v");
        Equal(Solves(new PreconditionedConjugateGradientSolver<Vector<double>, double>(LinearSolveOptions.FixedBudget(2), multiple), SolveStatus.StepLimit).Steps, 2, "steps");
    }

    private static void Neumann()
    {
        const double alpha = 0.1;
        var term = Matrix<double>.Build.DenseIdentity(2) - (alpha * M);
        var three = Series(alpha, LinearSolveOptions.FixedBudget(3)).Solve(Space, Operator, V, 0.0);
        Close(three.Solution, U - (term.Power(3) * U), "[I − (I − αM)³]M⁻¹v");
        // (1 − αµ)ᵏ = 0.66ᵏ is below 10⁻¹³ after 73 terms.
        Solves(Series(alpha, LinearSolveOptions.ToTolerance(100, 1e-13)), SolveStatus.Converged);
        Refuses(() => Series(-1.0, LinearSolveOptions.FixedBudget(3)), "-1", "must be positive");
    }

    private static void Words()
    {
        foreach (var status in Enum.GetValues<SolveStatus>())
        {
            That(status.Describe().Length > 10, $"{status} is described");
        }

        That(SolveStatus.NonPositiveCurvature.Describe().Contains("raise λ"), "what helps");
        Refuses(() => ((SolveStatus)99).Describe(), "99", "is not a status");
    }

    private static void Indefinite()
    {
        var negative = LinearOperator.Of<Vector<double>>(w => -w);
        var cg = Conjugate(LinearSolveOptions.FixedBudget(5)).Solve(Space, negative, V, 0.0).Read(Space)[0];
        Equal(cg.Status, SolveStatus.NonPositiveCurvature, "conjugate gradients' status");
        Close(cg.SmallestCurvature, -1.0, "curvature");
        Close(MinimalResidual(LinearSolveOptions.ToTolerance(5, 1e-13)).Solve(Space, negative, V, 0.0).Solution, -V, "MINRES's solution");
    }

    [Tests]
    public static readonly Test Statements = List(
        "Linear solvers",
        Statement("conjugate gradients end after as many steps as there are eigenvalues, which they find", ConjugateGradients),
        Statement("a preconditioner from a delegate or from Λ⁻¹ is used", Preconditioned),
        Statement("K terms of a Neumann series are [I − (I − αM)ᴷ]M⁻¹v", Neumann),
        Statement("MINRES solves in as many steps as there are eigenvalues", () =>
        {
            Equal(Solves(MinimalResidual(LinearSolveOptions.FixedBudget(2)), SolveStatus.StepLimit).Steps, 2, "steps");
            Solves(MinimalResidual(LinearSolveOptions.ToTolerance(50, 1e-13)), SolveStatus.Converged);
        }),
        Statement("the dense solver solves, and knows the smallest eigenvalue", () =>
            Close(Solves(new DenseSolver<Vector<double>, double>(Coordinates), SolveStatus.Converged).SmallestCurvature, Mu, "µ")),
        Statement("an indefinite operator is reported by conjugate gradients and solved by MINRES", Indefinite),
        Statement("every status is described in words", Words),
        Statement("a caller's mistakes are refused with the value and the rule", () =>
        {
            Refuses(() => Conjugate(LinearSolveOptions.FixedBudget(0)).Solve(Space, Operator, V, 0.0), "0", "at least 1");
            Refuses(() => Conjugate(LinearSolveOptions.ToTolerance(5, 1.0)).Solve(Space, Operator, V, 0.0), "1", "[0, 1)");
            Refuses(() => LinearOperator.Of<Vector<double>>(null!), "apply", "null");
            var notPositive = LinearOperator.Of<Vector<double>>(w => -w);
            Refuses(() => new DiagonalPreconditioner<Vector<double>>(Coordinates, LinearOperator.Diagonal(Space, Coordinates, notPositive, Theta)), "-1", "must be positive");
        }));
}
