// A method of descent as a function: from what is known at φ to the next φ. The loop around it is InnerDescent.fs.

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

/// One step of a method, with what it took beside the linearization, and what the method remembers.
[<NoComparison; NoEquality>]
type internal InnerMove<'V, 'S, 'Memory> =
    {
        /// The next φ; exactly φ for the tasks that could not, or were not to, move.
        Phi: 'V
        /// 1 where a step was found.
        Moved: 'S
        /// 1 where the method needs a positive definite H + Λ and does not have it.
        Indefinite: 'S
        Gradients: 'S
        HessianProducts: 'S
        Losses: 'S
        Memory: 'Memory
    }

/// The memory of a method that has none.
type internal NoMemory<'V, 'S>() =
    interface ICarried<'V, 'S, NoMemory<'V, 'S>> with
        member this.Carry(_, _) = this
