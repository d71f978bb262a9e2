// Backtracking: a step is tried at full length and halved until it is accepted, each task for itself (Armijo 1966).
//
//     Armijo:   G(φ + tp) < G(φ) + c t⟨∇G(φ), p⟩
//
// Near the minimiser G changes by less than it rounds, long before its gradient does, and Armijo's test compares noise: no accuracy below
// ‖∇G‖ ≈ √ε would be reached. Where |G(φ + tp) − G(φ)| is too small to be trusted, at most √ε(|L̂| + ½(φ−θ)ᵀΛ(φ−θ)), the test is
// therefore also made by slopes, which for a quadratic is the same inequality without the cancellation (Hager and Zhang 2005, (23)):
//
//     approximate:   ⟨∇G(φ + tp), p⟩ < (2c − 1)⟨∇G(φ), p⟩

namespace Imaml.Math

[<RequireQualifiedAccess>]
module BacktrackingLineSearch =

    /// c of Armijo's rule (Nocedal and Wright 2006, section 3.1).
    [<Literal>]
    let SufficientDecrease = 1e-4

    /// Armijo's rule on G, by slopes where G rounds, along a direction whose slope ⟨∇G, p⟩ is negative.
    ///
    /// Cost: one loss a trial, one gradient for each trial whose loss cannot be trusted, two synchronisations a trial.
    let internal search
        (space: IInnerProductSpace<'V, 'S>)
        (regularizer: IRegularizer<'V, 'S>)
        (problem: IBilevelProblem<'V, 'S>)
        (theta: 'V)
        (point: InnerPoint<'V, 'S>)
        (direction: 'V)
        (slope: 'S)
        =
        let loss = point.Linearization.Loss
        let value = InnerObjective.value space regularizer loss point.Phi theta
        let minus a = space.Multiply(space.Scalar -1.0, a)
        let proximal = space.Add(value, minus loss)
        let size = space.Add(Mask.larger space loss (minus loss), proximal)
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

            struct (space.Add(lowered, approximately), uncertain, Mask.copy space searching)

        Backtracking.halve space point.Running accepts

    /// One step along `direction` by the line search, or, where that does not lead downhill, along −∇G/λ_min(Λ), the longest step of
    /// steepest descent that G can have where L̂ is convex.
    let internal move
        (space: IInnerProductSpace<'V, 'S>)
        (regularizer: IRegularizer<'V, 'S>)
        (problem: IBilevelProblem<'V, 'S>)
        (theta: 'V)
        (point: InnerPoint<'V, 'S>)
        (direction: 'V)
        (products: 'S)
        (memory: 'Memory)
        : InnerMove<'V, 'S, 'Memory> =
        let steepest = space.Scale(space.Scalar(-1.0 / regularizer.SmallestEigenvalue), point.Gradient)
        let slope = space.Inner(point.Gradient, direction)
        let downhill = space.Multiply(Mask.finite space slope, space.Exceeds(space.Scalar 0.0, slope))
        let direction = Mask.select space downhill direction steepest
        let slope = space.Select(downhill, slope, space.Inner(point.Gradient, steepest))
        let found = search space regularizer problem theta point direction slope

        {
            Phi = space.Axpy(found.Step, direction, point.Phi)
            Moved = found.Accepted
            Indefinite = space.Scalar 0.0
            Gradients = found.Gradients
            HessianProducts = products
            Losses = found.Losses
            Memory = memory
        }
