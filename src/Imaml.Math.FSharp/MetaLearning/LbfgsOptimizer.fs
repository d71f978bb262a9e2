// L-BFGS as an outer optimiser (Liu and Nocedal 1989), with the memory of LbfgsMemory.fs and no line search: F costs as much as ∇F.
//
// A pair measures the curvature of one function. So this is for a meta-batch that does not change, the whole family of tasks; between
// different meta-batches the pairs measure the noise as well. Pairs without positive curvature are void.

namespace Imaml.Math

/// L-BFGS from pairs of its own: the first step is −firstRate·g, every later one −Bg with B ≈ (∇²F)⁻¹ from the last pairs.
///
/// Cost: 2·memory + 4 vectors; 4·memory inner products and axpys a step.
type LbfgsOptimizer<'V, 'S> private (pairs: LbfgsMemory<'V, 'S>, last: struct ('V * 'V) voption) =

    /// Before the first step, with `memory` pairs at most.
    static member Start(space: IInnerProductSpace<'V, 'S>, memory: int, firstRate: float) =
        LbfgsOptimizer<'V, 'S>(LbfgsMemory.Empty(space, memory, firstRate), ValueNone)

    interface IOuterOptimizer<'V, 'S> with
        member _.Step(space, gradient, theta) =
            let minus a b = space.Axpy(space.Scalar -1.0, b, a)

            let pairs =
                match last with
                | ValueNone -> pairs
                | ValueSome(struct (before, slope)) -> pairs.Update(space, minus theta before, minus gradient slope)

            // Values of their own: θ and g are the caller's, and may die before this optimiser, or after it.
            let own = Mask.copyVector space
            let moved = space.Axpy(space.Scalar 1.0, pairs.Direction(space, gradient), theta)
            struct (moved, (LbfgsOptimizer<'V, 'S>(pairs, ValueSome(struct (own theta, own gradient))) :> IOuterOptimizer<'V, 'S>))

        member _.Carry(vector, scalar) =
            let carried = (pairs :> ICarried<'V, 'S, LbfgsMemory<'V, 'S>>).Carry(vector, scalar)

            LbfgsOptimizer<'V, 'S>(
                carried,
                last
                |> ValueOption.map (fun (struct (theta, gradient)) -> struct (vector.Invoke theta, vector.Invoke gradient))
            )
