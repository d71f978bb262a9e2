// Theorem 1's constants where nobody knows them: measured at the φ that was reached, for networks above all. They say how G and L curve
// there and on the way from θ, not how they curve everywhere, so a bound made of them is an estimate, and is called one.
//
//     µ, β   the extreme eigenvalues of H(φ) + Λ: all of them where d is small, otherwise Ritz values of the Krylov space of ∇L(φ), in which
//            CG looks for u. A Ritz value is never below the least eigenvalue: µ may come out too large, and then the bound too small.
//     L      power iteration on ∇²L(φ), by differences of ∇L
//     ρ      the change of H along φ − θ and along u, on u and on φ − θ, by differences of products
//     B      ‖∇L(φ)‖

namespace Imaml.Math

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

/// Constants that were measured: Kind is Estimated, always.
[<AbstractClass; Sealed>]
type EstimatedConstants =

    /// The least and the greatest eigenvalue of each task's H + Λ.
    static member private Dense(space: IInnerProductSpace<'V, 'S>, coordinates: ICoordinates<'V>, apply: 'V -> 'V, like: 'V) =
        LinearOperator.Matrices(space, coordinates, LinearOperator.Of apply, like)
        |> Array.map (fun matrix ->
            if matrix.Exists(fun value -> not (System.Double.IsFinite value)) then
                struct (nan, nan)
            else
                let system = Eigensystem.Of matrix
                struct (system.Smallest, system.Largest))

    /// The ends of the Ritz values, and of the curvatures met, that CG sees from ∇L(φ).
    static member private Lanczos(space: IInnerProductSpace<'V, 'S>, apply: 'V -> 'V, v: 'V, steps: int) =
        let solver: ILinearSolver<'V, 'S> = ConjugateGradientSolver(LinearSolveOptions.FixedBudget steps)

        solver.Solve(space, LinearOperator.Of apply, v, space.Scalar 0.0).Read space
        |> Array.map (fun s ->
            if s.RitzValues.Length = 0 then
                struct (min s.SmallestCurvature 0.0, nan)
            else
                struct (min s.SmallestCurvature (Array.min s.RitzValues), Array.max s.RitzValues))

    /// The constants of every task at φ, on the way from θ.
    ///
    /// Cost: a linearization at φ and two beside it, d or LanczosSteps products and six more, 1 + PowerSteps outer gradients. Rounding of the
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
        if options.LanczosSteps < 1 || options.PowerSteps < 1 then
            invalidArg
                (nameof options)
                $"LanczosSteps and PowerSteps must be at least 1, not {options.LanczosSteps} and {options.PowerSteps}"

        if not (options.Reach > 0.0 && options.Reach < infinity) then
            invalidArg (nameof options) $"Reach must be positive and finite, not {options.Reach}"

        use _ = space.OpenRegion()
        let minus x y = space.Axpy(space.Scalar -1.0, y, x)
        let reach = space.Norm phi |> space.Read |> Array.map (fun size -> options.Reach * max 1.0 size)
        let unit x = space.Scale(space.DivideOrZero(space.Scalar 1.0, space.Norm x), x)
        let beyond direction = space.Axpy(space.PerTask reach, direction, phi)
        let size x = space.Read(space.Norm x)
        let perReach (sizes: float[]) = Array.map2 (/) sizes reach
        let struct (_, v) = problem.OuterLossAndGradient phi
        use linearization = problem.LinearizeInner phi
        let apply = InnerObjective.hessianProduct space regularizer linearization
        let d = (coordinates.ToRows phi |> Array.head).Length

        let ends =
            if d <= options.LargestDense then
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
            let struct (smallest, largest) = ends[task]

            {
                Kind = BoundKind.Estimated
                StrongConvexity = smallest
                Smoothness = largest
                LargestRegularization = regularizer.LargestEigenvalue
                OuterSmoothness = smoothness[task]
                OuterGradientBound = outer[task]
                HessianLipschitz = lipschitz[task]
                InnerGradientRounding = AffineBound.Zero
                OuterGradientRounding = AffineBound.Zero
                ProductRounding = AffineBound.Zero
            })
