// Adam (Kingma and Ba 2015), the outer optimiser of the paper's experiments, on any vectors with coordinates.

namespace Imaml.Math

/// Adam's constants. The paper's experiments leave them open.
type AdamOptions =
    {
        Beta1: float
        Beta2: float
        Epsilon: float
    }

    /// β₁ = 0.9, β₂ = 0.999, ε = 10⁻⁸ (Kingma and Ba 2015, section 2).
    static member Authors =
        {
            Beta1 = 0.9
            Beta2 = 0.999
            Epsilon = 1e-8
        }

/// The running first and second moments of the gradient after `Steps` steps.
type AdamState<'V> =
    {
        Steps: int
        FirstMoment: 'V
        SecondMoment: 'V
    }

/// Adam as a pure function of its state.
[<AbstractClass; Sealed>]
type Adam =

    /// θ and the state after one step of size `rate` against `gradient`.
    static member Step
        (coordinates: ICoordinates<'V>, options: AdamOptions, rate: float, state: AdamState<'V>, gradient: 'V, theta: 'V)
        : struct ('V * AdamState<'V>) =
        let steps = state.Steps + 1
        let square = coordinates.Product(gradient, gradient)
        let first = coordinates.Combine(options.Beta1, state.FirstMoment, 1.0 - options.Beta1, gradient)
        let second = coordinates.Combine(options.Beta2, state.SecondMoment, 1.0 - options.Beta2, square)
        // m̂/(√v̂ + ε) with m̂ = m/(1 − β₁ᵗ) and v̂ = v/(1 − β₂ᵗ), the corrections taken out of the quotient.
        let firstCorrection = 1.0 - options.Beta1 ** float steps
        let secondCorrection = sqrt (1.0 - options.Beta2 ** float steps)
        let direction = coordinates.DivideByRoot(first, second, options.Epsilon * secondCorrection)
        let theta = coordinates.Combine(1.0, theta, -rate * secondCorrection / firstCorrection, direction)

        struct (theta,
                {
                    Steps = steps
                    FirstMoment = first
                    SecondMoment = second
                })

/// Adam as an outer optimiser whose rate follows a schedule, from a state of its own.
type AdamOptimizer<'V, 'S>(coordinates: ICoordinates<'V>, options: AdamOptions, schedule: OuterSchedule, moments: AdamState<'V>) =
    let schedule = schedule.Checked()

    /// Both moments, after `Steps` steps.
    member _.Moments = moments

    /// Before the first step, for a θ like this one.
    static member Start(space: IInnerProductSpace<'V, 'S>, coordinates, options, schedule: OuterSchedule, theta: 'V) =
        let moments =
            {
                Steps = 0
                FirstMoment = space.Zero theta
                SecondMoment = space.Zero theta
            }

        AdamOptimizer<'V, 'S>(coordinates, options, schedule, moments)

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
