// What a preconditioner M adds to conjugate gradients: z = M⁻¹r takes r's place (Golub and Van Loan, section 11.5), and ρ = ⟨r, z⟩ that of ‖r‖².
// M is given by w ↦ M⁻¹w; ValueNone is M = I, for which nothing is computed.

namespace Imaml.Math

[<RequireQualifiedAccess>]
module internal Preconditioning =

    /// z = M⁻¹r and ρ = ⟨r, z⟩, and of the tasks that would go on those that can: where ρ is positive and finite. Without a preconditioner
    /// z is r and ρ is ‖r‖², and nothing is computed.
    let residual (space: IInnerProductSpace<'V, 'S>) (inverse: ('V -> 'V) voption) (r: 'V) (square: 'S) (going: 'S) =
        match inverse with
        | ValueNone -> struct (r, square, going)
        | ValueSome inverse ->
            let z = inverse r
            let rho = space.Inner(r, z)
            let usable = space.Multiply(space.Exceeds(rho, space.Scalar 0.0), Mask.finite space rho)
            struct (z, rho, space.Multiply(going, usable))

    /// w ↦ M⁻¹w, divided by ‖M⁻¹r‖ where that is far from 1, r the first residual, of length 1: a preconditioner's scale does not matter, but
    /// squares of a scale of 10⁻²⁰ leave the range of single precision. Near 1 nothing is divided, to the last bit.
    let scaled (space: IInnerProductSpace<'V, 'S>) (inverse: 'V -> 'V) (r: 'V) =
        use region = space.OpenRegion()
        let size = space.Norm(inverse r)
        let far = space.Add(space.Exceeds(space.Scalar 1e-6, size), space.Exceeds(size, space.Scalar 1e6))
        let factor = space.DivideOrZero(space.Scalar 1.0, size)
        // A size of which no factor can be made is left to the checks of ρ.
        let usable =
            space.Multiply(space.Multiply(far, space.Exceeds(factor, space.Scalar 0.0)), Mask.finite space factor)

        let factor = region.KeepScalar(space.Select(usable, factor, space.Scalar 1.0))

        fun w ->
            use region = space.OpenRegion()
            region.KeepVector(space.Scale(factor, inverse w))

    /// Where the preconditioner has no positive ρ, and where it has none that is a number: a task that stopped for it has kept its r and ρ.
    let refusals (space: IInnerProductSpace<'V, 'S>) (inverse: ('V -> 'V) voption) (unmet: 'S) (rho: 'S) =
        match inverse with
        | ValueNone -> struct (space.Scalar 0.0, space.Scalar 0.0)
        | ValueSome _ ->
            let finite = Mask.finite space rho
            let notPositive = Mask.complement space (space.Exceeds(rho, space.Scalar 0.0))
            let broken = space.Multiply(unmet, Mask.complement space finite)
            struct (space.Multiply(unmet, space.Multiply(finite, notPositive)), broken)
