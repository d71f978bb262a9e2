// How long a step of gradient descent is: fixed in advance, or after the curvature that the iteration itself measures.
//
// A step size fixed in advance is a bet on the curvature: the exact implicit gradient does not see the inner optimiser, so nothing keeps
// H within its reach, and once the largest eigenvalue of H + Λ passes 2/step the iteration diverges. So the step can follow the curvature
// met on the way: after a move s = φₖ − φₖ₋₁ that changed the gradient by y = gₖ − gₖ₋₁ it is ‖s‖/‖y‖, the inverse of the Lipschitz constant
// measured there, the geometric mean of Barzilai and Borwein's two steps (1988; Dai, Al-Baali and Yang 2015). As s = −αgₖ₋₁, this is
// α‖gₖ₋₁‖/‖y‖: two inner products, no further gradient. The first step has no move behind it and takes one Hessian–vector product:
// ⟨g₀, g₀⟩/⟨g₀, (H+Λ)g₀⟩ (Cauchy). ‖∇G‖ may grow for a step or two on the way: the method is not monotone.

namespace Imaml.Math

/// How gradient descent chooses its step.
type StepRule =
    /// The same step for every task, wherever it is.
    | ConstantStep of step: float
    /// The inverse of the curvature that each task measures as it goes.
    | MeasuredCurvature

[<RequireQualifiedAccess>]
module StepRule =

    /// A measured step is longest where the last move was along a flat direction. Gradient descent corrects that with the next gradient;
    /// momentum would carry the error on, and no momentum is known to converge with it. So the two are not combined.
    let internal check rule momentum =
        match rule with
        | ConstantStep step when not (step > 0.0 && step < infinity) ->
            invalidArg (nameof rule) $"a constant step must be positive and finite, not {step}"
        | _ -> ()

        match rule, momentum with
        | MeasuredCurvature, (HeavyBall _ | Nesterov _) ->
            invalidArg (nameof momentum) $"momentum needs a constant step: {momentum} cannot be combined with {rule}"
        | _ -> ()

    /// ⟨g, g⟩/⟨g, (H+Λ)g⟩, the minimiser of G's quadratic model along its gradient; 1/λ_min(Λ) where the curvature is not positive.
    let internal cauchy (space: IInnerProductSpace<'V, 'S>) (regularizer: IRegularizer<'V, 'S>) linearization gradient =
        let curvature =
            space.Inner(gradient, InnerObjective.hessianProduct space regularizer linearization gradient)

        let step = space.DivideOrZero(space.Inner(gradient, gradient), curvature)
        space.Select(space.Exceeds(step, space.Scalar 0.0), step, space.Scalar(1.0 / regularizer.SmallestEigenvalue))

    /// ‖s‖/‖y‖ after a step of this length against the last gradient; the last step again where the gradient did not change.
    let internal measured (space: IInnerProductSpace<'V, 'S>) (lastStep: 'S) (lastGradient: 'V) gradient =
        // The difference first, then its square: ⟨gₖ₋₁, gₖ₋₁⟩ − 2⟨gₖ₋₁, gₖ⟩ + ⟨gₖ, gₖ⟩ would cancel to noise where α times the curvature
        // is below √ε, in single precision from κ = 3000 on.
        let change = space.Axpy(space.Scalar -1.0, lastGradient, gradient)
        let square = space.Inner(lastGradient, lastGradient)
        let factor = space.SquareRoot(space.DivideOrZero(square, space.Inner(change, change)))
        let factor = space.Select(space.Exceeds(factor, space.Scalar 0.0), factor, space.Scalar 1.0)
        space.Multiply(lastStep, factor)
