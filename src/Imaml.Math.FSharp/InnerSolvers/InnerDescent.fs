// What the inner solvers that linearize at every step have in common: the loop, the stopping rule, and the counts, for B tasks in lock-step.
// The method is a function (InnerMove.fs).

namespace Imaml.Math

[<NoComparison; NoEquality>]
type private InnerDescentState<'V, 'S, 'Memory when 'Memory :> ICarried<'V, 'S, 'Memory>> =
    {
        Phi: 'V
        Running: 'S
        Steps: 'S
        Gradients: 'S
        HessianProducts: 'S
        Losses: 'S
        Met: 'S
        NonFinite: 'S
        Stalled: 'S
        Indefinite: 'S
        Memory: 'Memory
    }

    interface ICarried<'V, 'S, InnerDescentState<'V, 'S, 'Memory>> with
        member s.Carry(vector, scalar) =
            {
                Phi = vector.Invoke s.Phi
                Running = scalar.Invoke s.Running
                Steps = scalar.Invoke s.Steps
                Gradients = scalar.Invoke s.Gradients
                HessianProducts = scalar.Invoke s.HessianProducts
                Losses = scalar.Invoke s.Losses
                Met = scalar.Invoke s.Met
                NonFinite = scalar.Invoke s.NonFinite
                Stalled = scalar.Invoke s.Stalled
                Indefinite = scalar.Invoke s.Indefinite
                Memory = s.Memory.Carry(vector, scalar)
            }

[<RequireQualifiedAccess>]
module internal InnerDescent =

    let checkSteps maxSteps =
        if maxSteps < 1 then
            invalidArg (nameof maxSteps) $"the number of inner steps must be at least 1, not {maxSteps}"

    /// At most `maxSteps` steps of the method from `start`. A task ends where ‖∇G‖ ≤ gradientNorm (Met), where L̂ or its gradient is not
    /// finite (NonFinite), or where the method finds no step (Stalled). The point after the last step is not measured.
    ///
    /// Cost: one linearization a step, two synchronisations, and what the method takes.
    let run
        (space: IInnerProductSpace<'V, 'S>)
        (regularizer: IRegularizer<'V, 'S>)
        (problem: IBilevelProblem<'V, 'S>)
        (theta: 'V)
        (start: 'V)
        (gradientNorm: 'S)
        (maxSteps: int)
        (memory: 'Memory)
        (move: InnerPoint<'V, 'S> -> 'Memory -> InnerMove<'V, 'S, 'Memory>)
        : InnerIterate<'V, 'S> =
        Regularizer.requireProximalTerm regularizer "this inner solver"
        let zero () = space.Scalar 0.0

        let rest (s: InnerDescentState<'V, 'S, 'Memory>) =
            {
                InnerMove.Phi = Mask.copyVector space s.Phi
                Moved = zero ()
                Indefinite = zero ()
                Gradients = zero ()
                HessianProducts = zero ()
                Losses = zero ()
                Memory = s.Memory
            }

        let step gradientNorm (s: InnerDescentState<'V, 'S, 'Memory>) =
            use linearization = problem.LinearizeInner s.Phi
            let gradient = InnerObjective.gradient space regularizer linearization.Gradient s.Phi theta
            let norm = space.Norm gradient
            let finite = space.Multiply(Mask.finite space norm, Mask.finite space linearization.Loss)
            let above = space.Exceeds(norm, gradientNorm)
            let alive = space.Multiply(s.Running, finite)
            let running = space.Multiply(alive, above)

            let point =
                {
                    InnerPoint.Phi = s.Phi
                    Linearization = linearization
                    Gradient = gradient
                    GradientNorm = norm
                    Running = running
                }

            let made = if space.Any running then move point s.Memory else rest s
            let count total mine = space.Add(total, Mask.keep space running mine)

            {
                Phi = made.Phi
                Running = space.Multiply(running, made.Moved)
                Steps = count s.Steps made.Moved
                Gradients = space.Add(count s.Gradients made.Gradients, s.Running)
                HessianProducts = count s.HessianProducts made.HessianProducts
                Losses = count s.Losses made.Losses
                Met = space.Add(s.Met, space.Multiply(alive, Mask.complement space above))
                NonFinite = space.Add(s.NonFinite, space.Multiply(s.Running, Mask.complement space finite))
                Stalled = count s.Stalled (Mask.complement space made.Moved)
                Indefinite = count s.Indefinite made.Indefinite
                Memory = made.Memory
            }

        Region.run space (fun () ->
            let gradientNorm = Mask.tolerance space gradientNorm

            let mutable state =
                {
                    InnerDescentState.Phi = Mask.copyVector space start
                    Running = space.Scalar 1.0
                    Steps = zero ()
                    Gradients = zero ()
                    HessianProducts = zero ()
                    Losses = zero ()
                    Met = zero ()
                    NonFinite = zero ()
                    Stalled = zero ()
                    Indefinite = zero ()
                    Memory = memory
                }

            let mutable k = 0

            while k < maxSteps && (k = 0 || space.Any state.Running) do
                state <- Region.advance space (step gradientNorm) state
                k <- k + 1

            {
                Phi = state.Phi
                Steps = state.Steps
                Gradients = state.Gradients
                HessianProducts = state.HessianProducts
                Losses = state.Losses
                Met = state.Met
                NonFinite = state.NonFinite
                Stalled = state.Stalled
                Indefinite = state.Indefinite
                Reported = true
            })
