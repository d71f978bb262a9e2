// The a-posteriori certificate of Algorithm 2, for any symmetric positive definite Λ: from norms that were measured, a bound on
//
//     ‖g − d_θL(Alg*(θ))‖                              (Definition 3, exact-solve error)
//
// Let M = H(φ) + Λ and v = ∇L(φ) at the φ that was reached, M* and v* the same at φ* = Alg*(θ), so that d_θL(Alg*(θ)) = Λ(M*)⁻¹v*. For the
// u that was found, r = v − Mu and δ = ‖φ − φ*‖,
//
//     Λu − Λ(M*)⁻¹v* = Λ(M*)⁻¹[(M* − M)u + (v − v*) − r]
//     ‖Λu − d_θL(Alg*(θ))‖ ≤ (‖Λ‖/µ)(‖r‖ + (L + ρ‖u‖)d),       d = ‖∇G(φ, θ)‖/µ ≥ δ
//
// as (M*)⁻¹ is at most 1/µ, H is ρ-Lipschitz, ∇L is L-Lipschitz, and ∇G grows by at least µ a unit. With Λ = λI, where λ‖u‖ = ‖g‖, it is
// p + (λL/µ + (ρ/µ)‖g‖)d, p = (λ/µ)‖r‖. All norms are those of exact quantities; what is measured carries rounding, which is counted.

namespace Imaml.Math

/// The norms, as computed, of what Algorithm 2 returned for one task. ‖r‖ is that of r computed anew from u, not of a recurrence.
type MeasuredNorms =
    {
        /// ‖∇_φG(φ, θ)‖
        InnerGradient: float
        /// ‖φ‖
        Phi: float
        /// ‖θ‖
        Theta: float
        /// ‖v‖, v = ∇L(φ)
        OuterGradient: float
        /// ‖u‖
        Solution: float
        /// ‖r‖, r = v − (H+Λ)u
        Residual: float
    }

/// A bound on the error of one task's meta-gradient g = Λu. It can only be made by its formula, and it is worth what its constants are.
[<Sealed>]
type ErrorBound private (kind: BoundKind, reason: string, innerError: float, solveError: float, total: float, rounding: float) =
    /// What the bound is worth: that of the constants, or None where there is no bound.
    member _.Kind = kind
    /// Why there is no bound, in words; empty where there is one.
    member _.Reason = reason
    /// A bound on δ = ‖φ − Alg*(θ)‖ (Definition 1).
    member _.InnerError = innerError
    /// A bound on δ′ = ‖g − Λ(H+Λ)⁻¹v‖ at φ (Definition 2).
    member _.SolveError = solveError
    /// The bound on ‖g − d_θL(Alg*(θ))‖ (Definition 3).
    member _.Total = total
    /// The part of Total that would remain with ∇G = 0 and r = 0 as computed: no iteration can remove it.
    member _.Rounding = rounding

    /// No bound, for this reason.
    static member None(reason: string) = ErrorBound(BoundKind.None, reason, infinity, infinity, infinity, infinity)

    /// The certificate from one task's constants, its arithmetic, and the norms that were measured.
    ///
    /// Counted beside the constants' own roundings of ∇L̂, ∇L and products: φ − θ, Λ(φ−θ), Λu, the sums that make ∇G and r, and the norms.
    /// With w = φ − θ as computed and ∇G = ∇L̂ + Λw, ∇G errs by ‖Λ‖(‖φ‖ + ‖θ‖)(γ₂ + c(1 + γ₂)) and γ₂ of itself, c the rounding of a
    /// product with Λ; (H+Λ)u errs by γ₂ of itself, which is v − r, and r by γ₂ of itself.
    static member Of(constants: ErrorConstants, arithmetic: Arithmetic, norms: MeasuredNorms) : ErrorBound =
        let c = constants
        let a = arithmetic
        let isSize x = x >= 0.0 && x < infinity

        if c.Kind = BoundKind.None && not (c.StrongConvexity <= 0.0 && c.StrongConvexity > -infinity) then
            ErrorBound.None "no constants are known for this task"
        elif not (c.StrongConvexity > 0.0 && c.StrongConvexity < infinity) then
            ErrorBound.None $"G is not known to be strongly convex (µ = {c.StrongConvexity}): raise λ"
        elif not (isSize c.LargestRegularization && isSize c.OuterSmoothness && isSize c.HessianLipschitz) then
            ErrorBound.None
                $"a bound needs finite constants: ‖Λ‖ = {c.LargestRegularization}, L = {c.OuterSmoothness}, ρ = {c.HessianLipschitz}"
        elif
            [ c.InnerGradientRounding; c.OuterGradientRounding; c.ProductRounding ]
            |> List.exists (fun bound -> not (isSize bound.Constant && isSize bound.Slope))
        then
            ErrorBound.None "a bound on rounding must be finite and at least 0"
        else
            let mu = c.StrongConvexity
            let contraction = c.Contraction
            let phi = a.NormAtMost norms.Phi
            let theta = a.NormAtMost norms.Theta
            let u = a.NormAtMost norms.Solution
            let regularizerRounding = a.RegularizerRounding * c.LargestRegularization
            let once = a.Gamma 2

            let innerRounding =
                c.InnerGradientRounding.At phi
                + (c.LargestRegularization * once + regularizerRounding * (1.0 + once)) * (phi + theta)
                + a.Underflow

            let residualRounding =
                c.OuterGradientRounding.At phi
                + (c.ProductRounding.At phi + regularizerRounding) * u
                + once * a.NormAtMost norms.OuterGradient
                + a.Underflow

            let solutionRounding = regularizerRounding * u + a.Underflow
            // (L + ρ‖u‖)d and ‖r‖, without their roundings.
            let slope = (c.OuterSmoothness + c.HessianLipschitz * u) / mu
            let gradient = a.NormAtMost norms.InnerGradient * (1.0 + once)
            let residual = a.NormAtMost norms.Residual * (1.0 + 2.0 * once)
            let rounding = contraction * (residualRounding + slope * innerRounding) + solutionRounding
            let total = contraction * (residual + slope * gradient) + rounding

            if isSize total then
                // These lines round too: fewer than 60 operations on numbers that are not negative.
                let outward x = x * (1.0 + 2.0 ** -46.0)

                ErrorBound(
                    c.Kind,
                    "",
                    outward ((gradient + innerRounding) / mu),
                    outward (contraction * (residual + residualRounding) + solutionRounding),
                    outward total,
                    outward rounding
                )
            else
                ErrorBound.None "a measured norm is not finite, or there are too many parameters for this precision"
