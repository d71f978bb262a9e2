// Adam as the outer optimiser of the paper's experiments; its step is in InnerSolvers/Adam.fs.

namespace Imaml.Math

open System

/// Adam as an outer optimiser whose rate follows a schedule, from a state of its own.
type AdamOptimizer<'V, 'S>(coordinates: ICoordinates<'V>, options: AdamOptions, schedule: OuterSchedule, moments: AdamState<'V>) =
    do
        ArgumentNullException.ThrowIfNull(coordinates, nameof coordinates)
        ArgumentNullException.ThrowIfNull(options, nameof options)
        ArgumentNullException.ThrowIfNull(schedule, nameof schedule)

    let options = options.Checked()
    let schedule = schedule.Checked()

    /// Both moments, after `Steps` steps.
    member _.Moments = moments

    /// Before the first step, for a θ like this one.
    static member Start(space: IInnerProductSpace<'V, 'S>, coordinates, options, schedule: OuterSchedule, theta: 'V) =
        AdamOptimizer<'V, 'S>(coordinates, options, schedule, Adam.Start(space, theta))

    interface IOuterOptimizer<'V, 'S> with
        member _.Step(_, gradient, theta) =
            let struct (theta, moments) =
                Adam.Step(coordinates, options, schedule.At moments.Steps, moments, gradient, theta)

            struct (theta, (AdamOptimizer<'V, 'S>(coordinates, options, schedule, moments) :> IOuterOptimizer<'V, 'S>))

        member _.State _ =
            {
                Steps = moments.Steps
                Vectors =
                    [|
                        struct ("first moment", moments.FirstMoment)
                        struct ("second moment", moments.SecondMoment)
                    |]
                Numbers = [||]
            }

        member _.Restore(_, state) =
            let moments =
                {
                    Steps = state.Steps
                    FirstMoment = state.Vector "first moment"
                    SecondMoment = state.Vector "second moment"
                }

            AdamOptimizer<'V, 'S>(coordinates, options, schedule, moments)

        member _.Carry(vector, _) =
            let moments =
                { moments with
                    FirstMoment = vector.Invoke moments.FirstMoment
                    SecondMoment = vector.Invoke moments.SecondMoment
                }

            AdamOptimizer<'V, 'S>(coordinates, options, schedule, moments)
