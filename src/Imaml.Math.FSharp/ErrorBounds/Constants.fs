// The constants of Theorem 1. What is stored belongs to the losses alone; what depends on Λ is formed from the Λ in use:
//
//     L̂: m·I ⪯ ∇²L̂ ⪯ M·I (m may be negative), ρ        L: L, B        both: what computing them rounds
//     µ = m + λ_min(Λ),   β = M + λ_max(Λ),   ‖Λ‖ = λ_max(Λ)
//
// So constants of one λ cannot be used with another. Constants are *certified* where they are stated as proved (LossConstants.Proved) and
// *estimated* where they were measured (EstimatedConstants); the kind has no setter and no copy, and every bound inherits it. An estimate
// holds only where it was measured and is never passed to a certificate, which measures at its own φ.

namespace Imaml.Math

open System

/// Whether a bound is proved.
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
    member bound.At(norm: float) = bound.Constant +^ bound.Slope *^ norm

    /// No error at all.
    static member Zero = { Constant = 0.0; Slope = 0.0 }

/// What is proved of one loss at every φ: its curvature, how fast that changes, and the rounding of its gradient and products.
[<Sealed>]
type LossConstants
    private
    (
        kind: BoundKind,
        smallest: float,
        largest: float,
        hessianLipschitz: float,
        gradientBound: float,
        gradientRounding: AffineBound,
        productRounding: AffineBound
    ) =

    /// Certified, or None where nothing is known.
    member _.Kind = kind
    /// m: every eigenvalue of every Hessian is at least this. It may be negative.
    member _.SmallestCurvature = smallest
    /// M: every eigenvalue of every Hessian is at most this.
    member _.LargestCurvature = largest
    /// max(|m|, |M|): the gradient's Lipschitz constant, L for an outer loss.
    member _.Smoothness = max (abs smallest) (abs largest)
    /// ρ: the Hessian's Lipschitz constant; 0 for a quadratic.
    member _.HessianLipschitz = hessianLipschitz
    /// B ≥ ‖∇‖; infinite where there is no bound. Only the a-priori bound needs it, and of the outer loss.
    member _.GradientBound = gradientBound
    /// How far the gradient as computed may be from the true one, by ‖φ‖.
    member _.GradientRounding = gradientRounding
    /// How far ∇²L(φ)w as computed may be from the true product, by ‖φ‖ and relative to ‖w‖.
    member _.ProductRounding = productRounding

    /// Constants that the caller has a proof of, for every φ. Infinite where one is not known.
    /// Errors: m above M, a number that is not a number, or a negative ρ, B or rounding.
    static member Proved
        (
            smallestCurvature: float,
            largestCurvature: float,
            hessianLipschitz: float,
            gradientBound: float,
            gradientRounding: AffineBound,
            productRounding: AffineBound
        ) : LossConstants =
        if not (smallestCurvature <= largestCurvature) then
            invalidArg
                (nameof smallestCurvature)
                $"the smallest curvature must be at most the largest, not {smallestCurvature} and {largestCurvature}"

        let atLeastZero name (value: float) =
            if not (value >= 0.0) then
                invalidArg name $"{name} must be at least 0, not {value}"

        atLeastZero (nameof hessianLipschitz) hessianLipschitz
        atLeastZero (nameof gradientBound) gradientBound

        for name, bound in
            [
                nameof gradientRounding, gradientRounding
                nameof productRounding, productRounding
            ] do
            atLeastZero name bound.Constant
            atLeastZero name bound.Slope

        LossConstants(
            BoundKind.Certified,
            smallestCurvature,
            largestCurvature,
            hessianLipschitz,
            gradientBound,
            gradientRounding,
            productRounding
        )

    /// Nothing is known: a network's loss.
    static member Unknown =
        let unknown = { Constant = infinity; Slope = 0.0 }
        LossConstants(BoundKind.None, -infinity, infinity, infinity, infinity, unknown, unknown)

/// The constants of one task with the Λ in use, for the inner objective G(φ, θ) = L̂(φ) + ½(φ−θ)ᵀΛ(φ−θ) and the outer loss L. Made of what
/// is proved of the losses by TaskConstants.With, or measured at one φ by EstimatedConstants.At.
[<Sealed>]
type ErrorConstants
    internal
    (
        kind: BoundKind,
        strongConvexity: float,
        smoothness: float,
        regularization: float,
        outerSmoothness: float,
        outerGradientBound: float,
        hessianLipschitz: float,
        innerGradientRounding: AffineBound,
        outerGradientRounding: AffineBound,
        productRounding: AffineBound
    ) =

    member _.Kind = kind
    /// µ: G(·, θ) is µ-strongly convex; not convex where it is not positive.
    member _.StrongConvexity = strongConvexity
    /// β ≥ µ: ∇G(·, θ) is β-Lipschitz.
    member _.Smoothness = smoothness
    /// ‖Λ‖, its largest eigenvalue; λ for Λ = λI.
    member _.LargestRegularization = regularization
    /// L: ∇L is L-Lipschitz.
    member _.OuterSmoothness = outerSmoothness
    /// B ≥ ‖∇L‖; infinite where there is no bound. Only the a-priori bound needs it.
    member _.OuterGradientBound = outerGradientBound
    /// ρ: H is ρ-Lipschitz; 0 for a quadratic.
    member _.HessianLipschitz = hessianLipschitz
    /// How far ∇L̂(φ) as computed may be from ∇L̂(φ), by ‖φ‖.
    member _.InnerGradientRounding = innerGradientRounding
    /// The same of ∇L(φ).
    member _.OuterGradientRounding = outerGradientRounding
    /// How far ∇²L̂(φ)w as computed may be from the true product, by ‖φ‖ and relative to ‖w‖.
    member _.ProductRounding = productRounding

    /// κ = β/µ
    member c.Condition = c.Smoothness /^ c.StrongConvexity

    /// ‖Λ‖/µ, a bound on ‖(H+Λ)⁻¹Λ‖ and so on Alg*'s Lipschitz constant; λ/µ for Λ = λI.
    member c.Contraction = c.LargestRegularization /^ c.StrongConvexity

    /// C = ‖Λ‖L/µ + ‖Λ‖ρB/µ², the factor of δ in Theorem 1; ρ = 0 needs no B.
    member c.InnerErrorFactor =
        let curved =
            if c.HessianLipschitz = 0.0 then
                0.0
            else
                c.HessianLipschitz *^ c.OuterGradientBound /^ c.StrongConvexity

        c.LargestRegularization *^ ((c.OuterSmoothness +^ curved) /^ c.StrongConvexity)

/// What is proved of one task's two losses.
[<Sealed>]
type TaskConstants(inner: LossConstants, outer: LossConstants) =
    do
        ArgumentNullException.ThrowIfNull(inner, nameof inner)
        ArgumentNullException.ThrowIfNull(outer, nameof outer)

    /// Of L̂.
    member _.Inner = inner
    /// Of L.
    member _.Outer = outer

    /// Certified where both losses' constants are.
    member _.Kind =
        if inner.Kind = BoundKind.Certified && outer.Kind = BoundKind.Certified then
            BoundKind.Certified
        else
            BoundKind.None

    /// µ, β and ‖Λ‖ with this Λ: certified where the losses' constants are and µ > 0, else None.
    member c.With(regularizer: IRegularizer<'V, 'S>) : ErrorConstants =
        let convexity = Outward.sumBelow regularizer.SmallestEigenvalue inner.SmallestCurvature

        ErrorConstants(
            (if convexity > 0.0 then c.Kind else BoundKind.None),
            convexity,
            // ∇G is β-Lipschitz where G is concave too.
            max -convexity (Outward.sumAbove regularizer.LargestEigenvalue inner.LargestCurvature),
            regularizer.LargestEigenvalue,
            outer.Smoothness,
            outer.GradientBound,
            inner.HessianLipschitz,
            inner.GradientRounding,
            outer.GradientRounding,
            inner.ProductRounding
        )
