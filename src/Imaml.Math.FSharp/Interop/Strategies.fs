// The ways to a meta-gradient that Table 1 compares, as factories. `space` tells C# the types.

namespace Imaml.Math.Interop

open Imaml.Math

/// Meta-gradient strategies. A user's own implements IMetaGradientStrategy.
[<AbstractClass; Sealed>]
type Strategies =

    static member private Path(momentum, step, steps) : UnrolledOptions =
        {
            Momentum = momentum
            Step = step
            Steps = steps
        }

    /// Algorithm 2, by the solvers' own budgets and tolerances.
    static member Implicit
        (space: IInnerProductSpace<'V, 'S>, innerSolver: IInnerSolver<'V, 'S>, linearSolver: ILinearSolver<'V, 'S>)
        : IMetaGradientStrategy<'V, 'S> =
        ImplicitStrategy(innerSolver, linearSolver, Thresholds.none space)

    /// Algorithm 2 to thresholds: Algorithm2.Accuracies.
    static member Implicit
        (
            space: IInnerProductSpace<'V, 'S>,
            innerSolver: IInnerSolver<'V, 'S>,
            linearSolver: ILinearSolver<'V, 'S>,
            thresholds: Thresholds<'S>
        ) : IMetaGradientStrategy<'V, 'S> =
        ImplicitStrategy(innerSolver, linearSolver, thresholds)

    /// MAML: back-propagation through all `steps` steps of length `step`, in memory that grows with them.
    static member Unrolled(space: IInnerProductSpace<'V, 'S>, momentum: Momentum, step: float, steps: int) : IMetaGradientStrategy<'V, 'S> =
        UnrolledStrategy(Strategies.Path(momentum, step, steps))

    /// The same in the memory of about 2√steps vectors: the iterates between checkpoints are computed a second time.
    static member Recomputed
        (space: IInnerProductSpace<'V, 'S>, momentum: Momentum, step: float, steps: int)
        : IMetaGradientStrategy<'V, 'S> =
        UnrolledStrategy(Strategies.Path(momentum, step, steps), Recompute)

    /// MAML through `steps` steps of `rule`, whose lengths are held fixed: the very path of gradient descent by that rule.
    static member Unrolled(space: IInnerProductSpace<'V, 'S>, rule: StepRule, steps: int) : IMetaGradientStrategy<'V, 'S> =
        UnrolledDescentStrategy(rule, steps)

    /// MAML in forward mode, along all d coordinates.
    static member ForwardMode
        (space: IInnerProductSpace<'V, 'S>, coordinates: ICoordinates<'V>, momentum: Momentum, step: float, steps: int)
        : IMetaGradientStrategy<'V, 'S> =
        ForwardModeStrategy(coordinates, Strategies.Path(momentum, step, steps))

    /// Truncated back-propagation: through the last `lastSteps` of `steps` steps.
    static member Truncated
        (space: IInnerProductSpace<'V, 'S>, momentum: Momentum, step: float, steps: int, lastSteps: int)
        : IMetaGradientStrategy<'V, 'S> =
        TruncatedStrategy(Strategies.Path(momentum, step, steps), lastSteps)

    /// FOMAML, g = ∇L(φ); the inner solve is done where ‖∇G‖ ≤ innerGradientNorm, and 0 is the solver's budget.
    static member FirstOrder
        (space: IInnerProductSpace<'V, 'S>, innerSolver: IInnerSolver<'V, 'S>, innerGradientNorm: float)
        : IMetaGradientStrategy<'V, 'S> =
        FirstOrderStrategy(innerSolver, innerGradientNorm)

    /// Reptile, g = θ − φ; the inner solve is done where ‖∇G‖ ≤ innerGradientNorm, and 0 is the solver's budget.
    static member Reptile
        (space: IInnerProductSpace<'V, 'S>, innerSolver: IInnerSolver<'V, 'S>, innerGradientNorm: float)
        : IMetaGradientStrategy<'V, 'S> =
        ReptileStrategy(innerSolver, innerGradientNorm)
