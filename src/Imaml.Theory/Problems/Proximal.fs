// Λ of the proximal term ½(φ−θ)ᵀΛ(φ−θ): the paper's λI, one λ for each parameter, or a full symmetric positive definite matrix.
//
// The gradient of L(Alg*(θ)) by Λ, with (H + Λ)u = ∇L(φ): from ∇L̂(φ) + Λ(φ−θ) = 0 follows (H + Λ)dφ = −dΛ(φ−θ), so
// dL = −uᵀdΛ(φ−θ), which is −(φ−θ)ᵀu, −(φ−θ)ⱼuⱼ, or −½[u(φ−θ)ᵀ + (φ−θ)uᵀ] where dΛ is symmetric.

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math

/// Λ. Made by hand it is not checked; `Proximal.check` does that.
[<RequireQualifiedAccess; NoComparison; NoEquality>]
type Proximal =
    /// λI
    | Scalar of lambda: float
    /// diag(λ₁ … λ_d)
    | Diagonal of lambdas: Vector<float>
    /// A symmetric positive definite matrix.
    | Matrix of matrix: Matrix<float>

/// A gradient by Λ, in the shape of Λ.
[<RequireQualifiedAccess; NoComparison; NoEquality>]
type ProximalGradient =
    | Scalar of value: float
    | Diagonal of values: Vector<float>
    /// The symmetric G with dL = Σ Gᵢⱼ dΛᵢⱼ for symmetric dΛ.
    | Matrix of matrix: Matrix<float>

[<RequireQualifiedAccess>]
module Proximal =

    /// Λw
    let apply proximal (w: Vector<float>) =
        match proximal with
        | Proximal.Scalar lambda -> lambda * w
        | Proximal.Diagonal lambdas -> lambdas.PointwiseMultiply w
        | Proximal.Matrix matrix -> matrix * w

    /// Λ as a dense d × d matrix.
    let dense (d: int) proximal : Matrix<float> =
        match proximal with
        | Proximal.Scalar lambda -> lambda * Matrix<float>.Build.DenseIdentity d
        | Proximal.Diagonal lambdas -> Matrix<float>.Build.DenseOfDiagonalVector lambdas
        | Proximal.Matrix matrix -> matrix

    /// Numbers below and above every eigenvalue of Λ, with proof; of a matrix by an eigendecomposition.
    let enclosure proximal =
        match proximal with
        | Proximal.Scalar lambda -> struct (lambda, lambda)
        | Proximal.Diagonal lambdas -> struct (lambdas.Minimum(), lambdas.Maximum())
        | Proximal.Matrix matrix -> Eigenvalues.enclosure matrix

    /// Λ as the core sees it, which checks it too.
    let regularizer proximal : IRegularizer<Vector<float>, float> =
        match proximal with
        | Proximal.Scalar lambda -> ScalarRegularizer lambda
        | Proximal.Diagonal lambdas -> DiagonalRegularizer(EuclideanCoordinates(), lambdas)
        | Proximal.Matrix matrix -> MatrixRegularizer matrix

    /// Refuses a Λ that is not d × d, finite, symmetric and positive definite, the last with proof.
    let check (d: int) proximal =
        let positive name (lambda: float) =
            if not (lambda > 0.0 && lambda < infinity) then
                invalidArg (nameof proximal) $"{name} must be positive and finite, not {lambda}"

        match proximal with
        | Proximal.Scalar lambda -> positive "λ" lambda
        | Proximal.Diagonal lambdas ->
            if lambdas.Count <> d then
                invalidArg (nameof proximal) $"Λ has {lambdas.Count} diagonal entries, the parameters are {d}"

            lambdas.EnumerateIndexed() |> Seq.iter (fun struct (j, lambda) -> positive $"λ[{j}]" lambda)
        | Proximal.Matrix matrix ->
            if matrix.RowCount <> d || matrix.ColumnCount <> d then
                invalidArg (nameof proximal) $"Λ is {matrix.RowCount} × {matrix.ColumnCount}, the parameters are {d}"

            if matrix.Exists(fun value -> not (Double.IsFinite value)) || not (matrix.IsSymmetric()) then
                invalidArg (nameof proximal) "Λ must be finite and symmetric"

            if not (Rounding.frobenius matrix < sqrt Double.MaxValue) then
                invalidArg (nameof proximal) "the squares of Λ's entries overflow"

            let struct (smallest, _) = Eigenvalues.enclosure matrix

            if smallest <= 0.0 then
                invalidArg
                    (nameof proximal)
                    $"Λ must be positive definite; its smallest eigenvalue is only known to be at least {smallest:g3}"

        // The core has a rule of its own for a matrix that rounding could make indefinite.
        regularizer proximal |> ignore

    /// n numbers between λ and 10λ.
    let randomEntries (random: Random) n (lambda: float) = Vector<float>.Build.Dense(n, fun _ -> lambda * 10.0 ** random.NextDouble())

    /// A matrix with eigenvalues between λ and 10λ.
    let randomMatrix (random: Random) d (lambda: float) = 10.0 * lambda * Spectrum.positiveDefinite random d 10.0

    /// λI, a diagonal or a full matrix, its eigenvalues between λ and 10λ.
    let random (random: Random) d (lambda: float) =
        match random.Next 3 with
        | 0 -> Proximal.Scalar lambda
        | 1 -> Proximal.Diagonal(randomEntries random d lambda)
        | _ -> Proximal.Matrix(randomMatrix random d lambda)

    /// The gradient of L(Alg*(θ)) by Λ, from the displacement φ − θ and u = (H + Λ)⁻¹∇L(φ).
    let gradient proximal (displacement: Vector<float>) (u: Vector<float>) =
        match proximal with
        | Proximal.Scalar _ -> ProximalGradient.Scalar -(displacement.DotProduct u)
        | Proximal.Diagonal _ -> ProximalGradient.Diagonal -(displacement.PointwiseMultiply u)
        | Proximal.Matrix _ -> ProximalGradient.Matrix((u.OuterProduct displacement + displacement.OuterProduct u) / -2.0)
