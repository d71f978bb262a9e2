// How far a gradient in Λ's parameters can be from the gradient of L(Alg*(θ)), by the certificate of the meta-gradient.
//
// The gradient is −½(wuᵀ + uwᵀ), or its diagonal, its sums over layers or its trace, with w ≈ w* = φ* − θ and u ≈ u* = (H* + Λ)⁻¹v*. From
//
//     wu − w*u* = (w − w*)u + w*(u − u*),     ‖u − u*‖ ≤ E = (‖r‖ + (L + ρ‖u‖)δ)/µ,     ‖φ − φ*‖ ≤ δ = ‖∇G‖/µ
//
// its error, as the Euclidean norm of a diagonal's or a matrix's entries, for λ of the number itself, is at most
//
//     (‖w − (φ−θ)‖ + δ)‖u‖ + (‖φ−θ‖ + δ)E
//
// as ‖w − w*‖ ≤ ‖w − (φ−θ)‖ + δ and ‖w*‖ ≤ ‖φ−θ‖ + δ; of layers' sums too, by Cauchy and Schwarz layer by layer. E and δ are
// the certificate's.
//
// At a small λ and H singular the bound is far above the error of RegularizerGradient.Refined. No bound that is made of these constants can be much
// smaller: they bound the rounding e of ∇L̂ by its norm alone, and an e in H's null space would move the gradient by ‖e‖‖v‖/λ², as φ* moves by
// e/λ and u has v/λ there. For X = [1 1 1], λ = 10⁻¹⁰, outer X = [1 0 0] that is 4·10⁵, and the bound 7·10⁵. Refined's own error is 10⁻⁶, as rounding of Xᵀr lies
// almost in the rows of X.

namespace Imaml.Math

/// A bound on the error of one task's gradient in Λ's parameters.
[<Sealed>]
type RegularizerGradientBound private (kind: BoundKind, reason: string, total: float) =
    /// The kind of the bound: that of the certificate that it is made of.
    member _.Kind = kind
    /// Why there is no bound, in words; empty where there is one.
    member _.Reason = reason
    /// The bound; infinite where there is none.
    member _.Total = total

    /// For every task, from the certificates of the meta-gradient at the same φ and u.
    ///
    /// Cost: six norms, which wait for a device. Errors: not one certificate for each task.
    static member Of
        (
            space: IInnerProductSpace<'V, 'S>,
            regularizer: IRegularizer<'V, 'S>,
            certificates: Certificate[],
            theta: 'V,
            phi: 'V,
            gradient: RegularizerGradient<'V, 'S, 'P>
        ) : RegularizerGradientBound[] =
        use _ = space.OpenRegion()
        let arithmetic = Arithmetic.Of(space, regularizer, [| theta; phi; gradient.Solution |])
        let moved = space.Axpy(space.Scalar -1.0, theta, phi)
        let norms x = space.Read(space.Norm x) |> Array.map arithmetic.NormAtMost
        let moves = norms moved
        let corrections = norms (space.Axpy(space.Scalar -1.0, moved, gradient.Displacement))
        let sizes = norms gradient.Displacement
        let solutions = norms gradient.Solution
        let positions = Array.map2 (+^) (norms phi) (norms theta)

        if certificates.Length <> moves.Length then
            invalidArg (nameof certificates) $"{certificates.Length} certificates for {moves.Length} tasks"

        certificates
        |> Array.mapi (fun task certificate ->
            if certificate.Kind = BoundKind.None then
                RegularizerGradientBound(BoundKind.None, certificate.Reason, infinity)
            else
                let delta, u = certificate.InnerError, solutions[task]
                let error = certificate.AdjointError
                let once = arithmetic.Gamma 2
                let position, size = positions[task], sizes[task]
                // φ − θ and its difference to w as computed; the products and sums of the gradient itself.
                let displacement = corrections[task] +^ delta +^ 2.0 *^ once *^ (position +^ size)
                let target = moves[task] +^ delta +^ once *^ position

                let rounding = (arithmetic.Gamma(arithmetic.Parameters + 4)) *^ size *^ u +^ arithmetic.Underflow

                let total = displacement *^ u +^ target *^ error +^ rounding

                if total < infinity then
                    RegularizerGradientBound(certificate.Kind, "", total)
                else
                    RegularizerGradientBound(BoundKind.None, "a measured norm is not finite, or there are too many parameters", infinity))
