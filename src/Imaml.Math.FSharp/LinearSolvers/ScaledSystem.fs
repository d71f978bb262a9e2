// What all solvers share: the system A x = b/‖b‖ that every iterative one solves, so that a tiny b does not underflow; its report; the level at
// which curvature is zero to rounding; and warm starts, which solve for the difference.

namespace Imaml.Math

/// What the right-hand side and the options determine before the first step.
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

    /// c = max(16, √d): how many roundings of A a curvature may be and still count as zero. ⟨p, Ap⟩ as computed errs by the rounding of the product
    /// and of an inner product of d terms, of the order of √d roundings of a‖p‖² where their signs are as good as random (Higham 2002, section
    /// 2.8). Below d = 256 the 16 covers the few other operations.
    let zeroCurvature (space: IInnerProductSpace<'V, 'S>) (b: 'V) = max 16.0 (sqrt (float (space.Dimension b)))

    /// How far a residual may rise above ‖b‖ before further steps are held back until the residual has fallen again. On a positive
    /// definite A it rises to √κ at most, and falls again; where A is singular and b has a part outside its range it rises without end.
    [<Literal>]
    let LargestGrowth = 100.0

    let ofRightHandSide (space: IInnerProductSpace<'V, 'S>) (options: LinearSolveOptions) (residualNorm: 'S) (b: 'V) =
        let size = space.Norm b
        let asked = space.Scalar options.RelativeResidual
        let requested = Mask.larger space asked (space.DivideOrZero(residualNorm, size))

        {
            Size = size
            Requested = requested
            Tolerance = Mask.larger space requested (space.Scalar NegligibleResidual)
        }

    /// The report with masks that agree with its numbers: where ‖b‖ or the residual is not finite no tolerance was reached.
    let judged (space: IInnerProductSpace<'V, 'S>) (report: LinearSolveReport<'V, 'S>) =
        let finite =
            space.Multiply(Mask.finite space report.RightHandSideNorm, Mask.finite space report.RelativeResidual)

        { report with
            Marks = report.Marks.Judged(space, finite)
        }

    /// Solves A u = b from `start` by solving A d = b − A·start from 0: a warm start is the same for every solver.
    /// `solve` takes options, the residual norm at which a task is done, and the right-hand side. Where b = 0 the start is 0, which is exact.
    ///
    /// The residual of a start far too long hides b: rounding of ‖b − A·start‖ = s is εs or more. Where that exceeds the tolerance and √ε‖b‖,
    /// half of b's digits, the tolerance that d has reached is not that of A u = b, and the solve has stagnated.
    let shifted
        (space: IInnerProductSpace<'V, 'S>)
        (options: LinearSolveOptions)
        (solve: LinearSolveOptions -> 'S -> 'V -> LinearSolveReport<'V, 'S>)
        (apply: 'V -> 'V)
        (b: 'V)
        (start: 'V)
        (residualNorm: 'S)
        =
        Region.run space (fun () ->
            let size = space.Norm b
            let start = space.Axpy(space.Exceeds(size, space.Scalar 0.0), start, space.Zero b)
            let rest = space.Axpy(space.Scalar -1.0, apply start, b)

            let threshold =
                Mask.larger space residualNorm (space.Multiply(space.Scalar options.RelativeResidual, size))

            let report = solve { options with RelativeResidual = 0.0 } threshold rest
            let epsilon = Mask.epsilon space
            let digits = Mask.larger space threshold (space.Multiply(space.SquareRoot epsilon, size))
            let hidden = space.Exceeds(space.Multiply(epsilon, report.RightHandSideNorm), digits)

            let marks = report.Marks

            { report with
                Marks =
                    { marks with
                        Met = space.Multiply(marks.Met, Mask.complement space hidden)
                        Stagnated = space.Select(space.Multiply(marks.Met, hidden), space.Scalar 1.0, marks.Stagnated)
                    }
                Solution = space.Axpy(space.Scalar 1.0, report.Solution, start)
                RightHandSideNorm = size
                Counts =
                    { report.Counts with
                        Products = space.Add(report.Counts.Products, space.Scalar 1.0)
                    }
                RelativeResidual = space.DivideOrZero(space.Multiply(report.RelativeResidual, report.RightHandSideNorm), size)
            }
            |> judged space)

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

    /// The report of u = ‖b‖x, without success where numbers too small for the space have taken digits from it: then u may be 0, and its residual all of b.
    let withoutUnderflow (space: IInnerProductSpace<'V, 'S>) (x: 'V) (report: LinearSolveReport<'V, 'S>) =
        let found = space.DivideOrZero(space.Norm report.Solution, report.RightHandSideNorm)
        let digits = space.Scalar(1.0 - 2.0 ** -10.0)

        let lost =
            space.Multiply(
                space.Exceeds(space.Multiply(digits, space.Norm x), found),
                Mask.complement space (space.Exceeds(report.Marks.NonFinite, space.Scalar 0.0))
            )

        let marks = report.Marks

        { report with
            RelativeResidual = space.Select(lost, space.Scalar 1.0, report.RelativeResidual)
            Marks =
                { marks with
                    Met = space.Multiply(marks.Met, Mask.complement space lost)
                    Stagnated = space.Select(lost, space.Scalar 1.0, marks.Stagnated)
                }
        }

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
        // Where ‖b‖ is not finite no step was made, and the last finite iterate is 0. A solution beyond the range of the space's numbers is not used.
        let finite = Mask.finite space (space.Multiply(system.Size, space.Norm scaled.Solution))
        let scale = Mask.keep space finite system.Size
        let marks = scaled.Marks

        let report =
            { scaled with
                Solution = space.Axpy(scale, scaled.Solution, space.Zero b)
                RightHandSideNorm = system.Size
                Marks =
                    { marks with
                        NonFinite = space.Select(finite, marks.NonFinite, space.Scalar 1.0)
                    }
            }

        if options.RecomputeResidual then
            let residual =
                space.Norm(space.Axpy(space.Scalar -1.0, apply scaled.Solution, unit space system.Size b))

            let asked = space.Exceeds(system.Requested, space.Scalar 0.0)
            let missed = space.Multiply(asked, space.Exceeds(residual, system.Requested))

            { report with
                RelativeResidual = residual
                Marks =
                    { report.Marks with
                        Met = space.Multiply(marks.Met, Mask.complement space missed)
                        Stagnated = space.Add(marks.Stagnated, space.Multiply(marks.Met, missed))
                    }
            }
        else
            report
        |> withoutUnderflow space scaled.Solution
        |> judged space
