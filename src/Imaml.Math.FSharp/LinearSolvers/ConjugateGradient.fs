// Conjugate gradients for A u = b, A symmetric positive definite (Hestenes and Stiefel 1952), on B tasks in lock-step.
//
// In the paper: the solve of Algorithm 2, line 4, where A = H + Λ and b is the outer gradient (equation 7). After k steps the error in
// the A-norm is at most 2((√κ−1)/(√κ+1))ᵏ of the first. The system is solved for b/‖b‖, so that a tiny b does not underflow.
// A task that has met its tolerance, or a direction that CG cannot use, is frozen: its α is 0 from then on.
// With a preconditioner M the same text takes z = M⁻¹r in r's place (Golub and Van Loan, section 11.5), and κ is that of M⁻¹A.

namespace Imaml.Math

[<RequireQualifiedAccess>]
module ConjugateGradient =

    /// x, r = b − Ax, ‖r‖², p and ρ = ⟨r, z⟩ of the scaled system, with what is being observed on the way. Without a preconditioner z is r.
    [<NoComparison; NoEquality>]
    type private State<'V, 'S> =
        {
            X: 'V
            R: 'V
            Square: 'S
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
                    X = vector.Invoke s.X
                    R = vector.Invoke s.R
                    Square = scalar.Invoke s.Square
                    P = vector.Invoke s.P
                    Rho = scalar.Invoke s.Rho
                    Running = scalar.Invoke s.Running
                    Steps = scalar.Invoke s.Steps
                    Products = scalar.Invoke s.Products
                    Smallest = scalar.Invoke s.Smallest
                    Indefinite = scalar.Invoke s.Indefinite
                    NonFinite = scalar.Invoke s.NonFinite
                    Newest = s.Newest |> List.map (fun struct (a, b) -> struct (scalar.Invoke a, scalar.Invoke b))
                }

    /// z = M⁻¹r and ρ = ⟨r, z⟩, and of the tasks that would go on those that can: where ρ is positive and finite. Without a preconditioner
    /// z is r and ρ is ‖r‖², and nothing is computed.
    let private precondition (space: IInnerProductSpace<'V, 'S>) (inverse: ('V -> 'V) voption) (r: 'V) (square: 'S) (going: 'S) =
        match inverse with
        | ValueNone -> struct (r, square, going)
        | ValueSome inverse ->
            let z = inverse r
            let rho = space.Inner(r, z)
            let usable = space.Multiply(space.Exceeds(rho, space.Scalar 0.0), Mask.finite space rho)
            struct (z, rho, space.Multiply(going, usable))

    let private step
        (space: IInnerProductSpace<'V, 'S>)
        (apply: 'V -> 'V)
        (inverse: ('V -> 'V) voption)
        (tolerance: 'S)
        (s: State<'V, 'S>)
        =
        let zero = space.Scalar 0.0
        let complement = Mask.complement space
        let q = apply s.P
        let curvature = space.Inner(s.P, q)
        let positive = space.Exceeds(curvature, zero)
        let finite = Mask.finite space curvature
        let alpha = space.DivideOrZero(s.Rho, curvature)
        // A curvature that is all but 0 has no finite step.
        let finite = space.Multiply(finite, Mask.finite space alpha)
        let running = space.Multiply(s.Running, space.Multiply(positive, finite))
        // Selected, not multiplied by the mask: 0·∞ would not freeze anything.
        let frozen step = space.Select(running, step, zero)
        let alpha = frozen alpha
        let r = space.Axpy(space.Multiply(space.Scalar -1.0, alpha), q, s.R)
        let square = space.Inner(r, r)
        let going = space.Multiply(running, space.Exceeds(square, tolerance))
        let struct (z, rho, going) = precondition space inverse r square going
        let beta = frozen (space.DivideOrZero(rho, s.Rho))
        let quotient = space.DivideOrZero(curvature, space.Inner(s.P, s.P))
        let lower = space.Multiply(s.Running, space.Multiply(finite, space.Exceeds(s.Smallest, quotient)))

        {
            X = space.Axpy(alpha, s.P, s.X)
            R = r
            Square = square
            P = space.Axpy(beta, s.P, z)
            Rho = rho
            Running = going
            Steps = space.Add(s.Steps, running)
            Products = space.Add(s.Products, s.Running)
            Smallest = space.Select(lower, quotient, s.Smallest)
            Indefinite = space.Add(s.Indefinite, space.Multiply(s.Running, space.Multiply(finite, complement positive)))
            NonFinite = space.Add(s.NonFinite, space.Multiply(s.Running, complement finite))
            Newest = [ struct (alpha, beta) ]
        }

    let private first space inverse (tolerance: 'S) (r: 'V) =
        let zero () = (space: IInnerProductSpace<'V, 'S>).Scalar 0.0
        let square = space.Inner(r, r)
        let struct (z, rho, running) = precondition space inverse r square (space.Exceeds(square, tolerance))

        {
            X = space.Zero r
            R = r
            Square = square
            P = z
            Rho = rho
            Running = running
            Steps = zero ()
            Products = zero ()
            Smallest = space.Scalar infinity
            Indefinite = zero ()
            NonFinite = zero ()
            Newest = []
        }

    /// Where the preconditioner has no positive ρ, and where it has none that is a number: a task that stopped for it has kept its r and ρ.
    let private refusals (space: IInnerProductSpace<'V, 'S>) (inverse: ('V -> 'V) voption) (unmet: 'S) (rho: 'S) =
        match inverse with
        | ValueNone -> struct (space.Scalar 0.0, space.Scalar 0.0)
        | ValueSome _ ->
            let finite = Mask.finite space rho
            let notPositive = Mask.complement space (space.Exceeds(rho, space.Scalar 0.0))
            let broken = space.Multiply(unmet, Mask.complement space finite)
            struct (space.Multiply(unmet, space.Multiply(finite, notPositive)), broken)

    let internal toResidual
        (space: IInnerProductSpace<'V, 'S>)
        (apply: 'V -> 'V)
        (inverse: ('V -> 'V) voption)
        (options: LinearSolveOptions)
        (residualNorm: 'S)
        (b: 'V)
        =
        LinearSolver.check options

        Region.run space (fun () ->
            let system = ScaledSystem.ofRightHandSide space options residualNorm b
            let tolerance = space.Multiply(system.Tolerance, system.Tolerance)
            let coefficients = ResizeArray()

            let collect state =
                coefficients.AddRange state.Newest
                { state with Newest = [] }

            let state =
                first space inverse tolerance (ScaledSystem.unit space system.Size b)
                |> ScaledSystem.iterate space options _.Running collect (step space apply inverse tolerance)

            let unmet = space.Exceeds(state.Square, tolerance)
            let struct (notPositive, broken) = refusals space inverse unmet state.Rho

            ScaledSystem.report
                space
                options
                apply
                b
                system
                { LinearSolver.blank space state.X system.Size with
                    Steps = state.Steps
                    Products = state.Products
                    RelativeResidual = space.Norm state.R
                    SmallestCurvature = state.Smallest
                    Met = Mask.complement space unmet
                    Indefinite = state.Indefinite
                    NonFinite = space.Add(state.NonFinite, broken)
                    PreconditionerNotPositive = notPositive
                    // With a preconditioner they would give the Ritz values of M⁻¹A.
                    Coefficients = if inverse.IsSome then [||] else coefficients.ToArray()
                })

    /// Solves A u = b from u = 0, where `apply` is w ↦ Aw, symmetric (not checked) and positive definite (checked along the way).
    ///
    /// Cost: one product a step, and one more with RecomputeResidual; four vectors beside b; one synchronisation every CheckEvery steps.
    let solve (space: IInnerProductSpace<'V, 'S>) (options: LinearSolveOptions) (apply: 'V -> 'V) (b: 'V) =
        toResidual space apply ValueNone options (space.Scalar 0.0) b
