// The path of T steps of descent on G(·, θ) from φ₀, which unrolled and truncated back-propagation differentiate (Finn et al. 2017).
//
//     φₜ₊₁ = zₜ − S∇G(yₜ, θ),   φ₋₁ = φ₀,   (yₜ, zₜ) = P(φₜ, φₜ₋₁)
//
// S holds the step sizes, αI or diag(α) (StepSizes.fs). P is linear and is all that the methods of Momentum.fs differ in: with
// x = φₜ + b(φₜ − φₜ₋₁),
//
//     gradient descent (φₜ, φₜ),   heavy ball (φₜ, x),   Nesterov (x, x).
//
// So tangents go through P, and adjoints through Pᵀ. A step that a task measures for itself would have a derivative of its own: only
// steps of given sizes are unrolled.

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

/// A path with its step sizes, whatever they are.
[<NoComparison; NoEquality>]
type internal PathOptions<'V> =
    {
        Momentum: Momentum
        Sizes: StepSizes<'V>
        Steps: int
    }

[<RequireQualifiedAccess>]
module internal InnerPath =

    let checkSteps steps =
        if steps < 1 then
            invalidArg (nameof steps) $"the number of inner steps must be at least 1, not {steps}"

    let check (options: UnrolledOptions) =
        Momentum.check options.Momentum
        StepSizes.check options.Step
        checkSteps options.Steps

    let ofOptions (options: UnrolledOptions) : PathOptions<'V> =
        check options

        {
            Momentum = options.Momentum
            Sizes = OneStepSize options.Step
            Steps = options.Steps
        }

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

    /// φₜ₊₁ from φₜ and φₜ₋₁, one gradient. What it makes on the way is in the region that is open.
    let next
        (space: IInnerProductSpace<'V, 'S>)
        (regularizer: IRegularizer<'V, 'S>)
        (problem: IBilevelProblem<'V, 'S>)
        (path: PathOptions<'V>)
        (theta: 'V)
        (phi: 'V)
        (previous: 'V)
        =
        let struct (y, z) = points space path.Momentum phi previous
        let gradient = InnerObjective.gradient space regularizer (problem.InnerGradient y) y theta
        StepSizes.move space path.Sizes z gradient

    /// The last `keep` ≥ 2 of φ₀ … φ_T, oldest first; the older ones die on the way, but for φ₀ = start, which is the caller's.
    ///
    /// Cost: one gradient a step. Runs in the region that is open.
    let follow
        (space: IInnerProductSpace<'V, 'S>)
        (regularizer: IRegularizer<'V, 'S>)
        (problem: IBilevelProblem<'V, 'S>)
        (path: PathOptions<'V>)
        (keep: int)
        (theta: 'V)
        (start: 'V)
        =
        let kept = Queue<'V>()
        kept.Enqueue start
        let mutable previous = start
        let mutable phi = start

        for t in 1 .. path.Steps do
            use region = space.OpenRegion()

            if kept.Count = keep then
                let oldest = kept.Dequeue()

                if t > keep then
                    region.AdoptVector oldest |> ignore

            let moved = region.KeepVector(next space regularizer problem path theta phi previous)
            previous <- phi
            phi <- moved
            kept.Enqueue phi

        kept.ToArray()

    /// φ_T with its counts: `gradients` of them were evaluated on the way.
    let iterate (space: IInnerProductSpace<'V, 'S>) (steps: int) (phi: 'V) : InnerIterate<'V, 'S> =
        let zero () = space.Scalar 0.0
        let count () = space.Scalar(float steps)
        let finite = space.Exceeds(space.Scalar infinity, space.Norm phi)

        { InnerSolver.blackBox space phi with
            Steps = count ()
            Gradients = count ()
            Met = zero ()
            NonFinite = space.Exceeds(space.Scalar 1.0, finite)
            Reported = true
        }
