// The inner solver of iMAML-GD: gradient descent on G(·, θ), with the proximal term, and with or without momentum.
//
// On a µ-strongly convex, β-smooth G with κ = β/µ and R = ‖φ₀ − φ*‖, accuracy δ is reached after at most
//     gradient descent, step 1/β          ⌈κ ln(R/δ)⌉ steps
//     Nesterov, Momentum.nesterov µ β     ⌈2√κ ln(√(κ+1)R/δ)⌉ steps, Table 1's √κ               (Nesterov 2004, theorem 2.2.3)
//     heavy ball, Momentum.heavyBall µ β  ‖φₖ − φ*‖ ≤ (2k+1)((√κ−1)/(√κ+1))ᵏR, for quadratic G only (Polyak 1964)
//
// Nesterov's gradient is that at y, not at φ. So a task whose gradient meets the tolerance gets y: what was measured is what is returned.

namespace Imaml.Math

[<RequireQualifiedAccess>]
module GradientDescent =

    let internal check rule momentum maxSteps checkEvery =
        if maxSteps < 1 then
            invalidArg (nameof maxSteps) $"the number of inner steps must be at least 1, not {maxSteps}"

        if checkEvery < 0 then
            invalidArg (nameof checkEvery) $"checkEvery must be at least 0, not {checkEvery}"

        Momentum.check momentum
        StepRule.check rule momentum

    /// At most `maxSteps` steps on G(·, θ) from `start`; a task is done where ‖∇G‖ ≤ gradientNorm. Whether all tasks are done is asked
    /// every `checkEvery` steps; 0 never asks and never stops: a fixed budget, in which gradientNorm has no part, no norm is taken, and a
    /// task that diverges ends where it diverged to, marked NonFinite.
    ///
    /// Cost: one gradient a step, one Hessian–vector product in all for MeasuredCurvature; two vectors beside θ, one more with momentum,
    /// however many the steps.
    let accelerated
        (rule: StepRule)
        (momentum: Momentum)
        (maxSteps: int)
        (checkEvery: int)
        (space: IInnerProductSpace<'V, 'S>)
        (regularizer: IRegularizer<'V, 'S>)
        (problem: IBilevelProblem<'V, 'S>)
        (theta: 'V)
        (start: 'V)
        (gradientNorm: 'S)
        : InnerIterate<'V, 'S> =
        let gradientAt phi = InnerObjective.gradient space regularizer (problem.InnerGradient phi) phi theta

        let first tolerance () =
            let struct (step, gradient) =
                match rule with
                | ConstantStep step -> struct (space.Scalar step, gradientAt start)
                | MeasuredCurvature ->
                    use linearization = problem.LinearizeInner start
                    let gradient = InnerObjective.gradient space regularizer linearization.Gradient start theta
                    struct (StepRule.cauchy space regularizer linearization gradient, gradient)

            let zero () = space.Scalar 0.0

            let state =
                {
                    Phi = start
                    Previous = (if momentum = NoMomentum then ValueNone else ValueSome start)
                    Gradient = gradient
                    Step = step
                    Running = space.Scalar 1.0
                    Steps = zero ()
                    Gradients = zero ()
                    Met = zero ()
                    NonFinite = zero ()
                }

            GradientDescentStep.move space momentum tolerance state step start gradient

        let next tolerance (state: GradientDescentState<'V, 'S>) =
            let point = GradientDescentStep.lookAhead space momentum state
            let gradient = gradientAt point

            let step =
                match rule with
                | ConstantStep _ -> Mask.copy space state.Step
                | MeasuredCurvature -> StepRule.measured space state.Step state.Gradient gradient

            GradientDescentStep.move space momentum tolerance state step point gradient

        check rule momentum maxSteps checkEvery

        if rule = MeasuredCurvature then
            Regularizer.requireProximalTerm regularizer "a step that follows the curvature"

        Region.run space (fun () ->
            let tolerance =
                if checkEvery = 0 then
                    ValueNone
                else
                    ValueSome(Mask.tolerance space gradientNorm)

            let mutable state = Region.run space (first tolerance)
            let mutable k = 1

            while k < maxSteps do
                if checkEvery > 0 && k % checkEvery = 0 && not (space.Any state.Running) then
                    k <- maxSteps
                else
                    state <- Region.advance space (next tolerance) state
                    k <- k + 1

            let products =
                match rule with
                | ConstantStep _ -> 0.0
                | MeasuredCurvature -> 1.0

            let lost = Mask.complement space (Mask.finite space (space.Norm state.Phi))

            {
                Phi = state.Phi
                Steps = state.Steps
                Gradients = state.Gradients
                HessianProducts = space.Scalar products
                Losses = space.Scalar 0.0
                Met = state.Met
                NonFinite = space.Exceeds(space.Add(state.NonFinite, lost), space.Scalar 0.0)
                Stalled = space.Scalar 0.0
                Indefinite = space.Scalar 0.0
                Reported = true
            })

    /// The same without momentum.
    let solve rule maxSteps checkEvery (space: IInnerProductSpace<'V, 'S>) regularizer problem theta start gradientNorm =
        accelerated rule NoMomentum maxSteps checkEvery space regularizer problem theta start gradientNorm

/// Gradient descent as an inner solver: at most `maxSteps` steps by `rule`, with `momentum`, asking every `checkEvery` steps whether all
/// tasks are done.
type GradientDescentSolver<'V, 'S>(rule: StepRule, momentum: Momentum, maxSteps: int, checkEvery: int) =
    do GradientDescent.check rule momentum maxSteps checkEvery

    /// Without momentum.
    new(rule, maxSteps: int, checkEvery: int) = GradientDescentSolver(rule, NoMomentum, maxSteps, checkEvery)

    /// A fixed budget of steps without momentum.
    new(rule, steps: int) = GradientDescentSolver(rule, NoMomentum, steps, 0)

    interface IInnerSolver<'V, 'S> with
        member _.Solve(space, regularizer, problem, theta, start, gradientNorm) =
            GradientDescent.accelerated rule momentum maxSteps checkEvery space regularizer problem theta start gradientNorm
