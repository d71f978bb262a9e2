/// The spaces over MathNet that the shared laws are checked on.
module Imaml.Math.Tests.Subjects

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
        Epsilon = double
        OfRows = fun rows -> Vector<float>.Build.DenseOfArray(Array.exactlyOne rows)
        ToRows = fun x -> [| x.ToArray() |]
        Alive = None
    }

let batched tasks : Subject<Matrix<float>, float[]> =
    {
        Name = $"{tasks} rows"
        Space = BatchedRowsSpace tasks
        Tasks = tasks
        Epsilon = double
        OfRows = Matrix<float>.Build.DenseOfRowArrays
        ToRows = rows
        Alive = None
    }

let singlePrecision tasks : Subject<Matrix<float>, float[]> =
    let space = SinglePrecisionSpace tasks

    { batched tasks with
        Name = $"{tasks} rows in single precision"
        Space = space
        Epsilon = single
        OfRows = Matrix<float>.Build.DenseOfRowArrays >> space.Round
    }

/// A space and the same space with mortal values.
let tracked (subject: Subject<'V, 'S>) =
    let space = TrackedSpace<'V, 'S> subject.Space

    let mortal: Subject<Tracked<'V>, Tracked<'S>> =
        {
            Name = $"{subject.Name}, mortal"
            Space = space
            Tasks = subject.Tasks
            Epsilon = subject.Epsilon
            OfRows = subject.OfRows >> space.Track
            ToRows = fun x -> subject.ToRows x.Value
            Alive = Some(fun x -> x.Alive)
        }

    struct (space, mortal)
