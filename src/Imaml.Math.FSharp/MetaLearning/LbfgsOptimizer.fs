// L-BFGS as an outer optimiser (Liu and Nocedal 1989), with the memory of Lbfgs.fs and no line search: F costs as much as ∇F.
//
// A pair measures the curvature of one function. So this is for a meta-batch that does not change, the whole family of tasks; between
// different meta-batches the pairs measure the noise as well. Pairs without positive curvature are not used.

namespace Imaml.Math

/// L-BFGS from pairs of its own: the first step is −firstRate·g, every later one −Bg with B ≈ (∇²F)⁻¹ from the last pairs.
///
/// Cost: 2·memory + 4 vectors; 4·memory inner products and axpys a step.
type LbfgsOptimizer<'V, 'S> private (pairs: LbfgsMemory<'V, 'S>, last: struct ('V * 'V) voption, steps: int) =

    /// Before the first step, with `memory` pairs at most.
    static member Start(space: IInnerProductSpace<'V, 'S>, memory: int, firstRate: float) =
        LbfgsOptimizer<'V, 'S>(LbfgsMemory.Empty(space, memory, firstRate), ValueNone, 0)

    interface IOuterOptimizer<'V, 'S> with
        member _.Step(space, gradient, theta) =
            let minus a b = space.Axpy(space.Scalar -1.0, b, a)

            let pairs =
                match last with
                | ValueNone -> pairs
                | ValueSome(struct (before, slope)) -> pairs.Update(space, minus theta before, minus gradient slope)

            // Copies: θ and g are the caller's, and may be freed before this optimiser, or after it.
            let own = Mask.copyVector space
            let moved = space.Axpy(space.Scalar 1.0, pairs.Direction(space, gradient), theta)
            let next = LbfgsOptimizer<'V, 'S>(pairs, ValueSome(struct (own theta, own gradient)), steps + 1)
            struct (moved, (next :> IOuterOptimizer<'V, 'S>))

        member _.State space =
            let number a = (space.Read a)[0]
            let numbered name (values: 'T[]) = values |> Array.mapi (fun i value -> struct ($"{name} {i}", value))

            {
                Steps = steps
                Vectors =
                    [|
                        yield! numbered "move" pairs.Moves
                        yield! numbered "change" pairs.Changes
                        match last with
                        | ValueSome(struct (theta, gradient)) ->
                            struct ("last theta", theta)
                            struct ("last gradient", gradient)
                        | ValueNone -> ()
                    |]
                Numbers =
                    [|
                        yield! pairs.InverseCurvatures |> Array.map number |> numbered "inverse curvature"
                        struct ("scale", number pairs.Scale)
                    |]
            }

        member _.Restore(space, state) =
            let count = state.Numbers.Length - 1

            if count > pairs.Capacity then
                invalidArg (nameof state) $"the state has {count} pairs, and this optimiser keeps at most {pairs.Capacity}"

            let vectors name = Array.init (max 0 count) (fun i -> state.Vector $"{name} {i}")
            let scale = space.PerTask [| state.Number "scale" |]

            let restored =
                { pairs with
                    Moves = vectors "move"
                    Changes = vectors "change"
                    InverseCurvatures = Array.init (max 0 count) (fun i -> space.PerTask [| state.Number $"inverse curvature {i}" |])
                    Scale = scale
                }

            let last =
                if state.Steps = 0 then
                    ValueNone
                else
                    ValueSome(struct (state.Vector "last theta", state.Vector "last gradient"))

            LbfgsOptimizer<'V, 'S>(restored, last, state.Steps)

        member _.Carry(vector, scalar) =
            let carried = (pairs :> ICarried<'V, 'S, LbfgsMemory<'V, 'S>>).Carry(vector, scalar)

            LbfgsOptimizer<'V, 'S>(
                carried,
                last
                |> ValueOption.map (fun (struct (theta, gradient)) -> struct (vector.Invoke theta, vector.Invoke gradient)),
                steps
            )
