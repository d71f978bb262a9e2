// A step is tried at full length and halved until a judge accepts it, each task of a batch for itself.

namespace Imaml.Math

/// A step's length with what finding it took.
[<NoComparison; NoEquality>]
type internal Backtracking<'S> =
    {
        /// t; 0 where none was accepted.
        Step: 'S
        Accepted: 'S
        Gradients: 'S
        Losses: 'S
    }

/// The steps t that are being tried, 1 for the tasks that have none yet, and what the judge has taken.
[<NoComparison; NoEquality>]
type private Trial<'V, 'S> =
    {
        Step: 'S
        Searching: 'S
        Gradients: 'S
        Losses: 'S
    }

    interface ICarried<'V, 'S, Trial<'V, 'S>> with
        member s.Carry(_, scalar) =
            {
                Step = scalar.Invoke s.Step
                Searching = scalar.Invoke s.Searching
                Gradients = scalar.Invoke s.Gradients
                Losses = scalar.Invoke s.Losses
            }

[<RequireQualifiedAccess>]
module Backtracking =

    /// After so many halvings a step is below every rounding in double precision: nothing along this direction is lower.
    [<Literal>]
    let MaxHalvings = 50

    /// Halves each running task's step from 1 until `accepts` it. `accepts searching t` gives masks and counts: which steps are accepted,
    /// and how many gradients and losses the verdict took, of the tasks that are searching.
    ///
    /// Cost: one synchronisation a trial beside the verdict's.
    let internal halve (space: IInnerProductSpace<'V, 'S>) (running: 'S) (accepts: 'S -> 'S -> struct ('S * 'S * 'S)) : Backtracking<'S> =
        let attempt (s: Trial<'V, 'S>) =
            let struct (accepted, gradients, losses) = accepts s.Searching s.Step
            let searching = space.Multiply(s.Searching, Mask.complement space accepted)

            {
                Step = space.Select(searching, space.Multiply(space.Scalar 0.5, s.Step), s.Step)
                Searching = searching
                Gradients = space.Add(s.Gradients, gradients)
                Losses = space.Add(s.Losses, losses)
            }

        let mutable trial: Trial<'V, 'S> =
            {
                Step = Mask.keep space running (space.Scalar 1.0)
                Searching = Mask.copy space running
                Gradients = space.Scalar 0.0
                Losses = space.Scalar 0.0
            }

        let mutable trials = 0

        while trials <= MaxHalvings && (trials = 0 || space.Any trial.Searching) do
            trial <- Region.advance space attempt trial
            trials <- trials + 1

        let failed = trial.Searching

        {
            Step = space.Select(failed, space.Scalar 0.0, trial.Step)
            Accepted = space.Multiply(running, Mask.complement space failed)
            Gradients = trial.Gradients
            Losses = trial.Losses
        }
