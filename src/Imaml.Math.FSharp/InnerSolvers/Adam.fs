// Adam (Kingma and Ba 2015) on any vectors with coordinates: its step, which the outer optimiser takes too, and the inner solver of Reptile's
// authors, by which every coordinate moves by about the rate at first, however small its gradient.

namespace Imaml.Math

open System

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

    /// These. Errors: β₁ or β₂ outside of [0, 1), ε that is negative or not finite.
    member internal options.Checked() =
        if not (options.Beta1 >= 0.0 && options.Beta1 < 1.0 && options.Beta2 >= 0.0 && options.Beta2 < 1.0) then
            invalidArg (nameof options) $"β₁ and β₂ must be at least 0 and below 1, not {options.Beta1} and {options.Beta2}"

        if not (options.Epsilon >= 0.0 && options.Epsilon < infinity) then
            invalidArg (nameof options) $"ε must be at least 0 and finite, not {options.Epsilon}"

        options

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

    /// Before the first step, for a θ like this one.
    static member Start(space: IInnerProductSpace<'V, 'S>, theta: 'V) : AdamState<'V> =
        {
            Steps = 0
            FirstMoment = space.Zero theta
            SecondMoment = space.Zero theta
        }

[<NoComparison; NoEquality>]
type private AdamIterate<'V, 'S> =
    {
        Phi: 'V
        Moments: AdamState<'V>
    }

    interface ICarried<'V, 'S, AdamIterate<'V, 'S>> with
        member s.Carry(vector, _) =
            {
                Phi = vector.Invoke s.Phi
                Moments =
                    { s.Moments with
                        FirstMoment = vector.Invoke s.Moments.FirstMoment
                        SecondMoment = vector.Invoke s.Moments.SecondMoment
                    }
            }

/// `steps` steps of Adam on G(·, θ) from the start: a fixed budget, in which no number is read. A task that diverges ends where it diverged to,
/// marked NonFinite. The gradient of step t = 0, 1, … is that of `ofStep` problem t, the problem itself unless told otherwise: with a part of the
/// examples for each step the descent is stochastic. The moments are the task's own, from 0 on, unless `Keeping` gives it others.
///
/// Cost: one gradient a step; two vectors apart from φ. Errors: steps below 1; a rate that is not positive and finite.
type AdamSolver<'V, 'S>
    private
    (
        coordinates: ICoordinates<'V>,
        options: AdamOptions,
        rate: float,
        steps: int,
        ofStep: Func<IBilevelProblem<'V, 'S>, int, IBilevelProblem<'V, 'S>>,
        kept: 'V voption
    ) =
    do
        InnerSolver.checkSteps (nameof steps) steps

        if not (rate > 0.0 && rate < infinity) then
            invalidArg (nameof rate) $"the step size must be positive and finite, not {rate}"

    let options = options.Checked()

    // Steps after which 1 − βᵗ is 1: the moments of a descent so long need no correction.
    static let longAgo = Int32.MaxValue / 2

    new(coordinates, options, rate, steps, ofStep) = AdamSolver(coordinates, options, rate, steps, ofStep, ValueNone)
    new(coordinates, options, rate, steps) = AdamSolver(coordinates, options, rate, steps, Func<_, _, _>(fun problem _ -> problem))

    /// The same solver from second moments v that earlier tasks have left, one vector for all tasks: the mean of g² over a long past, and so
    /// without a correction for a start at 0.
    member _.Keeping(secondMoment: 'V) = AdamSolver<'V, 'S>(coordinates, options, rate, steps, ofStep, ValueSome secondMoment)

    member internal _.Coordinates = coordinates

    /// v, or 0 where each task's moments are its own.
    member internal _.Kept(space: IInnerProductSpace<'V, 'S>, like: 'V) =
        match kept with
        | ValueNone -> space.Zero like
        | ValueSome secondMoment -> space.Spread secondMoment

    /// φ, and v after the last step without the bias that a start at 0 has.
    member internal _.Descend
        (space: IInnerProductSpace<'V, 'S>, regularizer: IRegularizer<'V, 'S>, problem: IBilevelProblem<'V, 'S>, theta: 'V, start: 'V)
        : struct (InnerIterate<'V, 'S> * 'V) =
        let fresh = Adam.Start(space, start)

        let first =
            match kept with
            | ValueNone -> fresh
            | ValueSome secondMoment ->
                {
                    Steps = longAgo
                    FirstMoment = fresh.FirstMoment
                    SecondMoment = Mask.copyVector space (space.Spread secondMoment)
                }

        let next (s: AdamIterate<'V, 'S>) : AdamIterate<'V, 'S> =
            let problem = ofStep.Invoke(problem, s.Moments.Steps - first.Steps)
            let gradient = InnerObjective.gradient space regularizer (problem.InnerGradient s.Phi) s.Phi theta
            let struct (phi, moments) = Adam.Step(coordinates, options, rate, s.Moments, gradient, s.Phi)
            { Phi = phi; Moments = moments }

        let mutable state =
            {
                Phi = Mask.copyVector space start
                Moments = first
            }

        for _ in 1..steps do
            state <- Region.advance space next state

        let taken = space.Scalar(float steps)

        let inner =
            InnerSolver.judged
                space
                {
                    Phi = state.Phi
                    Marks = Marks.None space
                    Counts =
                        { Counts.Zero space with
                            Steps = taken
                            Gradients = taken
                        }
                    Reported = true
                }

        let weight = 1.0 - options.Beta2 ** float state.Moments.Steps
        struct (inner, space.Scale(space.Scalar(1.0 / weight), state.Moments.SecondMoment))

    interface IInnerSolver<'V, 'S> with
        member this.Solve(space, regularizer, problem, theta, start, _) =
            Region.run space (fun () ->
                let struct (inner, _) = this.Descend(space, regularizer, problem, theta, start)
                inner)
