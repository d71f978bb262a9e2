// The outer optimisers of Algorithm 1 as factories, each before its first step. `space` tells C# the types.

namespace Imaml.Math.Interop

open Imaml.Math

/// Outer optimisers. A user's own implements IOuterOptimizer.
[<AbstractClass; Sealed>]
type OuterOptimizers =

    /// θ ← θ − ηg, η = `rate`. Errors: a rate that is not positive and finite.
    static member GradientDescent(space: IInnerProductSpace<'V, 'S>, rate: float) : IOuterOptimizer<'V, 'S> =
        GradientDescentOptimizer<'V, 'S> rate

    /// Adam for a θ like this one; AdamOptions.Authors are its authors' constants. Errors: a rate that is not positive and finite.
    static member Adam
        (space: IInnerProductSpace<'V, 'S>, coordinates: ICoordinates<'V>, options: AdamOptions, rate: float, theta: 'V)
        : IOuterOptimizer<'V, 'S> =
        AdamOptimizer<'V, 'S>.Start(space, coordinates, options, rate, theta)

    /// L-BFGS without a line search, for a meta-batch that does not change: the first step is −firstRate·g.
    static member Lbfgs(space: IInnerProductSpace<'V, 'S>, memory: int, firstRate: float) : IOuterOptimizer<'V, 'S> =
        LbfgsOptimizer<'V, 'S>.Start(space, memory, firstRate)
