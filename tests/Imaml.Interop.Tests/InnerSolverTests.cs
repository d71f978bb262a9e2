using Expecto;
using Imaml.Math;
using MathNet.Numerics.LinearAlgebra;
using static Imaml.Interop.Tests.Check;
using static Imaml.Interop.Tests.Quadratic;

namespace Imaml.Interop.Tests;

/// <summary>φ* = M⁻¹(c + λθ) by every inner solver.</summary>
public static class InnerSolverTests
{
    private static InnerStatistics Finds(IInnerSolver<Vector<double>, double> solver, double gradientNorm, InnerStatus status)
    {
        var iterate = solver.Solve(Space, Proximal, Problem, Theta, Theta, gradientNorm);
        // ‖φ − φ*‖ ≤ ‖∇G‖/µ
        Close(iterate.Phi, Phi, "φ", (gradientNorm / Mu) + Rounding);
        var statistics = iterate.Read(Space)[0];
        Equal(statistics.Status, status, "status");
        return statistics;
    }

    private static void Momenta()
    {
        var (nesterovStep, nesterov) = Momentum.NesterovFor(Mu, Beta);
        Close(nesterovStep, 1.0 / Beta, "1/β");
        // κ = 1.66: Nesterov's bound is 2√κ ln(√(κ+1)R/δ) = 71 for R/δ = 10¹².
        Finds(new GradientDescentSolver<Vector<double>, double>(StepRule.NewConstantStep(nesterovStep), nesterov, 100, 1), 1e-12, InnerStatus.Converged);
        var (heavyBallStep, heavyBall) = Momentum.HeavyBallFor(Mu, Beta);
        var root = System.Math.Sqrt(Beta) + System.Math.Sqrt(Mu);
        Close(heavyBallStep, 4.0 / (root * root), "4/(√β+√µ)²");
        Finds(new GradientDescentSolver<Vector<double>, double>(StepRule.NewConstantStep(heavyBallStep), heavyBall, 100, 1), 1e-12, InnerStatus.Converged);
        Finds(new GradientDescentSolver<Vector<double>, double>(StepRule.NewConstantStep(1.0 / Beta), Momentum.NoMomentum, 100, 1), 1e-12, InnerStatus.Converged);
        // Two steps by hand, φ₋₁ = φ₀ = θ: heavy ball takes the gradient at φ₁, Nesterov ahead of it.
        const double a = 0.1, b = 0.5;
        Vector<double> Gradient(Vector<double> phi) => (M * phi) - C - (Lambda * Theta);
        var first = Theta - (a * Gradient(Theta));
        var ahead = first + (b * (first - Theta));
        Vector<double> After2(Momentum momentum) =>
            ((IInnerSolver<Vector<double>, double>)new GradientDescentSolver<Vector<double>, double>(StepRule.NewConstantStep(a), momentum, 2, 0))
                .Solve(Space, Proximal, Problem, Theta, Theta, 0.0).Phi;
        Close(After2(Momentum.NewHeavyBall(b)), ahead - (a * Gradient(first)), "heavy ball");
        Close(After2(Momentum.NewNesterov(b)), ahead - (a * Gradient(ahead)), "Nesterov");
    }

    private static void BlackBoxes()
    {
        var known = new DelegateInnerSolver<Vector<double>, double>((theta, start) => M.Solve(C + (Lambda * theta)));
        Finds(known, 0.0, InnerStatus.NotReported);
        // One that evaluates the problem, and uses no derivative: coordinate search on G, halving its stride.
        var search = new DelegateInnerSolver<Vector<double>, double>((problem, regularizer, theta, start) =>
        {
            double G(Vector<double> phi) => problem.InnerLoss(phi) + Regularizer.Value(Space, regularizer, phi - theta);
            var phi = start;
            for (var stride = 1.0; stride > 1e-9; stride /= 2.0)
            {
                for (var moved = true; moved;)
                {
                    Vector<double>[] moves = [Of(stride, 0.0), Of(-stride, 0.0), Of(0.0, stride), Of(0.0, -stride)];
                    var best = moves.Select(move => phi + move).MinBy(G)!;
                    moved = G(best) < G(phi);
                    phi = moved ? best : phi;
                }
            }

            return phi;
        });
        var result = ImplicitMetaGradient.Compute(Space, Proximal, Problem, search, Linear, Theta);
        Equal(result.Inner.Read(Space)[0].Status, InnerStatus.NotReported, "status");
        // ‖∇G‖ at its result bounds the error of g: (λ/µ)(L/µ)‖∇G‖, here with ρ = 0 and an exact solve.
        That(result.InnerGradientNorm < 1e-6, $"‖∇G‖ = {result.InnerGradientNorm}");
        Close(result.Gradient, G, "g", (Lambda / (Mu * Mu) * result.InnerGradientNorm) + Rounding);
        Refuses(() => new DelegateInnerSolver<Vector<double>, double>((Func<Vector<double>, Vector<double>, Vector<double>>)null!), "solve", "null");
    }

    [Tests]
    public static readonly Test Statements = List(
        "Inner solvers",
        Statement("gradient descent finds φ* by a constant and by a measured step", () =>
        {
            Equal(Finds(Inner, 0.0, InnerStatus.StepLimit).Gradients, 40, "one gradient a step");
            Finds(new GradientDescentSolver<Vector<double>, double>(StepRule.MeasuredCurvature, 100, 1), 1e-12, InnerStatus.Converged);
        }),
        Statement("momenta are those of Polyak and Nesterov", Momenta),
        Statement("Newton's method by conjugate gradients needs one step for a quadratic", () =>
            Equal(Finds(new NewtonConjugateGradientSolver<Vector<double>, double>(5, NewtonConjugateGradient.PaperDirectionSteps), 1e-12, InnerStatus.Converged).Steps, 1, "steps")),
        Statement("L-BFGS finds φ* without products", () =>
            Equal(Finds(new LbfgsSolver<Vector<double>, double>(50, 5), 1e-12, InnerStatus.Converged).HessianProducts, 0, "products")),
        Statement("the exact solver finds φ* to rounding", () =>
            Finds(new ExactInnerSolver<Vector<double>, double>(Coordinates, 10), 1e-13, InnerStatus.Converged)),
        Statement("a black box that uses no derivative gives a meta-gradient as good as its ‖∇G‖", BlackBoxes),
        Statement("every status is described in words", () =>
        {
            That(Enum.GetValues<InnerStatus>().All(status => status.Describe().Length > 10), "words for every status");
            Refuses(() => ((InnerStatus)99).Describe(), "99", "is not a status");
        }),
        Statement("a caller's mistakes are refused with the value and the rule", () =>
        {
            Refuses(() => new GradientDescentSolver<Vector<double>, double>(StepRule.NewConstantStep(-0.1), 5), "-0.1", "must be positive");
            Refuses(() => new GradientDescentSolver<Vector<double>, double>(StepRule.NewConstantStep(0.1), 0), "0", "at least 1");
            Refuses(() => new GradientDescentSolver<Vector<double>, double>(StepRule.NewConstantStep(0.1), Momentum.NewNesterov(1.5), 5, 0), "1.5", "[0, 1)");
            Refuses(
                () => new GradientDescentSolver<Vector<double>, double>(StepRule.MeasuredCurvature, Momentum.NewHeavyBall(0.5), 5, 0), "HeavyBall", "constant step");
            Refuses(() => new LbfgsSolver<Vector<double>, double>(5, 0), "0", "at least 1");
        }));
}
