using Expecto;
using Imaml.Math;
using MathNet.Numerics.LinearAlgebra;
using static Imaml.Interop.Tests.Check;
using static Imaml.Interop.Tests.Quadratic;

namespace Imaml.Interop.Tests;

/// <summary>Problems, regularisers, operators and derivatives from delegates.</summary>
public static class ProblemTests
{
    /// <summary>Two tasks as the rows of a matrix, each ½‖φ − a‖² inside and ½‖φ‖² outside: J = λ/(1+λ).</summary>
    private static void Batched()
    {
        var space = new BatchedRowsSpace(2);
        var centres = Matrix<double>.Build.DenseOfArray(new[,] { { 1.0, 2.0 }, { -3.0, 4.0 } });
        double[] Squares(Matrix<double> x) => [.. x.EnumerateRows().Select(row => 0.5 * (row * row))];
        var problem = BilevelProblem.FromDelegates<Matrix<double>, double[]>(
            phi => Squares(phi - centres), phi => phi - centres, (_, w) => w, Squares, phi => phi);
        var regularizer = new ScalarRegularizer<Matrix<double>, double[]>(Lambda);
        var result = ImplicitMetaGradient.Compute(
            space, regularizer, problem, new GradientDescentSolver<Matrix<double>, double[]>(StepRule.MeasuredCurvature, 2),
            new ConjugateGradientSolver<Matrix<double>, double[]>(LinearSolveOptions.FixedBudget(1)), Matrix<double>.Build.Dense(2, 2));
        // φ* = a/(1+λ) and g = λ/(1+λ) φ*
        Close(result.Gradient, centres * (Lambda / ((1.0 + Lambda) * (1.0 + Lambda))), "g");
        Equal(result.Read(space).Length, 2, "one status for each task");
    }

    private static void Linearization()
    {
        using var linearization = Problem.LinearizeInner(Phi);
        Close(linearization.Loss, Problem.InnerLoss(Phi), "L̂");
        Close(linearization.Gradient, (H * Phi) - C, "∇L̂");
        Close(linearization.HessianProduct(V), H * V, "Hw");
        // L̂(φ) = ¼Σφᵢ⁴, whose Hessian depends on where it is.
        var quartic = BilevelProblem.FromDelegates(
            phi => 0.25 * phi.PointwisePower(4.0).Sum(), phi => phi.PointwisePower(3.0), (phi, w) => 3.0 * phi.PointwisePower(2.0).PointwiseMultiply(w),
            phi => 0.0, phi => 0.0 * phi);
        using var there = quartic.LinearizeInner(Of(1.0, 2.0));
        Close(there.HessianProduct(Of(5.0, 7.0)), Of(15.0, 84.0), "3φᵢ²wᵢ");
        var hessian = AdjointSolve.Operator(Space, Proximal, linearization);
        Close(hessian.Apply(V), M * V, "(H + Λ)w");
        Close(LinearOperator.Matrices(Space, Coordinates, hessian, Theta)[0], M, "H + Λ");
        // For a diagonal A Jacobi's preconditioner is the inverse.
        ILinearOperator<Vector<double>> jacobi = new DiagonalPreconditioner<Vector<double>>(Coordinates, LinearOperator.Diagonal(Space, Coordinates, hessian, Theta));
        Close(jacobi.Apply(Of(4.0, 10.0)), Of(1.0, 2.0), "diag(M)⁻¹w");
    }

    private static void MissingDelegate() => Refuses(
        () => BilevelProblem.FromDelegates(phi => 0.0, phi => phi, null!, phi => 0.0, phi => phi), "innerHessianProduct", "null");

    private static void RegularizerGradients()
    {
        var result = ImplicitMetaGradient.Compute(Space, Proximal, Problem, Inner, Linear, Theta);
        // −⟨φ* − θ, u⟩ = −((−7)(−44) + (−29)·43)/(19·361)
        Close(RegularizerGradient.Compute(Space, Proximal, result, Theta), 939.0 / 6859.0, "dL/dλ");
        Close(Regularizer.Value(Space, Proximal, Of(3.0, 4.0)), 25.0, "½wᵀΛw");
        var diagonal = new DiagonalRegularizer<Vector<double>, double>(Coordinates, Of(Lambda, Lambda));
        Close(RegularizerGradient.Compute(Space, diagonal, result, Theta), Of(-308.0, 1247.0) / 6859.0, "dL/dΛⱼⱼ");
        var layers = new LayerwiseRegularizer<Vector<double>, double>(Coordinates, [Of(1.0, 0.0), Of(0.0, 1.0)], [Lambda, Lambda]);
        double[] byLayer = RegularizerGradient.Compute(Space, layers, result, Theta);
        Close(Of(byLayer), Of(-308.0, 1247.0) / 6859.0, "dL/dλ of each layer");
        Matrix<double> full = RegularizerGradient.Compute(Space, new MatrixRegularizer(Lambda * Matrix<double>.Build.DenseIdentity(2)), result, Theta);
        Close(full.Diagonal(), Of(-308.0, 1247.0) / 6859.0, "the diagonal of dL/dΛ");
        Refuses(() => new ScalarRegularizer<Vector<double>, double>(-1.0), "-1", "must be positive");
    }

    private static void Differences()
    {
        // Exact for a quadratic but for rounding, 10⁻¹⁶/h.
        const double h = 1e-3, tolerance = 1e-11;
        var gradient = FiniteDifferences.Gradient(Space, Coordinates, h, Problem.InnerLoss, Theta);
        Close(gradient, (H * Theta) - C, "∇L̂", tolerance);
        Close(FiniteDifferences.Directional(Space, h, Problem.InnerLoss, Theta, V), ((H * Theta) - C) * V, "⟨∇L̂, v⟩", tolerance);
        var exact = new ExactInnerSolver<Vector<double>, double>(Coordinates, maxSteps: 10);
        Close(FiniteDifferences.MetaGradient(Space, Coordinates, h, Proximal, Problem, exact, 0.0, Theta), G, "dL/dθ", tolerance);
        // Where ‖∇G(θ)‖ is small enough no step is made: φ = θ, and the derivative is ∇L(θ).
        var lazy = new GradientDescentSolver<Vector<double>, double>(StepRule.NewConstantStep(0.1), 100, 1);
        Close(FiniteDifferences.MetaGradient(Space, Coordinates, h, Proximal, Problem, lazy, 100.0, Theta), Theta - Target, "∇L(θ)", tolerance);
        Equal(DerivativeCheck.At(Space, Coordinates, Problem, Phi, directions: 8, seed: 1)[0].Faults.Length, 0, "derivatives that are wrong");
        Refuses(() => FiniteDifferences.Gradient(Space, Coordinates, 0.0, Problem.InnerLoss, Theta), "0", "must be positive");
        Refuses(() => FiniteDifferences.Gradient(Space, Coordinates, h, null!, Theta), "f", "null");
    }

    [Tests]
    public static readonly Test Statements = List(
        "Problems",
        Statement("five delegates are a problem, and its linearization has their values", Linearization),
        Statement("delegates on any space are a problem on it", Batched),
        Statement("a delegate that is missing is named", MissingDelegate),
        Statement("every Λ that can be learned has its gradient", RegularizerGradients),
        Statement("central differences of a delegate agree with the closed form", Differences));
}
