// Preconditioners for conjugate gradients: M ≈ A whose inverse is cheap. Any ILinearOperator w ↦ M⁻¹w that is symmetric positive definite
// is one, Λ⁻¹ among them; here is Jacobi's, the diagonal of A.

namespace Imaml.Math

/// Jacobi's preconditioner M = diag(m): w ↦ wᵢ/mᵢ.
///
/// Every mᵢ must be positive and finite. The diagonal of H + Λ need not be: Aⱼⱼ = ⟨eⱼ, Aeⱼ⟩ ≤ 0 says that A is indefinite.
/// Cost: one pass over the vector an action; a look at the diagonal when it is made.
type DiagonalPreconditioner<'V>(coordinates: ICoordinates<'V>, diagonal: 'V) =
    do
        for task, row in coordinates.ToRows diagonal |> Array.indexed do
            for j, value in Array.indexed row do
                if not (value > 0.0 && value < infinity) then
                    invalidArg (nameof diagonal) $"a preconditioner's diagonal must be positive and finite, not {value} (task {task}, {j})"

    /// m
    member _.Diagonal = diagonal

    interface ILinearOperator<'V> with
        member _.Apply w = coordinates.Quotient(w, diagonal)

[<RequireQualifiedAccess>]
module Preconditioner =

    /// The exact diagonal of every task's A, for vectors of the kind of `like`.
    ///
    /// Cost: d products, each for all tasks at once. Errors: d above DenseOperator.LargestDimension.
    let diagonal (space: IInnerProductSpace<'V, 'S>) (coordinates: ICoordinates<'V>) (operator: ILinearOperator<'V>) (like: 'V) =
        let matrices = DenseOperator.matrices space coordinates operator like
        coordinates.OfRows(like, matrices |> Array.map (fun a -> a.Diagonal().ToArray()))
