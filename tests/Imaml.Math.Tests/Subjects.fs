/// The spaces over MathNet that the shared laws are checked on.
module Imaml.Math.Tests.Subjects

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Math.Tests.SinglePrecision
open Imaml.Testing

let private rows (x: Matrix<float>) = x.ToRowArrays()
let private double = 2.0 ** -52.0
let private single = 2.0 ** -23.0

let euclidean: Subject<Vector<float>, float> =
    {
        Name = "ℝᵈ"
        Space = EuclideanSpace()
        Tasks = 1
        OfTasks = fun _ -> EuclideanSpace()
        MostTasks = 1
        Epsilon = double
        OfRows = fun rows -> Vector<float>.Build.DenseOfArray(Array.exactlyOne rows)
        ToRows = fun x -> [| x.ToArray() |]
        Coordinates = EuclideanCoordinates()
        Alive = None
        Sharing = 1
    }

let batched tasks : Subject<Matrix<float>, float[]> =
    {
        Name = $"{tasks} rows"
        Space = BatchedRowsSpace tasks
        Tasks = tasks
        OfTasks = fun tasks -> BatchedRowsSpace tasks
        MostTasks = Int32.MaxValue
        Epsilon = double
        OfRows = Matrix<float>.Build.DenseOfRowArrays
        ToRows = rows
        Coordinates = BatchedRowsCoordinates()
        Alive = None
        Sharing = 1
    }

/// Coordinates by way of those of another kind of vector.
let private mapped (into: 'V -> 'W) (out: 'W -> 'V) (coordinates: ICoordinates<'V>) =
    { new ICoordinates<'W> with
        member _.Combine(a, x, b, y) = into (coordinates.Combine(a, out x, b, out y))
        member _.Product(x, y) = into (coordinates.Product(out x, out y))
        member _.Quotient(x, y) = into (coordinates.Quotient(out x, out y))
        member _.DivideByRoot(x, y, epsilon) = into (coordinates.DivideByRoot(out x, out y, epsilon))
        member _.ToRows x = coordinates.ToRows(out x)
        member _.OfRows(like, rows) = into (coordinates.OfRows(out like, rows))
    }

let singlePrecision tasks : Subject<Matrix<float>, float[]> =
    let space = SinglePrecisionSpace tasks

    { batched tasks with
        Name = $"{tasks} rows in single precision"
        Space = space
        OfTasks = fun tasks -> SinglePrecisionSpace tasks
        Epsilon = single
        OfRows = Matrix<float>.Build.DenseOfRowArrays >> space.Round
        Coordinates = mapped space.Round id (BatchedRowsCoordinates())
    }

/// Vectors in single precision, scalars in double.
let singleVectors: Subject<Vector<float>, float> =
    let space = SingleVectorsSpace()

    { euclidean with
        Name = "ℝᵈ, vectors in single precision"
        Space = space
        OfTasks = fun _ -> space
        Epsilon = single
        OfRows = fun rows -> space.Round(Vector<float>.Build.DenseOfArray(Array.exactlyOne rows))
        Coordinates = mapped space.Round id (EuclideanCoordinates())
    }

/// A space and the same space with counted values.
let tracked (subject: Subject<'V, 'S>) =
    let space = CountingSpace<'V, 'S> subject.Space

    let mortal: Subject<Counted<'V>, Counted<'S>> =
        {
            Name = $"{subject.Name}, mortal"
            Space = space
            Tasks = subject.Tasks
            OfTasks = fun tasks -> space.Beside(subject.OfTasks tasks)
            MostTasks = subject.MostTasks
            Epsilon = subject.Epsilon
            OfRows = subject.OfRows >> space.Track
            ToRows = fun x -> subject.ToRows x.Value
            Coordinates = mapped (fun x -> space.Track x) (fun (x: Counted<'V>) -> x.Value) subject.Coordinates
            Alive = Some(fun x -> x.Alive)
            Sharing = 1
        }

    struct (space, mortal)

/// A counting space over rows, with its ways in and out.
let counted (space: CountingSpace<Matrix<float>, float[]>) tasks : Subject<Counted<Matrix<float>>, Counted<float[]>> =
    {
        Name = $"{tasks} rows, counted"
        Space = space
        Tasks = tasks
        OfTasks = fun tasks -> space.Beside(BatchedRowsSpace tasks)
        MostTasks = Int32.MaxValue
        Epsilon = double
        OfRows = Matrix<float>.Build.DenseOfRowArrays >> space.Track
        ToRows = fun x -> rows x.Value
        Coordinates = mapped (fun x -> space.Track x) (fun (x: Counted<Matrix<float>>) -> x.Value) (BatchedRowsCoordinates())
        Alive = Some(fun x -> x.Alive)
        Sharing = 1
    }
