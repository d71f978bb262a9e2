// The inner problem's solver, Alg in the paper: any map θ ↦ φ ≈ Alg*(θ). The implicit meta-gradient depends on φ alone, never on the path.

namespace Imaml.Math

/// How the inner solve of one task ended.
type InnerStatus =
    /// ‖∇G(φ, θ)‖ met the tolerance.
    | Converged = 0
    /// The budget of steps ended first. With tolerance 0 this is the normal end: a fixed budget was asked for.
    | StepLimit = 1
    /// A loss, a gradient or an iterate was not finite. The answer is the last finite iterate, but for fixed budgets of gradient descent,
    /// which look at no number and return what they diverged to.
    | NonFinite = 2
    /// No further step lowers G: rounding, or a kink.
    | Stalled = 3
    /// The solver is a black box and does not say.
    | NotReported = 4
    /// H + Λ is not positive definite here, and the solver needs it to be. The answer is the iterate at which that was seen.
    | NonPositiveCurvature = 5

[<RequireQualifiedAccess>]
module InnerStatus =

    /// The likely causes of a status, and what helps, in words.
    let describe status =
        match status with
        | InnerStatus.Converged -> "‖∇G‖ met the tolerance"
        | InnerStatus.StepLimit -> "the budget of inner steps ended before ‖∇G‖ met the tolerance; allow more steps, or raise λ"
        | InnerStatus.NonFinite -> "the inner solver has diverged: lower its step, or let it measure the curvature"
        | InnerStatus.Stalled -> "no further step lowers G: ‖∇G‖ is at the level of rounding, or the loss has a kink here"
        | InnerStatus.NonPositiveCurvature ->
            "H + Λ is not positive definite here, and the inner solver needs it to be: raise λ, or use one that only goes downhill"
        | InnerStatus.NotReported -> "the inner solver is a black box; ‖∇G‖ at its result is what is known"
        | _ -> invalidArg (nameof status) $"{status} is not a status"

/// What an inner solver returns, still on the device. Counts are per task: what the task itself needed, as if it had been alone.
type InnerIterate<'V, 'S> =
    {
        /// φ ≈ Alg*(θ)
        Phi: 'V
        /// Steps that moved φ.
        Steps: 'S
        /// Evaluations of ∇L̂; a linearization counts as one.
        Gradients: 'S
        /// Hessian–vector products.
        HessianProducts: 'S
        /// Evaluations of L̂ alone.
        Losses: 'S
        /// Masks: the tolerance was met; something was not finite; no step lowered G.
        Met: 'S
        NonFinite: 'S
        Stalled: 'S
        /// H + Λ was seen not to be positive definite, by a solver that needs it.
        Indefinite: 'S
        /// False for a black box, whose masks and counts mean nothing.
        Reported: bool
    }

    interface ICarried<'V, 'S, InnerIterate<'V, 'S>> with
        member this.Carry(vector, scalar) =
            {
                Phi = vector.Invoke this.Phi
                Steps = scalar.Invoke this.Steps
                Gradients = scalar.Invoke this.Gradients
                HessianProducts = scalar.Invoke this.HessianProducts
                Losses = scalar.Invoke this.Losses
                Met = scalar.Invoke this.Met
                NonFinite = scalar.Invoke this.NonFinite
                Stalled = scalar.Invoke this.Stalled
                Indefinite = scalar.Invoke this.Indefinite
                Reported = this.Reported
            }

/// The outcome of one task's inner solve, on the host.
type InnerStatistics =
    {
        Status: InnerStatus
        Steps: int
        Gradients: int
        HessianProducts: int
        Losses: int
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

    /// φ as a black box returned it: nothing is known of how it was found.
    let blackBox (space: IInnerProductSpace<'V, 'S>) (phi: 'V) =
        let zero () = space.Scalar 0.0

        {
            Phi = phi
            Steps = zero ()
            Gradients = zero ()
            HessianProducts = zero ()
            Losses = zero ()
            Met = zero ()
            NonFinite = zero ()
            Stalled = zero ()
            Indefinite = zero ()
            Reported = false
        }

    /// The outcome of every task, on the host. On a device this waits for it.
    let read (space: IInnerProductSpace<'V, 'S>) (iterate: InnerIterate<'V, 'S>) =
        let steps = space.Read iterate.Steps
        let gradients = space.Read iterate.Gradients
        let products = space.Read iterate.HessianProducts
        let losses = space.Read iterate.Losses
        let met = space.Read iterate.Met
        let nonFinite = space.Read iterate.NonFinite
        let stalled = space.Read iterate.Stalled
        let indefinite = space.Read iterate.Indefinite

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
