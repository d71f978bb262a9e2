// L-BFGS on G(·, θ) with a backtracking line search (Liu and Nocedal 1989): an inner solver that takes no products and is told no step size.
//
// Backtracking guarantees no curvature condition, so a pair that lacks it is void (LbfgsMemory.fs). The first direction is −∇G/λ_min(Λ),
// halved until it is accepted.

namespace Imaml.Math

/// The memory, and the point and gradient that the next pair is measured from.
[<NoComparison; NoEquality>]
type private LbfgsState<'V, 'S> =
    {
        Pairs: LbfgsMemory<'V, 'S>
        /// φₖ and ∇G(φₖ); nothing before the first step.
        Last: struct ('V * 'V) voption
    }

    interface ICarried<'V, 'S, LbfgsState<'V, 'S>> with
        member s.Carry(vector, scalar) =
            {
                Pairs = (s.Pairs :> ICarried<_, _, _>).Carry(vector, scalar)
                Last =
                    s.Last
                    |> ValueOption.map (fun (struct (phi, gradient)) -> struct (vector.Invoke phi, vector.Invoke gradient))
            }

/// At most `maxSteps` steps of L-BFGS with the last `memory` pairs.
///
/// Cost of a step: one linearization, one loss for each length that is tried, and one gradient where a loss cannot be trusted; 2·memory + 2
/// vectors, however many the steps. Every step looks at masks: there is no fixed budget without synchronisation.
type LbfgsSolver<'V, 'S>(maxSteps: int, memory: int) =
    do
        InnerDescent.checkSteps maxSteps

        if memory < 1 then
            invalidArg (nameof memory) $"the number of pairs must be at least 1, not {memory}"

    interface IInnerSolver<'V, 'S> with
        member _.Solve(space, regularizer, problem, theta, start, gradientNorm) =
            Regularizer.requireProximalTerm regularizer "L-BFGS's first step"
            let minus a b = space.Axpy(space.Scalar -1.0, b, a)

            let step (point: InnerPoint<'V, 'S>) (state: LbfgsState<'V, 'S>) =
                let pairs =
                    match state.Last with
                    | ValueSome(struct (phi, gradient)) -> state.Pairs.Update(space, minus point.Phi phi, minus point.Gradient gradient)
                    | ValueNone -> state.Pairs

                let state =
                    {
                        Pairs = pairs
                        Last = ValueSome(struct (Mask.copyVector space point.Phi, point.Gradient))
                    }

                let direction = pairs.Direction(space, point.Gradient)
                BacktrackingLineSearch.move space regularizer problem theta point direction (space.Scalar 0.0) state

            Region.run space (fun () ->
                let first =
                    {
                        Pairs = LbfgsMemory.Empty(space, memory, 1.0 / regularizer.SmallestEigenvalue)
                        Last = ValueNone
                    }

                InnerDescent.run space regularizer problem theta start gradientNorm maxSteps first step)
