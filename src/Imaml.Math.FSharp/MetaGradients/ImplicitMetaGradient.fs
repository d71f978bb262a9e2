// Algorithm 2: the implicit meta-gradient of one task, or of B tasks at once.
//
//     φ ≈ Alg*(θ)                      to accuracy δ    (Definition 1)
//     v = ∇L(φ)
//     (H + Λ)u ≈ v,  g = Λu = Jᵀv      to accuracy δ′   (Definition 2), H = ∇²L̂(φ), J of Lemma 1
//
// For a general lower level (LowerLevel.fs) the same φ, u and Λu at z are pulled back to ∇F(z) = ∂_z f − Cᵀu, of which g = Λu is the case C = −Λ.
//
// Departs from the paper: it solves (I + H/λ)g = v; (H + Λ)u = v is the same system for Λ = λI, symmetric for every Λ, and u is the
// gradient with respect to λ up to one inner product.

namespace Imaml.Math

open System

/// The required accuracies of Algorithm 2, as numbers that it can check, the same for every task and every batch. Zeros set no threshold:
/// fixed budgets, as in the experiments.
type Thresholds =
    {
        /// The inner solve is done where ‖∇G(φ, θ)‖ ≤ InnerGradientNorm.
        InnerGradientNorm: float
        /// The linear solve is done where ‖v − (H+Λ)u‖ ≤ LinearResidualNorm.
        LinearResidualNorm: float
    }

    /// Fixed budgets.
    static member None =
        {
            InnerGradientNorm = 0.0
            LinearResidualNorm = 0.0
        }

    member internal thresholds.Check() =
        MetaGradient.requireThreshold (nameof thresholds.InnerGradientNorm) thresholds.InnerGradientNorm
        MetaGradient.requireThreshold (nameof thresholds.LinearResidualNorm) thresholds.LinearResidualNorm

    /// Inner accuracy δ (Definition 1), as ‖φ − φ*‖ ≤ ‖∇G‖/µ, and linear-solve accuracy δ′ (Definition 2), as
    /// ‖g − Λ(H+Λ)⁻¹v‖ ≤ (‖Λ‖/µ)‖v − (H+Λ)u‖, where G is µ-strongly convex.
    /// Errors: µ that is not positive and finite; δ or δ′ that is not at least 0.
    static member OfAccuracies(regularizer: IRegularizer<'V, 'S>, strongConvexity: float, delta: float, deltaPrime: float) : Thresholds =
        if not (strongConvexity > 0.0 && strongConvexity < infinity) then
            invalidArg (nameof strongConvexity) $"µ must be positive and finite, not {strongConvexity}"

        if not (delta >= 0.0) then
            invalidArg (nameof delta) $"δ must be at least 0, not {delta}"

        if not (deltaPrime >= 0.0) then
            invalidArg (nameof deltaPrime) $"δ′ must be at least 0, not {deltaPrime}"

        {
            InnerGradientNorm = strongConvexity * delta
            LinearResidualNorm = strongConvexity / regularizer.LargestEigenvalue * deltaPrime
        }

/// The start of a solve for tasks that have been solved before: the results of the last solve. Newly drawn tasks have none.
type WarmStart<'V> =
    {
        /// φ of the solve before.
        Phi: 'V
        /// u of the solve before: Solve.Solution.
        Solution: 'V
    }

/// The gradient of F(z) = f(z, x*(z)), with what it was made of.
type LowerLevelGradient<'Z, 'V, 'S> =
    {
        /// ∂_z f − Cᵀu, the caller's.
        Gradient: 'Z
        /// Algorithm 2 at z, on the paper's problem there: Phi is x, Solve.Solution is u, Gradient is Λu. Its statuses are those of this gradient too.
        Report: MetaGradient<'V, 'S>
    }

    /// The pull-back of what Algorithm 2 found at z, by whatever solvers. Scalars are per task; Z has a vector for each task too.
    ///
    /// Cost: one pull-back and one norm. The solve's status is NonFinite where ∇F is not finite, and ∇F is not a number where that is the status.
    static member Of
        (
            outerSpace: IInnerProductSpace<'Z, 'S>,
            space: IInnerProductSpace<'V, 'S>,
            point: LowerLevelPoint<'Z, 'V, 'S>,
            report: MetaGradient<'V, 'S>
        ) : LowerLevelGradient<'Z, 'V, 'S> =
        let gradient = point.PullBack.Invoke(report.Phi, report.Solve.Solution, report.Gradient)
        let finite = Mask.finite outerSpace (outerSpace.Norm gradient)
        let marks = report.Solve.Marks.Judged(space, finite)

        {
            Gradient = MetaGradient.numberIf outerSpace marks gradient
            Report =
                { report with
                    Solve = { report.Solve with Marks = marks }
                }
        }

/// Algorithm 2.
[<AbstractClass; Sealed>]
type ImplicitMetaGradient =

    static member private From
        (
            space: IInnerProductSpace<'V, 'S>,
            regularizer: IRegularizer<'V, 'S>,
            problem: IBilevelProblem<'V, 'S>,
            innerSolver: IInnerSolver<'V, 'S>,
            thresholds: Thresholds,
            theta: 'V,
            start: 'V,
            solve: ILinearization<'V, 'S> -> 'V -> AdjointSolve<'V, 'S>
        ) : MetaGradient<'V, 'S> =
        Regularizer.requireProximalTerm regularizer "the implicit meta-gradient"
        thresholds.Check()

        Region.run space (fun () ->
            let inner =
                innerSolver.Solve(space, regularizer, problem, theta, start, space.Scalar thresholds.InnerGradientNorm)

            let phi = inner.Phi
            use linearization = problem.LinearizeInner phi
            let innerGradient = InnerObjective.gradient space regularizer linearization.Gradient phi theta
            let struct (outerLoss, v) = problem.OuterLossAndGradient phi
            MetaGradient.requireShape space theta v
            let g = solve linearization v

            {
                Gradient = g.Gradient
                Inner = inner
                InnerLoss = Mask.copy space linearization.Loss
                OuterLoss = outerLoss
                InnerGradientNorm = space.Norm innerGradient
                Solve = g.Solve
                NegativeCurvature = g.NegativeCurvature
                Raised = g.Raised
                DerivativeGradients = space.Scalar 1.0
                DerivativeProducts = space.Scalar 0.0
                OuterGradients = space.Scalar 1.0
                Learned = [||]
                LearnedRounding = [||]
                Certified = [||]
            }
            |> MetaGradient.refused space)

    /// The meta-gradient of every task at θ, not a number where the status says that it is not finite.
    ///
    /// Cost: the inner solve, one linearization, one outer gradient, and one Hessian–vector product for each step of the linear solve.
    /// Memory does not depend on the number of inner or linear steps. Errors: a threshold that is not at least 0 and finite; ∇L of another length than θ.
    static member Compute
        (
            space: IInnerProductSpace<'V, 'S>,
            regularizer: IRegularizer<'V, 'S>,
            problem: IBilevelProblem<'V, 'S>,
            innerSolver: IInnerSolver<'V, 'S>,
            solver: IAdjointSolver<'V, 'S>,
            thresholds: Thresholds,
            theta: 'V
        ) : MetaGradient<'V, 'S> =
        ImplicitMetaGradient.From(
            space,
            regularizer,
            problem,
            innerSolver,
            thresholds,
            theta,
            theta,
            fun linearization v -> solver.Solve(space, regularizer, linearization, v, space.Scalar thresholds.LinearResidualNorm)
        )

    /// The same by a linear solver that uses only products with H + Λ.
    static member Compute
        (
            space: IInnerProductSpace<'V, 'S>,
            regularizer: IRegularizer<'V, 'S>,
            problem: IBilevelProblem<'V, 'S>,
            innerSolver: IInnerSolver<'V, 'S>,
            linearSolver: ILinearSolver<'V, 'S>,
            thresholds: Thresholds,
            theta: 'V
        ) : MetaGradient<'V, 'S> =
        let solver: IAdjointSolver<'V, 'S> = LinearAdjointSolver linearSolver
        ImplicitMetaGradient.Compute(space, regularizer, problem, innerSolver, solver, thresholds, theta)

    /// The same by the solvers' own budgets and tolerances.
    static member Compute
        (
            space: IInnerProductSpace<'V, 'S>,
            regularizer: IRegularizer<'V, 'S>,
            problem: IBilevelProblem<'V, 'S>,
            innerSolver: IInnerSolver<'V, 'S>,
            linearSolver: ILinearSolver<'V, 'S>,
            theta: 'V
        ) : MetaGradient<'V, 'S> =
        ImplicitMetaGradient.Compute(space, regularizer, problem, innerSolver, linearSolver, Thresholds.None, theta)

    /// The same for tasks that have been solved before, at a θ near to this one: the inner solve begins at their last φ and the linear solve
    /// at their last u. Cost: one more product; fewer steps where the thresholds are reached earlier.
    static member ComputeFrom
        (
            space: IInnerProductSpace<'V, 'S>,
            regularizer: IRegularizer<'V, 'S>,
            problem: IBilevelProblem<'V, 'S>,
            innerSolver: IInnerSolver<'V, 'S>,
            linearSolver: ILinearSolver<'V, 'S>,
            thresholds: Thresholds,
            theta: 'V,
            start: WarmStart<'V>
        ) : MetaGradient<'V, 'S> =
        let solve linearization v =
            let operator = AdjointSolve.operator space regularizer linearization

            linearSolver.SolveFrom(space, operator, v, start.Solution, space.Scalar thresholds.LinearResidualNorm)
            |> AdjointSolve.ofReport space regularizer

        ImplicitMetaGradient.From(space, regularizer, problem, innerSolver, thresholds, theta, start.Phi, solve)

    /// ∇F(z) of a general lower level, for every task.
    ///
    /// Cost: that of the paper's problem at z, and one pull-back.
    static member Compute
        (
            outerSpace: IInnerProductSpace<'Z, 'S>,
            space: IInnerProductSpace<'V, 'S>,
            lowerLevel: ILowerLevel<'Z, 'V, 'S>,
            innerSolver: IInnerSolver<'V, 'S>,
            solver: IAdjointSolver<'V, 'S>,
            thresholds: Thresholds,
            z: 'Z
        ) : LowerLevelGradient<'Z, 'V, 'S> =
        let at = lowerLevel.At z

        let report =
            ImplicitMetaGradient.Compute(space, at.Regularizer, at.Problem, innerSolver, solver, thresholds, at.Centre)

        LowerLevelGradient.Of(outerSpace, space, at, report)

    /// The same for tasks that have been solved before, at a z near to this one.
    static member ComputeFrom
        (
            outerSpace: IInnerProductSpace<'Z, 'S>,
            space: IInnerProductSpace<'V, 'S>,
            lowerLevel: ILowerLevel<'Z, 'V, 'S>,
            innerSolver: IInnerSolver<'V, 'S>,
            linearSolver: ILinearSolver<'V, 'S>,
            thresholds: Thresholds,
            z: 'Z,
            start: WarmStart<'V>
        ) : LowerLevelGradient<'Z, 'V, 'S> =
        let at = lowerLevel.At z

        let report =
            ImplicitMetaGradient.ComputeFrom(space, at.Regularizer, at.Problem, innerSolver, linearSolver, thresholds, at.Centre, start)

        LowerLevelGradient.Of(outerSpace, space, at, report)

/// Algorithm 2 as a strategy.
type ImplicitStrategy<'V, 'S>(innerSolver: IInnerSolver<'V, 'S>, solver: IAdjointSolver<'V, 'S>, thresholds: Thresholds) =
    do
        ArgumentNullException.ThrowIfNull(innerSolver, nameof innerSolver)
        ArgumentNullException.ThrowIfNull(solver, nameof solver)
        ArgumentNullException.ThrowIfNull(thresholds, nameof thresholds)

    /// By a linear solver that uses only products with H + Λ.
    new(innerSolver, linearSolver: ILinearSolver<'V, 'S>, thresholds) =
        ImplicitStrategy(innerSolver, (LinearAdjointSolver linearSolver: IAdjointSolver<'V, 'S>), thresholds)

    interface IMetaGradientStrategy<'V, 'S> with
        member _.Compute(space, regularizer, problem, theta) =
            ImplicitMetaGradient.Compute(space, regularizer, problem, innerSolver, solver, thresholds, theta)
