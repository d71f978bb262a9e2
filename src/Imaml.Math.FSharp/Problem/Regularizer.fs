// The proximal term ½(φ−θ)ᵀΛ(φ−θ) of the inner objective (equations 3 and 4), by the action of Λ, and the gradient of the outer loss with
// respect to Λ itself, so that Λ can be learned.
//
// With u = (H+Λ)⁻¹∇L(φ), which Algorithm 2 has computed anyway, differentiating ∇G(Alg*(θ), θ) = 0 in Λ gives
//
//     dL/dΛ = −½[u(φ−θ)ᵀ + (φ−θ)uᵀ],   for Λ = λI: dL/dλ = −⟨φ−θ, u⟩,   for Λ = diag(λ): dL/dλⱼ = −(φ−θ)ⱼuⱼ.

namespace Imaml.Math

open System
open MathNet.Numerics.LinearAlgebra

/// A symmetric positive definite Λ, by its action; NoProximalTerm alone is Λ = 0.
type IRegularizer<'V, 'S> =
    /// Λw
    abstract Apply: space: IInnerProductSpace<'V, 'S> * w: 'V -> 'V
    /// Λ⁻¹w
    abstract ApplyInverse: space: IInnerProductSpace<'V, 'S> * w: 'V -> 'V
    /// A lower bound on Λ's smallest eigenvalue, so also on the curvature of G where L̂ is convex.
    abstract SmallestEigenvalue: float
    /// An upper bound on Λ's largest eigenvalue, ‖Λ‖.
    abstract LargestEigenvalue: float

/// A Λ with parameters that can be learned; 'P holds one number for each of them, for every task.
type ILearnableRegularizer<'V, 'S, 'P> =
    inherit IRegularizer<'V, 'S>
    /// The gradient of L(Alg*(θ)) with respect to the parameters of Λ, from φ − θ and u = (H+Λ)⁻¹∇L(φ).
    abstract ParameterGradient: space: IInnerProductSpace<'V, 'S> * displacement: 'V * u: 'V -> 'P

[<RequireQualifiedAccess>]
module Regularizer =

    /// ½wᵀΛw, the proximal term at φ − θ = w. Its gradient is Λw, its Hessian Λ.
    [<CompiledName("Value")>]
    let value (space: IInnerProductSpace<'V, 'S>) (regularizer: IRegularizer<'V, 'S>) (displacement: 'V) =
        space.Multiply(space.Scalar 0.5, space.Inner(displacement, regularizer.Apply(space, displacement)))

    let internal checkPositive name (values: float seq) =
        for value in values do
            if not (value > 0.0 && value < infinity) then
                invalidArg name $"λ must be positive and finite, not {value}"

    /// Refuses Λ = 0, for what divides by Λ.
    let internal requireProximalTerm (regularizer: IRegularizer<'V, 'S>) (what: string) =
        if not (regularizer.SmallestEigenvalue > 0.0) then
            invalidArg (nameof regularizer) $"{what} needs a proximal term: Λ must be positive definite, not 0"

/// No proximal term, Λ = 0: G is L̂ alone, as the authors of MAML, FOMAML and Reptile have it.
///
/// For methods that differentiate the path, or nothing: without the term Alg*(θ) does not depend on θ. What divides by Λ (Algorithm 2,
/// truncated back-propagation, steps that follow the curvature, Newton's and L-BFGS's) refuses it with ArgumentException.
type NoProximalTerm<'V, 'S>() =
    interface IRegularizer<'V, 'S> with
        member _.Apply(space, w) = space.Zero w
        member _.ApplyInverse(_, _) = raise (InvalidOperationException "Λ = 0 has no inverse: there is no proximal term")
        member _.SmallestEigenvalue = 0.0
        member _.LargestEigenvalue = 0.0

/// The paper's Λ = λI.
type ScalarRegularizer<'V, 'S>(lambda: float) =
    do Regularizer.checkPositive (nameof lambda) [ lambda ]

    /// λ
    member _.Lambda = lambda

    interface ILearnableRegularizer<'V, 'S, 'S> with
        member _.Apply(space, w) = space.Scale(space.Scalar lambda, w)
        member _.ApplyInverse(space, w) = space.Scale(space.Scalar(1.0 / lambda), w)
        member _.SmallestEigenvalue = lambda
        member _.LargestEigenvalue = lambda
        /// −⟨φ−θ, u⟩
        member _.ParameterGradient(space, displacement, u) = space.Multiply(space.Scalar -1.0, space.Inner(displacement, u))

/// Λ = diag(λ₁ … λ_d), the same for every task or one for each, as a vector of the space.
type DiagonalRegularizer<'V, 'S>(coordinates: ICoordinates<'V>, lambda: 'V) =
    do ArgumentNullException.ThrowIfNull(coordinates, nameof coordinates)

    let entries = coordinates.ToRows lambda |> Array.concat
    do Regularizer.checkPositive (nameof lambda) entries
    let smallest = Array.min entries
    let largest = Array.max entries
    // The caller's vector may change.
    let lambda = coordinates.Combine(1.0, lambda, 0.0, lambda)

    /// λ
    member _.Lambda = coordinates.Combine(1.0, lambda, 0.0, lambda)

    interface ILearnableRegularizer<'V, 'S, 'V> with
        member _.Apply(_, w) = coordinates.Product(w, lambda)
        member _.ApplyInverse(_, w) = coordinates.Quotient(w, lambda)
        member _.SmallestEigenvalue = smallest
        member _.LargestEigenvalue = largest
        /// −(φ−θ)ⱼuⱼ
        member _.ParameterGradient(space, displacement, u) = space.Scale(space.Scalar -1.0, coordinates.Product(displacement, u))

/// One λ for each layer: Λ = Σₗ λₗ diag(mₗ), where the masks mₗ are 1 on the layer's coordinates, 0 elsewhere, and add up to 1.
type LayerwiseRegularizer<'V, 'S>(coordinates: ICoordinates<'V>, masks: 'V[], lambda: float[]) =
    do ArgumentNullException.ThrowIfNull(coordinates, nameof coordinates)

    // The caller's array may change.
    let lambda = Array.copy lambda

    do
        Regularizer.checkPositive (nameof lambda) lambda

        if masks.Length <> lambda.Length || masks.Length = 0 then
            invalidArg (nameof lambda) $"{masks.Length} layers, but {lambda.Length} values of λ"

        // By tasks and parameters, for every layer.
        let rows: float[][][] = masks |> Array.map coordinates.ToRows

        rows[0]
        |> Array.iteri (fun task first ->
            first
            |> Array.iteri (fun j _ ->
                let column = rows |> Array.map (fun layer -> layer[task][j])

                if Array.exists (fun value -> value <> 0.0 && value <> 1.0) column || Array.sum column <> 1.0 then
                    invalidArg (nameof masks) $"parameter {j} must belong to exactly one layer"))

    let diagonal =
        Array.fold2
            (fun sum mask lambda -> coordinates.Combine(1.0, sum, lambda, mask))
            (coordinates.Combine(0.0, masks[0], 0.0, masks[0]))
            masks
            lambda

    /// λₗ of every layer.
    member _.Lambda = Array.copy lambda

    interface ILearnableRegularizer<'V, 'S, 'S[]> with
        member _.Apply(_, w) = coordinates.Product(w, diagonal)
        member _.ApplyInverse(_, w) = coordinates.Quotient(w, diagonal)
        member _.SmallestEigenvalue = Array.min lambda
        member _.LargestEigenvalue = Array.max lambda

        /// −⟨mₗ(φ−θ), u⟩ for every layer
        member _.ParameterGradient(space, displacement, u) =
            masks
            |> Array.map (fun mask -> space.Multiply(space.Scalar -1.0, space.Inner(coordinates.Product(displacement, mask), u)))

/// A full symmetric positive definite Λ on ℝᵈ. Errors: an entry that is not finite or above 10¹⁵⁰ in size, where ‖Λ‖² would overflow; Λ not
/// symmetric; Λ not positive definite beyond rounding.
type MatrixRegularizer(lambda: Matrix<float>) =
    do ArgumentNullException.ThrowIfNull(lambda, nameof lambda)

    // The caller's matrix may change.
    let lambda = lambda.Clone()

    do
        for value in lambda.Enumerate() do
            if not (abs value <= 1e150) then
                invalidArg (nameof lambda) $"the entries of Λ must be finite and at most 1e150 in size, not {value}"

        if not (lambda.IsSymmetric()) then
            invalidArg (nameof lambda) "Λ must be symmetric"

        Regularizer.checkPositive (nameof lambda) (lambda.Diagonal())

    let values = Eigensystem.Of lambda
    // The computed eigenvalues are those of a matrix at most about d roundings of ‖Λ‖ away.
    let rounding =
        let scale = Eigensystem.ScaleOf lambda
        scale * (float lambda.RowCount * 2.0 ** -50.0 * (lambda / scale).FrobeniusNorm())

    let smallest = values.Smallest - rounding

    do
        if not (smallest > 0.0) then
            invalidArg (nameof lambda) $"Λ must be positive definite; its smallest eigenvalue is {values.Smallest}"

    let factor = lambda.Cholesky()

    /// Λ
    member _.Lambda = lambda.Clone()

    interface ILearnableRegularizer<Vector<float>, float, Matrix<float>> with
        member _.Apply(_, w) = lambda * w
        member _.ApplyInverse(_, w) = factor.Solve w
        member _.SmallestEigenvalue = smallest
        member _.LargestEigenvalue = values.Largest + rounding

        /// −½[u(φ−θ)ᵀ + (φ−θ)uᵀ], the gradient in the symmetric matrices
        member _.ParameterGradient(_, displacement, u) =
            let product = u.OuterProduct displacement
            -0.5 * (product + product.Transpose())
