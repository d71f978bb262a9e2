// Differences of the nudged solutions φ_β = argmin_φ L̂(φ) + βL(φ) + ½(φ−θ)ᵀΛ(φ−θ) in place of their derivative, what they err by, and the choice of β.
//
// Differentiating ∇G(φ_β, θ) + β∇L(φ_β) = 0 in β at 0 gives (H+Λ)φ′ = −∇L(φ*), so φ′ = −u of Algorithm 2 and g = Λu = −Λφ′, by differences:
//
//     one-sided      Λ(φ₀ − φ_β)/β                                  error Λφ″β/2
//     symmetric      Λ(φ₋β − φ_β)/2β                                error Λφ‴β²/6
//     four points    Λ[8(φ₋β − φ_β) − (φ₋₂β − φ₂β)]/12β             error Λφ⁽⁵⁾β⁴/30,     derivatives in β between the points.
//
// A solution that is off by δ adds at most cδ/β, with c the sum of the weights' sizes: the best β balances the two.

namespace Imaml.Math

/// A difference of nudged solutions; its number is the order of its error in β.
type NudgedDifference =
    /// φ₀ and φ_β.
    | OneSided = 1
    /// φ₋β and φ_β.
    | Symmetric = 2
    /// φ₋₂β, φ₋β, φ_β and φ₂β.
    | FourPoint = 4

/// The choice of β, and what the difference errs by.
[<AbstractClass; Sealed>]
type Nudge =

    /// k and the weight of φ_kβ in βu.
    static member internal Weights(difference: NudgedDifference) : struct (int * float) list =
        match difference with
        | NudgedDifference.OneSided -> [ 0, 1.0; 1, -1.0 ]
        | NudgedDifference.Symmetric -> [ -1, 0.5; 1, -0.5 ]
        | NudgedDifference.FourPoint -> [ -1, 2.0 / 3.0; 1, -2.0 / 3.0; -2, -1.0 / 12.0; 2, 1.0 / 12.0 ]
        | _ -> invalidArg (nameof difference) $"{difference} is not a difference"
        |> List.map (fun (k, weight) -> struct (k, weight))

    static member private Reach(difference: NudgedDifference) =
        Nudge.Weights difference |> List.map (fun struct (k, _) -> abs k) |> List.max |> float

    // What multiplies δ/β, and what multiplies Mβᵖ.
    static member private Factors(difference: NudgedDifference) =
        let inner = Nudge.Weights difference |> List.sumBy (fun struct (_, weight) -> abs weight)

        let outer =
            match difference with
            | NudgedDifference.OneSided -> 1.0 / 2.0
            | NudgedDifference.Symmetric -> 1.0 / 6.0
            | _ -> 1.0 / 30.0

        struct (inner, outer)

    /// ‖g − g*‖ ≤ ‖Λ‖(cδ/β + kMβᵖ), where every solution is within δ of its own and M bounds the derivative of φ_β of order p + 1 (5 for
    /// four points) between the points. Errors: β that is not positive.
    static member ErrorBound(difference: NudgedDifference, beta: float, largestEigenvalue: float, delta: float, derivative: float) : float =
        if not (beta > 0.0) then
            invalidArg (nameof beta) $"β must be positive, not {beta}"

        let struct (inner, outer) = Nudge.Factors difference
        largestEigenvalue * (inner * delta / beta + outer * derivative * beta ** float difference)

    /// The β with the smallest ErrorBound, (cδ/pkM)^(1/(p+1)): of order δ^½, δ^⅓ and δ^⅕. Errors: δ or M that is not positive.
    static member Best(difference: NudgedDifference, delta: float, derivative: float) : float =
        if not (delta > 0.0 && derivative > 0.0) then
            invalidArg (nameof delta) $"δ and M must be positive, not {delta} and {derivative}"

        let struct (inner, outer) = Nudge.Factors difference
        let order = float difference
        (inner * delta / (order * outer * derivative)) ** (1.0 / (order + 1.0))

    /// The β below which every nudged problem is strongly convex, µ/kL: G is µ-strongly convex, ∇L is L-Lipschitz, and k is 2 for four points,
    /// else 1. Errors: µ or L that is not positive.
    static member Largest(difference: NudgedDifference, strongConvexity: float, outerSmoothness: float) : float =
        if not (strongConvexity > 0.0 && outerSmoothness > 0.0) then
            invalidArg (nameof strongConvexity) $"µ and L must be positive, not {strongConvexity} and {outerSmoothness}"

        strongConvexity / (Nudge.Reach difference * outerSmoothness)
