// A x = b/‖b‖: the system that every iterative solver works on, so that a tiny b does not underflow, and how its end becomes a report.

namespace Imaml.Math

/// What the right-hand side and the options say before the first step.
type internal ScaledSystem<'S> =
    {
        /// ‖b‖
        Size: 'S
        /// The relative residual that was asked for: the larger of the options' and residualNorm/‖b‖.
        Requested: 'S
        /// The relative residual at which a task is done: the one asked for, but never below NegligibleResidual.
        Tolerance: 'S
    }

[<RequireQualifiedAccess>]
module internal ScaledSystem =

    /// Where a recurrence's residual is nothing but rounding, in single and in double precision, and its square is still a normal number in
    /// both. Beyond it the inner products underflow, and a vanished ⟨p, Ap⟩ would look like an indefinite A.
    [<Literal>]
    let NegligibleResidual = 1e-18

    let ofRightHandSide (space: IInnerProductSpace<'V, 'S>) (options: LinearSolveOptions) (residualNorm: 'S) (b: 'V) =
        let size = space.Norm b
        let asked = space.Scalar options.RelativeResidual
        let requested = Mask.larger space asked (space.DivideOrZero(residualNorm, size))

        {
            Size = size
            Requested = requested
            Tolerance = Mask.larger space requested (space.Scalar NegligibleResidual)
        }

    /// b/‖b‖, and 0 for b = 0. By two factors 1/√‖b‖: where ‖b‖ is below the normal numbers, 1/‖b‖ overflows.
    let unit (space: IInnerProductSpace<'V, 'S>) (size: 'S) (b: 'V) =
        let factor = space.DivideOrZero(space.Scalar 1.0, space.SquareRoot size)
        use region = space.OpenRegion()
        region.KeepVector(space.Scale(factor, space.Scale(factor, b)))

    /// Steps until the budget ends or, where that is asked, no task is running; `after` sees every state on the host, between two regions.
    let iterate
        (space: IInnerProductSpace<'V, 'S>)
        (options: LinearSolveOptions)
        (running: 'State -> 'S)
        (after: 'State -> 'State)
        (step: 'State -> 'State)
        (first: 'State :> ICarried<'V, 'S, 'State>)
        =
        let mutable state: 'State = first
        let mutable k = 0

        while k < options.MaxSteps do
            state <- after (Region.advance space step state)
            k <- k + 1

            if options.CheckEvery > 0 && k % options.CheckEvery = 0 && not (space.Any(running state)) then
                k <- options.MaxSteps

        state

    /// The report of A u = b from that of the scaled system, x and ‖b/‖b‖ − Ax‖ by the recurrence. With RecomputeResidual, at the price of
    /// one more product, the residual is computed anew, and a tolerance that only the recurrence has met counts as stagnation.
    let report
        (space: IInnerProductSpace<'V, 'S>)
        (options: LinearSolveOptions)
        (apply: 'V -> 'V)
        (b: 'V)
        (system: ScaledSystem<'S>)
        (scaled: LinearSolveReport<'V, 'S>)
        =
        // Where ‖b‖ is not finite no step was made, and the last finite iterate is 0.
        let scale =
            space.Select(space.Exceeds(space.Scalar infinity, system.Size), system.Size, space.Scalar 0.0)

        let report =
            { scaled with
                Solution = space.Scale(scale, scaled.Solution)
                RightHandSideNorm = system.Size
            }

        if options.RecomputeResidual then
            let residual =
                space.Norm(space.Axpy(space.Scalar -1.0, apply scaled.Solution, unit space system.Size b))

            let asked = space.Exceeds(system.Requested, space.Scalar 0.0)
            let missed = space.Multiply(asked, space.Exceeds(residual, system.Requested))

            { report with
                RelativeResidual = residual
                Met = space.Multiply(scaled.Met, Mask.complement space missed)
                Stagnated = space.Add(scaled.Stagnated, space.Multiply(scaled.Met, missed))
            }
        else
            report
        |> LinearSolver.judged space
