// The path of T steps of descent on G(·, θ) from θ, which unrolled and truncated back-propagation differentiate (Finn et al. 2017).
//
//     φₜ₊₁ = zₜ − α∇G(yₜ, θ),   φ₀ = φ₋₁ = θ,   (yₜ, zₜ) = P(φₜ, φₜ₋₁)
//
// P is linear and is all that the methods of Momentum.fs differ in: with x = φₜ + b(φₜ − φₜ₋₁),
//
//     gradient descent (φₜ, φₜ),   heavy ball (φₜ, x),   Nesterov (x, x).
//
// So tangents go through P, and adjoints through Pᵀ. A step that a task measures for itself would have a derivative of its own: only a
// constant step is unrolled.

namespace Imaml.Math

open System.Collections.Generic

/// The inner iteration that is differentiated: T steps of length α. The unrolled meta-gradient depends on all three.
type UnrolledOptions =
    {
        Momentum: Momentum
        /// α
        Step: float
        /// T
        Steps: int
    }

[<RequireQualifiedAccess>]
module internal InnerPath =

    let check (options: UnrolledOptions) =
        Momentum.check options.Momentum

        if not (options.Step > 0.0 && options.Step < infinity) then
            invalidArg (nameof options) $"a constant step must be positive and finite, not {options.Step}"

        if options.Steps < 1 then
            invalidArg (nameof options) $"the number of inner steps must be at least 1, not {options.Steps}"

    /// (y, z) = P(φₜ, φₜ₋₁): where the gradient is taken, and where the step starts.
    let points (space: IInnerProductSpace<'V, 'S>) momentum (phi: 'V) (previous: 'V) =
        let ahead (b: float) = space.Axpy(space.Scalar b, space.Axpy(space.Scalar -1.0, previous, phi), phi)

        match momentum with
        | NoMomentum -> struct (phi, phi)
        | HeavyBall b -> struct (phi, ahead b)
        | Nesterov b ->
            let x = ahead b
            struct (x, x)

    /// Pᵀ(ȳ, z̄): what falls to φₜ and to φₜ₋₁.
    let adjointOfPoints (space: IInnerProductSpace<'V, 'S>) momentum (y: 'V) (z: 'V) =
        let sum () = space.Axpy(space.Scalar 1.0, y, z)

        match momentum with
        | NoMomentum -> struct (sum (), space.Zero z)
        | HeavyBall b -> struct (space.Axpy(space.Scalar b, z, sum ()), space.Scale(space.Scalar -b, z))
        | Nesterov b -> struct (space.Scale(space.Scalar(1.0 + b), sum ()), space.Scale(space.Scalar -b, sum ()))

    /// φₜ₊₁ from ∇G(y, θ).
    let step (space: IInnerProductSpace<'V, 'S>) (options: UnrolledOptions) (z: 'V) (gradient: 'V) =
        space.Axpy(space.Scalar -options.Step, gradient, z)

    /// The last `keep` ≥ 2 of φ₀ … φ_T, oldest first; the older ones die on the way, but for φ₀ = θ, which is the caller's.
    ///
    /// Cost: one gradient a step. Runs in the region that is open.
    let follow
        (space: IInnerProductSpace<'V, 'S>)
        (regularizer: IRegularizer<'V, 'S>)
        (problem: IBilevelProblem<'V, 'S>)
        (options: UnrolledOptions)
        (keep: int)
        (theta: 'V)
        =
        let kept = Queue<'V>()
        kept.Enqueue theta
        let mutable previous = theta
        let mutable phi = theta

        for t in 1 .. options.Steps do
            use region = space.OpenRegion()

            if kept.Count = keep then
                let oldest = kept.Dequeue()

                if t > keep then
                    region.AdoptVector oldest |> ignore

            let struct (y, z) = points space options.Momentum phi previous
            let gradient = InnerObjective.gradient space regularizer (problem.InnerGradient y) y theta
            previous <- phi
            phi <- region.KeepVector(step space options z gradient)
            kept.Enqueue phi

        kept.ToArray()

    /// φ_T with its counts: `gradients` of them were evaluated on the way.
    let iterate (space: IInnerProductSpace<'V, 'S>) (options: UnrolledOptions) (phi: 'V) : InnerIterate<'V, 'S> =
        let zero () = space.Scalar 0.0
        let count () = space.Scalar(float options.Steps)
        let finite = space.Exceeds(space.Scalar infinity, space.Norm phi)

        { InnerSolver.blackBox space phi with
            Steps = count ()
            Gradients = count ()
            Met = zero ()
            NonFinite = space.Exceeds(space.Scalar 1.0, finite)
            Reported = true
        }
