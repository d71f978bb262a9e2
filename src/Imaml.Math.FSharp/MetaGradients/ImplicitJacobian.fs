// Lemma 1 (6): the derivative of the inner solution, J = dAlg*/dθ = (I + H/λ)⁻¹; in general J = (H + Λ)⁻¹Λ, H = ∇²L̂(φ).
//
// It is never formed: Jw solves (H + Λ)u = Λw, and Jᵀw = Λu with (H + Λ)u = w, both with the symmetric H + Λ. Algorithm 2 is Jᵀ∇L(φ).
// `hessian` stands for w ↦ (H + Λ)w throughout: AdjointSolve.operator of a linearization of L̂ at φ.

namespace Imaml.Math

open MathNet.Numerics.LinearAlgebra

/// A product with J or Jᵀ, and the solve that it took.
type JacobianProduct<'V, 'S> =
    {
        /// Jw or Jᵀw
        Product: 'V
        /// The solve with H + Λ, which shows how accurate the product is.
        Solve: LinearSolveReport<'V, 'S>
    }

    interface ICarried<'V, 'S, JacobianProduct<'V, 'S>> with
        member this.Carry(vector, scalar) =
            {
                Product = vector.Invoke this.Product
                Solve = (this.Solve :> ICarried<_, _, _>).Carry(vector, scalar)
            }

/// Lemma 1.
[<AbstractClass; Sealed>]
type ImplicitJacobian =

    /// Jw = (H + Λ)⁻¹Λw: how φ* moves where θ moves by w. Solved to ‖Λw − (H + Λ)u‖ ≤ residualNorm, or as the solver's options say.
    ///
    /// Cost: the solver's.
    static member Product
        (
            space: IInnerProductSpace<'V, 'S>,
            regularizer: IRegularizer<'V, 'S>,
            hessian: ILinearOperator<'V>,
            solver: ILinearSolver<'V, 'S>,
            residualNorm: 'S,
            w: 'V
        ) : JacobianProduct<'V, 'S> =
        Region.run space (fun () ->
            let solve = solver.Solve(space, hessian, regularizer.Apply(space, w), residualNorm)

            {
                Product = solve.Solution
                Solve = solve
            })

    /// Jᵀw = Λ(H + Λ)⁻¹w: the gradient in θ of a loss whose gradient in φ is w. Solved to ‖w − (H + Λ)u‖ ≤ residualNorm, or as the solver's
    /// options say.
    ///
    /// Cost: the solver's.
    static member TransposeProduct
        (
            space: IInnerProductSpace<'V, 'S>,
            regularizer: IRegularizer<'V, 'S>,
            hessian: ILinearOperator<'V>,
            solver: ILinearSolver<'V, 'S>,
            residualNorm: 'S,
            w: 'V
        ) : JacobianProduct<'V, 'S> =
        Region.run space (fun () ->
            let solve = solver.Solve(space, hessian, w, residualNorm)

            {
                Product = regularizer.Apply(space, solve.Solution)
                Solve = solve
            })

    /// J as a dense matrix for every task, for vectors of the kind of `like`; not finite where H + Λ is singular.
    ///
    /// Cost: d products with H + Λ and d with Λ, then time of order d³ on the host. Errors: d above LinearOperator.LargestDimension.
    static member Matrices
        (
            space: IInnerProductSpace<'V, 'S>,
            coordinates: ICoordinates<'V>,
            regularizer: IRegularizer<'V, 'S>,
            hessian: ILinearOperator<'V>,
            like: 'V
        ) =
        let lambda = LinearOperator.Of(fun w -> regularizer.Apply(space, w))
        let matrices operator = LinearOperator.Matrices(space, coordinates, operator, like)
        Array.map2 (fun (hessian: Matrix<float>) (lambda: Matrix<float>) -> hessian.LU().Solve lambda) (matrices hessian) (matrices lambda)
