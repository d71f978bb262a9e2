// Theorem 1's constants where they are not known, mainly for networks: measured at one φ. They describe how G and L curve there and along
// φ − θ, not how they curve everywhere, so a bound made of them is an estimate, and is called one.
//
//     µ, β   the extreme eigenvalues of H(φ) + Λ: all of them where d is small, otherwise Ritz values of the Krylov space of ∇L(φ), in which
//            CG looks for u. A Ritz value is never below the smallest eigenvalue: µ may come out too large, and then the bound too small.
//     L      power iteration on ∇²L(φ), by differences of ∇L
//     ρ      the change of H along φ − θ and along ∇L(φ), on ∇L(φ) and on φ − θ, by differences of products
//     B      ‖∇L(φ)‖
//
// HessianChange measures ρ along one direction, ObservedCurvature measures µ, β and κ by one Lanczos run.

namespace Imaml.Math

open System

/// ρ seen from one point: how fast H changes along one direction, on one vector.
[<AbstractClass; Sealed>]
type HessianChange =

    /// ‖(H(φ + hs) − H(φ))w‖/(h‖w‖) for every task, from the linearization at φ, s the direction scaled to length 1; 0 where it or w is 0.
    ///
    /// At most ρ for every h > 0, up to rounding of about ε‖H‖/h. Where H is continuous it settles as h shrinks; at a kink, such as a
    /// rectifier's, H jumps, the quotient grows like 1/h, and no ρ exists.
    /// Cost: one linearization and two products. Errors: h that is not positive and finite.
    static member Along
        (
            space: IInnerProductSpace<'V, 'S>,
            problem: IBilevelProblem<'V, 'S>,
            linearization: ILinearization<'V, 'S>,
            phi: 'V,
            direction: 'V,
            w: 'V,
            h: float
        ) : 'S =
        if not (h > 0.0 && h < infinity) then
            invalidArg (nameof h) $"the distance must be positive and finite, not {h}"

        use region = space.OpenRegion()
        let length = space.DivideOrZero(space.Scalar h, space.Norm direction)
        use there = problem.LinearizeInner(space.Axpy(length, direction, phi))
        let change = space.Axpy(space.Scalar -1.0, linearization.HessianProduct w, there.HessianProduct w)
        let quotient = space.DivideOrZero(space.Norm change, space.Multiply(space.Scalar h, space.Norm w))
        region.KeepScalar quotient

/// G's curvature at φ as measured by one Lanczos run on H = ∇²L̂(φ), for Λ = λI.
///
/// Ritz values lie inside the spectrum. So µ ≤ λ + min d and β ≥ λ + max d, κ may be larger than their quotient, and λ + min d < 0 proves,
/// up to rounding, that G is not convex at φ. They never prove that it is: a lower bound on µ has a chance of error (RitzSpectrum.Missed).
type ObservedCurvature =
    {
        /// λ + min d ≥ µ; not a number where nothing was seen.
        StrongConvexityAtMost: float
        /// λ + max d ≤ β.
        SmoothnessAtLeast: float
        /// By how much µ may be smaller, except with the chance of error that was allowed.
        Missed: float
    }

    /// From H's Ritz values. Errors: those of RitzSpectrum.Missed; λ that is not positive and finite.
    static member Of(spectrum: RitzSpectrum, lambda: float, dimension: int, failure: float) : ObservedCurvature =
        if not (lambda > 0.0 && lambda < infinity) then
            invalidArg (nameof lambda) $"λ must be positive and finite, not {lambda}"

        {
            StrongConvexityAtMost = lambda + spectrum.Smallest
            SmoothnessAtLeast = lambda + spectrum.Largest
            Missed = spectrum.Missed(dimension, failure)
        }

    /// G is not convex at the point: a direction of negative curvature was found.
    member o.IsRefuted = o.StrongConvexityAtMost < 0.0

    /// G is strongly convex at the point, except with the chance of error that was allowed.
    member o.IsProbable = o.StrongConvexityAtMost - o.Missed > 0.0

    /// κ ≥ β/µ as seen; infinite where µ is not positive.
    member o.ConditionAtLeast =
        if o.StrongConvexityAtMost > 0.0 then
            o.SmoothnessAtLeast / o.StrongConvexityAtMost
        else
            infinity

    /// ‖∇G(φ)‖/µ with the µ that was seen: an estimate of δ (Definition 1), never a bound; infinite where µ is not positive.
    member o.InnerError(gradientNorm: float) =
        if o.StrongConvexityAtMost > 0.0 then
            gradientNorm / o.StrongConvexityAtMost
        else
            infinity

/// How much is spent on the constants.
type EstimateOptions =
    {
        /// Up to this many parameters the eigenvalues are those of the dense H + Λ, at one product for each parameter.
        LargestDense: int
        /// Steps of conjugate gradients for Ritz values, where there are more.
        LanczosSteps: int
        /// Steps of power iteration on ∇²L, at one outer gradient each.
        PowerSteps: int
        /// How far the differences reach, relative to max(1, ‖φ‖): about the cube root of the unit roundoff.
        Reach: float
    }

/// One task's measured constants, and the evaluations that they took apart from the linearization and ∇L at φ.
[<NoComparison; NoEquality>]
type internal Estimate =
    {
        Constants: ErrorConstants
        Gradients: int
        HessianProducts: int
        OuterGradients: int
    }

/// Constants that were measured: Kind is Estimated, always.
[<AbstractClass; Sealed>]
type EstimatedConstants =

    // The smallest and the largest eigenvalue of each task's H + Λ, and the products taken.
    static member private Dense(space: IInnerProductSpace<'V, 'S>, coordinates: ICoordinates<'V>, apply: 'V -> 'V, like: 'V) =
        LinearOperator.Matrices(space, coordinates, LinearOperator.Of apply, like)
        |> Array.map (fun matrix ->
            if matrix.Exists(fun value -> not (Double.IsFinite value)) then
                struct (nan, nan, matrix.RowCount)
            else
                let system = Eigensystem.Of matrix
                struct (system.Smallest, system.Largest, matrix.RowCount))

    // The ends of the Ritz values and of the curvatures that CG sees from ∇L(φ), and the products taken.
    static member private Lanczos(space: IInnerProductSpace<'V, 'S>, apply: 'V -> 'V, v: 'V, steps: int) =
        let solver: ILinearSolver<'V, 'S> = ConjugateGradientSolver(LinearSolveOptions.FixedBudget steps)

        solver.Solve(space, LinearOperator.Of apply, v, space.Scalar 0.0).Read space
        |> Array.map (fun s ->
            if s.RitzValues.Length = 0 then
                struct (min s.SmallestCurvature 0.0, nan, s.Products)
            else
                struct (min s.SmallestCurvature (Array.min s.RitzValues), Array.max s.RitzValues, s.Products))

    static member internal Check(options: EstimateOptions) =
        if options.LanczosSteps < 1 || options.PowerSteps < 1 then
            invalidArg
                (nameof options)
                $"LanczosSteps and PowerSteps must be at least 1, not {options.LanczosSteps} and {options.PowerSteps}"

        if not (options.Reach > 0.0 && options.Reach < infinity) then
            invalidArg (nameof options) $"Reach must be positive and finite, not {options.Reach}"

    /// The constants of every task at φ, whose linearization and v = ∇L(φ) are at hand.
    static member internal AtLinearization
        (
            space: IInnerProductSpace<'V, 'S>,
            coordinates: ICoordinates<'V>,
            regularizer: IRegularizer<'V, 'S>,
            problem: IBilevelProblem<'V, 'S>,
            options: EstimateOptions,
            theta: 'V,
            phi: 'V,
            linearization: ILinearization<'V, 'S>,
            v: 'V
        ) : Estimate[] =
        EstimatedConstants.Check options
        use _ = space.OpenRegion()
        let minus x y = space.Axpy(space.Scalar -1.0, y, x)
        let reach = space.Norm phi |> space.Read |> Array.map (fun size -> options.Reach * max 1.0 size)
        let unit x = space.Scale(space.DivideOrZero(space.Scalar 1.0, space.Norm x), x)
        let beyond direction = space.Axpy(space.PerTask reach, direction, phi)
        let size x = space.Read(space.Norm x)
        let perReach (sizes: float[]) = Array.map2 (/) sizes reach
        let apply = InnerObjective.hessianProduct space regularizer linearization

        let ends =
            if space.Dimension phi <= options.LargestDense then
                EstimatedConstants.Dense(space, coordinates, apply, phi)
            else
                EstimatedConstants.Lanczos(space, apply, v, options.LanczosSteps)

        // ∇²L s ≈ (∇L(φ + hs) − ∇L(φ))/h
        let mutable direction = unit v
        let mutable smoothness = Array.zeroCreate reach.Length

        for _ in 1 .. options.PowerSteps do
            let struct (_, there) = problem.OuterLossAndGradient(beyond direction)
            let change = minus there v
            smoothness <- Array.map2 max smoothness (perReach (size change))
            direction <- unit change

        // (H(φ + hs) − H(φ))w/h
        let along = [| unit (minus phi theta); unit v |]
        let here = along |> Array.map linearization.HessianProduct

        let lipschitz =
            along
            |> Array.map (fun s ->
                use there = problem.LinearizeInner(beyond s)

                Array.map2 (fun w before -> perReach (size (minus (there.HessianProduct w) before))) along here
                |> Array.reduce (Array.map2 max))
            |> Array.reduce (Array.map2 max)

        let outer = size v

        Array.init reach.Length (fun task ->
            let struct (smallest, largest, products) = ends[task]

            {
                Constants =
                    ErrorConstants(
                        BoundKind.Estimated,
                        smallest,
                        largest,
                        regularizer.LargestEigenvalue,
                        smoothness[task],
                        outer[task],
                        lipschitz[task],
                        AffineBound.Zero,
                        AffineBound.Zero,
                        AffineBound.Zero
                    )
                Gradients = along.Length
                HessianProducts = products + along.Length * (1 + along.Length)
                OuterGradients = options.PowerSteps
            })

    /// The constants of every task at φ, reached from θ. They hold there only: Certificate.Estimate and AdaptiveAccuracy measure their own.
    ///
    /// Cost: a linearization at φ and two near it, d or LanczosSteps products and six more, 1 + PowerSteps outer gradients. Rounding of the
    /// losses is not estimated: it counts as none.
    static member At
        (
            space: IInnerProductSpace<'V, 'S>,
            coordinates: ICoordinates<'V>,
            regularizer: IRegularizer<'V, 'S>,
            problem: IBilevelProblem<'V, 'S>,
            options: EstimateOptions,
            theta: 'V,
            phi: 'V
        ) : ErrorConstants[] =
        EstimatedConstants.Check options
        use _ = space.OpenRegion()
        let struct (_, v) = problem.OuterLossAndGradient phi
        use linearization = problem.LinearizeInner phi

        EstimatedConstants.AtLinearization(space, coordinates, regularizer, problem, options, theta, phi, linearization, v)
        |> Array.map _.Constants
