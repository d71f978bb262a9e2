// A meta-gradient with what it cost, counted on the code that runs: derivatives by a counting problem, vectors by a counting space.

namespace Imaml.Theory

open MathNet.Numerics.LinearAlgebra
open Imaml.Math

/// The result of a strategy on one task, and the evaluations that it made.
[<NoComparison; NoEquality>]
type CountedMetaGradient =
    {
        Gradient: Vector<float>
        Phi: Vector<float>
        /// The evaluations that were counted, and those that the result reports.
        Count: WorkCount
        Reported: WorkCount
        /// The largest number of vectors allocated at once, without θ.
        Vectors: int
    }

/// A vector and a scalar of the counting space.
type CountedVector = Counted<Vector<float>>
type CountedScalar = Counted<float>

/// A strategy on the counting space, which is made anew for every run.
type CountedStrategy = CountingSpace<Vector<float>, float> -> IMetaGradientStrategy<CountedVector, CountedScalar>

[<RequireQualifiedAccess>]
module CountedMetaGradient =

    /// The coordinates of a counting space's vectors, by way of the plain ones.
    let coordinates (space: CountingSpace<Vector<float>, float>) =
        let plain = EuclideanCoordinates() :> ICoordinates<Vector<float>>

        { new ICoordinates<CountedVector> with
            member _.Combine(a, x, b, y) = space.Track(plain.Combine(a, x.Value, b, y.Value))
            member _.Product(x, y) = space.Track(plain.Product(x.Value, y.Value))
            member _.Quotient(x, y) = space.Track(plain.Quotient(x.Value, y.Value))
            member _.DivideByRoot(x, y, epsilon) = space.Track(plain.DivideByRoot(x.Value, y.Value, epsilon))
            member _.ToRows x = plain.ToRows x.Value
            member _.OfRows(like, rows) = space.Track(plain.OfRows(like.Value, rows))
        }

    /// Runs a strategy on a task.
    let compute (strategy: CountedStrategy) regularizer (task: BilevelTask) : CountedMetaGradient =
        let counting = CountingSpace<Vector<float>, float>(EuclideanSpace())
        let space = counting :> IInnerProductSpace<CountedVector, CountedScalar>
        let problem = CountingProblem<Vector<float>, float>(counting, BilevelTask.problem task)
        use _ = space.OpenRegion()
        let theta = counting.Track task.Theta
        counting.Reset()
        let before = counting.Vectors
        let result = (strategy counting).Compute(space, regularizer, problem, theta)

        {
            Gradient = result.Gradient.Value
            Phi = result.Phi.Value
            Count = problem.Count
            Reported = result.Cost(space) |> Array.exactlyOne
            Vectors = counting.MostVectors - before
        }
