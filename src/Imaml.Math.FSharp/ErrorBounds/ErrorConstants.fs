// The constants that Theorem 1 speaks of, for one task, and whether they are known or guessed.
//
// A bound is *certified* where its constants are proved for the whole space (quadratic, ridge, logistic, or given by a user who knows
// them), and *estimated* where they were measured at a point or two. The kind belongs to the constants, and every bound made of them
// inherits it.

namespace Imaml.Math

/// What a bound is worth.
type BoundKind =
    /// There is no bound: no constants are known.
    | None = 0
    /// Every constant is proved, and rounding is counted: the error is at most the bound.
    | Certified = 1
    /// The same formula with constants that were measured: no proof.
    | Estimated = 2

/// A bound that grows with the size of its argument: Constant + Slope·‖x‖.
[<Struct>]
type AffineBound =
    {
        Constant: float
        Slope: float
    }

    /// The bound at ‖x‖ = norm.
    member bound.At(norm: float) = bound.Constant + bound.Slope * norm

    /// No error at all.
    static member Zero = { Constant = 0.0; Slope = 0.0 }

/// The constants of one task (Theorem 1), for the inner objective G(φ, θ) = L̂(φ) + ½(φ−θ)ᵀΛ(φ−θ) and the outer loss L.
type ErrorConstants =
    {
        Kind: BoundKind
        /// µ > 0: G(·, θ) is µ-strongly convex.
        StrongConvexity: float
        /// β ≥ µ: ∇G(·, θ) is β-Lipschitz.
        Smoothness: float
        /// ‖Λ‖, its largest eigenvalue; λ for Λ = λI.
        LargestRegularization: float
        /// L: ∇L is L-Lipschitz.
        OuterSmoothness: float
        /// B ≥ ‖∇L‖; infinite where there is no bound. Only the a-priori bound needs it.
        OuterGradientBound: float
        /// ρ: H is ρ-Lipschitz; 0 for a quadratic.
        HessianLipschitz: float
        /// How far ∇L̂(φ) as computed may be from ∇L̂(φ), by ‖φ‖.
        InnerGradientRounding: AffineBound
        /// The same of ∇L(φ).
        OuterGradientRounding: AffineBound
        /// How far ∇²L̂(φ)w as computed may be from the true product, by ‖φ‖ and relative to ‖w‖.
        ProductRounding: AffineBound
    }

    /// The same constants with ‖Λ‖ at least that of the Λ in use, so that no bound is made with a smaller one.
    member c.With(regularizer: IRegularizer<'V, 'S>) =
        { c with
            LargestRegularization = max c.LargestRegularization regularizer.LargestEigenvalue
        }

    /// κ = β/µ
    member c.Condition = c.Smoothness / c.StrongConvexity

    /// ‖Λ‖/µ, a bound on ‖(H+Λ)⁻¹Λ‖ and so on Alg*'s Lipschitz constant; λ/µ for Λ = λI.
    member c.Contraction = c.LargestRegularization / c.StrongConvexity

    /// C = ‖Λ‖L/µ + ‖Λ‖ρB/µ², the factor of δ in Theorem 1; ρ = 0 needs no B.
    member c.InnerErrorFactor =
        let curved =
            if c.HessianLipschitz = 0.0 then
                0.0
            else
                c.Contraction * c.HessianLipschitz * c.OuterGradientBound / c.StrongConvexity

        c.Contraction * c.OuterSmoothness + curved
