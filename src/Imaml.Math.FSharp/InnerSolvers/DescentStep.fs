// The step that every method of descent on G(·, θ) makes, solvers and differentiated paths alike:
//
//     φₜ₊₁ = zₜ − S∇G(yₜ, θ),   (yₜ, zₜ) = P(φₜ, φₜ₋₁),   φ₋₁ = φ₀
//
// P is linear, and is all that the momenta differ in: with x = φₜ + b(φₜ − φₜ₋₁),
//
//     gradient descent   (φₜ, φₜ)
//     heavy ball         (φₜ, x)       (Polyak 1964)
//     Nesterov           (x, x)        (Nesterov 1983)
//
// S holds the step sizes: one for each task, or one for each coordinate (Meta-SGD). A size fixed in advance assumes a curvature: the
// exact implicit gradient does not see the inner optimiser, so nothing keeps H within its reach, and once the largest eigenvalue of H + Λ
// passes 2/step the iteration diverges. So the size can follow the curvature that the iteration measures (StepRule).

namespace Imaml.Math

/// What a step keeps of the step before it.
type Momentum =
    | NoMomentum
    | HeavyBall of b: float
    | Nesterov of b: float

    member internal momentum.Check() =
        match momentum with
        | HeavyBall b
        | Nesterov b when not (b >= 0.0 && b < 1.0) -> invalidArg (nameof momentum) $"a momentum must be in [0, 1), not {b}"
        | _ -> ()

    /// (√κ − 1)/(√κ + 1), the quotient of the accelerated rates.
    static member private Quotient(strongConvexity: float, smoothness: float) =
        let root = sqrt (smoothness / strongConvexity)
        (root - 1.0) / (root + 1.0)

    /// Nesterov's step 1/β and momentum (√κ−1)/(√κ+1), for a µ-strongly convex, β-smooth G.
    static member NesterovFor(strongConvexity: float, smoothness: float) : struct (float * Momentum) =
        struct (1.0 / smoothness, Nesterov(Momentum.Quotient(strongConvexity, smoothness)))

    /// Polyak's step 4/(√β+√µ)² and momentum ((√κ−1)/(√κ+1))², proved for quadratic G only.
    static member HeavyBallFor(strongConvexity: float, smoothness: float) : struct (float * Momentum) =
        let sum = sqrt smoothness + sqrt strongConvexity
        struct (4.0 / (sum * sum), HeavyBall(Momentum.Quotient(strongConvexity, smoothness) ** 2.0))

/// How gradient descent chooses its step.
type StepRule =
    /// The same step for every task, wherever it is.
    | ConstantStep of step: float
    /// The inverse of the curvature that each task measures: after a move s that changed the gradient by y it is ‖s‖/‖y‖, the geometric mean of
    /// Barzilai and Borwein's two steps (1988; Dai, Al-Baali and Yang 2015). ‖∇G‖ may grow for a step or two: the method is not monotone.
    | MeasuredCurvature

    /// A measured step is longest where the last move was along a flat direction. Gradient descent corrects that with the next gradient;
    /// momentum would carry the error on, and no momentum is known to converge with it. So the two are not combined.
    member internal rule.Check(momentum: Momentum) =
        match rule with
        | ConstantStep step when not (step > 0.0 && step < infinity) ->
            invalidArg (nameof rule) $"a constant step must be positive and finite, not {step}"
        | _ -> ()

        match rule, momentum with
        | MeasuredCurvature, (HeavyBall _ | Nesterov _) ->
            invalidArg (nameof momentum) $"momentum needs a constant step: {momentum} cannot be combined with {rule}"
        | _ -> ()

/// S: a symmetric operator.
[<NoComparison; NoEquality>]
type internal StepSizes<'V, 'S> =
    /// α, the same for all coordinates of a task.
    | SizePerTask of alpha: 'S
    | SizePerCoordinate of coordinates: ICoordinates<'V> * alpha: 'V

/// What is decided once the gradient is known.
[<NoComparison; NoEquality>]
type internal StepChoice<'V, 'S, 'Decision> =
    {
        /// 1 for the tasks that move, 0 for those that stay where they are, whose size is 0.
        Moving: 'S
        Sizes: StepSizes<'V, 'S>
        /// What whoever chose wants to know of it afterwards.
        Decision: 'Decision
    }

[<RequireQualifiedAccess>]
module internal Descent =

    /// x = φ + b(φ − φₜ₋₁) where the mask is 1, exactly φ elsewhere.
    let private ahead (space: IInnerProductSpace<'V, 'S>) (b: float) mask (phi: 'V) previous =
        space.Axpy(space.Multiply(space.Scalar b, mask), space.Axpy(space.Scalar -1.0, previous, phi), phi)

    /// y: where the gradient is taken.
    let point space momentum mask (phi: 'V) previous =
        match momentum with
        | Nesterov b -> ahead space b mask phi previous
        | NoMomentum
        | HeavyBall _ -> phi

    /// Pᵀ(ȳ, z̄): what falls to φₜ and to φₜ₋₁.
    let adjointOfPoints (space: IInnerProductSpace<'V, 'S>) momentum (y: 'V) (z: 'V) =
        let sum () = space.Axpy(space.Scalar 1.0, y, z)

        match momentum with
        | NoMomentum -> struct (sum (), space.Zero z)
        | HeavyBall b -> struct (space.Axpy(space.Scalar b, z, sum ()), space.Scale(space.Scalar -b, z))
        | Nesterov b -> struct (space.Scale(space.Scalar(1.0 + b), sum ()), space.Scale(space.Scalar -b, sum ()))

    /// Sw
    let apply (space: IInnerProductSpace<'V, 'S>) sizes (w: 'V) =
        match sizes with
        | SizePerTask alpha -> space.Scale(alpha, w)
        | SizePerCoordinate(coordinates, alpha) -> coordinates.Product(w, alpha)

    /// z − Sg
    let private move (space: IInnerProductSpace<'V, 'S>) sizes (z: 'V) gradient =
        match sizes with
        | SizePerTask alpha -> space.Axpy(space.Multiply(space.Scalar -1.0, alpha), gradient, z)
        | SizePerCoordinate(coordinates, alpha) -> space.Axpy(space.Scalar -1.0, coordinates.Product(gradient, alpha), z)

    /// φₜ₊₁ from φₜ and φₜ₋₁, with the gradient that led to it and what was decided by it. `looking` masks the tasks whose y looks ahead.
    let step
        (space: IInnerProductSpace<'V, 'S>)
        (momentum: Momentum)
        (looking: 'S)
        (gradientAt: 'V -> 'V)
        (choose: 'V -> StepChoice<'V, 'S, 'Decision>)
        (phi: 'V)
        (previous: 'V)
        : struct ('V * 'V * 'Decision) =
        let y = point space momentum looking phi previous
        let gradient = gradientAt y
        let choice = choose gradient

        let z =
            match momentum with
            | HeavyBall b -> ahead space b choice.Moving phi previous
            | NoMomentum
            | Nesterov _ -> y

        struct (move space choice.Sizes z gradient, gradient, choice.Decision)

    /// One step of all tasks by these sizes.
    let stepBy (space: IInnerProductSpace<'V, 'S>) momentum sizes gradientAt (phi: 'V) previous : 'V =
        let choice =
            {
                Moving = space.Scalar 1.0
                Sizes = sizes
                Decision = ()
            }

        let struct (next, _, _) = step space momentum choice.Moving gradientAt (fun _ -> choice) phi previous
        next

    /// ⟨g, g⟩/⟨g, (H+Λ)g⟩, the minimiser of G's quadratic model along its gradient: the first step, which has no move behind it;
    /// 1/λ_min(Λ) where the curvature is not positive. Cost: one product.
    let cauchy (space: IInnerProductSpace<'V, 'S>) (regularizer: IRegularizer<'V, 'S>) linearization gradient =
        let curvature =
            space.Inner(gradient, InnerObjective.hessianProduct space regularizer linearization gradient)

        let step = space.DivideOrZero(space.Inner(gradient, gradient), curvature)
        space.Select(space.Exceeds(step, space.Scalar 0.0), step, space.Scalar(1.0 / regularizer.SmallestEigenvalue))

    /// ‖s‖/‖y‖ after a step of this length against the last gradient, s = −αgₜ₋₁: α‖gₜ₋₁‖/‖y‖, two inner products and no further gradient; the
    /// last step again where the gradient did not change.
    let measured (space: IInnerProductSpace<'V, 'S>) (lastStep: 'S) (lastGradient: 'V) gradient =
        // The difference first, then its square: ⟨gₜ₋₁, gₜ₋₁⟩ − 2⟨gₜ₋₁, gₜ⟩ + ⟨gₜ, gₜ⟩ would cancel to noise where α times the curvature
        // is below √ε, in single precision from κ = 3000 on.
        let change = Fused.squaredDistance space gradient lastGradient
        let square = space.Inner(lastGradient, lastGradient)
        let factor = space.SquareRoot(space.DivideOrZero(square, change))
        let factor = space.Select(space.Exceeds(factor, space.Scalar 0.0), factor, space.Scalar 1.0)
        space.Multiply(lastStep, factor)
