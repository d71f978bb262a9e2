// One step of gradient descent, heavy ball or Nesterov's method on G(·, θ), for B tasks in lock-step.

namespace Imaml.Math

/// φₖ, with the gradient and the step that led to it, and what has been counted.
[<NoComparison; NoEquality>]
type internal GradientDescentState<'V, 'S> =
    {
        Phi: 'V
        /// φₖ₋₁, for momentum alone.
        Previous: 'V voption
        Gradient: 'V
        Step: 'S
        /// 1 while the task goes on.
        Running: 'S
        Steps: 'S
        Gradients: 'S
        Met: 'S
        NonFinite: 'S
    }

    interface ICarried<'V, 'S, GradientDescentState<'V, 'S>> with
        member s.Carry(vector, scalar) =
            {
                Phi = vector.Invoke s.Phi
                Previous = ValueOption.map vector.Invoke s.Previous
                Gradient = vector.Invoke s.Gradient
                Step = scalar.Invoke s.Step
                Running = scalar.Invoke s.Running
                Steps = scalar.Invoke s.Steps
                Gradients = scalar.Invoke s.Gradients
                Met = scalar.Invoke s.Met
                NonFinite = scalar.Invoke s.NonFinite
            }

[<RequireQualifiedAccess>]
module internal GradientDescentStep =

    /// φ + b(φ − φₖ₋₁) where the mask is 1, exactly φ elsewhere.
    let private carriedOn (space: IInnerProductSpace<'V, 'S>) b mask (state: GradientDescentState<'V, 'S>) =
        match state.Previous with
        | ValueSome previous ->
            space.Axpy(space.Multiply(space.Scalar b, mask), space.Axpy(space.Scalar -1.0, previous, state.Phi), state.Phi)
        | ValueNone -> state.Phi

    /// Where the next gradient is taken: y for Nesterov, φ for the others.
    let lookAhead (space: IInnerProductSpace<'V, 'S>) momentum (state: GradientDescentState<'V, 'S>) =
        match momentum with
        | Nesterov b -> carriedOn space b state.Running state
        | NoMomentum
        | HeavyBall _ -> state.Phi

    /// The state with the tasks stopped whose gradient meets the tolerance, and those that diverge.
    ///
    /// A task whose next move has a square that overflows is stopped before it. So every move is below √(largest number), and no sum of
    /// 2³¹ of them, with momentum or without, leaves the finite numbers: the answer is the last finite iterate.
    let private judge (space: IInnerProductSpace<'V, 'S>) (tolerance: 'S) (state: GradientDescentState<'V, 'S>) step gradient =
        let norm = space.Norm gradient
        let length = space.Multiply(step, norm)
        let finite = space.Multiply(Mask.finite space norm, Mask.finite space (space.Multiply(length, length)))
        let above = space.Exceeds(norm, tolerance)
        let alive = space.Multiply(state.Running, finite)

        { state with
            Running = space.Multiply(alive, above)
            Met = space.Add(state.Met, space.Multiply(alive, Mask.complement space above))
            NonFinite = space.Add(state.NonFinite, space.Multiply(state.Running, Mask.complement space finite))
        }

    /// One step from φₖ with the gradient at `point`. Without a tolerance all tasks go on, and no norm is taken.
    let move
        (space: IInnerProductSpace<'V, 'S>)
        momentum
        (tolerance: 'S voption)
        (state: GradientDescentState<'V, 'S>)
        step
        point
        gradient
        =
        let judged =
            match tolerance with
            | ValueNone ->
                { state with
                    Running = Mask.copy space state.Running
                    Met = Mask.copy space state.Met
                    NonFinite = Mask.copy space state.NonFinite
                }
            | ValueSome tolerance -> judge space tolerance state step gradient

        let from =
            match momentum with
            | HeavyBall b -> carriedOn space b judged.Running state
            | NoMomentum
            | Nesterov _ -> point

        let backwards = space.Multiply(space.Scalar -1.0, step)

        { judged with
            Phi = space.Axpy(Mask.keep space judged.Running backwards, gradient, from)
            Previous = state.Previous |> ValueOption.map (fun _ -> Mask.copyVector space state.Phi)
            Gradient = gradient
            Step = step
            Steps = space.Add(state.Steps, judged.Running)
            Gradients = space.Add(state.Gradients, state.Running)
        }
