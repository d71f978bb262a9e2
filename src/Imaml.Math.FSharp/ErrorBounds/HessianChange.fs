// ρ seen from one point: how fast H changes along one direction, on one vector.
//
//     ‖(H(φ + hs) − H(φ))w‖/(h‖w‖) ≤ ρ
//
// for every h > 0, unit s and w: a lower bound on ρ, up to rounding of about ε‖H‖/h. Where H is continuous it settles as h shrinks. At a kink,
// such as a rectifier's, H jumps, the quotient grows like 1/h, and no ρ exists.

namespace Imaml.Math

[<RequireQualifiedAccess>]
module HessianChange =

    /// The quotient for every task, from the linearization at φ. The direction is scaled to length 1; 0 where it or w is 0.
    ///
    /// Cost: one linearization and two products. Errors: h that is not positive and finite.
    let along
        (space: IInnerProductSpace<'V, 'S>)
        (problem: IBilevelProblem<'V, 'S>)
        (linearization: ILinearization<'V, 'S>)
        (phi: 'V)
        (direction: 'V)
        (w: 'V)
        (h: float)
        : 'S =
        if not (h > 0.0 && h < infinity) then
            invalidArg (nameof h) $"the distance must be positive and finite, not {h}"

        use region = space.OpenRegion()
        let length = space.DivideOrZero(space.Scalar h, space.Norm direction)
        use there = problem.LinearizeInner(space.Axpy(length, direction, phi))
        let change = space.Axpy(space.Scalar -1.0, linearization.HessianProduct w, there.HessianProduct w)
        let quotient = space.DivideOrZero(space.Norm change, space.Multiply(space.Scalar h, space.Norm w))
        region.KeepScalar quotient
