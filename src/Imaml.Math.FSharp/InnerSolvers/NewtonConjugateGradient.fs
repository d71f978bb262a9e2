// The inner solver of Hessian-free iMAML: Newton's method whose direction is a few steps of conjugate gradients on (H + Λ)p = −∇G, with a
// backtracking line search (Martens 2010; Nocedal and Wright 2006, section 7.1).
//
// Where a CG direction has non-positive curvature, p is the iterate before it; where it is the first, the step is steepest descent. Either
// way p leads downhill: every iterate of CG from 0 does, as long as the curvatures before it were positive.

namespace Imaml.Math

[<RequireQualifiedAccess>]
module NewtonConjugateGradient =

    /// The paper's experiments: at most five steps of conjugate gradients for each Newton direction.
    [<Literal>]
    let PaperDirectionSteps = 5

/// At most `maxSteps` Newton steps, the direction of each by at most `directionSteps` steps of conjugate gradients.
///
/// Cost of a step: one linearization, at most `directionSteps` Hessian–vector products, one loss for each length that is tried, and one
/// gradient where a loss cannot be trusted; memory does not depend on the number of steps. Every step looks at masks: there is no
/// fixed budget without synchronisation.
type NewtonConjugateGradientSolver<'V, 'S>(maxSteps: int, directionSteps: int) =
    do
        InnerDescent.checkSteps maxSteps

        if directionSteps < 1 then
            invalidArg (nameof directionSteps) $"the number of conjugate-gradient steps must be at least 1, not {directionSteps}"

    let conjugateGradient: ILinearSolver<'V, 'S> =
        ConjugateGradientSolver
            {
                MaxSteps = directionSteps
                RelativeResidual = 0.0
                // A product costs about a gradient, more than a look.
                CheckEvery = 1
                RecomputeResidual = false
            }

    interface IInnerSolver<'V, 'S> with
        member _.Solve(space, regularizer, problem, theta, start, gradientNorm) =
            let step (point: InnerPoint<'V, 'S>) memory =
                // Tasks that are done have the right-hand side 0, for which nothing is to be solved.
                let backwards = space.Multiply(space.Scalar -1.0, point.Running)
                let b = space.Axpy(backwards, point.Gradient, space.Zero point.Gradient)

                let hessian =
                    LinearOperator.Of(fun w -> InnerObjective.hessianProduct space regularizer point.Linearization w)

                // On a quadratic the residual of the direction is the gradient after the step.
                let enough = space.Multiply(space.Scalar 0.5, gradientNorm)
                let solve = conjugateGradient.Solve(space, hessian, b, enough)
                BacktrackingLineSearch.move space regularizer problem theta point solve.Solution solve.Counts.Products memory

            InnerDescent.run space regularizer problem theta start gradientNorm maxSteps (NoMemory<'V, 'S>()) step
