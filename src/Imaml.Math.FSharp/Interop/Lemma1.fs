// Lemma 1 (6) for a problem and a φ: J = dAlg*/dθ = (H + Λ)⁻¹Λ. ImplicitJacobian is the same for an H + Λ that the caller holds.

namespace Imaml.Math.Interop

open Imaml.Math

/// The derivative of the inner solution, at φ; it is that of Alg*(θ) where φ is.
[<AbstractClass; Sealed>]
type Lemma1 =

    /// What is made of H + Λ at φ.
    static member private At
        (
            space: IInnerProductSpace<'V, 'S>,
            regularizer: IRegularizer<'V, 'S>,
            problem: IBilevelProblem<'V, 'S>,
            phi: 'V,
            make: ILinearOperator<'V> -> JacobianProduct<'V, 'S>
        ) =
        Region.run space (fun () ->
            use linearization = problem.LinearizeInner phi
            make (LinearOperators.Hessian(space, regularizer, linearization)))

    /// Jw = (H + Λ)⁻¹Λw: how φ* moves where θ moves by w, as accurately as the solver's own options say.
    ///
    /// Cost: one linearization and the solve.
    static member Product
        (
            space: IInnerProductSpace<'V, 'S>,
            regularizer: IRegularizer<'V, 'S>,
            problem: IBilevelProblem<'V, 'S>,
            linearSolver: ILinearSolver<'V, 'S>,
            phi: 'V,
            w: 'V
        ) : JacobianProduct<'V, 'S> =
        Lemma1.At(
            space,
            regularizer,
            problem,
            phi,
            (fun hessian -> ImplicitJacobian.Product(space, regularizer, hessian, linearSolver, space.Scalar 0.0, w))
        )

    /// Jᵀw = Λ(H + Λ)⁻¹w: the gradient in θ of a loss whose gradient in φ is w.
    ///
    /// Cost: one linearization and the solve.
    static member TransposeProduct
        (
            space: IInnerProductSpace<'V, 'S>,
            regularizer: IRegularizer<'V, 'S>,
            problem: IBilevelProblem<'V, 'S>,
            linearSolver: ILinearSolver<'V, 'S>,
            phi: 'V,
            w: 'V
        ) : JacobianProduct<'V, 'S> =
        Lemma1.At(
            space,
            regularizer,
            problem,
            phi,
            (fun hessian -> ImplicitJacobian.TransposeProduct(space, regularizer, hessian, linearSolver, space.Scalar 0.0, w))
        )

    /// J as a dense matrix for every task; not finite where H + Λ is singular.
    ///
    /// Cost: one linearization, d products with H + Λ and d with Λ, then time of order d³. Errors: d above DenseOperator.LargestDimension.
    static member Matrices
        (
            space: IInnerProductSpace<'V, 'S>,
            coordinates: ICoordinates<'V>,
            regularizer: IRegularizer<'V, 'S>,
            problem: IBilevelProblem<'V, 'S>,
            phi: 'V
        ) =
        use _ = space.OpenRegion()
        use linearization = problem.LinearizeInner phi
        let hessian = LinearOperators.Hessian(space, regularizer, linearization)
        ImplicitJacobian.Matrices(space, coordinates, regularizer, hessian, phi)
