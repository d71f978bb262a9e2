// The eigenvalues and eigenvectors of a small symmetric matrix, A = QDQᵀ: what every dense computation here rests on.
//
// MathNet's decomposition squares entries and fails where the squares overflow, so A is first divided by a power of two, which rounds nothing.

namespace Imaml.Math

open System
open MathNet.Numerics.LinearAlgebra

/// A = scale · QDQᵀ.
[<NoComparison; NoEquality>]
type Eigensystem =
    {
        /// A power of two: A's largest entry divided by it is between 1 and 2; 1 for A = 0.
        Scale: float
        /// D, ascending: A's eigenvalues divided by Scale.
        ScaledValues: Vector<float>
        /// Q, orthonormal columns in the order of the eigenvalues.
        Vectors: Matrix<float>
    }

    /// The smallest eigenvalue of A, to d roundings of ‖A‖.
    member e.Smallest = e.Scale * e.ScaledValues.Minimum()
    /// The largest eigenvalue of A, to d roundings of ‖A‖.
    member e.Largest = e.Scale * e.ScaledValues.Maximum()

    /// A power of two with which the largest entry of A is between 1 and 2, so that A divided by it rounds nothing; 1 for A = 0. Below 2⁻¹⁰⁰⁰
    /// it stays there, and so finite in the denominator.
    static member ScaleOf(a: Matrix<float>) : float =
        let largest = a.Enumerate() |> Seq.fold (fun most value -> max most (abs value)) 0.0

        if largest = 0.0 then
            1.0
        else
            Math.ScaleB(1.0, max -1000 (Math.ILogB largest))

    /// Of the symmetric part (A + Aᵀ)/2. Time of order d³. Errors: A is not square, or has an entry that is not finite.
    static member Of(a: Matrix<float>) : Eigensystem =
        if a.RowCount <> a.ColumnCount then
            invalidArg (nameof a) $"a symmetric matrix is square, not {a.RowCount} × {a.ColumnCount}"

        if not (Seq.forall Double.IsFinite (a.Enumerate())) then
            invalidArg (nameof a) "the entries of a matrix that is decomposed must be finite"

        let scale = Eigensystem.ScaleOf a
        // MathNet's decomposition loses its way among numbers whose squares underflow beside 1: they are less than any rounding of ‖A‖.
        let scaled =
            (a / scale).Map((fun value -> if abs value < 2.0 ** -400.0 then 0.0 else value), Zeros.Include)

        let decomposition = ((scaled + scaled.Transpose()) / 2.0).Evd Symmetricity.Symmetric

        {
            Scale = scale
            ScaledValues = decomposition.EigenValues.Map(fun value -> value.Real)
            Vectors = decomposition.EigenVectors
        }
