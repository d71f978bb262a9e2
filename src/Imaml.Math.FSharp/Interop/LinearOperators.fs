// Linear maps for C#: from a delegate, or the H + Λ of a problem.

namespace Imaml.Math.Interop

open System
open Imaml.Math

/// Linear operators, by their action.
[<AbstractClass; Sealed>]
type LinearOperators =

    /// w ↦ Aw of a delegate, which is taken to be linear.
    static member FromDelegate(apply: Func<'V, 'V>) : ILinearOperator<'V> =
        ArgumentNullException.ThrowIfNull(apply, nameof apply)
        LinearOperator.ofFunction (fun w -> apply.Invoke w)

    /// w ↦ (H + Λ)w, H = ∇²L̂ where the problem was linearized; as long as the linearization is not disposed.
    static member Hessian
        (space: IInnerProductSpace<'V, 'S>, regularizer: IRegularizer<'V, 'S>, linearization: ILinearization<'V, 'S>)
        : ILinearOperator<'V> =
        LinearOperator.ofFunction (InnerObjective.hessianProduct space regularizer linearization)

    /// w ↦ Hw, H = ∇²L̂ where the problem was linearized; as long as the linearization is not disposed.
    static member LossHessian(linearization: ILinearization<'V, 'S>) : ILinearOperator<'V> =
        LinearOperator.ofFunction linearization.HessianProduct

    /// w ↦ Λ⁻¹w, a preconditioner of H + Λ where Λ is what makes it ill-conditioned.
    static member Inverse(space: IInnerProductSpace<'V, 'S>, regularizer: IRegularizer<'V, 'S>) : ILinearOperator<'V> =
        LinearOperator.ofFunction (fun w -> regularizer.ApplyInverse(space, w))

    /// Jacobi's preconditioner diag(A)⁻¹, for vectors of the kind of `like`.
    ///
    /// Cost: d products with A. Errors: a diagonal that is not positive; d above DenseOperator.LargestDimension.
    static member Jacobi
        (space: IInnerProductSpace<'V, 'S>, coordinates: ICoordinates<'V>, operator: ILinearOperator<'V>, like: 'V)
        : ILinearOperator<'V> =
        DiagonalPreconditioner(coordinates, Preconditioner.diagonal space coordinates operator like)

    /// The d × d matrix of every task, for vectors of the kind of `like`.
    ///
    /// Cost: d products. Errors: d above DenseOperator.LargestDimension.
    static member Matrices(space: IInnerProductSpace<'V, 'S>, coordinates: ICoordinates<'V>, operator: ILinearOperator<'V>, like: 'V) =
        DenseOperator.matrices space coordinates operator like
