// Algorithm 2 with its accuracies as plain numbers: fixed budgets, or δ and δ′ (Definitions 1 and 2). To an accuracy ε of the whole it is
// AdaptiveAccuracy.Compute.

namespace Imaml.Math.Interop

open Imaml.Math

/// The implicit meta-gradient.
[<AbstractClass; Sealed>]
type Algorithm2 =

    /// Thresholds that ask for nothing: the solvers' own budgets and tolerances hold.
    static member FixedBudgets(space: IInnerProductSpace<'V, 'S>) : Thresholds<'S> = Thresholds.none space

    /// Thresholds for ‖φ − Alg*(θ)‖ ≤ δ and ‖g − Λ(H+Λ)⁻¹v‖ ≤ δ′, where G is µ-strongly convex.
    ///
    /// Errors: µ that is not positive and finite; δ or δ′ that is not at least 0.
    static member Accuracies
        (space: IInnerProductSpace<'V, 'S>, regularizer: IRegularizer<'V, 'S>, strongConvexity: float, delta: float, deltaPrime: float)
        : Thresholds<'S> =
        Thresholds.ofAccuracies space regularizer strongConvexity delta deltaPrime

    /// The meta-gradient of every task at θ, by the solvers' own budgets and tolerances.
    static member Compute
        (
            space: IInnerProductSpace<'V, 'S>,
            regularizer: IRegularizer<'V, 'S>,
            problem: IBilevelProblem<'V, 'S>,
            innerSolver: IInnerSolver<'V, 'S>,
            linearSolver: ILinearSolver<'V, 'S>,
            theta: 'V
        ) : MetaGradient<'V, 'S> =
        ImplicitMetaGradient.Compute(space, regularizer, problem, innerSolver, linearSolver, Thresholds.none space, theta)

    /// The meta-gradient of every task at θ, to these thresholds or the solvers' own tolerances, whichever is met first.
    static member Compute
        (
            space: IInnerProductSpace<'V, 'S>,
            regularizer: IRegularizer<'V, 'S>,
            problem: IBilevelProblem<'V, 'S>,
            innerSolver: IInnerSolver<'V, 'S>,
            linearSolver: ILinearSolver<'V, 'S>,
            thresholds: Thresholds<'S>,
            theta: 'V
        ) : MetaGradient<'V, 'S> =
        ImplicitMetaGradient.Compute(space, regularizer, problem, innerSolver, linearSolver, thresholds, theta)
