// The line search of the inner solvers, backtracking (Armijo 1966): a step is tried at full length and halved until it is accepted, each task for itself,
//
//     Armijo:   G(φ + tp) < G(φ) + c t⟨∇G(φ), p⟩
//
// Near the minimiser G changes by less than it rounds, long before its gradient does, and Armijo's test compares noise: no accuracy below
// ‖∇G‖ ≈ √ε would be reached. Where |G(φ + tp) − G(φ)| is too small to be trusted, at most √ε(|L̂| + ½(φ−θ)ᵀΛ(φ−θ)), the test is
// therefore also made by slopes, which for a quadratic is the same inequality without the cancellation (Hager and Zhang 2005, (23)):
//
//     approximate:   ⟨∇G(φ + tp), p⟩ < (2c − 1)⟨∇G(φ), p⟩

namespace Imaml.Math

/// The steps t that are being tried, 1 for the tasks that have none yet, and what the judge has taken.
[<NoComparison; NoEquality>]
type private Trial<'V, 'S> =
    {
        /// t
        Step: 'S
        Searching: 'S
        Counts: Counts<'S>
    }

    interface ICarried<'V, 'S, Trial<'V, 'S>> with
        member s.Carry(_, scalar) =
            {
                Step = scalar.Invoke s.Step
                Searching = scalar.Invoke s.Searching
                Counts = s.Counts.Carry scalar
            }

[<RequireQualifiedAccess>]
module BacktrackingLineSearch =

    /// After so many halvings a step is below every rounding in double precision: nothing along this direction is lower.
    [<Literal>]
    let MaxHalvings = 50

    /// c of Armijo's rule (Nocedal and Wright 2006, section 3.1).
    [<Literal>]
    let SufficientDecrease = 1e-4

    /// φ + tp with the first t of 1, ½, ¼ … that is accepted, for each running task; φ where none is. `accepts searching t` gives the mask of
    /// the steps that are accepted, and what the verdict took, of the tasks that are searching.
    ///
    /// Cost: one synchronisation a trial, plus the verdict's.
    let internal halve
        (space: IInnerProductSpace<'V, 'S>)
        (running: 'S)
        (phi: 'V)
        (direction: 'V)
        (memory: 'Memory)
        (accepts: 'S -> 'S -> struct ('S * Counts<'S>))
        : InnerMove<'V, 'S, 'Memory> =
        let attempt (s: Trial<'V, 'S>) : Trial<'V, 'S> =
            let struct (accepted, work) = accepts s.Searching s.Step
            let searching = space.Multiply(s.Searching, Mask.complement space accepted)

            {
                Step = space.Select(searching, space.Multiply(space.Scalar 0.5, s.Step), s.Step)
                Searching = searching
                Counts = s.Counts.Plus(space, work)
            }

        let mutable trial: Trial<'V, 'S> =
            {
                Step = Mask.keep space running (space.Scalar 1.0)
                Searching = Mask.copy space running
                Counts = Counts.Zero space
            }

        let mutable trials = 0

        while trials <= MaxHalvings && (trials = 0 || space.Any trial.Searching) do
            trial <- Region.advance space attempt trial
            trials <- trials + 1

        let failed = trial.Searching
        let step = space.Select(failed, space.Scalar 0.0, trial.Step)

        {
            Phi = space.Axpy(step, direction, phi)
            Moved = space.Multiply(running, Mask.complement space failed)
            Marks = Marks.None space
            Counts = trial.Counts
            Memory = memory
        }

    /// One step along `direction` by Armijo's rule on G, by slopes where G rounds; or, where the direction does not lead downhill, along
    /// −∇G/λ_min(Λ), the longest step of steepest descent that G can have where L̂ is convex.
    ///
    /// Cost: one loss a trial, one gradient for each trial whose loss cannot be trusted, two synchronisations a trial.
    let internal move
        (space: IInnerProductSpace<'V, 'S>)
        (regularizer: IRegularizer<'V, 'S>)
        (problem: IBilevelProblem<'V, 'S>)
        (theta: 'V)
        (point: InnerPoint<'V, 'S>)
        (direction: 'V)
        (memory: 'Memory)
        : InnerMove<'V, 'S, 'Memory> =
        let steepest = space.Scale(space.Scalar(-1.0 / regularizer.SmallestEigenvalue), point.Gradient)
        let slope = space.Inner(point.Gradient, direction)
        let downhill = space.Multiply(Mask.finite space slope, space.Exceeds(space.Scalar 0.0, slope))
        let direction = Mask.select space downhill direction steepest
        let slope = space.Select(downhill, slope, space.Inner(point.Gradient, steepest))

        let loss = point.Linearization.Loss
        let value = InnerObjective.value space regularizer loss point.Phi theta
        let minus a = space.Multiply(space.Scalar -1.0, a)
        let proximal = space.Add(value, minus loss)
        let size = space.Add(Mask.absolute space loss, proximal)
        let noise = space.Multiply(space.SquareRoot(Mask.epsilon space), size)
        let leastSlope = space.Multiply(space.Scalar(2.0 * SufficientDecrease - 1.0), slope)

        let bySlope trial uncertain =
            let gradient = InnerObjective.gradient space regularizer (problem.InnerGradient trial) trial theta
            let there = space.Inner(gradient, direction)
            space.Multiply(uncertain, space.Multiply(Mask.finite space there, space.Exceeds(leastSlope, there)))

        let accepts searching step =
            let trial = space.Axpy(step, direction, point.Phi)

            let change =
                space.Add(InnerObjective.value space regularizer (problem.InnerLoss trial) trial theta, minus value)

            let wanted = space.Multiply(space.Scalar SufficientDecrease, space.Multiply(step, slope))
            let lowered = space.Multiply(Mask.finite space change, space.Exceeds(wanted, change))

            let uncertain =
                space.Multiply(searching, space.Multiply(Mask.complement space lowered, space.Exceeds(noise, change)))

            let approximately =
                if space.Any uncertain then
                    bySlope trial uncertain
                else
                    space.Scalar 0.0

            struct (space.Add(lowered, approximately),
                    { Counts.Zero space with
                        Gradients = uncertain
                        Losses = Mask.copy space searching
                    })

        halve space point.Running point.Phi direction memory accepts
