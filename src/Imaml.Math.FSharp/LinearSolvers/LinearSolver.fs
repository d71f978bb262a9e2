// A solver of A u = b, what all solvers share (warm starts among it), and how its report is read.

namespace Imaml.Math

open System

/// Solves A u = b, on B tasks in lock-step.
type ILinearSolver<'V, 'S> =
    /// u from 0. A task is done when ‖b − A u‖ ≤ residualNorm (0: no such threshold), or when the solver's own options say so.
    abstract Solve:
        space: IInnerProductSpace<'V, 'S> * operator: ILinearOperator<'V> * b: 'V * residualNorm: 'S -> LinearSolveReport<'V, 'S>

    /// u from `start`, at the price of one more product. A start that meets the tolerance is returned after no step.
    abstract SolveFrom:
        space: IInnerProductSpace<'V, 'S> * operator: ILinearOperator<'V> * b: 'V * start: 'V * residualNorm: 'S ->
            LinearSolveReport<'V, 'S>

[<RequireQualifiedAccess>]
module LinearSolver =

    let internal check options =
        if options.MaxSteps < 1 then
            invalidArg (nameof options) $"MaxSteps must be at least 1, not {options.MaxSteps}"

        if not (options.RelativeResidual >= 0.0 && options.RelativeResidual < 1.0) then
            invalidArg (nameof options) $"RelativeResidual must be in [0, 1), not {options.RelativeResidual}"

        if options.CheckEvery < 0 then
            invalidArg (nameof options) $"CheckEvery must be at least 0, not {options.CheckEvery}"

    /// The report with masks that agree with its numbers: where ‖b‖ or the residual is not finite nothing was met.
    let internal judged (space: IInnerProductSpace<'V, 'S>) (report: LinearSolveReport<'V, 'S>) =
        let finite =
            space.Multiply(Mask.finite space report.RightHandSideNorm, Mask.finite space report.RelativeResidual)

        { report with
            Met = space.Multiply(report.Met, finite)
            NonFinite = space.Select(finite, report.NonFinite, space.Scalar 1.0)
        }

    /// Solves A u = b from `start` by solving A d = b − A·start from 0: a warm start is the same for every solver.
    /// `solve` takes options, the residual norm at which a task is done, and the right-hand side. Where b = 0 the start is 0, which is exact.
    ///
    /// The residual of a start far too long hides b: rounding of ‖b − A·start‖ = s is εs or more. Where that exceeds the tolerance and √ε‖b‖,
    /// half of b's digits, what d has met is not A u = b's tolerance, and the solve has stagnated.
    let internal shifted
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

            { report with
                Met = space.Multiply(report.Met, Mask.complement space hidden)
                Stagnated = space.Select(space.Multiply(report.Met, hidden), space.Scalar 1.0, report.Stagnated)
                Solution = space.Axpy(space.Scalar 1.0, report.Solution, start)
                RightHandSideNorm = size
                Products = space.Add(report.Products, space.Scalar 1.0)
                RelativeResidual = space.DivideOrZero(space.Multiply(report.RelativeResidual, report.RightHandSideNorm), size)
            }
            |> judged space)

    /// A report with no steps, no products and no masks.
    let internal blank (space: IInnerProductSpace<'V, 'S>) (solution: 'V) (rightHandSideNorm: 'S) =
        let zero () = space.Scalar 0.0

        {
            Solution = solution
            RightHandSideNorm = rightHandSideNorm
            Steps = zero ()
            Products = zero ()
            RelativeResidual = space.Scalar infinity
            SmallestCurvature = space.Scalar infinity
            Met = zero ()
            Indefinite = zero ()
            NonFinite = zero ()
            Stagnated = zero ()
            PreconditionerNotPositive = zero ()
            Coefficients = [||]
        }

    /// The report of a solve that was not made: u = b, no product, and a residual of which nothing is known, here +∞, which no solve
    /// returns that has multiplied by nothing.
    let internal none (space: IInnerProductSpace<'V, 'S>) (b: 'V) = blank space b (space.Norm b)

    /// The outcome of every task, on the host. On a device this waits for it.
    let read (space: IInnerProductSpace<'V, 'S>) (report: LinearSolveReport<'V, 'S>) : SolveStatistics[] =
        let coefficients =
            report.Coefficients
            |> Array.map (fun struct (alpha, beta) -> struct (space.Read alpha, space.Read beta))

        let sizes = space.Read report.RightHandSideNorm
        let steps = space.Read report.Steps
        let products = space.Read report.Products
        let residuals = space.Read report.RelativeResidual
        let smallest = space.Read report.SmallestCurvature
        let met = space.Read report.Met
        let indefinite = space.Read report.Indefinite
        let nonFinite = space.Read report.NonFinite
        let stagnated = space.Read report.Stagnated
        let notPositive = space.Read report.PreconditionerNotPositive

        Array.init sizes.Length (fun task ->
            let status =
                if Double.IsFinite sizes[task] && Double.IsPositiveInfinity residuals[task] && products[task] = 0.0 then
                    SolveStatus.NotMade
                elif sizes[task] = 0.0 then
                    SolveStatus.ZeroRightHandSide
                elif not (Double.IsFinite sizes[task] && Double.IsFinite residuals[task]) then
                    SolveStatus.NonFinite
                elif nonFinite[task] > 0.5 then
                    SolveStatus.NonFinite
                elif notPositive[task] > 0.5 then
                    SolveStatus.PreconditionerNotPositive
                elif indefinite[task] > 0.5 then
                    SolveStatus.NonPositiveCurvature
                elif stagnated[task] > 0.5 then
                    SolveStatus.Stagnated
                elif met[task] > 0.5 then
                    SolveStatus.Converged
                else
                    SolveStatus.StepLimit

            let used =
                coefficients
                |> Array.map (fun struct (alpha, beta) -> struct (alpha[task], beta[task]))
                |> Array.filter (fun struct (alpha, _) -> alpha > 0.0)

            {
                Status = status
                Steps = int steps[task]
                Products = int products[task]
                RelativeResidual = residuals[task]
                RightHandSideNorm = sizes[task]
                SmallestCurvature = smallest[task]
                RitzValues = RitzValues.ofSteps used
            })
