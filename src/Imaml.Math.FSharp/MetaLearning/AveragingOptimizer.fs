// The average of an outer optimiser's last iterates. At a constant rate the iterates go on moving about the minimum by the noise of the meta-batches;
// their average does not, and no length of the run has to be known beforehand (Polyak and Juditsky 1992).

namespace Imaml.Math

/// Polynomial-decay averaging (Shamir and Zhang 2013, section 4): with w = (γ+1)/(γ+t) at step t = 1, 2, …
///     θ̄ ← (1 − w)θ̄ + wθ,
/// so that θ̄ is θ at t = 1, γ = 0 gives the mean of all iterates, and larger γ the mean of about the last 1/(γ+1) of them. The optimiser's own iterates
/// are unchanged.
///
/// Cost: one vector, and one axpby a step.
type AveragingOptimizer<'V, 'S> private (optimizer: IOuterOptimizer<'V, 'S>, gamma: float, steps: int, average: 'V voption) =

    static let name = "average"

    /// Before the first step of `optimizer`. Errors: γ negative or not finite.
    static member Start(optimizer: IOuterOptimizer<'V, 'S>, gamma: float) =
        if not (gamma >= 0.0 && gamma < infinity) then
            invalidArg (nameof gamma) $"γ must be at least 0 and finite, not {gamma}"

        AveragingOptimizer<'V, 'S>(optimizer, gamma, 0, ValueNone)

    /// Whether a state has an average: that of an optimiser that averages, from its first step on.
    static member HasAverage(state: OptimizerState<'V>) = state.Vectors |> Array.exists (fun struct (key, _) -> key = name)

    /// θ̄ of a state. Errors: it has none.
    static member AverageOf(state: OptimizerState<'V>) : 'V = state.Vector name

    interface IOuterOptimizer<'V, 'S> with
        member _.Step(space, gradient, theta) =
            let struct (moved, next) = optimizer.Step(space, gradient, theta)

            let mean =
                match average with
                | ValueNone -> Mask.copyVector space moved
                | ValueSome before ->
                    let weight = (gamma + 1.0) / (gamma + float (steps + 1))
                    let change = space.Axpy(space.Scalar -1.0, before, moved)
                    space.Axpy(space.Scalar weight, change, before)

            struct (moved, (AveragingOptimizer<'V, 'S>(next, gamma, steps + 1, ValueSome mean) :> IOuterOptimizer<'V, 'S>))

        member _.State space =
            let state = optimizer.State space

            match average with
            | ValueNone -> state
            | ValueSome mean ->
                { state with
                    Vectors = Array.append state.Vectors [| struct (name, mean) |]
                }

        member _.Restore(space, state) =
            let average =
                if state.Steps = 0 then
                    ValueNone
                else
                    ValueSome(AveragingOptimizer<'V, 'S>.AverageOf state)

            let own =
                { state with
                    Vectors = state.Vectors |> Array.filter (fun struct (key, _) -> key <> name)
                }

            AveragingOptimizer<'V, 'S>(optimizer.Restore(space, own), gamma, state.Steps, average)

        member _.Carry(vector, scalar) =
            AveragingOptimizer<'V, 'S>(optimizer.Carry(vector, scalar), gamma, steps, average |> ValueOption.map vector.Invoke)
