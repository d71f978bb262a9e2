// The inner solvers, Alg in the paper, as factories. `space` tells C# the types.

namespace Imaml.Math.Interop

open System
open Imaml.Math

/// Solvers of the inner problem min_φ G(φ, θ). A user's own implements IInnerSolver, or is a delegate.
[<AbstractClass; Sealed>]
type InnerSolvers =

    /// `steps` steps of gradient descent: a fixed budget, as in iMAML-GD.
    static member GradientDescent(space: IInnerProductSpace<'V, 'S>, rule: StepRule, steps: int) : IInnerSolver<'V, 'S> =
        GradientDescentSolver(rule, steps)

    /// Gradient descent, at most `maxSteps` steps, asking every `checkEvery` steps whether ‖∇G‖ has met its threshold.
    static member GradientDescent
        (space: IInnerProductSpace<'V, 'S>, rule: StepRule, maxSteps: int, checkEvery: int)
        : IInnerSolver<'V, 'S> =
        GradientDescentSolver(rule, maxSteps, checkEvery)

    /// The same with momentum, which needs a constant step.
    static member GradientDescent
        (space: IInnerProductSpace<'V, 'S>, rule: StepRule, momentum: Momentum, maxSteps: int, checkEvery: int)
        : IInnerSolver<'V, 'S> =
        GradientDescentSolver(rule, momentum, maxSteps, checkEvery)

    /// Newton's method by conjugate gradients with a line search, as in Hessian-free iMAML; NewtonConjugateGradient.PaperDirectionSteps is
    /// the paper's `directionSteps`.
    static member NewtonConjugateGradient(space: IInnerProductSpace<'V, 'S>, maxSteps: int, directionSteps: int) : IInnerSolver<'V, 'S> =
        NewtonConjugateGradientSolver(maxSteps, directionSteps)

    /// L-BFGS with a line search, from the last `memory` pairs.
    static member Lbfgs(space: IInnerProductSpace<'V, 'S>, maxSteps: int, memory: int) : IInnerSolver<'V, 'S> =
        LbfgsSolver(maxSteps, memory)

    /// Newton's method with the dense H + Λ, to the level of rounding where no threshold ends it before: the oracle of small problems.
    static member Exact(space: IInnerProductSpace<'V, 'S>, coordinates: ICoordinates<'V>, maxSteps: int) : IInnerSolver<'V, 'S> =
        ExactInnerSolver(coordinates, maxSteps)

    /// Any map (θ, start) ↦ φ that knows its problem: a black box, perhaps without derivatives.
    static member FromDelegate(space: IInnerProductSpace<'V, 'S>, solve: Func<'V, 'V, 'V>) : IInnerSolver<'V, 'S> =
        DelegateInnerSolver solve

    /// Any map (problem, regularizer, θ, start) ↦ φ.
    static member FromDelegate(space: IInnerProductSpace<'V, 'S>, solve: InnerSolve<'V, 'S>) : IInnerSolver<'V, 'S> =
        DelegateInnerSolver solve

    /// What a user's own IInnerSolver returns where it says nothing but φ. One that reports its work makes an InnerIterate of its own.
    static member BlackBox(space: IInnerProductSpace<'V, 'S>, phi: 'V) : InnerIterate<'V, 'S> = InnerSolver.blackBox space phi
