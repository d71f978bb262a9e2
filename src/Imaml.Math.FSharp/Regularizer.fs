// The proximal term ½(φ−θ)ᵀΛ(φ−θ) of the inner objective (equations 3 and 4), by the action of Λ alone.

namespace Imaml.Math

/// A symmetric positive definite Λ, by its action.
type IRegularizer<'V, 'S> =
    /// Λw
    abstract Apply: space: IInnerProductSpace<'V, 'S> * w: 'V -> 'V
    /// A lower bound on Λ's smallest eigenvalue, so also on the curvature of G where L̂ is convex.
    abstract SmallestEigenvalue: float

/// The paper's Λ = λI.
type ScalarRegularizer<'V, 'S>(lambda: float) =
    do
        if not (lambda > 0.0 && lambda < infinity) then
            invalidArg (nameof lambda) $"λ must be positive and finite, not {lambda}"

    /// λ
    member _.Lambda = lambda

    interface IRegularizer<'V, 'S> with
        member _.Apply(space, w) = space.Scale(space.Scalar lambda, w)
        member _.SmallestEigenvalue = lambda
