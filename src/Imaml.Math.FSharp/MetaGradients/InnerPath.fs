// The path of T steps of descent on G(·, θ) from φ₀, by Descent.step with given sizes, which unrolled and truncated back-propagation
// differentiate (Finn et al. 2017). A step that a task measures for itself would have a derivative of its own: only steps of given sizes
// are unrolled.
//
// A path can be stored in part: every ⌈√T⌉-th iterate is kept, and the stretch between two of them is followed anew when back-propagation
// comes to it (Griewank 1992; Chen et al. 2016). Memory falls from T vectors to about 2√T, for at most T more gradients. The stretch is
// followed by the same code as the first time, so its iterates are the same to the last bit. So is the gradient, where the problem's own
// gradient is reproducible.

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

/// What back-propagation keeps of the path.
type PathMemory =
    /// Every iterate: one vector a step.
    | EveryIterate
    /// Every ⌈√T⌉-th; the others are recomputed.
    | Recompute

/// A path with its step sizes, whatever they are.
[<NoComparison; NoEquality>]
type internal PathOptions<'V> =
    {
        Momentum: Momentum
        Sizes: PathSizes<'V>
        Steps: int
    }

/// S of every step: αI for all tasks, or diag(α).
and [<NoComparison; NoEquality>] internal PathSizes<'V> =
    | OneStepSize of alpha: float
    | StepSizeVector of coordinates: ICoordinates<'V> * alpha: 'V

/// An iterate and the one before it, from which the path goes on.
[<NoComparison; NoEquality>]
type internal Checkpoint<'V> =
    {
        /// t
        Step: int
        Phi: 'V
        Previous: 'V
    }

[<RequireQualifiedAccess>]
module internal InnerPath =

    let check (options: UnrolledOptions) =
        options.Momentum.Check()
        (ConstantStep options.Step).Check options.Momentum
        InnerSolver.checkSteps "steps" options.Steps

    let ofOptions (options: UnrolledOptions) : PathOptions<'V> =
        check options

        {
            Momentum = options.Momentum
            Sizes = OneStepSize options.Step
            Steps = options.Steps
        }

    /// S in a space.
    let sizes (space: IInnerProductSpace<'V, 'S>) (path: PathOptions<'V>) : StepSizes<'V, 'S> =
        match path.Sizes with
        | OneStepSize alpha -> SizePerTask(space.Scalar alpha)
        | StepSizeVector(coordinates, alpha) -> SizePerCoordinate(coordinates, alpha)

    /// yₜ: where step t takes its gradient.
    let point (space: IInnerProductSpace<'V, 'S>) (path: PathOptions<'V>) (phi: 'V) previous =
        Descent.point space path.Momentum (space.Scalar 1.0) phi previous

    /// φₜ₊₁ from φₜ and φₜ₋₁, one gradient. Its intermediate vectors are in the region that is open.
    let next
        (space: IInnerProductSpace<'V, 'S>)
        (regularizer: IRegularizer<'V, 'S>)
        (problem: IBilevelProblem<'V, 'S>)
        (path: PathOptions<'V>)
        (theta: 'V)
        (phi: 'V)
        (previous: 'V)
        =
        let gradientAt y = InnerObjective.gradient space regularizer (problem.InnerGradient y) y theta
        Descent.stepBy space path.Momentum (sizes space path) gradientAt phi previous

    /// The last `keep` ≥ 2 of φ₀ … φ_T, oldest first; the older ones are freed meanwhile, except φ₀ = start, which is the caller's.
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

    /// φ_T with its counts: `steps` gradients were evaluated for it. NonFinite where φ_T is not finite.
    let iterate (space: IInnerProductSpace<'V, 'S>) (steps: int) (phi: 'V) : InnerIterate<'V, 'S> =
        { InnerSolver.blackBox space phi with
            Counts =
                { Counts.Zero space with
                    Steps = space.Scalar(float steps)
                    Gradients = space.Scalar(float steps)
                }
            Reported = true
        }

[<RequireQualifiedAccess>]
module internal Checkpoints =

    /// ⌈√T⌉
    let spacing (steps: int) = int (ceil (sqrt (float steps)))

    /// Gradients that are evaluated a second time: of a stretch the last iterate is not needed.
    let recomputed (steps: int) = steps - (steps + spacing steps - 1) / spacing steps

    /// Follows the whole path, keeping (φₜ, φₜ₋₁) at every t below T that is a multiple of the spacing, and φ_T.
    ///
    /// Cost: T gradients; a vector a checkpoint, two with momentum.
    let follow
        (space: IInnerProductSpace<'V, 'S>)
        (regularizer: IRegularizer<'V, 'S>)
        (problem: IBilevelProblem<'V, 'S>)
        (path: PathOptions<'V>)
        (theta: 'V)
        =
        let every = spacing path.Steps
        let kept = ResizeArray()
        let isKept t = t % every = 0 || (path.Momentum <> NoMomentum && (t + 1) % every = 0)
        let mutable previous = theta
        let mutable phi = theta

        for t in 1 .. path.Steps do
            use region = space.OpenRegion()

            if (t - 1) % every = 0 then
                // Without momentum later steps do not use φₜ₋₁.
                let previous = if path.Momentum = NoMomentum then phi else previous

                kept.Add
                    {
                        Step = t - 1
                        Phi = phi
                        Previous = previous
                    }

            let moved = region.KeepVector(InnerPath.next space regularizer problem path theta phi previous)

            if t >= 3 && not (isKept (t - 2)) then
                region.AdoptVector previous |> ignore

            previous <- phi
            phi <- moved

        struct (kept.ToArray(), phi)

    /// φₜ of the checkpoint and the iterates after it, up to the next checkpoint or φ_{T−1}. Runs in the region that is open.
    let stretch space regularizer problem (path: PathOptions<'V>) (theta: 'V) (checkpoint: Checkpoint<'V>) =
        let last = min (checkpoint.Step + spacing path.Steps) path.Steps - 1
        let iterates = ResizeArray [ checkpoint.Phi ]
        let mutable previous = checkpoint.Previous

        for _ in checkpoint.Step + 1 .. last do
            use region = (space: IInnerProductSpace<'V, 'S>).OpenRegion()
            let phi = iterates[iterates.Count - 1]
            iterates.Add(region.KeepVector(InnerPath.next space regularizer problem path theta phi previous))
            previous <- phi

        iterates.ToArray()
