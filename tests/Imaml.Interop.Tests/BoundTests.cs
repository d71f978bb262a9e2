using Expecto;
using Imaml.Math;
using Imaml.Math.Interop;
using MathNet.Numerics.LinearAlgebra;
using static Imaml.Interop.Tests.Check;
using static Imaml.Interop.Tests.Quadratic;

namespace Imaml.Interop.Tests;

/// <summary>Theorem 1 before and after a run.</summary>
public static class BoundTests
{
    /// <summary>µ = 1, β = 4, ‖Λ‖ = 1, L = 2, ρ = 0, B = 1: κ = 4 and C = 2.</summary>
    private static readonly ErrorConstants Simple = new(
        BoundKind.Certified, 1.0, 4.0, 1.0, 2.0, 1.0, 0.0, AffineBound.Zero, AffineBound.Zero, AffineBound.Zero);

    private static void BeforeARun()
    {
        Close(Theorem1.InnerErrorFactor(Simple), 2.0, "C");
        Close(Theorem1.Bound(Simple, delta: 0.1, deltaPrime: 0.2), 0.4, "δ′ + Cδ");
        var accuracies = Theorem1.AccuraciesFor(Simple, epsilon: 1.0);
        Equal((accuracies.Inner, accuracies.Solve), (0.25, 0.5), "ε/(2C) and ε/2");
        Equal(Theorem1.GradientDescentSteps(Simple, radius: 10.0, delta: 1.0), 10, "⌈4 ln 10⌉");
        Equal(Theorem1.NesterovSteps(Simple, radius: 10.0, delta: 1.0), 13, "⌈4 ln(10√5)⌉");
        Equal(Theorem1.ConjugateGradientSteps(Simple, outerGradientBound: 1.0, deltaPrime: 0.1), 3, "⌈ln 20⌉");
        Close(Corollary1.MetaSmoothness(Simple), 2.0, "L_F");
        Close(Corollary1.Stationarity(1.0, gap: 2.0, steps: 4, error: 0.5), 1.25, "2·1·2/4 + ½²");
        Refuses(() => Theorem1.AccuraciesFor(Simple, 0.0), "0", "must be positive");
        Refuses(() => Corollary1.Stationarity(1.0, 2.0, 0, 0.5), "0", "at least 1");
    }

    private static void AfterARun()
    {
        var arithmetic = Certificates.DoublePrecision(2, Proximal);
        // Two inner steps and one linear step: neither is exact.
        var result = Algorithm2.Compute(
            Space, Proximal, Problem, new GradientDescentSolver<Vector<double>, double>(StepRule.NewConstantStep(0.1), 2), LinearSolvers.ConjugateGradient(Space, 1), Theta);
        var bound = Certificates.OfResult(Space, Proximal, Problem, [Constants()], arithmetic, Theta, result)[0];
        Equal(bound.Kind, BoundKind.Certified, "kind");
        var norms = Certificates.Measure(Space, Proximal, Problem, Theta, result.Phi, result.Solve.Solution)[0];
        // (λ/µ)(‖r‖ + L‖∇G‖/µ), and rounding: no more than 10⁻¹².
        Close(bound.Total, Lambda / Mu * (norms.Residual + (norms.InnerGradient / Mu)), "the bound");
        var error = (result.Gradient - G).L2Norm();
        That(error > 0.01 && error <= bound.Total, $"an error of {error} is within its bound {bound.Total}");
        That((result.Phi - Phi).L2Norm() <= bound.InnerError, "δ is within its bound");
        var own = Certificates.OfSolution(Space, Proximal, Problem, [Constants()], arithmetic, Theta, Phi, U)[0];
        That(own.Total < 1e-12, $"the exact φ and u are certified to {own.Total}");
        var coarse = Certificates.OfSolution(Space, Proximal, Problem, [Constants()], Certificates.SinglePrecision(2, Proximal), Theta, Phi, U)[0];
        That(coarse.Rounding > 1e-7, "single precision rounds more");
        var firstOrder = ((IMetaGradientStrategy<Vector<double>, double>)new FirstOrderStrategy<Vector<double>, double>(Inner, 0.0)).Compute(Space, Proximal, Problem, Theta);
        Refuses(
            () => Certificates.OfResult(Space, Proximal, Problem, [Constants()], arithmetic, Theta, firstOrder), "NotMade", "only Algorithm 2");
        Refuses(
            () => Certificates.OfResult(Space, Proximal, Problem, [], arithmetic, Theta, result), "0 tasks' constants", "for 1 tasks");
    }

    private static void Adaptive()
    {
        const double epsilon = 1e-8;
        var options = new AdaptiveOptions(accuracy: epsilon, maxRounds: 4, arithmetic: Certificates.DoublePrecision(2, Proximal));
        var inner = new GradientDescentSolver<Vector<double>, double>(StepRule.NewConstantStep(1.0 / Beta), 200, 1);
        var linear = LinearSolvers.ConjugateGradient(Space, 50, 0.0);
        var result = AdaptiveAccuracy.Compute(Space, Proximal, Problem, inner, linear, [Constants()], options, Theta);
        Equal(result.Tasks[0].Status, CertifiedStatus.Met, "status");
        That(result.Tasks[0].Status.Describe().Contains("at most the accuracy"), "in words");
        That(result.Tasks[0].Bound.Total <= epsilon, "the bound is at most ε");
        That((result.MetaGradient.Gradient - G).L2Norm() <= epsilon, "and so is the error");
        That(Enum.GetValues<CertifiedStatus>().All(status => status.Describe().Length > 10), "words for every status");
    }

    [Tests]
    public static readonly Test Statements = List(
        "Bounds",
        Statement("Theorem 1 and Corollary 1 in numbers that can be checked by hand", BeforeARun),
        Statement("the certificate is (λ/µ)(‖r‖ + L‖∇G‖/µ) for a quadratic, and holds", AfterARun),
        Statement("an accuracy ε that is asked for is met and certified", Adaptive),
        Statement("constants that nobody knows are measured, and called estimates", () =>
        {
            var options = new EstimateOptions(largestDense: 10, lanczosSteps: 5, powerSteps: 20, reach: 1e-5);
            var constants = EstimatedConstants.At(Space, Coordinates, Proximal, Problem, options, Theta, Phi)[0];
            Equal(constants.Kind, BoundKind.Estimated, "kind");
            Close(constants.StrongConvexity, Mu, "µ");
            Close(constants.Smoothness, Beta, "β");
            // ∇L's slope by differences over a reach of 10⁻⁵: rounding 10⁻¹⁶/10⁻⁵.
            Close(constants.OuterSmoothness, 1.0, "L", 1e-10);
        }));
}
