// The evaluations of the two losses by a computation, counted while it runs: Table 1's compute column.
//
// A lock-step batch evaluates all its tasks together, so these are the evaluations of the batch. What each task needed for itself is in the
// reports of the solvers (InnerIterate, LinearSolveReport); with one task the two agree.

namespace Imaml.Math

open System

/// How often each derivative was evaluated.
type WorkCount =
    {
        /// Evaluations of ∇L̂; a linearization counts as one.
        Gradients: int
        /// Hessian–vector products ∇²L̂·w.
        HessianProducts: int
        /// Evaluations of L̂ alone.
        Losses: int
        /// Evaluations of ∇L, with L.
        OuterGradients: int
    }

    /// Gradients and Hessian–vector products together: the unit of Table 1.
    member count.Total = count.Gradients + count.HessianProducts

    static member Zero =
        {
            Gradients = 0
            HessianProducts = 0
            Losses = 0
            OuterGradients = 0
        }

/// A linearization seen through a CountingSpace.
type private CountedLinearization<'V, 'S>(space: CountingSpace<'V, 'S>, linearization: ILinearization<'V, 'S>, count: unit -> unit) =
    let loss = space.TrackScalar linearization.Loss
    let gradient = space.Track linearization.Gradient

    interface ILinearization<Counted<'V>, Counted<'S>> with
        member _.Loss = loss
        member _.Gradient = gradient

        member _.HessianProduct w =
            count ()
            space.Track(linearization.HessianProduct w.Value)

        member _.Dispose() =
            use region = (space :> IInnerProductSpace<_, _>).OpenRegion()
            region.AdoptVector gradient |> ignore
            region.AdoptScalar loss |> ignore
            linearization.Dispose()

/// One with Gauss–Newton products, which count as products.
type private CountedGaussNewton<'V, 'S>(space: CountingSpace<'V, 'S>, linearization: IGaussNewtonLinearization<'V, 'S>, count: unit -> unit)
    =
    inherit CountedLinearization<'V, 'S>(space, linearization, count)

    interface IGaussNewtonLinearization<Counted<'V>, Counted<'S>> with
        member _.GaussNewtonProduct w =
            count ()
            space.Track(linearization.GaussNewtonProduct w.Value)

/// A problem over any space, seen through a CountingSpace over that space. Its values are tracked: those of a linearization are freed when it
/// is disposed.
type CountingProblem<'V, 'S>(space: CountingSpace<'V, 'S>, problem: IBilevelProblem<'V, 'S>) =
    do ArgumentNullException.ThrowIfNull(problem, nameof problem)

    let mutable count = WorkCount.Zero

    let countProduct () =
        count <-
            { count with
                HessianProducts = count.HessianProducts + 1
            }

    /// The evaluations since Reset.
    member _.Count = count
    member _.Reset() = count <- WorkCount.Zero

    interface IBilevelProblem<Counted<'V>, Counted<'S>> with
        member _.InnerLoss phi =
            count <- { count with Losses = count.Losses + 1 }
            space.TrackScalar(problem.InnerLoss phi.Value)

        member _.InnerGradient phi =
            count <-
                { count with
                    Gradients = count.Gradients + 1
                }

            space.Track(problem.InnerGradient phi.Value)

        member _.LinearizeInner phi =
            count <-
                { count with
                    Gradients = count.Gradients + 1
                }

            match problem.LinearizeInner phi.Value with
            | :? IGaussNewtonLinearization<'V, 'S> as known -> new CountedGaussNewton<'V, 'S>(space, known, countProduct)
            | linearization -> new CountedLinearization<'V, 'S>(space, linearization, countProduct)

        member _.OuterLossAndGradient phi =
            count <-
                { count with
                    OuterGradients = count.OuterGradients + 1
                }

            let struct (loss, gradient) = problem.OuterLossAndGradient phi.Value
            struct (space.TrackScalar loss, space.Track gradient)
