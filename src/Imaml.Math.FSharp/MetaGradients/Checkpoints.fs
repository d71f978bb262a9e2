// A path that is stored in part: every ⌈√T⌉-th iterate is kept, and the stretch between two of them is followed anew when back-propagation
// comes to it (Griewank 1992; Chen et al. 2016). Memory falls from T vectors to about 2√T, for at most T more gradients.
//
// The stretch is followed by the text that made it the first time (InnerPath.next), so its iterates are the same to the last bit, and so is
// the gradient, as far as the problem's own gradient repeats itself.

namespace Imaml.Math

/// What back-propagation keeps of the path.
type PathMemory =
    /// Every iterate: one vector a step.
    | EveryIterate
    /// Every ⌈√T⌉-th; the others are recomputed.
    | Recompute

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
                // Without momentum φₜ₋₁ has no part in the steps to come.
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
