// Algorithm 2: the implicit meta-gradient of one task, or of B tasks at once.
//
//     φ ≈ Alg*(θ)                      to accuracy δ    (Definition 1)
//     v = ∇L(φ)
//     (H + Λ)u ≈ v,  g = Λu            to accuracy δ′   (Definition 2), H = ∇²L̂(φ)
//
// Departs from the paper: it solves (I + H/λ)g = v; (H + Λ)u = v is the same system for Λ = λI, symmetric for every Λ, and u is the
// gradient with respect to λ up to one inner product.

namespace Imaml.Math

/// A meta-gradient with what it was made of. Scalars are per task.
type MetaGradient<'V, 'S> =
    {
        /// g ≈ d_θ L(Alg*(θ))
        Gradient: 'V
        /// φ ≈ Alg*(θ)
        Phi: 'V
        /// L̂(φ)
        InnerLoss: 'S
        /// L(φ)
        OuterLoss: 'S
        /// ‖∇_φ G(φ, θ)‖; divided by G's strong convexity constant it bounds δ.
        InnerGradientNorm: 'S
        /// The solve of (H + Λ)u = v.
        Solve: ConjugateGradientReport<'V, 'S>
    }

    interface ICarried<'V, 'S, MetaGradient<'V, 'S>> with
        member this.Carry(vector, scalar) =
            {
                Gradient = vector this.Gradient
                Phi = vector this.Phi
                InnerLoss = scalar this.InnerLoss
                OuterLoss = scalar this.OuterLoss
                InnerGradientNorm = scalar this.InnerGradientNorm
                Solve = (this.Solve :> ICarried<_, _, _>).Carry(vector, scalar)
            }

/// Algorithm 2.
[<AbstractClass; Sealed>]
type ImplicitMetaGradient =

    /// The meta-gradient of every task at θ.
    ///
    /// Cost: the inner solve, one linearization, one outer gradient, and one Hessian–vector product for each CG step. Memory does not
    /// depend on the number of inner or CG steps.
    static member Compute
        (
            space: IInnerProductSpace<'V, 'S>,
            regularizer: IRegularizer<'V, 'S>,
            problem: IBilevelProblem<'V, 'S>,
            innerSolver: IInnerSolver<'V, 'S>,
            options: ConjugateGradientOptions,
            theta: 'V
        ) : MetaGradient<'V, 'S> =
        Region.run space (fun () ->
            let phi = innerSolver.Solve(space, regularizer, problem, theta)
            use linearization = problem.LinearizeInner phi
            let innerGradient = InnerObjective.gradient space regularizer linearization.Gradient phi theta
            let struct (outerLoss, v) = problem.OuterLossAndGradient phi

            let solve =
                ConjugateGradient.solve space options (InnerObjective.hessianProduct space regularizer linearization) v

            {
                Gradient = regularizer.Apply(space, solve.Solution)
                Phi = phi
                InnerLoss = space.Add(linearization.Loss, space.Scalar 0.0)
                OuterLoss = outerLoss
                InnerGradientNorm = space.Norm innerGradient
                Solve = solve
            })
