// How one task's error ε is shared between the inner solve and the linear solve: Theorem 1 solved for their thresholds, with measured norms.
//
// The certificate is rounding R + (‖Λ‖/µ)(L + ρ‖u‖)‖∇G‖/µ + (‖Λ‖/µ)‖r‖. With s of the slack ε − R for the inner part and all that it
// leaves for the linear one, linearly convergent solvers that need a and b evaluations for each e-fold cost −a ln s − b ln(1−s), which is
// smallest at s = a/(a+b). Gradient descent has a = κ, Nesterov a = 2√κ (√κ asymptotically, on quadratics), and conjugate gradients b = √κ/2:
// s = 2/3 or more. With s = 4/5 both lose at most a quarter of an e-fold, for every κ.

namespace Imaml.Math

[<RequireQualifiedAccess>]
module internal AccuracyPlan =

    /// The inner solve's share of the slack, and the upper limit above which another inner solve is made.
    [<Literal>]
    let InnerShare = 0.8

    [<Literal>]
    let LargestInnerShare = 0.9

    /// What the linear solve may use of what is left: its own residual and the true one differ by a little.
    [<Literal>]
    let LinearShare = 0.95

    /// ε − R, where ε is at least twice the rounding part R: below that no iteration helps. A little less, for the norms' own rounding.
    let slack (a: Arithmetic) (epsilon: float) (bound: Certificate) =
        let norms = max 0.5 (1.0 - 4.0 * a.Gamma(a.Parameters + 8))
        norms * (max epsilon (2.0 * bound.Rounding) - bound.Rounding)

    /// (‖Λ‖/µ)(L + ρ‖u‖)/µ, the factor of ‖∇G‖ in the certificate.
    let innerFactor (c: ErrorConstants) (u: float) = c.Contraction * (c.OuterSmoothness + c.HessianLipschitz * u) / c.StrongConvexity

    /// ‖u*‖, u* = (H+Λ)⁻¹v, from u and its residual: at most ‖u‖ + ‖r‖/µ, but no more than a quarter above ‖u‖, as the norms of CG's iterates
    /// grow; from no u at all the geometric mean of ‖v‖/β and ‖v‖/µ.
    let solutionSize (c: ErrorConstants) (norms: MeasuredNorms) =
        if norms.Solution > 0.0 then
            norms.Solution + min (norms.Residual / c.StrongConvexity) (norms.Solution / 4.0)
        else
            norms.OuterGradient / sqrt (c.StrongConvexity * c.Smoothness)

    /// ‖u*‖ before anything is known of it. With 0 the first inner solve reaches what L alone requires, which is never more than needed. With
    /// ‖u*‖ ≤ B/µ it may reach more than needed, but a second inner solve, linearization and residual are saved: taken where that costs no more,
    /// at √κ evaluations for each e-fold.
    let firstSolutionSize (c: ErrorConstants) =
        let largest = c.OuterGradientBound / c.StrongConvexity

        if sqrt c.Condition * log (innerFactor c largest / innerFactor c 0.0) <= 3.0 then
            largest
        else
            0.0

    /// Whether φ is accurate enough for what the slack is.
    let innerSuffices c slack u (norms: MeasuredNorms) = innerFactor c u * norms.InnerGradient <= LargestInnerShare * slack

    /// The ‖∇G‖ at which the inner solve is done. Infinite where the error does not depend on φ.
    let innerThreshold c slack u = InnerShare * slack / innerFactor c u

    /// The ‖r‖ at which the linear solve is done: all that the inner part leaves. Where that is too little it is as much as the inner
    /// part, since φ will move, and r with it.
    let linearThreshold (c: ErrorConstants) slack u (norms: MeasuredNorms) =
        let inner = innerFactor c u * norms.InnerGradient

        let part =
            if innerSuffices c slack u norms then
                LinearShare * (slack - inner)
            else
                inner

        part / c.Contraction
