// Conjugate gradients for A u = b, A symmetric positive definite (Hestenes and Stiefel 1952), on B tasks in lock-step.
//
// In the paper: the solve of Algorithm 2, line 4, where A = H + Λ and b is the outer gradient (equation 7). After k steps the error in
// the A-norm is at most 2((√κ−1)/(√κ+1))ᵏ of the first. The system is solved for b/‖b‖, so that a tiny b does not underflow.
// A task that has met its tolerance, or a direction that CG cannot use, is frozen: its α is 0 from then on.

namespace Imaml.Math

[<RequireQualifiedAccess>]
module ConjugateGradient =

    /// Where the recurrence's residual is nothing but rounding, in single and in double precision, and its square is still a normal
    /// number in both. Beyond it the inner products underflow, and a vanished ⟨p, Ap⟩ would look like an indefinite A.
    [<Literal>]
    let NegligibleResidual = 1e-18

    /// x, r = b − Ax, p and ρ = ⟨r, r⟩ of the scaled system, with what is being observed on the way.
    [<NoComparison; NoEquality>]
    type private State<'V, 'S> =
        {
            X: 'V
            R: 'V
            P: 'V
            Rho: 'S
            Running: 'S
            Steps: 'S
            Products: 'S
            Smallest: 'S
            Indefinite: 'S
            NonFinite: 'S
            /// (α, β) of the step just made, until the solver takes it: nothing that grows is carried from step to step.
            Newest: struct ('S * 'S) list
        }

        interface ICarried<'V, 'S, State<'V, 'S>> with
            member s.Carry(vector, scalar) =
                {
                    X = vector s.X
                    R = vector s.R
                    P = vector s.P
                    Rho = scalar s.Rho
                    Running = scalar s.Running
                    Steps = scalar s.Steps
                    Products = scalar s.Products
                    Smallest = scalar s.Smallest
                    Indefinite = scalar s.Indefinite
                    NonFinite = scalar s.NonFinite
                    Newest = s.Newest |> List.map (fun struct (a, b) -> struct (scalar a, scalar b))
                }

    let private step (space: IInnerProductSpace<'V, 'S>) (apply: 'V -> 'V) (tolerance: 'S) (s: State<'V, 'S>) =
        let zero = space.Scalar 0.0
        let one = space.Scalar 1.0
        let complement mask = space.Exceeds(one, mask)
        let q = apply s.P
        let curvature = space.Inner(s.P, q)
        let positive = space.Exceeds(curvature, zero)
        // Neither statement holds of a curvature that is not a number.
        let aboveMinusInfinity = space.Exceeds(curvature, space.Scalar -infinity)
        let finite = space.Multiply(aboveMinusInfinity, space.Exceeds(space.Scalar infinity, curvature))
        let running = space.Multiply(s.Running, space.Multiply(positive, finite))
        // Selected, not multiplied by the mask: 0·∞ would not freeze anything.
        let frozen step = space.Select(running, step, zero)
        let alpha = frozen (space.DivideOrZero(s.Rho, curvature))
        let r = space.Axpy(space.Multiply(space.Scalar -1.0, alpha), q, s.R)
        let rho = space.Inner(r, r)
        let beta = frozen (space.DivideOrZero(rho, s.Rho))
        let quotient = space.DivideOrZero(curvature, space.Inner(s.P, s.P))
        let lower = space.Multiply(s.Running, space.Multiply(finite, space.Exceeds(s.Smallest, quotient)))

        {
            X = space.Axpy(alpha, s.P, s.X)
            R = r
            P = space.Axpy(beta, s.P, r)
            Rho = rho
            Running = space.Multiply(running, space.Exceeds(rho, tolerance))
            Steps = space.Add(s.Steps, running)
            Products = space.Add(s.Products, s.Running)
            Smallest = space.Select(lower, quotient, s.Smallest)
            Indefinite = space.Add(s.Indefinite, space.Multiply(s.Running, space.Multiply(finite, complement positive)))
            NonFinite = space.Add(s.NonFinite, space.Multiply(s.Running, complement finite))
            Newest = [ struct (alpha, beta) ]
        }

    /// Solves A u = b from u = 0, where `apply` is w ↦ Aw, symmetric (not checked) and positive definite (checked along the way).
    ///
    /// Cost: one product a step, and one more with RecomputeResidual; four vectors beside b; one synchronisation every CheckEvery steps.
    let internal toResidual (space: IInnerProductSpace<'V, 'S>) (apply: 'V -> 'V) (options: LinearSolveOptions) (residualNorm: 'S) (b: 'V) =
        LinearSolver.check options

        Region.run space (fun () ->
            let zero = space.Scalar 0.0
            let size = space.Norm b
            let unit () = space.Scale(space.DivideOrZero(space.Scalar 1.0, size), b)
            let r = unit ()
            let rho = space.Inner(r, r)
            let relative = space.Scalar(max options.RelativeResidual NegligibleResidual)
            let relative = LinearSolver.larger space relative (space.DivideOrZero(residualNorm, size))
            let tolerance = space.Multiply(relative, relative)

            let mutable state =
                {
                    X = space.Zero b
                    R = r
                    P = r
                    Rho = rho
                    Running = space.Exceeds(rho, zero)
                    Steps = space.Scalar 0.0
                    Products = space.Scalar 0.0
                    Smallest = space.Scalar infinity
                    Indefinite = space.Scalar 0.0
                    NonFinite = space.Scalar 0.0
                    Newest = []
                }

            let coefficients = ResizeArray()
            let mutable k = 0

            while k < options.MaxSteps do
                state <- Region.advance space (step space apply tolerance) { state with Newest = [] }
                coefficients.AddRange state.Newest
                k <- k + 1

                if options.CheckEvery > 0 && k % options.CheckEvery = 0 && not (space.Any state.Running) then
                    k <- options.MaxSteps

            let residual =
                if options.RecomputeResidual then
                    space.Axpy(space.Scalar -1.0, apply state.X, unit ())
                else
                    state.R

            let relativeResidual = space.Norm residual
            // Where ‖b‖ is not finite no step was made, and the last finite iterate is 0.
            let scale = space.Select(space.Exceeds(space.Scalar infinity, size), size, zero)

            {
                Solution = space.Scale(scale, state.X)
                RightHandSideNorm = size
                Steps = state.Steps
                Products = state.Products
                RelativeResidual = relativeResidual
                SmallestCurvature = state.Smallest
                Met = space.Exceeds(space.Scalar 1.0, space.Exceeds(state.Rho, tolerance))
                Indefinite = state.Indefinite
                NonFinite = state.NonFinite
                Coefficients = coefficients.ToArray()
            })

    /// Solves A u = b from u = 0, by `options` alone.
    let solve (space: IInnerProductSpace<'V, 'S>) (options: LinearSolveOptions) (apply: 'V -> 'V) (b: 'V) =
        use region = space.OpenRegion()
        let report = toResidual space apply options (space.Scalar 0.0) b
        (report :> ICarried<_, _, LinearSolveReport<'V, 'S>>).Carry(region.KeepVector, region.KeepScalar)

/// Conjugate gradients as a linear solver.
type ConjugateGradientSolver<'V, 'S>(options: LinearSolveOptions) =
    do LinearSolver.check options

    interface ILinearSolver<'V, 'S> with
        member _.Solve(space, operator, b, residualNorm) = ConjugateGradient.toResidual space operator.Apply options residualNorm b

        member _.SolveFrom(space, operator, b, start, residualNorm) =
            LinearSolver.shifted space options (ConjugateGradient.toResidual space operator.Apply) operator.Apply b start residualNorm
