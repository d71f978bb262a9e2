// Vectors by their coordinates, where a formula cannot do without: a diagonal Λ, Adam's moments, a dense solve as an oracle.

namespace Imaml.Math

open MathNet.Numerics.LinearAlgebra

/// What works coordinate by coordinate needs of a vector. All operations are pure.
type ICoordinates<'V> =
    /// a·x + b·y
    abstract Combine: a: float * x: 'V * b: float * y: 'V -> 'V
    /// xᵢyᵢ
    abstract Product: x: 'V * y: 'V -> 'V
    /// xᵢ / yᵢ
    abstract Quotient: x: 'V * y: 'V -> 'V
    /// xᵢ / (√yᵢ + epsilon)
    abstract DivideByRoot: x: 'V * y: 'V * epsilon: float -> 'V
    /// The d coordinates of each task, on the host. On a device this waits for it.
    abstract ToRows: x: 'V -> float[][]
    /// A vector of the kind of `like` from the d coordinates of each task.
    abstract OfRows: like: 'V * rows: float[][] -> 'V

/// The coordinates of ℝᵈ.
type EuclideanCoordinates() =
    interface ICoordinates<Vector<float>> with
        member _.Combine(a, x, b, y) = a * x + b * y
        member _.Product(x, y) = x.PointwiseMultiply y
        member _.Quotient(x, y) = x.PointwiseDivide y
        member _.DivideByRoot(x, y, epsilon) = x.PointwiseDivide(y.PointwiseSqrt() + epsilon)
        member _.ToRows x = [| x.ToArray() |]
        member _.OfRows(_, rows) = Vector<float>.Build.DenseOfArray(Guarded.perTask 1 rows |> Array.head)

/// The coordinates of B vectors as the rows of a matrix.
type BatchedRowsCoordinates() =
    interface ICoordinates<Matrix<float>> with
        member _.Combine(a, x, b, y) = a * x + b * y
        member _.Product(x, y) = x.PointwiseMultiply y
        member _.Quotient(x, y) = x.PointwiseDivide y
        member _.DivideByRoot(x, y, epsilon) = x.PointwiseDivide(y.PointwiseSqrt() + epsilon)
        member _.ToRows x = x.ToRowArrays()
        member _.OfRows(like, rows) = Matrix<float>.Build.DenseOfRowArrays(Guarded.perTask like.RowCount rows)
