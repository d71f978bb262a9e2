// The inner problem's solver, Alg in the paper: any map θ ↦ φ ≈ Alg*(θ). The implicit meta-gradient depends on φ alone, never on the path:
// what found φ may be a black box, even one that uses no derivatives. Its accuracy δ enters the meta-gradient as in Theorem 1.

namespace Imaml.Math

open System
open System.Runtime.CompilerServices

/// How the inner solve of one task ended.
type InnerStatus =
    /// ‖∇G(φ, θ)‖ met the tolerance.
    | Converged = 0
    /// The budget of steps ended first. With tolerance 0 this is the normal end: a fixed budget was asked for.
    | StepLimit = 1
    /// A loss, a gradient or an iterate was not finite. The answer is the last finite iterate, but for fixed budgets of gradient descent,
    /// which read no number and return what they diverged to, and for a black box.
    | NonFinite = 2
    /// No further step lowers G: rounding, a kink, or a constant step so long that the iterates cycle.
    | Stalled = 3
    /// The solver is a black box and does not say.
    | NotReported = 4
    /// H + Λ is not positive definite here, and the solver needs it to be. The answer is the iterate at which that was seen.
    | NonPositiveCurvature = 5

[<Extension>]
type InnerStatusText =

    /// The likely causes of a status, and what helps, in words.
    [<Extension>]
    static member Describe(status: InnerStatus) : string =
        match status with
        | InnerStatus.Converged -> "‖∇G‖ met the tolerance"
        | InnerStatus.StepLimit ->
            "the budget of inner steps was used: the plan where no tolerance was asked for; else allow more steps, or raise λ"
        | InnerStatus.NonFinite ->
            "a loss, a gradient or φ was not finite: the inner solver has diverged (lower its step, or raise λ where there is one), or the arithmetic overflowed"
        | InnerStatus.Stalled ->
            "no further step lowers G: ‖∇G‖ is at the level of rounding, the loss has a kink here, or a constant step is too long, or too short to move φ"
        | InnerStatus.NonPositiveCurvature ->
            "H + Λ is not positive definite here, and the inner solver needs it to be: raise λ, or use one that only goes downhill"
        | InnerStatus.NotReported -> "the inner solver is a black box; ‖∇G‖ at its result is what is known"
        | _ -> invalidArg (nameof status) $"{status} is not a status"

/// The outcome of one task's inner solve, on the host.
type InnerStatistics =
    {
        Status: InnerStatus
        Steps: int
        Gradients: int
        HessianProducts: int
        Losses: int
    }

/// What an inner solver returns, still on the device.
type InnerIterate<'V, 'S> =
    {
        /// φ ≈ Alg*(θ)
        Phi: 'V
        /// Met: ‖∇G‖ met the tolerance. Stagnated: no step lowered G. Indefinite: by a solver that needs a positive definite H + Λ.
        Marks: Marks<'S>
        Counts: Counts<'S>
        /// False for a black box, of which nothing is known but whether its φ is finite.
        Reported: bool
    }

    /// The outcome of every task, on the host. On a device this waits for it.
    member iterate.Read(space: IInnerProductSpace<'V, 'S>) : InnerStatistics[] =
        let steps = space.Read iterate.Counts.Steps
        let gradients = space.Read iterate.Counts.Gradients
        let products = space.Read iterate.Counts.Products
        let losses = space.Read iterate.Counts.Losses
        let met = space.Read iterate.Marks.Met
        let nonFinite = space.Read iterate.Marks.NonFinite
        let stalled = space.Read iterate.Marks.Stagnated
        let indefinite = space.Read iterate.Marks.Indefinite

        Array.init steps.Length (fun task ->
            {
                Status =
                    if nonFinite[task] > 0.5 then
                        InnerStatus.NonFinite
                    elif not iterate.Reported then
                        InnerStatus.NotReported
                    elif met[task] > 0.5 then
                        InnerStatus.Converged
                    elif indefinite[task] > 0.5 then
                        InnerStatus.NonPositiveCurvature
                    elif stalled[task] > 0.5 then
                        InnerStatus.Stalled
                    else
                        InnerStatus.StepLimit
                Steps = int steps[task]
                Gradients = int gradients[task]
                HessianProducts = int products[task]
                Losses = int losses[task]
            })

    interface ICarried<'V, 'S, InnerIterate<'V, 'S>> with
        member this.Carry(vector, scalar) =
            {
                Phi = vector.Invoke this.Phi
                Marks = this.Marks.Carry scalar
                Counts = this.Counts.Carry scalar
                Reported = this.Reported
            }

/// Solves the inner problem min_φ G(φ, θ) to some accuracy.
type IInnerSolver<'V, 'S> =
    /// φ ≈ Alg*(θ), from φ₀ = `start` (the paper's start is θ). A task is done when ‖∇G(φ, θ)‖ ≤ gradientNorm; 0 is a fixed budget.
    abstract Solve:
        space: IInnerProductSpace<'V, 'S> *
        regularizer: IRegularizer<'V, 'S> *
        problem: IBilevelProblem<'V, 'S> *
        theta: 'V *
        start: 'V *
        gradientNorm: 'S ->
            InnerIterate<'V, 'S>

[<RequireQualifiedAccess>]
module InnerSolver =

    /// Errors: fewer steps than 1. The name is the caller's parameter.
    let internal checkSteps (name: string) (steps: int) =
        if steps < 1 then
            invalidArg name $"the number of inner steps must be at least 1, not {steps}"

    /// The iterate with marks that agree with its φ: one that is not finite has met nothing. Cost: one norm.
    let internal judged (space: IInnerProductSpace<'V, 'S>) (iterate: InnerIterate<'V, 'S>) =
        let finite = Mask.finite space (space.Norm iterate.Phi)

        { iterate with
            Marks = iterate.Marks.Judged(space, finite)
        }

    /// φ as a black box returned it: nothing is known of how it was found, only whether it is finite.
    [<CompiledName("BlackBox")>]
    let blackBox (space: IInnerProductSpace<'V, 'S>) (phi: 'V) : InnerIterate<'V, 'S> =
        judged
            space
            {
                Phi = phi
                Marks = Marks.None space
                Counts = Counts.Zero space
                Reported = false
            }

/// A way to φ ≈ Alg*(θ) from φ₀ = `start` that may use all that the problem offers. Tasks of a batch are solved together.
type InnerSolve<'V, 'S> = delegate of problem: IBilevelProblem<'V, 'S> * regularizer: IRegularizer<'V, 'S> * theta: 'V * start: 'V -> 'V

/// A delegate as an inner solver. Its status is NotReported, and it is not told the tolerance; ‖∇G‖ at its result says what it is worth.
/// The delegate gets copies of θ and the start, which it may overwrite. What it throws is not caught; a result that is null, or has not as many
/// coordinates as θ, is refused with InvalidOperationException.
type DelegateInnerSolver<'V, 'S>(solve: InnerSolve<'V, 'S>) =
    do ArgumentNullException.ThrowIfNull(solve, nameof solve)

    /// A map (θ, start) ↦ φ that knows its problem.
    new(solve: Func<'V, 'V, 'V>) =
        ArgumentNullException.ThrowIfNull(solve, nameof solve)
        DelegateInnerSolver(InnerSolve<'V, 'S>(fun _ _ theta start -> solve.Invoke(theta, start)))

    interface IInnerSolver<'V, 'S> with
        member _.Solve(space, regularizer, problem, theta, start, _) =
            Region.run space (fun () ->
                // Values of their own: the delegate may overwrite what it gets, and θ is the caller's.
                let phi = solve.Invoke(problem, regularizer, Mask.copyVector space theta, Mask.copyVector space start)

                if isNull (box phi) then
                    raise (InvalidOperationException "the inner solver returned null in place of φ")

                let coordinates, expected = space.Dimension phi, space.Dimension theta

                if coordinates <> expected then
                    raise (InvalidOperationException $"the inner solver returned a φ of {coordinates} coordinates for a θ of {expected}")

                // A value of its own, where the delegate returns its start.
                InnerSolver.blackBox space (Mask.copyVector space phi))
