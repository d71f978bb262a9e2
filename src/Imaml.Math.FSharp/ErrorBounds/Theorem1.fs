// Theorem 1 before a run: what accuracies δ and δ′ give, what accuracies a target ε needs, and how many iterations reach them.
//
//     ‖g − d_θL(Alg*(θ))‖ ≤ δ′ + Cδ,       C = ‖Λ‖L/µ + ‖Λ‖ρB/µ²
//
// and Corollary 1, which the paper draws from it. A number made of constants is certified or estimated as they are (ErrorConstants.Kind); where
// they give no bound it is infinite, or the largest integer. Certificate is the bound after a run; AccuracyPlan solves Theorem 1 for the
// thresholds of a required accuracy.

namespace Imaml.Math

open System

/// The accuracies that Theorem 1 asks of Algorithm 2.
[<Struct>]
type Accuracies =
    {
        /// δ ≥ ‖φ − Alg*(θ)‖ (Definition 1)
        Inner: float
        /// δ′ ≥ ‖g − Λ(H+Λ)⁻¹v‖ (Definition 2)
        Solve: float
    }

/// Theorem 1 a priori, and the iteration counts.
[<AbstractClass; Sealed>]
type Theorem1 =

    static member internal Gives(c: ErrorConstants) = c.Kind <> BoundKind.None && c.StrongConvexity > 0.0

    static member private CheckPositive(name, value: float) =
        if not (value > 0.0 && value < infinity) then
            invalidArg name $"{name} must be positive and finite, not {value}"

    // ⌈count⌉, at least 0 and at most the largest integer.
    static member private Steps(c: ErrorConstants, count: unit -> float) =
        if not (Theorem1.Gives c) then
            Int32.MaxValue
        else
            match ceil (count ()) with
            | count when count < float Int32.MaxValue -> int (max 0.0 count)
            | _ -> Int32.MaxValue

    /// C = ‖Λ‖L/µ + ‖Λ‖ρB/µ².
    static member InnerErrorFactor(constants: ErrorConstants) =
        if Theorem1.Gives constants then
            constants.InnerErrorFactor
        else
            infinity

    /// δ′ + Cδ.
    static member Bound(constants: ErrorConstants, delta: float, deltaPrime: float) =
        deltaPrime
        + (if delta = 0.0 then
               0.0
           else
               Theorem1.InnerErrorFactor constants * delta)

    /// δ = ε/(2C) and δ′ = ε/2, which reach ε; δ is infinite where the error does not depend on φ, and 0 where there is no bound.
    /// Errors: ε that is not positive and finite.
    static member AccuraciesFor(constants: ErrorConstants, epsilon: float) : Accuracies =
        Theorem1.CheckPositive(nameof epsilon, epsilon)

        {
            Inner = epsilon / (2.0 * Theorem1.InnerErrorFactor constants)
            Solve = epsilon / 2.0
        }

    /// ⌈κ ln(R/δ)⌉ steps of gradient descent with step 1/β reach δ from a start at distance R ≤ ‖∇G(φ₀)‖/µ (Nesterov 2004, theorem 2.1.15).
    /// Errors: δ that is not positive and finite.
    static member GradientDescentSteps(constants: ErrorConstants, radius: float, delta: float) =
        Theorem1.CheckPositive(nameof delta, delta)
        Theorem1.Steps(constants, (fun () -> constants.Condition * log (radius / delta)))

    /// ⌈2√κ ln(√(κ+1)R/δ)⌉ steps with Nesterov's momentum (√κ−1)/(√κ+1) and step 1/β reach δ (Nesterov 2004, theorem 2.2.3).
    /// Errors: δ that is not positive and finite.
    static member NesterovSteps(constants: ErrorConstants, radius: float, delta: float) =
        Theorem1.CheckPositive(nameof delta, delta)
        let c = constants
        Theorem1.Steps(c, (fun () -> 2.0 * sqrt c.Condition * log (sqrt (c.Condition + 1.0) * radius / delta)))

    /// ⌈(√κ/2) ln(2(‖Λ‖/µ)‖v‖/δ′)⌉ steps of conjugate gradients from 0 reach δ′, where ‖v‖ ≤ `outerGradientBound`: their rate
    /// 2((√κ−1)/(√κ+1))ᵏ in the norm of M = H + Λ (Golub and Van Loan, section 11.3), with ‖x‖ ≤ ‖x‖_M/√µ and ‖M⁻¹v‖_M ≤ ‖v‖/√µ.
    /// Errors: δ′ that is not positive and finite.
    static member ConjugateGradientSteps(constants: ErrorConstants, outerGradientBound: float, deltaPrime: float) =
        Theorem1.CheckPositive(nameof deltaPrime, deltaPrime)
        let c = constants
        Theorem1.Steps(c, (fun () -> sqrt c.Condition / 2.0 * log (2.0 * c.Contraction * outerGradientBound / deltaPrime)))

/// min over k &lt; K of ‖∇F(θₖ)‖² ≤ 2L_F(F(θ₀) − inf F)/K + e².
[<AbstractClass; Sealed>]
type Corollary1 =

    /// L_F = (‖Λ‖/µ)C: F(θ) = L(Alg*(θ)) has an L_F-Lipschitz gradient, as Alg* is (‖Λ‖/µ)-Lipschitz and C bounds what φ does to ∇F.
    static member MetaSmoothness(constants: ErrorConstants) =
        if Theorem1.Gives constants then
            constants.Contraction * constants.InnerErrorFactor
        else
            infinity

    /// 2L_F·gap/K + e², for K = `steps` outer steps of 1/L_F along meta-gradients that each err by at most e = `error`: a step lowers F by
    /// (‖∇F‖² − e²)/(2L_F) at least. Errors: no steps.
    static member Stationarity(metaSmoothness: float, gap: float, steps: int, error: float) =
        if steps < 1 then
            invalidArg (nameof steps) $"the number of outer steps must be at least 1, not {steps}"

        2.0 * metaSmoothness * gap / float steps + error * error
