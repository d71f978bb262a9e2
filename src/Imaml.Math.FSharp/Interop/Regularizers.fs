// Λ of the proximal term ½(φ−θ)ᵀΛ(φ−θ), and its own gradient. `space` tells C# the types.

namespace Imaml.Math.Interop

open Imaml.Math

/// The library's Λ. A user's own implements IRegularizer, or ILearnableRegularizer.
[<AbstractClass; Sealed>]
type Regularizers =

    /// Λ = 0: no proximal term, for MAML, FOMAML and Reptile as their authors have them.
    static member None(space: IInnerProductSpace<'V, 'S>) = NoProximalTerm<'V, 'S>()

    /// The paper's Λ = λI. Errors: λ that is not positive and finite.
    static member Scalar(space: IInnerProductSpace<'V, 'S>, lambda: float) = ScalarRegularizer<'V, 'S> lambda

    /// Λ = diag(λ). Errors: an entry that is not positive and finite.
    static member Diagonal(space: IInnerProductSpace<'V, 'S>, coordinates: ICoordinates<'V>, lambda: 'V) =
        DiagonalRegularizer<'V, 'S>(coordinates, lambda)

    /// One λ for each layer, whose coordinates are those where its mask is 1. Errors: masks that do not add up to 1; λ that is not positive
    /// and finite.
    static member Layerwise(space: IInnerProductSpace<'V, 'S>, coordinates: ICoordinates<'V>, masks: 'V[], lambda: float[]) =
        LayerwiseRegularizer<'V, 'S>(coordinates, masks, lambda)

    /// ½wᵀΛw at w = φ − θ.
    static member Value(space: IInnerProductSpace<'V, 'S>, regularizer: IRegularizer<'V, 'S>, displacement: 'V) =
        Regularizer.value space regularizer displacement

    /// The gradient of L(Alg*(θ)) in the parameters of Λ, from a meta-gradient at θ that has been computed: a number for each task, a
    /// vector, a number for each layer or a matrix, as the regularizer has it.
    ///
    /// Cost: one action of Λ⁻¹. Means nothing for Reptile.
    static member Gradient
        (space: IInnerProductSpace<'V, 'S>, regularizer: ILearnableRegularizer<'V, 'S, 'P>, result: MetaGradient<'V, 'S>, theta: 'V)
        : 'P =
        RegularizerGradient.compute space regularizer result theta
