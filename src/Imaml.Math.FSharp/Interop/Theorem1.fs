// Theorem 1 before a run, in numbers: C, what δ and δ′ give, what ε needs, and how many iterations suffice. ErrorBounds.fs has the formulas;
// Certificates is the bound after a run.

namespace Imaml.Math.Interop

open Imaml.Math

/// ‖g − d_θL(Alg*(θ))‖ ≤ δ′ + Cδ. A number is worth what its constants are; infinite, or the largest integer, where they give no bound.
[<AbstractClass; Sealed>]
type Theorem1 =

    /// C = ‖Λ‖L/µ + ‖Λ‖ρB/µ²
    static member InnerErrorFactor(constants: ErrorConstants) = ErrorBounds.innerErrorFactor constants

    /// δ′ + Cδ
    static member Bound(constants: ErrorConstants, delta: float, deltaPrime: float) =
        ErrorBounds.aPriori constants { Inner = delta; Solve = deltaPrime }

    /// δ = ε/(2C) and δ′ = ε/2. Errors: ε that is not positive and finite.
    static member AccuraciesFor(constants: ErrorConstants, epsilon: float) : Accuracies = ErrorBounds.accuraciesFor constants epsilon

    /// ⌈κ ln(R/δ)⌉ steps of gradient descent with step 1/β from a start at distance R = `radius` reach δ.
    static member GradientDescentSteps(constants: ErrorConstants, radius: float, delta: float) =
        ErrorBounds.gradientDescentSteps constants radius delta

    /// ⌈2√κ ln(√(κ+1)R/δ)⌉ steps with Nesterov's momentum reach δ.
    static member NesterovSteps(constants: ErrorConstants, radius: float, delta: float) = ErrorBounds.nesterovSteps constants radius delta

    /// ⌈(√κ/2) ln(2(‖Λ‖/µ)‖v‖/δ′)⌉ steps of conjugate gradients reach δ′, where ‖v‖ ≤ outerGradientBound.
    static member ConjugateGradientSteps(constants: ErrorConstants, outerGradientBound: float, deltaPrime: float) =
        ErrorBounds.conjugateGradientSteps constants outerGradientBound deltaPrime

/// min over k < K of ‖∇F(θₖ)‖² ≤ 2L_F(F(θ₀) − inf F)/K + e².
[<AbstractClass; Sealed>]
type Corollary1 =

    /// L_F = (‖Λ‖/µ)C
    static member MetaSmoothness(constants: ErrorConstants) = ErrorBounds.metaSmoothness constants

    /// 2L_F·gap/K + e², for K = `steps` outer steps of 1/L_F whose meta-gradients each err by at most e = `error`.
    static member Stationarity(metaSmoothness: float, gap: float, steps: int, error: float) =
        ErrorBounds.stationarity metaSmoothness gap steps error
