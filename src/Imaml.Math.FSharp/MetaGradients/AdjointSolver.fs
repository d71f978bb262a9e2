// The adjoint solve, line 4 of Algorithm 2: (H + Λ)u = v at φ and g = Λu. It may use more of the loss than its Hessian–vector products:
// a preconditioner made at φ, another operator where H + Λ is not positive definite, or nothing more, as any ILinearSolver.
//
// Where H + Λ is not positive definite φ is not a strict minimiser of G, Lemma 1 does not hold, and (H + Λ)⁻¹v, where it exists, points to a saddle
// of the quadratic model (7). The remedies:
//
//     truncate       the iterate of conjugate gradients before the direction, a descent direction of the model; 0 where it is the first
//     raise Λ        g = sΛ(H + sΛ)⁻¹v for the first s = 2, 4, 8 … at which conjugate gradients find no such direction: the meta-gradient
//                    under a stronger pull to θ; it tends to v, FOMAML's, as s grows
//     MINRES         (H + Λ)u = v all the same: the smallest residual in the Krylov space (Paige and Saunders 1975)
//     Gauss–Newton   (JᵀCJ + Λ)u = v, J the Jacobian of the network's outputs and C the loss's Hessian in them: positive definite for
//                    every convex loss of the outputs, and H itself where the network fits its data or is linear (Schraudolph 2002)
//
// The first solve is the same for all, so tasks that need nothing get what they would get without a remedy; those that need one are solved
// again together, the others with right-hand side 0.

namespace Imaml.Math

open System

/// g = Λu, and what is known of the solve.
type AdjointSolve<'V, 'S> =
    {
        /// g, the meta-gradient.
        Gradient: 'V
        /// The solve that g is of, with the products of all solves that led to it.
        Solve: LinearSolveReport<'V, 'S>
        /// 1 where H + Λ was seen not to be positive definite, beyond rounding, even where a remedy was used.
        NegativeCurvature: 'S
        /// What Λ was multiplied by to make H + Λ positive definite; 1 where it was left as it is.
        Raised: 'S
    }

    interface ICarried<'V, 'S, AdjointSolve<'V, 'S>> with
        member this.Carry(vector, scalar) =
            {
                Gradient = vector.Invoke this.Gradient
                Solve = (this.Solve :> ICarried<_, _, _>).Carry(vector, scalar)
                NegativeCurvature = scalar.Invoke this.NegativeCurvature
                Raised = scalar.Invoke this.Raised
            }

/// Solves (H + Λ)u = v at φ, on B tasks in lock-step.
type IAdjointSolver<'V, 'S> =
    /// g = Λu from the loss near φ and v = ∇L(φ). A task is done where ‖v − (H + Λ)u‖ ≤ residualNorm (0: no such threshold), or where the
    /// solver's own options say so.
    abstract Solve:
        space: IInnerProductSpace<'V, 'S> *
        regularizer: IRegularizer<'V, 'S> *
        linearization: ILinearization<'V, 'S> *
        v: 'V *
        residualNorm: 'S ->
            AdjointSolve<'V, 'S>

[<RequireQualifiedAccess>]
module AdjointSolve =

    /// A solve of (H + Λ)u = v that was made, as it is: a direction without positive curvature is in its report.
    [<CompiledName("OfReport")>]
    let ofReport (space: IInnerProductSpace<'V, 'S>) (regularizer: IRegularizer<'V, 'S>) (report: LinearSolveReport<'V, 'S>) =
        let zero = space.Scalar 0.0
        let negative = Mask.complement space (space.Exceeds(report.SmallestCurvature, zero))

        {
            Gradient = regularizer.Apply(space, report.Solution)
            Solve = report
            NegativeCurvature = Mask.larger space (space.Exceeds(report.Marks.Indefinite, zero)) negative
            Raised = space.Scalar 1.0
        }

    /// w ↦ (H + Λ)w, as long as the linearization is not disposed.
    [<CompiledName("Operator")>]
    let operator (space: IInnerProductSpace<'V, 'S>) (regularizer: IRegularizer<'V, 'S>) (linearization: ILinearization<'V, 'S>) =
        LinearOperator.OfSum(regularizer.SmallestEigenvalue, InnerObjective.hessianProduct space regularizer linearization)

/// A linear solver that uses only products with H + Λ. Where it finds a direction without positive curvature, its own solution is kept:
/// conjugate gradients are truncated there.
type LinearAdjointSolver<'V, 'S>(solver: ILinearSolver<'V, 'S>) =
    do ArgumentNullException.ThrowIfNull(solver, nameof solver)

    interface IAdjointSolver<'V, 'S> with
        member _.Solve(space, regularizer, linearization, v, residualNorm) =
            Region.run space (fun () ->
                solver.Solve(space, AdjointSolve.operator space regularizer linearization, v, residualNorm)
                |> AdjointSolve.ofReport space regularizer)

/// Conjugate gradients on (H + Λ)u = v with Jacobi's preconditioner M = |D| + diag Λ, for Λ diagonal, where d products for the diagonal of H
/// cost too much: D = mean of z∘Hz over a few probes z of random signs, E D = diag H (Hutchinson 1990; Bekas, Kokiopoulou and Saad 2007). M is
/// positive definite however inaccurate the estimate is. It is useful where many steps are made at a φ, or curvature differs much between layers.
///
/// `probe` makes a vector of entries ±1 of the kind of v, another at each call. Cost: conjugate gradients', `probes` products more, which are
/// in the report, and three vectors. Errors: fewer probes than 1.
type EstimatedDiagonalSolver<'V, 'S>(coordinates: ICoordinates<'V>, options: LinearSolveOptions, probes: int, probe: Func<'V, 'V>) =
    do
        ArgumentNullException.ThrowIfNull(coordinates, nameof coordinates)
        ArgumentNullException.ThrowIfNull(options, nameof options)
        ArgumentNullException.ThrowIfNull(probe, nameof probe)

        LinearSolver.check options

        if probes < 1 then
            invalidArg (nameof probes) $"the number of probes must be at least 1, not {probes}"

    // Below every entry of D that counts; the quotient D²/(√D² + tiny) is |D|, and 0 for D = 0.
    let tiny = 1e-30

    interface IAdjointSolver<'V, 'S> with
        member _.Solve(space, regularizer, linearization, v, residualNorm) =
            let estimate () =
                let mutable sum = space.Zero v

                for _ in 1..probes do
                    use region = space.OpenRegion()
                    region.AdoptVector sum |> ignore
                    let z = probe.Invoke v
                    sum <- region.KeepVector(space.Axpy(space.Scalar 1.0, coordinates.Product(z, linearization.HessianProduct z), sum))

                let mean = space.Scale(space.Scalar(1.0 / float probes), sum)
                let square = coordinates.Product(mean, mean)
                let size = coordinates.DivideByRoot(square, square, tiny)
                let z = probe.Invoke v
                let ones = coordinates.Product(z, z)
                space.Axpy(space.Scalar 1.0, size, regularizer.Apply(space, ones))

            Region.run space (fun () ->
                let diagonal = estimate ()
                let inverse = LinearOperator.Of(fun w -> coordinates.Quotient(w, diagonal))
                let solver: ILinearSolver<'V, 'S> = PreconditionedConjugateGradientSolver(options, inverse)

                let report = solver.Solve(space, AdjointSolve.operator space regularizer linearization, v, residualNorm)

                { report with
                    Counts =
                        { report.Counts with
                            Products = space.Add(report.Counts.Products, space.Scalar(float probes))
                        }
                }
                |> AdjointSolve.ofReport space regularizer)

/// What is done where H + Λ is not positive definite.
type NegativeCurvatureRemedy =
    /// The iterate before the direction.
    | Truncate
    /// A multiple of Λ that makes H + Λ positive definite.
    | RaiseLambda
    /// MINRES on H + Λ as it is.
    | SolveIndefinite
    /// Conjugate gradients on the Gauss–Newton matrix.
    | GaussNewton

[<RequireQualifiedAccess>]
module NegativeCurvature =

    /// Doublings of Λ, to 1024 times itself: where even that is not enough, the last truncated iterate is returned, as its status reports.
    [<Literal>]
    let MaxDoublings = 10

    /// The second report where the mask is 1, the first elsewhere; steps and products of both. The smallest curvature and (α, β) are the
    /// first's: they are H + Λ's, where the second solve's operator may be another.
    let private join (space: IInnerProductSpace<'V, 'S>) mask (first: LinearSolveReport<'V, 'S>) (second: LinearSolveReport<'V, 'S>) =
        { first with
            Solution = Mask.select space mask second.Solution first.Solution
            Counts = first.Counts.Plus(space, second.Counts.Where(space, mask))
            RelativeResidual = space.Select(mask, second.RelativeResidual, first.RelativeResidual)
            Marks = second.Marks.Where(space, mask, first.Marks)
            PreconditionerNotPositive = space.Select(mask, second.PreconditionerNotPositive, first.PreconditionerNotPositive)
        }

    /// v for the tasks of the mask, 0 for the others.
    let private only (space: IInnerProductSpace<'V, 'S>) mask (v: 'V) = space.Axpy(mask, v, space.Zero v)

    /// The first solve with those of the mask replaced by another solve.
    let private again
        (space: IInnerProductSpace<'V, 'S>)
        (regularizer: IRegularizer<'V, 'S>)
        (solver: ILinearSolver<'V, 'S>)
        (operator: ILinearOperator<'V>)
        (v: 'V)
        (residualNorm: 'S)
        (first: AdjointSolve<'V, 'S>)
        =
        let mask = first.NegativeCurvature

        let report =
            solver.Solve(space, operator, only space mask v, residualNorm) |> join space mask first.Solve

        { first with
            Gradient = regularizer.Apply(space, report.Solution)
            Solve = report
        }

    /// g = sΛu with (H + sΛ)u = v for the tasks of the mask; what is left of the mask are those with negative curvature again.
    let private raisedBy
        (space: IInnerProductSpace<'V, 'S>)
        (regularizer: IRegularizer<'V, 'S>)
        (linearization: ILinearization<'V, 'S>)
        (solver: ILinearSolver<'V, 'S>)
        (v: 'V)
        (residualNorm: 'S)
        (factor: float)
        (mask: 'S)
        (sofar: AdjointSolve<'V, 'S>)
        =
        let raised w = space.Scale(space.Scalar factor, regularizer.Apply(space, w))

        let operator =
            LinearOperator.Of(fun w -> space.Axpy(space.Scalar 1.0, linearization.HessianProduct w, raised w))

        let second = solver.Solve(space, operator, only space mask v, residualNorm)
        let report = join space mask sofar.Solve second
        let left = space.Multiply(mask, space.Exceeds(second.Marks.Indefinite, space.Scalar 0.0))

        struct (left,
                { sofar with
                    Gradient = Mask.select space mask (raised second.Solution) sofar.Gradient
                    Solve = report
                    Raised = space.Select(mask, space.Scalar factor, sofar.Raised)
                })

    let private raise' space regularizer linearization solver v residualNorm (first: AdjointSolve<'V, 'S>) =
        let mutable sofar = first
        let mutable left = Mask.copy space first.NegativeCurvature
        let mutable factor = 1.0
        let mutable doublings = 0

        while doublings < MaxDoublings && (doublings = 0 || (space: IInnerProductSpace<'V, 'S>).Any left) do
            use region = space.OpenRegion()
            factor <- 2.0 * factor
            doublings <- doublings + 1

            let struct (next, found) =
                raisedBy space regularizer linearization solver v residualNorm factor left sofar

            left <- region.KeepScalar next
            sofar <- Region.keep region found

        sofar

    let internal remedy
        (remedy: NegativeCurvatureRemedy)
        (options: LinearSolveOptions)
        (space: IInnerProductSpace<'V, 'S>)
        (regularizer: IRegularizer<'V, 'S>)
        (linearization: ILinearization<'V, 'S>)
        (v: 'V)
        (residualNorm: 'S)
        (first: AdjointSolve<'V, 'S>)
        =
        let conjugateGradient: ILinearSolver<'V, 'S> = ConjugateGradientSolver options

        match remedy with
        | Truncate -> first
        | _ when not (space.Any first.NegativeCurvature) -> first
        | RaiseLambda -> raise' space regularizer linearization conjugateGradient v residualNorm first
        | SolveIndefinite ->
            let operator = AdjointSolve.operator space regularizer linearization
            again space regularizer (MinresSolver options) operator v residualNorm first
        | GaussNewton ->
            let product w = InnerObjective.gaussNewtonProduct space regularizer linearization w
            again space regularizer conjugateGradient (LinearOperator.Of product) v residualNorm first

/// A solve with a remedy for negative curvature.
///
/// Cost: the solver's, and where a task needs the remedy one more solve of at most `options.MaxSteps` steps, for RaiseLambda one a doubling.
/// Truncate never waits for the device; the others wait for it once, and RaiseLambda once a doubling.
/// Errors: GaussNewton with a loss whose linearization is not an IGaussNewtonLinearization, once a task needs it.
type RemediedSolver<'V, 'S>(solver: IAdjointSolver<'V, 'S>, remedy: NegativeCurvatureRemedy, options: LinearSolveOptions) =
    do
        ArgumentNullException.ThrowIfNull(solver, nameof solver)
        ArgumentNullException.ThrowIfNull(options, nameof options)

        LinearSolver.check options

    interface IAdjointSolver<'V, 'S> with
        member _.Solve(space, regularizer, linearization, v, residualNorm) =
            Region.run space (fun () ->
                solver.Solve(space, regularizer, linearization, v, residualNorm)
                |> NegativeCurvature.remedy remedy options space regularizer linearization v residualNorm)
