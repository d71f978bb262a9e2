// Conjugate gradients as linear solvers, without and with a preconditioner: one text, ConjugateGradient.fs.

namespace Imaml.Math

/// Conjugate gradients as a linear solver.
type ConjugateGradientSolver<'V, 'S>(options: LinearSolveOptions) =
    do LinearSolver.check options

    interface ILinearSolver<'V, 'S> with
        member _.Solve(space, operator, b, residualNorm) =
            ConjugateGradient.toResidual space operator.Apply ValueNone options residualNorm b

        member _.SolveFrom(space, operator, b, start, residualNorm) =
            LinearSolver.shifted
                space
                options
                (ConjugateGradient.toResidual space operator.Apply ValueNone)
                operator.Apply
                b
                start
                residualNorm

/// Conjugate gradients with a preconditioner M, given by w ↦ M⁻¹w: symmetric positive definite, and cheap beside a product with A.
///
/// M is symmetric (not checked) and positive definite (reported where ⟨r, M⁻¹r⟩ ≤ 0 for a residual r ≠ 0); its scale does not matter, and κ
/// becomes that of M⁻¹A. The tolerance is in ‖b − A u‖, never in M⁻¹'s norm. There are no Ritz values: they would be those of M⁻¹A.
/// Cost: ConjugateGradient.solve's, and one action of M⁻¹ and one inner product a step, and one vector.
type PreconditionedConjugateGradientSolver<'V, 'S>(options: LinearSolveOptions, preconditioner: ILinearOperator<'V>) =
    do
        LinearSolver.check options

        if isNull (box preconditioner) then
            nullArg (nameof preconditioner)

    interface ILinearSolver<'V, 'S> with
        member _.Solve(space, operator, b, residualNorm) =
            ConjugateGradient.toResidual space operator.Apply (ValueSome preconditioner.Apply) options residualNorm b

        member _.SolveFrom(space, operator, b, start, residualNorm) =
            LinearSolver.shifted
                space
                options
                (ConjugateGradient.toResidual space operator.Apply (ValueSome preconditioner.Apply))
                operator.Apply
                b
                start
                residualNorm
