// The solvers of (H + Λ)u = v (equation 7) as factories with plain arguments. `space` tells C# the types.
//
// Each comes with a fixed budget, which is never checked, so that no device is waited for; and with a tolerance, asked for after every
// step. Whatever lies between is a LinearSolveOptions, which the solvers' own constructors take.

namespace Imaml.Math.Interop

open Imaml.Math

/// Solvers of A u = b.
[<AbstractClass; Sealed>]
type LinearSolvers =

    /// Exactly `steps` steps, but for tasks that cannot go on.
    static member FixedBudget(steps: int) : LinearSolveOptions =
        {
            MaxSteps = steps
            RelativeResidual = 0.0
            CheckEvery = 0
            RecomputeResidual = false
        }

    /// Until ‖b − A u‖ ≤ relativeResidual·‖b‖, or the threshold that the caller of Solve sets, and at most `maxSteps` steps. 0 leaves it to
    /// the threshold.
    static member ToTolerance(maxSteps: int, relativeResidual: float) : LinearSolveOptions =
        {
            MaxSteps = maxSteps
            RelativeResidual = relativeResidual
            CheckEvery = 1
            RecomputeResidual = false
        }

    /// Conjugate gradients, for A symmetric positive definite: `steps` steps.
    static member ConjugateGradient(space: IInnerProductSpace<'V, 'S>, steps: int) : ILinearSolver<'V, 'S> =
        ConjugateGradientSolver(LinearSolvers.FixedBudget steps)

    /// Conjugate gradients to a tolerance.
    static member ConjugateGradient(space: IInnerProductSpace<'V, 'S>, maxSteps: int, relativeResidual: float) : ILinearSolver<'V, 'S> =
        ConjugateGradientSolver(LinearSolvers.ToTolerance(maxSteps, relativeResidual))

    /// Conjugate gradients with a preconditioner w ↦ M⁻¹w: `steps` steps.
    static member ConjugateGradient
        (space: IInnerProductSpace<'V, 'S>, preconditioner: ILinearOperator<'V>, steps: int)
        : ILinearSolver<'V, 'S> =
        PreconditionedConjugateGradientSolver(LinearSolvers.FixedBudget steps, preconditioner)

    /// Conjugate gradients with a preconditioner, to a tolerance.
    static member ConjugateGradient
        (space: IInnerProductSpace<'V, 'S>, preconditioner: ILinearOperator<'V>, maxSteps: int, relativeResidual: float)
        : ILinearSolver<'V, 'S> =
        PreconditionedConjugateGradientSolver(LinearSolvers.ToTolerance(maxSteps, relativeResidual), preconditioner)

    /// MINRES, for A symmetric, definite or not: `steps` steps.
    static member Minres(space: IInnerProductSpace<'V, 'S>, steps: int) : ILinearSolver<'V, 'S> =
        MinresSolver(LinearSolvers.FixedBudget steps)

    /// MINRES to a tolerance.
    static member Minres(space: IInnerProductSpace<'V, 'S>, maxSteps: int, relativeResidual: float) : ILinearSolver<'V, 'S> =
        MinresSolver(LinearSolvers.ToTolerance(maxSteps, relativeResidual))

    /// The first `terms` terms of the Neumann series α Σ(I − αA)ᵏb, which converges for α below 2/β.
    static member Neumann(space: IInnerProductSpace<'V, 'S>, alpha: float, terms: int) : ILinearSolver<'V, 'S> =
        NeumannSolver(alpha, LinearSolvers.FixedBudget terms)

    /// The Neumann series to a tolerance.
    static member Neumann(space: IInnerProductSpace<'V, 'S>, alpha: float, maxTerms: int, relativeResidual: float) : ILinearSolver<'V, 'S> =
        NeumannSolver(alpha, LinearSolvers.ToTolerance(maxTerms, relativeResidual))

    /// Each task's matrix from d products, diagonalised: the oracle of small problems.
    static member Dense(space: IInnerProductSpace<'V, 'S>, coordinates: ICoordinates<'V>) : ILinearSolver<'V, 'S> =
        DenseSolver<'V, 'S> coordinates

    /// What a user's own ILinearSolver returns: u with ‖b‖, the steps and products of every task, ‖b − A u‖ / ‖b‖, and a mask that is 1
    /// where the tolerance was met. What was not observed says so: no curvature, and nothing that went wrong but a residual that is not a
    /// number.
    static member Report
        (space: IInnerProductSpace<'V, 'S>, solution: 'V, rightHandSideNorm: 'S, steps: 'S, products: 'S, relativeResidual: 'S, met: 'S)
        : LinearSolveReport<'V, 'S> =
        { LinearSolver.blank space solution rightHandSideNorm with
            Steps = steps
            Products = products
            RelativeResidual = relativeResidual
            Met = met
        }
