// The inner solver of iMAML-GD: gradient descent on G(·, θ) from θ, with the proximal term.
//
// A step size fixed in advance is a bet on the curvature: the exact implicit gradient does not see the inner optimiser, so nothing keeps
// H within its reach, and once the largest eigenvalue of H + Λ passes 2/step the iteration diverges. So the step can follow the curvature
// that the iteration itself measures: after a move s = φₖ − φₖ₋₁ that changed the gradient by y = gₖ − gₖ₋₁ it is ‖s‖/‖y‖, the inverse of
// the Lipschitz constant met on the way, the geometric mean of Barzilai and Borwein's two steps (1988; Dai, Al-Baali and Yang 2015). As
// s = −αgₖ₋₁, this is α‖gₖ₋₁‖/‖y‖: two inner products, no further gradient. The first step has no move behind it and takes one
// Hessian–vector product: ⟨g₀, g₀⟩/⟨g₀, (H+Λ)g₀⟩ (Cauchy). ‖∇G‖ may grow for a step or two on the way: the method is not monotone.

namespace Imaml.Math

/// How gradient descent chooses its step.
type StepRule =
    /// The same step for every task, wherever it is.
    | ConstantStep of step: float
    /// The inverse of the curvature that each task measures as it goes.
    | MeasuredCurvature

[<RequireQualifiedAccess>]
module GradientDescent =

    /// φₖ, with the gradient and the step that led to it, and what has been counted.
    [<NoComparison; NoEquality>]
    type private State<'V, 'S> =
        {
            Phi: 'V
            Gradient: 'V
            Step: 'S
            /// 1 while the task goes on.
            Running: 'S
            Steps: 'S
            Gradients: 'S
            Met: 'S
        }

        interface ICarried<'V, 'S, State<'V, 'S>> with
            member s.Carry(vector, scalar) =
                {
                    Phi = vector s.Phi
                    Gradient = vector s.Gradient
                    Step = scalar s.Step
                    Running = scalar s.Running
                    Steps = scalar s.Steps
                    Gradients = scalar s.Gradients
                    Met = scalar s.Met
                }

    let private minus (space: IInnerProductSpace<'V, 'S>) a = space.Multiply(space.Scalar -1.0, a)

    /// ⟨g, g⟩/⟨g, (H+Λ)g⟩, the minimiser of G's quadratic model along its gradient; 1/λ_min(Λ) where the curvature is not positive.
    let private cauchyStep (space: IInnerProductSpace<'V, 'S>) (regularizer: IRegularizer<'V, 'S>) linearization gradient =
        let curvature =
            space.Inner(gradient, InnerObjective.hessianProduct space regularizer linearization gradient)

        let step = space.DivideOrZero(space.Inner(gradient, gradient), curvature)
        space.Select(space.Exceeds(step, space.Scalar 0.0), step, space.Scalar(1.0 / regularizer.SmallestEigenvalue))

    /// ‖s‖/‖y‖; the last step again where the gradient did not change.
    let private measuredStep (space: IInnerProductSpace<'V, 'S>) (last: State<'V, 'S>) gradient =
        // The difference first, then its square: ⟨gₖ₋₁, gₖ₋₁⟩ − 2⟨gₖ₋₁, gₖ⟩ + ⟨gₖ, gₖ⟩ would cancel to noise where α times the curvature
        // is below √ε, in single precision from κ = 3000 on.
        let change = space.Axpy(space.Scalar -1.0, last.Gradient, gradient)
        let square = space.Inner(last.Gradient, last.Gradient)
        let factor = space.SquareRoot(space.DivideOrZero(square, space.Inner(change, change)))
        let factor = space.Select(space.Exceeds(factor, space.Scalar 0.0), factor, space.Scalar 1.0)
        space.Multiply(last.Step, factor)

    let internal check rule maxSteps checkEvery =
        if maxSteps < 1 then
            invalidArg (nameof maxSteps) $"the number of inner steps must be at least 1, not {maxSteps}"

        if checkEvery < 0 then
            invalidArg (nameof checkEvery) $"checkEvery must be at least 0, not {checkEvery}"

        match rule with
        | ConstantStep step when not (step > 0.0 && step < infinity) ->
            invalidArg (nameof rule) $"a constant step must be positive and finite, not {step}"
        | _ -> ()

    /// 1 where the scalar is a finite number, for scalars that are not negative.
    let private isFinite (space: IInnerProductSpace<'V, 'S>) a =
        space.Multiply(space.Exceeds(a, space.Scalar -1.0), space.Exceeds(space.Scalar infinity, a))

    /// φₖ₊₁ = φₖ − αgₖ for the tasks that go on: where ‖gₖ‖ > tolerance and is finite. Without a tolerance all go on, and no norm is taken.
    let private move (space: IInnerProductSpace<'V, 'S>) (tolerance: 'S voption) (state: State<'V, 'S>) step gradient =
        let struct (running, met) =
            match tolerance with
            | ValueNone -> struct (space.Add(state.Running, space.Scalar 0.0), space.Add(state.Met, space.Scalar 0.0))
            | ValueSome tolerance ->
                let norm = space.Norm gradient
                let above = space.Multiply(space.Exceeds(norm, tolerance), isFinite space norm)

                let below =
                    space.Multiply(isFinite space norm, space.Exceeds(space.Scalar 1.0, space.Exceeds(norm, tolerance)))

                struct (space.Multiply(state.Running, above), space.Add(state.Met, space.Multiply(state.Running, below)))

        {
            Phi = space.Axpy(space.Select(running, minus space step, space.Scalar 0.0), gradient, state.Phi)
            Gradient = gradient
            Step = step
            Running = running
            Steps = space.Add(state.Steps, running)
            Gradients = space.Add(state.Gradients, state.Running)
            Met = met
        }

    /// At most `maxSteps` steps of gradient descent on G(·, θ) from `start`; a task is done where ‖∇G‖ ≤ gradientNorm. Whether all tasks
    /// are done is asked every `checkEvery` steps; 0 never asks and never stops: a fixed budget, in which gradientNorm has no part.
    ///
    /// Cost: one gradient a step, one Hessian–vector product in all for MeasuredCurvature; two vectors beside θ, however many the steps.
    let solve
        (rule: StepRule)
        (maxSteps: int)
        (checkEvery: int)
        (space: IInnerProductSpace<'V, 'S>)
        (regularizer: IRegularizer<'V, 'S>)
        (problem: IBilevelProblem<'V, 'S>)
        (theta: 'V)
        (start: 'V)
        (gradientNorm: 'S)
        : InnerIterate<'V, 'S> =
        let tolerance = if checkEvery = 0 then ValueNone else ValueSome gradientNorm
        let gradientAt phi = InnerObjective.gradient space regularizer (problem.InnerGradient phi) phi theta

        let first () =
            let step, gradient =
                match rule with
                | ConstantStep step -> space.Scalar step, gradientAt start
                | MeasuredCurvature ->
                    use linearization = problem.LinearizeInner start
                    let gradient = InnerObjective.gradient space regularizer linearization.Gradient start theta
                    cauchyStep space regularizer linearization gradient, gradient

            let zero () = space.Scalar 0.0

            move
                space
                tolerance
                {
                    Phi = start
                    Gradient = gradient
                    Step = step
                    Running = space.Scalar 1.0
                    Steps = zero ()
                    Gradients = zero ()
                    Met = zero ()
                }
                step
                gradient

        let next (state: State<'V, 'S>) =
            let gradient = gradientAt state.Phi

            let step =
                match rule with
                | ConstantStep _ -> space.Add(state.Step, space.Scalar 0.0)
                | MeasuredCurvature -> measuredStep space state gradient

            move space tolerance state step gradient

        check rule maxSteps checkEvery

        Region.run space (fun () ->
            let mutable state = Region.run space first
            let mutable k = 1

            while k < maxSteps do
                if checkEvery > 0 && k % checkEvery = 0 && not (space.Any state.Running) then
                    k <- maxSteps
                else
                    state <- Region.advance space next state
                    k <- k + 1

            let products =
                match rule with
                | ConstantStep _ -> 0.0
                | MeasuredCurvature -> 1.0

            {
                Phi = state.Phi
                Steps = state.Steps
                Gradients = state.Gradients
                HessianProducts = space.Scalar products
                Losses = space.Scalar 0.0
                Met = state.Met
                NonFinite = space.Exceeds(space.Scalar 1.0, isFinite space (space.Norm state.Phi))
                Stalled = space.Scalar 0.0
                Reported = true
            })

/// Gradient descent as an inner solver: at most `maxSteps` steps by `rule`, asking every `checkEvery` steps whether all tasks are done.
type GradientDescentSolver<'V, 'S>(rule: StepRule, maxSteps: int, checkEvery: int) =
    do GradientDescent.check rule maxSteps checkEvery

    /// A fixed budget of steps.
    new(rule, steps) = GradientDescentSolver(rule, steps, 0)

    interface IInnerSolver<'V, 'S> with
        member _.Solve(space, regularizer, problem, theta, start, gradientNorm) =
            GradientDescent.solve rule maxSteps checkEvery space regularizer problem theta start gradientNorm
