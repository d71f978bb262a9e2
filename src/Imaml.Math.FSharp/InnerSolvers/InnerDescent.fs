// What the inner solvers that linearize at every step have in common: the loop, the stopping rule and the counts, for B tasks in lock-step.
// A method is a function from what is known at φ to the next φ.

namespace Imaml.Math

/// What is known at φ when a method is asked for its step.
[<NoComparison; NoEquality>]
type internal InnerPoint<'V, 'S> =
    {
        Phi: 'V
        /// L̂ near φ.
        Linearization: ILinearization<'V, 'S>
        /// ∇G(φ, θ)
        Gradient: 'V
        /// ‖∇G(φ, θ)‖
        GradientNorm: 'S
        /// 1 for the tasks that are to move. What a method does to the others has no effect.
        Running: 'S
    }

/// One step of a method, with what it took apart from the linearization, and what the method remembers.
[<NoComparison; NoEquality>]
type internal InnerMove<'V, 'S, 'Memory> =
    {
        /// The next φ; exactly φ for the tasks that could not, or were not to, move.
        Phi: 'V
        /// 1 where a step was found.
        Moved: 'S
        /// NonFinite, and Indefinite where the method needs a positive definite H + Λ and does not have it.
        Marks: Marks<'S>
        /// All but the steps.
        Counts: Counts<'S>
        Memory: 'Memory
    }

/// The memory of a method that has none.
type internal NoMemory<'V, 'S>() =
    interface ICarried<'V, 'S, NoMemory<'V, 'S>> with
        member this.Carry(_, _) = this

[<NoComparison; NoEquality>]
type private InnerDescentState<'V, 'S, 'Memory when 'Memory :> ICarried<'V, 'S, 'Memory>> =
    {
        Phi: 'V
        Running: 'S
        Marks: Marks<'S>
        Counts: Counts<'S>
        Memory: 'Memory
    }

    interface ICarried<'V, 'S, InnerDescentState<'V, 'S, 'Memory>> with
        member s.Carry(vector, scalar) =
            {
                Phi = vector.Invoke s.Phi
                Running = scalar.Invoke s.Running
                Marks = s.Marks.Carry scalar
                Counts = s.Counts.Carry scalar
                Memory = s.Memory.Carry(vector, scalar)
            }

[<RequireQualifiedAccess>]
module internal InnerDescent =

    /// At most `maxSteps` steps of the method from `start`. A task ends where ‖∇G‖ ≤ gradientNorm (Met), where L̂ or its gradient is not
    /// finite (NonFinite), or where the method finds no step (Stagnated). The point after the last step is not measured.
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

        let rest (s: InnerDescentState<'V, 'S, 'Memory>) =
            {
                InnerMove.Phi = Mask.copyVector space s.Phi
                Moved = space.Scalar 0.0
                Marks = Marks.None space
                Counts = Counts.Zero space
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
            let work = { made.Counts with Steps = made.Moved }.Where(space, running)
            let seen before mark = space.Add(before, Mask.keep space running mark)
            let lost = space.Add(s.Marks.NonFinite, space.Multiply(s.Running, Mask.complement space finite))

            {
                Phi = made.Phi
                Running = space.Multiply(running, made.Moved)
                Marks =
                    {
                        Met = space.Add(s.Marks.Met, space.Multiply(alive, Mask.complement space above))
                        NonFinite = seen lost made.Marks.NonFinite
                        Stagnated = seen s.Marks.Stagnated (Mask.complement space made.Moved)
                        Indefinite = seen s.Marks.Indefinite made.Marks.Indefinite
                    }
                Counts =
                    s.Counts.Plus(
                        space,
                        { work with
                            Gradients = space.Add(work.Gradients, s.Running)
                        }
                    )
                Memory = made.Memory
            }

        Region.run space (fun () ->
            let gradientNorm = Mask.tolerance space gradientNorm

            let mutable state =
                {
                    InnerDescentState.Phi = Mask.copyVector space start
                    Running = space.Scalar 1.0
                    Marks = Marks.None space
                    Counts = Counts.Zero space
                    Memory = memory
                }

            let mutable k = 0

            while k < maxSteps && (k = 0 || space.Any state.Running) do
                state <- Region.advance space (step gradientNorm) state
                k <- k + 1

            InnerSolver.judged
                space
                {
                    Phi = state.Phi
                    Marks = state.Marks
                    Counts = state.Counts
                    Reported = true
                })
