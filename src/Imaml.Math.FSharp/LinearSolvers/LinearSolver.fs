// The stopping rule of a solver of A u = b, and how its solve ended, as data that is returned with the solution: the status and the report.
//
// In the paper: the solve of Algorithm 2, line 4, where A = H + Λ and b is the outer gradient (equation 7).

namespace Imaml.Math

open System
open System.Runtime.CompilerServices

/// How the solve of one task's system ended.
type SolveStatus =
    /// The residual met the tolerance.
    | Converged = 0
    /// The budget of steps ended first. With tolerance 0 this is the normal end: a fixed budget was asked for.
    | StepLimit = 1
    /// A direction was found whose curvature pᵀAp is not positive, or zero to rounding: A is not positive definite to the accuracy of the
    /// arithmetic; SmallestCurvature shows by how much. Conjugate gradients return the iterate before that direction. A Neumann series goes on,
    /// since its terms are defined all the same. The dense solver returns the solution.
    | NonPositiveCurvature = 2
    /// b, a product with A, a step, the solution, or the φ that A belongs to was not finite. The answer is the last finite iterate, or 0.
    | NonFinite = 3
    /// b = 0, so u = 0 is exact.
    | ZeroRightHandSide = 4
    /// The residual falls no further: the recurrence met the tolerance but the residual computed anew does not, A is singular and b has a
    /// part outside its range, or a start was so long that its rounding hides b. The answer is the iterate reached.
    | Stagnated = 5
    /// ⟨r, M⁻¹r⟩ ≤ 0 for a residual r ≠ 0: the preconditioner is not positive definite. The answer is the iterate reached.
    | PreconditionerNotPositive = 6
    /// The method solves no linear system.
    | NotMade = 7

[<Extension>]
type SolveStatusText =

    /// The likely causes of a status, and what helps, in words.
    [<Extension>]
    static member Describe(status: SolveStatus) : string =
        match status with
        | SolveStatus.Converged -> "the residual met the tolerance"
        | SolveStatus.StepLimit ->
            "the budget of steps was used: the plan where no tolerance was asked for; else allow more steps, or raise λ; where the relative residual is above 1 a Neumann series diverges: lower its step"
        | SolveStatus.NonPositiveCurvature ->
            "H + Λ is not positive definite here, or singular to rounding: raise λ, solve the inner problem more accurately, or use MINRES or a Gauss–Newton operator"
        | SolveStatus.NonFinite ->
            "the outer gradient or a Hessian–vector product was not finite: the inner solver has diverged (lower its step), or the arithmetic overflowed"
        | SolveStatus.ZeroRightHandSide -> "the outer gradient is zero, so the meta-gradient is zero"
        | SolveStatus.Stagnated ->
            "the residual falls no further: the tolerance asks for more than rounding allows (loosen it, or use double precision), the product is not symmetric, or H + Λ is singular (raise λ)"
        | SolveStatus.PreconditionerNotPositive ->
            "the preconditioner is not positive definite: its diagonal must be positive, or solve without it"
        | SolveStatus.NotMade -> "the method solves no linear system"
        | _ -> invalidArg (nameof status) $"{status} is not a status"

/// The outcome of one task's linear solve A u = b, on the host.
type SolveStatistics =
    {
        Status: SolveStatus
        /// Steps that moved the iterate.
        Steps: int
        /// Products with A that the task needed.
        Products: int
        /// ‖b − A u‖ / ‖b‖, by the solver's recurrence unless it was asked to recompute it; 0 for b = 0.
        RelativeResidual: float
        /// ‖b‖
        RightHandSideNorm: float
        /// The smallest ⟨p, Ap⟩ / ⟨p, p⟩ seen: an upper bound on the smallest eigenvalue. Infinity where no product was made.
        SmallestCurvature: float
        /// The Ritz values in ascending order: estimates of A's eigenvalues from inside their range. Empty where no step was made, and for
        /// every solver but conjugate gradients without a preconditioner.
        RitzValues: float[]
    }

/// When to stop.
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

    /// Exactly `steps` steps, except for tasks that cannot go on; never checked, so that no device is waited for.
    static member FixedBudget(steps: int) : LinearSolveOptions =
        {
            MaxSteps = steps
            RelativeResidual = 0.0
            CheckEvery = 0
            RecomputeResidual = false
        }

    /// Until ‖b − A u‖ ≤ relativeResidual·‖b‖, or the threshold that the caller of Solve sets, asked after every step, and at most
    /// `maxSteps` steps. 0 leaves it to the threshold.
    static member ToTolerance(maxSteps: int, relativeResidual: float) : LinearSolveOptions =
        {
            MaxSteps = maxSteps
            RelativeResidual = relativeResidual
            CheckEvery = 1
            RecomputeResidual = false
        }

/// The solution of A u = b with all that is known about it, still on the device: Read takes it to the host.
type LinearSolveReport<'V, 'S> =
    {
        Solution: 'V
        RightHandSideNorm: 'S
        /// Steps, and products with A.
        Counts: Counts<'S>
        /// ‖b − A u‖ / ‖b‖
        RelativeResidual: 'S
        SmallestCurvature: 'S
        Marks: Marks<'S>
        /// 1 where the preconditioner is not positive definite.
        PreconditionerNotPositive: 'S
        /// (α, β) of every step of conjugate gradients, first to last; α = 0 where the task was frozen. Empty for other solvers, and with a
        /// preconditioner, whose (α, β) belong to M⁻¹A.
        Coefficients: struct ('S * 'S)[]
    }

    // (α, β) of the steps that every task has made.
    member private report.Used(space: IInnerProductSpace<'V, 'S>, tasks: int) : struct (float * float)[][] =
        let coefficients =
            report.Coefficients
            |> Array.map (fun struct (alpha, beta) -> struct (space.Read alpha, space.Read beta))

        Array.init tasks (fun task ->
            coefficients
            |> Array.map (fun struct (alpha, beta) -> struct (alpha[task], beta[task]))
            |> Array.filter (fun struct (alpha, _) -> alpha > 0.0))

    /// The smallest Ritz value of every task; infinite where none is known. On a device this waits for it.
    member internal report.SmallestRitzValues(space: IInnerProductSpace<'V, 'S>, tasks: int) : float[] =
        report.Used(space, tasks) |> Array.map RitzValues.smallest

    /// The outcome of every task, on the host. On a device this waits for it.
    member report.Read(space: IInnerProductSpace<'V, 'S>) : SolveStatistics[] =
        let sizes = space.Read report.RightHandSideNorm
        let steps = space.Read report.Counts.Steps
        let products = space.Read report.Counts.Products
        let residuals = space.Read report.RelativeResidual
        let smallest = space.Read report.SmallestCurvature
        let met = space.Read report.Marks.Met
        let indefinite = space.Read report.Marks.Indefinite
        let nonFinite = space.Read report.Marks.NonFinite
        let stagnated = space.Read report.Marks.Stagnated
        let notPositive = space.Read report.PreconditionerNotPositive
        let used = report.Used(space, sizes.Length)

        Array.init sizes.Length (fun task ->
            let status =
                if nonFinite[task] > 0.5 || not (Double.IsFinite sizes[task]) then
                    SolveStatus.NonFinite
                elif Double.IsPositiveInfinity residuals[task] && products[task] = 0.0 then
                    SolveStatus.NotMade
                elif sizes[task] = 0.0 then
                    SolveStatus.ZeroRightHandSide
                elif not (Double.IsFinite residuals[task]) then
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

            {
                Status = status
                Steps = int steps[task]
                Products = int products[task]
                RelativeResidual = residuals[task]
                RightHandSideNorm = sizes[task]
                SmallestCurvature = smallest[task]
                RitzValues = RitzValues.ofSteps used[task]
            })

    interface ICarried<'V, 'S, LinearSolveReport<'V, 'S>> with
        member this.Carry(vector, scalar) =
            {
                Solution = vector.Invoke this.Solution
                RightHandSideNorm = scalar.Invoke this.RightHandSideNorm
                Counts = this.Counts.Carry scalar
                RelativeResidual = scalar.Invoke this.RelativeResidual
                SmallestCurvature = scalar.Invoke this.SmallestCurvature
                Marks = this.Marks.Carry scalar
                PreconditionerNotPositive = scalar.Invoke this.PreconditionerNotPositive
                Coefficients = this.Coefficients |> Array.map (fun struct (a, b) -> struct (scalar.Invoke a, scalar.Invoke b))
            }

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

    /// A report with no steps, no products and no masks.
    let internal blank (space: IInnerProductSpace<'V, 'S>) (solution: 'V) (rightHandSideNorm: 'S) =
        {
            Solution = solution
            RightHandSideNorm = rightHandSideNorm
            Counts = Counts<'S>.Zero space
            RelativeResidual = space.Scalar infinity
            SmallestCurvature = space.Scalar infinity
            Marks = Marks<'S>.None space
            PreconditionerNotPositive = space.Scalar 0.0
            Coefficients = [||]
        }

    /// The report of a solve that was not made: u = b, no product, and an unknown residual, reported as +∞, which no solve
    /// without products returns.
    let internal none (space: IInnerProductSpace<'V, 'S>) (b: 'V) = blank space b (space.Norm b)

    /// What a user's own ILinearSolver returns: u with ‖b‖, the steps and products of every task, ‖b − A u‖ / ‖b‖, and a mask that is 1
    /// where the tolerance was reached. What was not observed is reported as such: no curvature, and no failure except a residual that is not
    /// a number.
    [<CompiledName("Report")>]
    let report
        (space: IInnerProductSpace<'V, 'S>)
        (solution: 'V)
        (rightHandSideNorm: 'S)
        (steps: 'S)
        (products: 'S)
        (relativeResidual: 'S)
        (met: 'S)
        =
        let blank = blank space solution rightHandSideNorm

        { blank with
            Counts =
                { blank.Counts with
                    Steps = steps
                    Products = products
                }
            RelativeResidual = relativeResidual
            Marks = { blank.Marks with Met = met }
        }
