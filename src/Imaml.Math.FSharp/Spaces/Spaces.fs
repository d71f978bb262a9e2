// The two reference spaces, over MathNet: one task, and B tasks as the rows of a matrix. They define the meaning that every other space is
// tested against. And vectors by their coordinates, where a formula cannot do without: a diagonal Λ, Adam's moments, a dense solve.

namespace Imaml.Math

open System
open MathNet.Numerics.LinearAlgebra

/// Nothing to free: MathNet's values belong to the garbage collector.
type internal FreeRegion<'V, 'S>() =
    interface IRegion<'V, 'S> with
        member _.KeepVector x = x
        member _.KeepScalar x = x
        member _.AdoptVector x = x
        member _.AdoptScalar x = x
        member _.Dispose() = ()

/// The rules of guarded arithmetic on one number, shared by all spaces over MathNet.
[<RequireQualifiedAccess>]
module internal Guarded =
    let mask condition = if condition then 1.0 else 0.0
    let divideOrZero numerator denominator = if denominator > 0.0 then numerator / denominator else 0.0

    /// The numbers, if there is one for each task.
    let perTask tasks (numbers: 'T[]) =
        if numbers.Length <> tasks then
            invalidArg (nameof numbers) $"{numbers.Length} numbers for {tasks} tasks"

        numbers

    /// The row of a matrix of one.
    let oneRow (theta: Matrix<float>) =
        if theta.RowCount <> 1 then
            invalidArg (nameof theta) $"one vector is needed, a matrix of 1 row, not of {theta.RowCount}"

        theta.Row 0

    /// The numbers of a vector: its own memory where it is dense, which no one may write to.
    let private numbers (x: Vector<float>) : float[] =
        match x.AsArray() with
        | null -> x.ToArray()
        | own -> own

    /// a·x + y in one pass and one new vector, where MathNet's operators take two of each; by the processor's vector registers, whose
    /// products and sums round as single ones do.
    let axpy (a: float) (x: Vector<float>) (y: Vector<float>) =
        if a = 0.0 then
            y
        elif x.Count <> y.Count then
            invalidArg (nameof x) $"vectors of {x.Count} and {y.Count} numbers"
        else
            let xs = numbers x
            let ys = numbers y
            let sum: float[] = Array.zeroCreate xs.Length

            let factor = Numerics.Vector<float> a
            let width = Numerics.Vector<float>.Count
            let mutable i = 0

            while i + width <= sum.Length do
                (factor * Numerics.Vector<float>(xs, i) + Numerics.Vector<float>(ys, i)).CopyTo(sum, i)
                i <- i + width

            while i < sum.Length do
                sum[i] <- a * xs[i] + ys[i]
                i <- i + 1

            Vector<float>.Build.Dense sum

    /// ‖x‖ by way of x / max|xᵢ|, so that squares neither underflow nor overflow.
    let norm (x: Vector<float>) =
        let xs = numbers x
        let mutable largest = 0.0

        for i in 0 .. xs.Length - 1 do
            // Not a number where one of them is not.
            largest <- Math.Max(largest, abs xs[i])

        if largest > 0.0 && largest < infinity then
            let mutable sum = 0.0

            for i in 0 .. xs.Length - 1 do
                let share = xs[i] / largest
                sum <- sum + share * share

            largest * sqrt sum
        else
            largest

/// ℝᵈ with its usual inner product, in double precision.
type EuclideanSpace() =
    interface IInnerProductSpace<Vector<float>, float> with
        member _.Zero like = Vector<float>.Build.Dense like.Count
        member _.Dimension like = like.Count
        member _.Scale(a, x) = a * x
        member _.Axpy(a, x, y) = Guarded.axpy a x y
        member _.Inner(x, y) = x.DotProduct y
        member _.Norm x = Guarded.norm x
        member _.Scalar a = a
        member _.PerTask a = Guarded.perTask 1 a |> Array.head
        member _.Add(a, b) = a + b
        member _.Multiply(a, b) = a * b
        member _.SquareRoot a = sqrt a
        member _.DivideOrZero(a, b) = Guarded.divideOrZero a b
        member _.Exceeds(a, b) = Guarded.mask (a > b)
        member _.Select(mask, a, b) = if mask > 0.5 then a else b
        member _.Any mask = mask > 0.5
        member _.Read a = [| a |]
        member _.Spread theta = theta
        member _.Gather(mask, x) = if mask > 0.5 then x else Vector<float>.Build.Dense x.Count
        member _.Divide(x, divisor) = x / divisor
        member _.OpenRegion() = new FreeRegion<_, _>()

/// B vectors of ℝᵈ as the rows of a [B, d] matrix; a scalar is an array of B numbers.
type BatchedRowsSpace(tasks: int) =
    do
        if tasks < 1 then
            invalidArg (nameof tasks) $"the number of tasks must be at least 1, not {tasks}"

    let pairwise f (a: float[]) (b: float[]) = Array.map2 f a b

    let check (x: Matrix<float>) =
        if x.RowCount <> tasks then
            invalidArg (nameof x) $"vectors of this space are matrices of {tasks} rows, one for each task, not of {x.RowCount}"

    let rows (f: int -> Vector<float> -> Vector<float>) (x: Matrix<float>) =
        check x
        Matrix<float>.Build.DenseOfRowVectors [ for i, row in x.EnumerateRowsIndexed() -> f i row ]

    let perRow (f: int -> float) (x: Matrix<float>) =
        check x
        Array.init tasks f

    interface IInnerProductSpace<Matrix<float>, float[]> with
        member _.Zero like = Matrix<float>.Build.Dense(like.RowCount, like.ColumnCount)
        member _.Dimension like = like.ColumnCount
        member _.Scale(a, x) = x |> rows (fun i row -> a[i] * row)
        member _.Axpy(a, x, y) = y |> rows (fun i row -> Guarded.axpy a[i] (x.Row i) row)
        member _.Inner(x, y) = x |> perRow (fun i -> (x.Row i).DotProduct(y.Row i))
        member _.Norm x = x |> perRow (fun i -> Guarded.norm (x.Row i))
        member _.Scalar a = Array.create tasks a
        member _.PerTask a = Guarded.perTask tasks a |> Array.copy
        member _.Add(a, b) = pairwise (+) a b
        member _.Multiply(a, b) = pairwise (*) a b
        member _.SquareRoot a = Array.map sqrt a
        member _.DivideOrZero(a, b) = pairwise Guarded.divideOrZero a b
        member _.Exceeds(a, b) = pairwise (fun a b -> Guarded.mask (a > b)) a b
        member _.Select(mask, a, b) = Array.map3 (fun m a b -> if m > 0.5 then a else b) mask a b
        member _.Any mask = Array.exists (fun m -> m > 0.5) mask
        member _.Read a = Array.copy a

        member _.Spread theta =
            let theta = Guarded.oneRow theta
            Matrix<float>.Build.Dense(tasks, theta.Count, (fun _ j -> theta[j]))

        member _.Gather(mask, x) =
            check x
            let sum: float[] = Array.zeroCreate x.ColumnCount

            for i in 0 .. x.RowCount - 1 do
                if mask[i] > 0.5 then
                    for j in 0 .. sum.Length - 1 do
                        sum[j] <- sum[j] + x[i, j]

            Matrix<float>.Build.DenseOfRowArrays sum

        member _.Divide(x, divisor) = x / divisor
        member _.OpenRegion() = new FreeRegion<_, _>()

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
