// The solve of Algorithm 2, line 4, (H + Λ)u = v at φ, as one that may know more of the loss than its Hessian–vector products: a
// preconditioner made at φ, another operator where H + Λ is not positive definite, or nothing more, as any ILinearSolver.

namespace Imaml.Math

/// g = Λu, and what is known of the solve.
type ImplicitSolve<'V, 'S> =
    {
        /// g, the meta-gradient.
        Gradient: 'V
        /// The solve that g is of, with the products of all that was solved on the way to it.
        Solve: LinearSolveReport<'V, 'S>
        /// 1 where H + Λ was seen not to be positive definite, whatever was done about it.
        NegativeCurvature: 'S
        /// What Λ was multiplied by to make H + Λ positive definite; 1 where it was left as it is.
        Raised: 'S
    }

    interface ICarried<'V, 'S, ImplicitSolve<'V, 'S>> with
        member this.Carry(vector, scalar) =
            {
                Gradient = vector.Invoke this.Gradient
                Solve = (this.Solve :> ICarried<_, _, _>).Carry(vector, scalar)
                NegativeCurvature = scalar.Invoke this.NegativeCurvature
                Raised = scalar.Invoke this.Raised
            }

/// Solves (H + Λ)u = v at φ, on B tasks in lock-step.
type IImplicitSolver<'V, 'S> =
    /// g = Λu from the loss near φ and v = ∇L(φ). A task is done where ‖v − (H + Λ)u‖ ≤ residualNorm (0: no such threshold), or where the
    /// solver's own options say so.
    abstract Solve:
        space: IInnerProductSpace<'V, 'S> *
        regularizer: IRegularizer<'V, 'S> *
        linearization: ILinearization<'V, 'S> *
        v: 'V *
        residualNorm: 'S ->
            ImplicitSolve<'V, 'S>

[<RequireQualifiedAccess>]
module internal ImplicitSolve =

    /// A solve of (H + Λ)u = v that was made, as it is: a direction without positive curvature is in its report.
    let ofReport (space: IInnerProductSpace<'V, 'S>) (regularizer: IRegularizer<'V, 'S>) (report: LinearSolveReport<'V, 'S>) =
        {
            Gradient = regularizer.Apply(space, report.Solution)
            Solve = report
            NegativeCurvature = Mask.complement space (space.Exceeds(report.SmallestCurvature, space.Scalar 0.0))
            Raised = space.Scalar 1.0
        }

    /// w ↦ (H + Λ)w
    let operator space regularizer (linearization: ILinearization<'V, 'S>) =
        LinearOperator.ofFunction (InnerObjective.hessianProduct space regularizer linearization)

/// A linear solver that knows of H + Λ its products alone. Where it meets a direction without positive curvature, its own answer stands:
/// conjugate gradients are truncated there.
type LinearImplicitSolver<'V, 'S>(solver: ILinearSolver<'V, 'S>) =
    interface IImplicitSolver<'V, 'S> with
        member _.Solve(space, regularizer, linearization, v, residualNorm) =
            Region.run space (fun () ->
                solver.Solve(space, ImplicitSolve.operator space regularizer linearization, v, residualNorm)
                |> ImplicitSolve.ofReport space regularizer)
