// What Algorithm 2 does for a task whose H + Λ turns out not to be positive definite. There φ is no strict minimiser of G, Lemma 1 does not
// hold, and (H + Λ)⁻¹v, where it exists, points to a saddle of the quadratic model (7).
//
//     truncate       the iterate of conjugate gradients before the direction, a descent direction of the model; 0 where it is the first
//     raise Λ        g = sΛ(H + sΛ)⁻¹v for the first s = 2, 4, 8 … at which conjugate gradients meet no such direction: the meta-gradient
//                    under a stronger pull to θ; it tends to v, FOMAML's, as s grows
//     MINRES         (H + Λ)u = v all the same: the smallest residual in the Krylov space (Paige and Saunders 1975)
//     Gauss–Newton   (JᵀCJ + Λ)u = v, J the Jacobian of the network's outputs and C the loss's Hessian in them: positive definite for
//                    every convex loss of the outputs, and H itself where the network fits its data or is linear (Schraudolph 2002)
//
// The first solve is the same for all, so tasks that need nothing get what they would get without a remedy; those that need one are solved
// again together, the others with right-hand side 0.

namespace Imaml.Math

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

    /// Doublings of Λ, to 1024 times itself: where even that is not enough, the last truncated iterate stands, and its status says so.
    [<Literal>]
    let MaxDoublings = 10

    /// The second report where the mask is 1, the first elsewhere; steps and products of both. The smallest curvature and (α, β) are the
    /// first's: they are H + Λ's, where the second solve's operator may be another.
    let private join (space: IInnerProductSpace<'V, 'S>) mask (first: LinearSolveReport<'V, 'S>) (second: LinearSolveReport<'V, 'S>) =
        let select a b = space.Select(mask, a, b)

        {
            Solution = Mask.select space mask second.Solution first.Solution
            RightHandSideNorm = first.RightHandSideNorm
            Steps = space.Add(first.Steps, Mask.keep space mask second.Steps)
            Products = space.Add(first.Products, Mask.keep space mask second.Products)
            RelativeResidual = select second.RelativeResidual first.RelativeResidual
            SmallestCurvature = first.SmallestCurvature
            Met = select second.Met first.Met
            Indefinite = select second.Indefinite first.Indefinite
            NonFinite = select second.NonFinite first.NonFinite
            Stagnated = select second.Stagnated first.Stagnated
            PreconditionerNotPositive = select second.PreconditionerNotPositive first.PreconditionerNotPositive
            Coefficients = first.Coefficients
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
        (first: ImplicitSolve<'V, 'S>)
        =
        let mask = first.NegativeCurvature

        let report =
            solver.Solve(space, operator, only space mask v, residualNorm) |> join space mask first.Solve

        { first with
            Gradient = regularizer.Apply(space, report.Solution)
            Solve = report
        }

    /// g = sΛu with (H + sΛ)u = v for the tasks of the mask; what is left of the mask are those that met negative curvature again.
    let private raisedBy
        (space: IInnerProductSpace<'V, 'S>)
        (regularizer: IRegularizer<'V, 'S>)
        (linearization: ILinearization<'V, 'S>)
        (solver: ILinearSolver<'V, 'S>)
        (v: 'V)
        (residualNorm: 'S)
        (factor: float)
        (mask: 'S)
        (sofar: ImplicitSolve<'V, 'S>)
        =
        let raised w = space.Scale(space.Scalar factor, regularizer.Apply(space, w))

        let operator =
            LinearOperator.ofFunction (fun w -> space.Axpy(space.Scalar 1.0, linearization.HessianProduct w, raised w))

        let second = solver.Solve(space, operator, only space mask v, residualNorm)
        let report = join space mask sofar.Solve second
        let left = space.Multiply(mask, space.Exceeds(second.Indefinite, space.Scalar 0.0))

        struct (left,
                { sofar with
                    Gradient = Mask.select space mask (raised second.Solution) sofar.Gradient
                    Solve = report
                    Raised = space.Select(mask, space.Scalar factor, sofar.Raised)
                })

    let private raise' space regularizer linearization solver v residualNorm (first: ImplicitSolve<'V, 'S>) =
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
        (first: ImplicitSolve<'V, 'S>)
        =
        let conjugateGradient: ILinearSolver<'V, 'S> = ConjugateGradientSolver options

        match remedy with
        | Truncate -> first
        | _ when not (space.Any first.NegativeCurvature) -> first
        | RaiseLambda -> raise' space regularizer linearization conjugateGradient v residualNorm first
        | SolveIndefinite ->
            let operator = ImplicitSolve.operator space regularizer linearization
            again space regularizer (MinresSolver options) operator v residualNorm first
        | GaussNewton ->
            match linearization with
            | :? IGaussNewtonLinearization<'V, 'S> as known ->
                let product w = space.Axpy(space.Scalar 1.0, known.GaussNewtonProduct w, regularizer.Apply(space, w))
                again space regularizer conjugateGradient (LinearOperator.ofFunction product) v residualNorm first
            | _ ->
                invalidArg
                    (nameof remedy)
                    "this loss does not know its Gauss–Newton products: its linearization is no IGaussNewtonLinearization"

/// A solve with a remedy for negative curvature.
///
/// Cost: the solver's, and where a task needs the remedy one more solve of at most `options.MaxSteps` steps, for RaiseLambda one a doubling.
/// Truncate looks at no number; the others look once, and RaiseLambda once a doubling.
/// Errors: GaussNewton with a loss whose linearization is no IGaussNewtonLinearization, once a task needs it.
type RemediedSolver<'V, 'S>(solver: IImplicitSolver<'V, 'S>, remedy: NegativeCurvatureRemedy, options: LinearSolveOptions) =
    do LinearSolver.check options

    interface IImplicitSolver<'V, 'S> with
        member _.Solve(space, regularizer, linearization, v, residualNorm) =
            Region.run space (fun () ->
                solver.Solve(space, regularizer, linearization, v, residualNorm)
                |> NegativeCurvature.remedy remedy options space regularizer linearization v residualNorm)
