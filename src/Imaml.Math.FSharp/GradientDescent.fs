// The inner solver of iMAML-GD: gradient descent on G(·, θ) from θ, with the proximal term.
//
// A step size fixed in advance is a bet on the curvature: the exact implicit gradient does not see the inner optimiser, so nothing keeps
// H within its reach, and once the largest eigenvalue of H + Λ passes 2/step the iteration diverges. So the step can follow the curvature
// that the iteration itself measures: after a move s = φₖ − φₖ₋₁ that changed the gradient by y = gₖ − gₖ₋₁ it is ‖s‖/‖y‖, the inverse of
// the Lipschitz constant met on the way, the geometric mean of Barzilai and Borwein's two steps (1988; Dai, Al-Baali and Yang 2015). As
// s = −αgₖ₋₁, this is α√(a/(a − 2b + c)) with a = ⟨gₖ₋₁, gₖ₋₁⟩, b = ⟨gₖ₋₁, gₖ⟩, c = ⟨gₖ, gₖ⟩: two inner products, no further gradient. The
// first step has no move behind it and takes one Hessian–vector product: ⟨g₀, g₀⟩/⟨g₀, (H+Λ)g₀⟩ (Cauchy).

namespace Imaml.Math

/// How gradient descent chooses its step.
type StepRule =
    /// The same step for every task, wherever it is.
    | ConstantStep of step: float
    /// The inverse of the curvature that each task measures as it goes.
    | MeasuredCurvature

/// Solves the inner problem min_φ G(φ, θ) to some accuracy. The meta-gradient depends on the result alone, so any solver will do.
type IInnerSolver<'V, 'S> =
    /// φ ≈ Alg*(θ)
    abstract Solve:
        space: IInnerProductSpace<'V, 'S> * regularizer: IRegularizer<'V, 'S> * problem: IBilevelProblem<'V, 'S> * theta: 'V -> 'V

[<RequireQualifiedAccess>]
module GradientDescent =

    /// φₖ, with the gradient, its square (where the rule asks for it) and the step that led to it.
    [<NoComparison; NoEquality>]
    type private State<'V, 'S> =
        {
            Phi: 'V
            Gradient: 'V
            Square: 'S
            Step: 'S
        }

        interface ICarried<'V, 'S, State<'V, 'S>> with
            member s.Carry(vector, scalar) =
                { Phi = vector s.Phi
                  Gradient = vector s.Gradient
                  Square = scalar s.Square
                  Step = scalar s.Step }

    let private minus (space: IInnerProductSpace<'V, 'S>) a = space.Multiply(space.Scalar -1.0, a)

    let private move (space: IInnerProductSpace<'V, 'S>) step gradient square phi =
        { Phi = space.Axpy(minus space step, gradient, phi)
          Gradient = gradient
          Square = square
          Step = step }

    /// ⟨g, g⟩/⟨g, (H+Λ)g⟩, the minimiser of G's quadratic model along its gradient; 1/λ_min(Λ) where the curvature is not positive.
    let private cauchyStep (space: IInnerProductSpace<'V, 'S>) (regularizer: IRegularizer<'V, 'S>) linearization gradient square =
        let curvature = space.Inner(gradient, InnerObjective.hessianProduct space regularizer linearization gradient)
        let step = space.DivideOrZero(square, curvature)
        space.Select(space.Exceeds(step, space.Scalar 0.0), step, space.Scalar(1.0 / regularizer.SmallestEigenvalue))

    /// ‖s‖/‖y‖; the last step again where the gradient did not change.
    let private measuredStep (space: IInnerProductSpace<'V, 'S>) (last: State<'V, 'S>) gradient square =
        let between = space.Inner(last.Gradient, gradient)
        let twice = space.Multiply(space.Scalar 2.0, between)
        let change = space.Add(last.Square, space.Add(square, minus space twice))
        let factor = space.SquareRoot(space.DivideOrZero(last.Square, change))
        let factor = space.Select(space.Exceeds(factor, space.Scalar 0.0), factor, space.Scalar 1.0)
        space.Multiply(last.Step, factor)

    /// `steps` steps of gradient descent on G(·, θ) from θ.
    ///
    /// Cost: one gradient a step, one Hessian–vector product in all for MeasuredCurvature; two vectors beside θ, however many the steps.
    let solve (rule: StepRule) (steps: int) (space: IInnerProductSpace<'V, 'S>) regularizer (problem: IBilevelProblem<'V, 'S>) theta =
        let gradientAt phi = InnerObjective.gradient space regularizer (problem.InnerGradient phi) phi theta

        let first () =
            match rule with
            | ConstantStep step ->
                let gradient = gradientAt theta
                move space (space.Scalar step) gradient (space.Scalar 0.0) theta
            | MeasuredCurvature ->
                use linearization = problem.LinearizeInner theta
                // At φ = θ the proximal term has no gradient. The linearization owns its own, so this one is a copy.
                let gradient = space.Scale(space.Scalar 1.0, linearization.Gradient)
                let square = space.Inner(gradient, gradient)
                move space (cauchyStep space regularizer linearization gradient square) gradient square theta

        let next (state: State<'V, 'S>) =
            let gradient = gradientAt state.Phi

            match rule with
            | ConstantStep _ -> move space state.Step gradient state.Square state.Phi
            | MeasuredCurvature ->
                let square = space.Inner(gradient, gradient)
                move space (measuredStep space state gradient square) gradient square state.Phi

        let mutable state = Region.run space first

        for _ in 2..steps do
            state <- Region.advance space next state

        state.Phi

/// Gradient descent as an inner solver: `steps` steps by `rule`.
type GradientDescentSolver<'V, 'S>(rule: StepRule, steps: int) =
    do
        if steps < 1 then
            invalidArg (nameof steps) $"the number of inner steps must be at least 1, not {steps}"

        match rule with
        | ConstantStep step when not (step > 0.0 && step < infinity) ->
            invalidArg (nameof rule) $"a constant step must be positive and finite, not {step}"
        | _ -> ()

    interface IInnerSolver<'V, 'S> with
        member _.Solve(space, regularizer, problem, theta) = GradientDescent.solve rule steps space regularizer problem theta
