// How a linear solve ended, as data that travels with its result.

namespace Imaml.Math

/// How the solve of one task's system ended.
type SolveStatus =
    /// The residual met the tolerance.
    | Converged = 0
    /// The budget of steps ended first. With tolerance 0 this is the normal end: a fixed budget was asked for.
    | StepLimit = 1
    /// A direction with pᵀAp ≤ 0 was met: A is not positive definite. Conjugate gradients answer with the iterate before that direction; a
    /// Neumann series goes on, since its terms are defined all the same; the dense solver answers with the solution.
    | NonPositiveCurvature = 2
    /// b, a product with A, or a step was not a number or infinite. The answer is the last finite iterate.
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

[<RequireQualifiedAccess>]
module SolveStatus =

    /// The likely causes of a status, and what helps, in words.
    let describe status =
        match status with
        | SolveStatus.Converged -> "the residual met the tolerance"
        | SolveStatus.StepLimit ->
            "the budget of steps ended before the residual met the tolerance: allow more steps, or raise λ; where the relative residual is above 1 a Neumann series diverges: lower its step"
        | SolveStatus.NonPositiveCurvature ->
            "H + Λ is not positive definite here: raise λ, solve the inner problem more accurately, or use MINRES or a Gauss–Newton operator"
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
        /// The smallest ⟨p, Ap⟩ / ⟨p, p⟩ met: an upper bound on the smallest eigenvalue. Infinity where no product was made.
        SmallestCurvature: float
        /// The Ritz values in ascending order: estimates of A's eigenvalues from inside their range. Empty where no step was made, and for
        /// every solver but conjugate gradients without a preconditioner.
        RitzValues: float[]
    }
