// Conjugate gradients with a preconditioner M (Golub and Van Loan, section 11.5), and Jacobi's M, the diagonal of A. The steps are those of
// ConjugateGradient.fs, with z = M⁻¹r in r's place.

namespace Imaml.Math

open System

/// Jacobi's preconditioner M = diag(m): w ↦ wᵢ/mᵢ.
///
/// Every mᵢ must be positive and finite. The diagonal of H + Λ need not be: Aⱼⱼ = ⟨eⱼ, Aeⱼ⟩ ≤ 0 says that A is indefinite.
/// Cost: one pass over the vector an action; when it is made the diagonal is read, which waits for a device.
type DiagonalPreconditioner<'V>(coordinates: ICoordinates<'V>, diagonal: 'V) =
    do
        ArgumentNullException.ThrowIfNull(coordinates, nameof coordinates)

        for task, row in coordinates.ToRows diagonal |> Array.indexed do
            for j, value in Array.indexed row do
                if not (value > 0.0 && value < infinity) then
                    invalidArg (nameof diagonal) $"a preconditioner's diagonal must be positive and finite, not {value} (task {task}, {j})"

    /// m
    member _.Diagonal = diagonal

    interface ILinearOperator<'V> with
        member _.Apply w = coordinates.Quotient(w, diagonal)

/// Conjugate gradients with a preconditioner M, given by w ↦ M⁻¹w: symmetric positive definite, and cheap compared with a product with A.
///
/// M is symmetric (not checked) and positive definite (reported where ⟨r, M⁻¹r⟩ ≤ 0 for a residual r ≠ 0); its scale does not matter, and κ
/// becomes that of M⁻¹A. The tolerance is in ‖b − A u‖, never in M⁻¹'s norm. There are no Ritz values: they would be those of M⁻¹A.
/// Cost: conjugate gradients', and one action of M⁻¹, one scaling and one inner product a step, and one vector.
type PreconditionedConjugateGradientSolver<'V, 'S>(options: LinearSolveOptions, preconditioner: ILinearOperator<'V>) =
    do
        ArgumentNullException.ThrowIfNull(options, nameof options)
        ArgumentNullException.ThrowIfNull(preconditioner, nameof preconditioner)

        LinearSolver.check options

    interface ILinearSolver<'V, 'S> with
        member _.Solve(space, operator, b, residualNorm) =
            ConjugateGradient.toResidual space operator (ValueSome preconditioner.Apply) options residualNorm b

        member _.SolveFrom(space, operator, b, start, residualNorm) =
            let solve = ConjugateGradient.toResidual space operator (ValueSome preconditioner.Apply)

            ScaledSystem.shifted space options solve operator.Apply b start residualNorm
