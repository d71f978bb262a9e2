using Imaml.Math;
using Imaml.Math.Interop;
using MathNet.Numerics.LinearAlgebra;

namespace Imaml.Interop.Tests;

/// <summary>
/// One task whose every number is known: L̂(φ) = ½φᵀHφ − cᵀφ and L(φ) = ½‖φ − t‖² with Λ = 2I, θ = (1, 2) and
/// <code>
/// H = (2 1; 1 3),  c = (1, −1),  t = (1, 0),  M = H + Λ = (4 1; 1 5),  det M = 19
/// φ* = M⁻¹(c + 2θ) = (12, 9)/19,  v = φ* − t = (−7, 9)/19,  u = M⁻¹v = (−44, 43)/361,  g = 2u
/// </code>
/// M's eigenvalues are (9 ± √5)/2.
/// </summary>
internal static class Quadratic
{
    public const double Lambda = 2.0;
    public static readonly EuclideanSpace Space = new();
    public static readonly EuclideanCoordinates Coordinates = new();
    public static readonly Matrix<double> H = Matrix<double>.Build.DenseOfArray(new[,] { { 2.0, 1.0 }, { 1.0, 3.0 } });
    public static readonly Matrix<double> M = H + (Lambda * Matrix<double>.Build.DenseIdentity(2));
    public static readonly Vector<double> C = Of(1.0, -1.0), Target = Of(1.0, 0.0), Theta = Of(1.0, 2.0);
    public static readonly Vector<double> Phi = Of(12.0, 9.0) / 19.0, V = Of(-7.0, 9.0) / 19.0, U = Of(-44.0, 43.0) / 361.0, G = 2.0 * U;
    public static readonly double Mu = (9.0 - System.Math.Sqrt(5.0)) / 2.0, Beta = (9.0 + System.Math.Sqrt(5.0)) / 2.0;
    public static readonly ScalarRegularizer<Vector<double>, double> Proximal = Regularizers.Scalar(Space, Lambda);

    public static readonly IBilevelProblem<Vector<double>, double> Problem = BilevelProblem.FromDelegates(
        innerLoss: phi => (0.5 * (phi * (H * phi))) - (C * phi),
        innerGradient: phi => (H * phi) - C,
        innerHessianProduct: (_, w) => H * w,
        outerLoss: phi => 0.5 * ((phi - Target) * (phi - Target)),
        outerGradient: phi => phi - Target);

    /// <summary>Exact to rounding: 40 steps of 1/β contract by (1 − µ/β)⁴⁰ = 0.4⁴⁰ = 10⁻¹⁶.</summary>
    public static readonly IInnerSolver<Vector<double>, double> Inner =
        new GradientDescentSolver<Vector<double>, double>(StepRule.NewConstantStep(1.0 / Beta), steps: 40);

    /// <summary>Exact to rounding: as many steps as M has eigenvalues.</summary>
    public static readonly ILinearSolver<Vector<double>, double> Linear = LinearSolvers.ConjugateGradient(Space, steps: 2);

    public static Vector<double> Of(params double[] numbers) => Vector<double>.Build.DenseOfArray(numbers);

    /// <summary>Proved constants; the losses' rounding is below 100 units for numbers below 10.</summary>
    public static ErrorConstants Constants() => new(
        kind: BoundKind.Certified,
        strongConvexity: Mu * (1.0 - 1e-15),
        smoothness: Beta * (1.0 + 1e-15),
        largestRegularization: Lambda,
        outerSmoothness: 1.0,
        outerGradientBound: double.PositiveInfinity,
        hessianLipschitz: 0.0,
        innerGradientRounding: new AffineBound(constant: 1e-14, slope: 1e-14),
        outerGradientRounding: new AffineBound(constant: 1e-14, slope: 1e-14),
        productRounding: new AffineBound(constant: 1e-14, slope: 0.0));
}
