// What every solver of A u = b is told, and what it tells: the stopping rule, and the solution with all that is known about it.
//
// In the paper: the solve of Algorithm 2, line 4, where A = H + Λ and b is the outer gradient (equation 7).

namespace Imaml.Math

open System

/// When to stop. A fixed budget is MaxSteps with RelativeResidual = 0 and CheckEvery = 0.
type LinearSolveOptions =
    {
        MaxSteps: int
        /// A task is done when ‖r‖ ≤ RelativeResidual·‖b‖.
        RelativeResidual: float
        /// After how many steps to ask whether all tasks are done; 0 never asks, so that a device is never waited for.
        CheckEvery: int
        /// Whether to compute b − A u anew at the end, at the price of one more product.
        RecomputeResidual: bool
    }

/// The solution of A u = b with all that is known about it, still on the device: read it with LinearSolver.read.
type LinearSolveReport<'V, 'S> =
    {
        Solution: 'V
        RightHandSideNorm: 'S
        /// Steps that moved the iterate.
        Steps: 'S
        /// Products with A that the task needed.
        Products: 'S
        /// ‖b − A u‖ / ‖b‖
        RelativeResidual: 'S
        SmallestCurvature: 'S
        /// Masks: the tolerance was met; a direction that the solver cannot use was met; a product was not finite.
        Met: 'S
        Indefinite: 'S
        NonFinite: 'S
        /// (α, β) of every step of conjugate gradients, first to last; α = 0 where the task was frozen. Empty for other solvers.
        Coefficients: struct ('S * 'S)[]
    }

    interface ICarried<'V, 'S, LinearSolveReport<'V, 'S>> with
        member this.Carry(vector, scalar) =
            {
                Solution = vector this.Solution
                RightHandSideNorm = scalar this.RightHandSideNorm
                Steps = scalar this.Steps
                Products = scalar this.Products
                RelativeResidual = scalar this.RelativeResidual
                SmallestCurvature = scalar this.SmallestCurvature
                Met = scalar this.Met
                Indefinite = scalar this.Indefinite
                NonFinite = scalar this.NonFinite
                Coefficients = this.Coefficients |> Array.map (fun struct (a, b) -> struct (scalar a, scalar b))
            }

/// Solves A u = b, on B tasks in lock-step.
type ILinearSolver<'V, 'S> =
    /// u from 0. A task is done when ‖b − A u‖ ≤ residualNorm (0: no such threshold), or when the solver's own options say so.
    abstract Solve:
        space: IInnerProductSpace<'V, 'S> * operator: ILinearOperator<'V> * b: 'V * residualNorm: 'S -> LinearSolveReport<'V, 'S>

    /// u from `start`, at the price of one more product.
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

    /// The larger of two scalars.
    let internal larger (space: IInnerProductSpace<'V, 'S>) a b = space.Select(space.Exceeds(a, b), a, b)

    /// Solves A u = b from `start` by solving A d = b − A·start from 0: a warm start is the same for every solver.
    /// `solve` takes options, the residual norm at which a task is done, and the right-hand side.
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
            let rest = space.Axpy(space.Scalar -1.0, apply start, b)
            let threshold = larger space residualNorm (space.Multiply(space.Scalar options.RelativeResidual, size))
            let report = solve { options with RelativeResidual = 0.0 } threshold rest

            { report with
                Solution = space.Axpy(space.Scalar 1.0, report.Solution, start)
                RightHandSideNorm = size
                Products = space.Add(report.Products, space.Scalar 1.0)
                RelativeResidual = space.DivideOrZero(space.Multiply(report.RelativeResidual, report.RightHandSideNorm), size)
            })

    /// The report of a solve that was not made: u = b, no product, and a residual of which nothing is known, here +∞, which no solve
    /// returns that has multiplied by nothing.
    let internal none (space: IInnerProductSpace<'V, 'S>) (b: 'V) =
        let zero () = space.Scalar 0.0

        {
            Solution = b
            RightHandSideNorm = space.Norm b
            Steps = zero ()
            Products = zero ()
            RelativeResidual = space.Scalar infinity
            SmallestCurvature = space.Scalar infinity
            Met = zero ()
            Indefinite = zero ()
            NonFinite = zero ()
            Coefficients = [||]
        }

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
                elif indefinite[task] > 0.5 then
                    SolveStatus.NonPositiveCurvature
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
