/// A space whose every result is rounded to single precision: what a device's float32 does to the mathematics, without a device.
module Imaml.Math.Tests.SinglePrecision

open MathNet.Numerics.LinearAlgebra
open Imaml.Math

let private round (x: float) = float (float32 x)
let private vector (x: Matrix<float>) : Matrix<float> = x.Map((fun value -> round value), Zeros.Include)
let private scalar (a: float[]) = Array.map round a

/// B rows in single precision. Sums are rounded once, at their end; products and squares under- and overflow as float32's do.
type SinglePrecisionSpace(tasks: int) =
    let space = BatchedRowsSpace tasks :> IInnerProductSpace<Matrix<float>, float[]>

    /// What the space makes of a vector in double precision.
    member _.Round x = vector x

    interface IInnerProductSpace<Matrix<float>, float[]> with
        member _.Zero like = space.Zero like
        member _.Dimension like = space.Dimension like
        member _.Scale(a, x) = vector (space.Scale(a, x))
        member _.Axpy(a, x, y) = vector (space.Axpy(a, x, y))

        member _.Inner(x, y) =
            Array.init x.RowCount (fun i ->
                Seq.fold2 (fun (sum: float) (p: float) (q: float) -> round (sum + round (p * q))) 0.0 (x.Row i) (y.Row i))

        member _.Norm x = scalar (space.Norm x)
        member _.Scalar a = scalar (space.Scalar a)
        member _.PerTask a = scalar (space.PerTask a)
        member _.Add(a, b) = scalar (space.Add(a, b))
        member _.Multiply(a, b) = scalar (space.Multiply(a, b))
        member _.DivideOrZero(a, b) = scalar (space.DivideOrZero(a, b))
        member _.SquareRoot a = scalar (space.SquareRoot a)
        member _.Exceeds(a, b) = space.Exceeds(a, b)
        member _.Select(mask, a, b) = space.Select(mask, a, b)
        member _.Any mask = space.Any mask
        member _.Read a = space.Read a
        member _.Spread theta = space.Spread theta

        member _.Gather(mask, x) =
            let zero = Matrix<float>.Build.Dense(1, x.ColumnCount)

            let rows =
                Seq.init x.RowCount (fun i -> struct (mask[i], Matrix<float>.Build.DenseOfRowVectors(x.Row i)))

            Seq.fold (fun sum (struct (used, row)) -> if used > 0.5 then vector (sum + row) else sum) zero rows

        member _.Divide(x, divisor) = vector (space.Divide(x, divisor))
        member _.OpenRegion() = space.OpenRegion()

/// ℝᵈ with vectors in single precision and scalars in double, as a user's own space may have them.
type SingleVectorsSpace() =
    let space = EuclideanSpace() :> IInnerProductSpace<Vector<float>, float>
    let vector (x: Vector<float>) : Vector<float> = x.Map((fun value -> round value), Zeros.Include)

    /// What the space makes of a vector in double precision.
    member _.Round x = vector x

    interface IInnerProductSpace<Vector<float>, float> with
        member _.Zero like = space.Zero like
        member _.Dimension like = space.Dimension like
        member _.Scale(a, x) = vector (space.Scale(a, x))
        member _.Axpy(a, x, y) = vector (space.Axpy(a, x, y))
        member _.Inner(x, y) = space.Inner(x, y)
        member _.Norm x = space.Norm x
        member _.Scalar a = a
        member _.PerTask a = space.PerTask a
        member _.Add(a, b) = a + b
        member _.Multiply(a, b) = a * b
        member _.DivideOrZero(a, b) = space.DivideOrZero(a, b)
        member _.SquareRoot a = sqrt a
        member _.Exceeds(a, b) = space.Exceeds(a, b)
        member _.Select(mask, a, b) = space.Select(mask, a, b)
        member _.Any mask = space.Any mask
        member _.Read a = space.Read a
        member _.Spread theta = theta
        member _.Gather(mask, x) = space.Gather(mask, x)
        member _.Divide(x, divisor) = vector (space.Divide(x, divisor))
        member _.OpenRegion() = space.OpenRegion()
