// L-BFGS (Liu and Nocedal 1989): the memory of the last m moves s with the changes y of the gradient along them, the quasi-Newton direction
// that they make (Nocedal 1980; Nocedal and Wright 2006, algorithm 7.4), and the inner solver on G(·, θ) with a backtracking line search,
// which takes no products and is told no step size. The memory is generic over the space: the outer optimiser uses it too.
//
// A pair counts for a task only where ⟨s, y⟩ > √ε‖s‖‖y‖. Elsewhere, where the curvature along s is not positive, is noise, or the task did
// not move, the pair is void for this task: its 1/⟨s, y⟩ is 0, and both loops pass over it. Backtracking guarantees no curvature condition.
// The first direction is −∇G/λ_min(Λ), halved until it is accepted.

namespace Imaml.Math

/// The last pairs (s, y), and the scale of the inverse Hessian. All operations are pure.
type LbfgsMemory<'V, 'S> =
    {
        /// m, the maximum number of pairs kept.
        Capacity: int
        /// s = xₖ₊₁ − xₖ, first to last.
        Moves: 'V[]
        /// y = ∇f(xₖ₊₁) − ∇f(xₖ)
        Changes: 'V[]
        /// 1/⟨s, y⟩; 0 where the pair is void.
        InverseCurvatures: 'S[]
        /// γ = ⟨s, y⟩/⟨y, y⟩ of the last pair that was not void; at first what Empty was given.
        Scale: 'S
    }

    /// No pairs: the direction is −scale·∇f.
    static member Empty(space: IInnerProductSpace<'V, 'S>, capacity: int, scale: float) =
        if capacity < 1 then
            invalidArg (nameof capacity) $"the number of pairs must be at least 1, not {capacity}"

        if not (scale > 0.0 && scale < infinity) then
            invalidArg (nameof scale) $"the first scale must be positive and finite, not {scale}"

        {
            Capacity = capacity
            Moves = Array.empty<'V>
            Changes = Array.empty<'V>
            InverseCurvatures = Array.empty<'S>
            Scale = space.Scalar scale
        }

    /// −B∇f with B ≈ (∇²f)⁻¹, positive definite, by the two-loop recursion from γI.
    ///
    /// Cost: 2m inner products and 2m axpys; m scalars and a few vectors apart from the memory.
    member memory.Direction(space: IInnerProductSpace<'V, 'S>, gradient: 'V) : 'V =
        let minus a = space.Multiply(space.Scalar -1.0, a)

        use region = space.OpenRegion()
        let mutable q = space.Scale(space.Scalar -1.0, gradient)
        let alphas = Array.create memory.Moves.Length memory.Scale

        for i in memory.Moves.Length - 1 .. -1 .. 0 do
            alphas[i] <- space.Multiply(memory.InverseCurvatures[i], space.Inner(memory.Moves[i], q))
            q <- space.Axpy(minus alphas[i], memory.Changes[i], q)

        q <- space.Scale(memory.Scale, q)

        for i in 0 .. memory.Moves.Length - 1 do
            let beta = space.Multiply(memory.InverseCurvatures[i], space.Inner(memory.Changes[i], q))
            q <- space.Axpy(space.Add(alphas[i], minus beta), memory.Moves[i], q)

        region.KeepVector q

    /// The memory after a move s that changed the gradient by y; the oldest pair is dropped where there are more than m.
    ///
    /// Cost: two inner products and two norms.
    member memory.Update(space: IInnerProductSpace<'V, 'S>, move: 'V, change: 'V) : LbfgsMemory<'V, 'S> =
        let curvature = space.Inner(move, change)

        let least =
            space.Multiply(space.SquareRoot(Mask.epsilon space), space.Multiply(space.Norm move, space.Norm change))

        let scale = space.DivideOrZero(curvature, space.Inner(change, change))
        // Where ⟨y, y⟩ leaves the arithmetic's range the pair has no scale, and without one the direction would be 0.
        let scaled = space.Multiply(space.Exceeds(scale, space.Scalar 0.0), Mask.finite space scale)

        let counts =
            space.Multiply(scaled, space.Multiply(Mask.finite space curvature, space.Exceeds(curvature, least)))

        let append values value = Array.append values [| value |] |> Array.skip (max 0 (memory.Moves.Length + 1 - memory.Capacity))
        let inverse = Mask.keep space counts (space.DivideOrZero(space.Scalar 1.0, curvature))

        { memory with
            Moves = append memory.Moves move
            Changes = append memory.Changes change
            InverseCurvatures = append memory.InverseCurvatures inverse
            Scale = space.Select(counts, scale, memory.Scale)
        }

    interface ICarried<'V, 'S, LbfgsMemory<'V, 'S>> with
        member this.Carry(vector, scalar) =
            { this with
                Moves = Array.map vector.Invoke this.Moves
                Changes = Array.map vector.Invoke this.Changes
                InverseCurvatures = Array.map scalar.Invoke this.InverseCurvatures
                Scale = scalar.Invoke this.Scale
            }

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
/// vectors, however many the steps. Every step reads masks, so that there is no fixed budget without synchronisation.
type LbfgsSolver<'V, 'S>(maxSteps: int, memory: int) =
    do
        InnerSolver.checkSteps (nameof maxSteps) maxSteps

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
                BacktrackingLineSearch.move space regularizer problem theta point direction state

            Region.run space (fun () ->
                let first =
                    {
                        Pairs = LbfgsMemory.Empty(space, memory, 1.0 / regularizer.SmallestEigenvalue)
                        Last = ValueNone
                    }

                InnerDescent.run space regularizer problem theta start gradientNorm maxSteps first step)
