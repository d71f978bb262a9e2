// The outer optimiser of Algorithm 1, line 7: any rule that moves θ against a meta-gradient, with what it remembers between its steps.

namespace Imaml.Math

/// An outer optimiser as it stands between two steps. Immutable: a step returns the next one, and this one can be stepped from again.
type IOuterOptimizer<'V, 'S> =
    inherit ICarried<'V, 'S, IOuterOptimizer<'V, 'S>>

    /// θ after one step against `gradient`, and the optimiser that makes the next step.
    abstract Step: space: IInnerProductSpace<'V, 'S> * gradient: 'V * theta: 'V -> struct ('V * IOuterOptimizer<'V, 'S>)

/// θ ← θ − ηg, the paper's outer step. On an L_F-smooth F, η = 1/L_F lowers F by at least ‖g‖²/(2L_F) a step where g is exact.
type GradientDescentOptimizer<'V, 'S>(rate: float) =
    do
        if not (rate > 0.0 && rate < infinity) then
            invalidArg (nameof rate) $"the outer rate must be positive and finite, not {rate}"

    interface IOuterOptimizer<'V, 'S> with
        member this.Step(space, gradient, theta) =
            struct (space.Axpy(space.Scalar -rate, gradient, theta), (this :> IOuterOptimizer<'V, 'S>))

        member this.Carry(_, _) = this
