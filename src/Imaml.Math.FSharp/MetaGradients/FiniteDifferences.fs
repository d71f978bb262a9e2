// Central differences: an independent check of every derivative here, and of a user's own.
//
//     (f(x + he) − f(x − he))/2h = ⟨∇f(x), e⟩ + error,   |error| ≤ h²T/6 + η/h
//
// with T a bound on the third derivative along e and η on the rounding of f. The sum is smallest at h = (3η/T)^⅓, near 6·10⁻⁶ for numbers
// of order one in double precision.

namespace Imaml.Math

open System

/// (f(x + he) − f(x − he))/2h, h = `step`. Errors: a step that is not positive and finite.
[<AbstractClass; Sealed>]
type FiniteDifferences =

    static member private CheckStep(step: float) =
        if not (step > 0.0 && step < infinity) then
            invalidArg (nameof step) $"the step of a finite difference must be positive and finite, not {step}"

    /// ⟨∇f(x), direction⟩ for every task, by two evaluations of f.
    static member Directional(space: IInnerProductSpace<'V, 'S>, step: float, f: Func<'V, 'S>, x: 'V, direction: 'V) : 'S =
        ArgumentNullException.ThrowIfNull(f, nameof f)
        FiniteDifferences.CheckStep step
        let at sign = f.Invoke(space.Axpy(space.Scalar(sign * step), direction, x))
        let difference = space.Add(at 1.0, space.Multiply(space.Scalar -1.0, at -1.0))
        space.Multiply(space.Scalar(0.5 / step), difference)

    /// ∇f(x) for every task, coordinate by coordinate: 2d evaluations of f, for all tasks at once. A derivative that is not finite is one of
    /// f's own values.
    static member Gradient(space: IInnerProductSpace<'V, 'S>, coordinates: ICoordinates<'V>, step: float, f: Func<'V, 'S>, x: 'V) : 'V =
        let rows = coordinates.ToRows x
        let result = rows |> Array.map (fun row -> Array.zeroCreate<float> row.Length)

        for j in 0 .. rows[0].Length - 1 do
            use _ = space.OpenRegion()
            let unit = rows |> Array.map (fun row -> Array.init row.Length (fun i -> if i = j then 1.0 else 0.0))
            let slopes = space.Read(FiniteDifferences.Directional(space, step, f, x, coordinates.OfRows(x, unit)))
            slopes |> Array.iteri (fun task slope -> result[task][j] <- slope)

        coordinates.OfRows(x, result)

    /// d_θL(Alg(θ)) for every task, by solving the inner problem at 2d displaced θ to ‖∇G‖ ≤ gradientNorm. Where the inner solver is exact to
    /// e, its part of the error is at most ‖∇L‖e/h; with the exact solver it is the reference for any other way to the meta-gradient.
    static member MetaGradient
        (
            space: IInnerProductSpace<'V, 'S>,
            coordinates: ICoordinates<'V>,
            step: float,
            regularizer: IRegularizer<'V, 'S>,
            problem: IBilevelProblem<'V, 'S>,
            innerSolver: IInnerSolver<'V, 'S>,
            gradientNorm: float,
            theta: 'V
        ) : 'V =
        let outer theta =
            let inner = innerSolver.Solve(space, regularizer, problem, theta, theta, space.Scalar gradientNorm)
            let struct (loss, _) = problem.OuterLossAndGradient inner.Phi
            loss

        FiniteDifferences.Gradient(space, coordinates, step, outer, theta)
