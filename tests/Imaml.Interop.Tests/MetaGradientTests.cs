using Expecto;
using Imaml.Math;
using MathNet.Numerics.LinearAlgebra;
using static Imaml.Interop.Tests.Check;
using static Imaml.Interop.Tests.Quadratic;

namespace Imaml.Interop.Tests;

/// <summary>Lemma 1, Algorithm 2 and the methods that it is compared with, in closed form, for constant H.</summary>
public static class MetaGradientTests
{
    private const double Step = 0.1;
    private const int Steps = 5, LastSteps = 2;
    private static readonly Matrix<double> One = Matrix<double>.Build.DenseIdentity(2), J = Lambda * M.Inverse(), Left = One - (Step * M);

    private static void Jacobian()
    {
        using var linearization = Problem.LinearizeInner(Phi);
        var product = ImplicitJacobian.Product(Space, Proximal, AdjointSolve.Operator(Space, Proximal, linearization), Linear, 0.0, Theta);
        Close(product.Product, J * Theta, "Jw");
        Equal(product.Solve.Read(Space)[0].Steps, 2, "steps");
        // J is symmetric for Λ = λI; another Λ distinguishes J from Jᵀ.
        var diagonal = new DiagonalRegularizer<Vector<double>, double>(Coordinates, Of(1.0, 4.0));
        var lambda = Matrix<double>.Build.DenseOfDiagonalArray([1.0, 4.0]);
        var inverse = (H + lambda).Inverse();
        var hessian = AdjointSolve.Operator(Space, diagonal, linearization);
        Close(ImplicitJacobian.Product(Space, diagonal, hessian, Linear, 0.0, Theta).Product, inverse * lambda * Theta, "Jw");
        Close(ImplicitJacobian.TransposeProduct(Space, diagonal, hessian, Linear, 0.0, Theta).Product, lambda * inverse * Theta, "Jᵀw");
        Close(ImplicitJacobian.Matrices(Space, Coordinates, diagonal, hessian, Phi)[0], inverse * lambda, "J");
    }

    private static void Accuracies()
    {
        const double delta = 1e-3, deltaPrime = 1e-2;
        var thresholds = Thresholds.OfAccuracies(Proximal, Mu, delta, deltaPrime);
        var inner = new GradientDescentSolver<Vector<double>, double>(StepRule.NewConstantStep(1.0 / Beta), 100, 1);
        var linear = new ConjugateGradientSolver<Vector<double>, double>(LinearSolveOptions.ToTolerance(50, 0.0));
        var result = ImplicitMetaGradient.Compute(Space, Proximal, Problem, inner, linear, thresholds, Theta);
        Equal(result.Inner.Read(Space)[0].Status, InnerStatus.Converged, "inner status");
        That(result.Inner.Read(Space)[0].Steps < 20, "no more steps than δ needs");
        That((result.Phi - Phi).L2Norm() <= delta, "Definition 1");
        That((result.Gradient - (J * (result.Phi - Target))).L2Norm() <= deltaPrime, "Definition 2");
        That((result.Gradient - G).L2Norm() <= deltaPrime + (Lambda / Mu * delta), "Theorem 1, with C = λL/µ");
        var same = ((IMetaGradientStrategy<Vector<double>, double>)new ImplicitStrategy<Vector<double>, double>(inner, linear, thresholds)).Compute(Space, Proximal, Problem, Theta);
        Equal(same.Gradient, result.Gradient, "the strategy's gradient");
        var budgets = ImplicitMetaGradient.Compute(Space, Proximal, Problem, Inner, Linear, Thresholds.None, Theta);
        Close(budgets.Gradient, G, "g by fixed budgets");
        Refuses(() => Thresholds.OfAccuracies(Proximal, 0.0, delta, deltaPrime), "0", "µ must be positive");
        Refuses(() => Thresholds.OfAccuracies(Proximal, Mu, -1.0, deltaPrime), "-1", "δ must be at least 0");
        Refuses(() => Thresholds.OfAccuracies(Proximal, Mu, delta, double.NaN), "NaN", "δ′ must be at least 0");
    }

    private static MetaGradient<Vector<double>, double> By(IMetaGradientStrategy<Vector<double>, double> strategy) =>
        strategy.Compute(Space, Proximal, Problem, Theta);

    private static void Unrolling()
    {
        // φ_T = φ* + (I − aM)ᵀ(θ − φ*), J_T = J + (I − aM)ᵀ(I − J), and K steps only: [I − (I − aM)ᴷ]J
        var v = Phi + (Left.Power(Steps) * (Theta - Phi)) - Target;
        var whole = (J + (Left.Power(Steps) * (One - J))) * v;
        var unrolled = By(new UnrolledStrategy<Vector<double>, double>(new UnrolledOptions(Momentum.NoMomentum, Step, Steps)));
        Close(unrolled.Gradient, whole, "MAML");
        Close(By(new ForwardModeStrategy<Vector<double>, double>(Coordinates, new UnrolledOptions(Momentum.NoMomentum, Step, Steps))).Gradient, whole, "MAML in forward mode");
        Close(By(new TruncatedStrategy<Vector<double>, double>(new UnrolledOptions(Momentum.NoMomentum, Step, Steps), LastSteps)).Gradient, (One - Left.Power(LastSteps)) * J * v, "truncated");
        var cost = unrolled.Cost(Space)[0];
        Equal((cost.Gradients, cost.HessianProducts, cost.OuterGradients), ((2 * Steps) + 1, Steps, 1), "2T + 1 gradients and T products");
        Refuses(() => new TruncatedStrategy<Vector<double>, double>(new UnrolledOptions(Momentum.NoMomentum, Step, Steps), Steps + 1), "6", "from 1 to the number of inner steps");
        Refuses(() => new UnrolledStrategy<Vector<double>, double>(new UnrolledOptions(Momentum.NoMomentum, 0.0, Steps)), "0", "must be positive");
    }

    [Tests]
    public static readonly Test Statements = List(
        "Meta-gradients",
        Statement("Lemma 1's products and matrix are (H + Λ)⁻¹Λ and its transpose", Jacobian),
        Statement("Algorithm 2 finds φ* and g = λM⁻¹v, known as fractions", () =>
        {
            var result = ImplicitMetaGradient.Compute(Space, Proximal, Problem, Inner, Linear, Theta);
            Close(result.Gradient, G, "g");
            Close(result.Phi, Phi, "φ");
            Close(result.OuterLoss, 0.5 * (V * V), "L(φ)");
            var cost = result.Cost(Space)[0];
            Equal((cost.Gradients, cost.HessianProducts, cost.OuterGradients), (41, 2, 1), "40 steps, one linearization, two products");
        }),
        Statement("Algorithm 2 keeps the accuracies δ and δ′ that it is asked for", Accuracies),
        Statement("unrolled and truncated gradients are those of constant H", Unrolling),
        Statement("FOMAML is v and Reptile is θ − φ", () =>
        {
            Close(By(new FirstOrderStrategy<Vector<double>, double>(Inner, 0.0)).Gradient, V, "FOMAML");
            Close(By(new ReptileStrategy<Vector<double>, double>(Inner, 0.0)).Gradient, Theta - Phi, "Reptile");
            Equal(By(new ReptileStrategy<Vector<double>, double>(Inner, 0.0)).Solve.Read(Space)[0].Status, SolveStatus.NotMade, "status");
        }),
        Statement("the implicit strategy is Algorithm 2", () =>
            Close(By(new ImplicitStrategy<Vector<double>, double>(Inner, Linear, Thresholds.None)).Gradient, G, "g")));
}
