// The a-posteriori certificate of a general lower level (LowerLevel.fs), from that of the paper's problem at z and what is proved of the pull-back.
//
// At any x and u, with E ≥ ‖u − u*‖ and δ ≥ ‖x − x*‖, both of Certificate at z,
//
//     (∂_z f − Cᵀu) − (∂_z f* − C*ᵀu*) = (∂_z f − ∂_z f*) − (C − C*)ᵀu − C*ᵀ(u − u*)
//     ‖∇F computed − ∇F(z)‖ ≤ (L_z + ρ_C‖u‖)δ + (‖C‖ + ρ_C δ)E + rounding of the pull-back
//
// The paper's problem has C = −Λ constant: L_z = ρ_C = 0, the rounding is that of Λu, and the bound is the certificate's.

namespace Imaml.Math

/// What is proved of one task's pull-back at one x and u.
[<Sealed>]
type PullBackBound private (slope: float, norm: float, normSlope: float, rounding: float) =
    /// S, at most L_z + ρ_C‖u‖: by how much ∂_z f − Cᵀu, u held, may change with x, per unit of ‖x − x′‖.
    member _.Slope = slope
    /// K ≥ ‖C(z, x)‖, at this x.
    member _.Norm = norm
    /// ρ_C: by how much ‖C‖ may grow, per unit of ‖x − x′‖.
    member _.NormSlope = normSlope
    /// How far the pull-back of this x and u as computed may be from the exact one.
    member _.Rounding = rounding

    /// Numbers that the caller has a proof of. Infinite where one is not known. Errors: one that is not at least 0.
    static member Proved(slope: float, norm: float, normSlope: float, rounding: float) : PullBackBound =
        for name, value in
            [
                nameof slope, slope
                nameof norm, norm
                nameof normSlope, normSlope
                nameof rounding, rounding
            ] do
            if not (value >= 0.0) then
                invalidArg name $"{name} must be at least 0, not {value}"

        PullBackBound(slope, norm, normSlope, rounding)

/// A bound on the error of one task's ∇F(z). It can only be made by its formula, and is certified or estimated as its certificate is.
[<Sealed>]
type LowerLevelCertificate private (kind: BoundKind, reason: string, lower: Certificate, total: float, rounding: float) =
    /// The kind of the bound: that of the constants, or None where there is no bound.
    member _.Kind = kind
    /// Why there is no bound, in words; empty where there is one.
    member _.Reason = reason
    /// The certificate of x and u at z, as the paper's problem.
    member _.Lower = lower
    /// The bound on ‖∂_z f − Cᵀu − ∇F(z)‖, ∂_z f − Cᵀu as computed.
    member _.Total = total
    /// The part of Total that no iteration can remove.
    member _.Rounding = rounding

    /// No bound, for this reason.
    member internal bound.Without(reason) = LowerLevelCertificate(BoundKind.None, reason, bound.Lower, infinity, infinity)

    /// From the certificate of x and u at z, and what is proved of the pull-back there. For any x and u: a certificate of
    /// Certificate.OfSolution or OfResult. An estimate's certificate gives an estimate.
    static member Of(lower: Certificate, pullBack: PullBackBound) : LowerLevelCertificate =
        let none reason = LowerLevelCertificate(BoundKind.None, reason, lower, infinity, infinity)

        let sum delta error =
            pullBack.Slope *^ delta
            +^ (pullBack.Norm +^ pullBack.NormSlope *^ delta) *^ error
            +^ pullBack.Rounding

        if lower.Kind = BoundKind.None then
            none lower.Reason
        else
            let total = sum lower.InnerError lower.AdjointError

            if total < infinity then
                LowerLevelCertificate(lower.Kind, "", lower, total, sum lower.InnerRounding lower.AdjointRounding)
            else
                none "no finite bounds are known of the pull-back"

/// A lower level of which the constants are known.
type ICertifiedLowerLevel<'Z, 'V, 'S> =
    inherit ILowerLevel<'Z, 'V, 'S>
    /// What is proved of L̂ and L at z, for every task.
    abstract Constants: z: 'Z -> TaskConstants[]
    /// What is proved of the pull-back at z, x and u, for every task.
    abstract PullBackBounds: z: 'Z * x: 'V * u: 'V -> PullBackBound[]
