// The a-posteriori certificate, for any φ and u, wherever they come from: from norms that were measured, a bound on
//
//     ‖g − d_θL(Alg*(θ))‖,  g = Λu                     (Definition 3, exact-solve error)
//
// Let M = H(φ) + Λ and v = ∇L(φ), M* and v* the same at φ* = Alg*(θ), so that d_θL(Alg*(θ)) = Λ(M*)⁻¹v*. With r = v − Mu, δ = ‖φ − φ*‖,
//
//     Λu − Λ(M*)⁻¹v* = Λ(M*)⁻¹[(M* − M)u + (v − v*) − r]
//     ‖Λu − d_θL(Alg*(θ))‖ ≤ (‖Λ‖/µ)(‖r‖ + (L + ρ‖u‖)d),       d = ‖∇G(φ, θ)‖/µ ≥ δ
//
// as (M*)⁻¹ is at most 1/µ, H is ρ-Lipschitz, ∇L is L-Lipschitz, and ∇G grows by at least µ a unit. All norms are those of exact quantities;
// what is measured carries rounding, which is counted by the standard model (Higham 2002, sections 2.2 and 3.1) in the space's own precision.
// Before anything is certified, a curvature seen below µ refutes the constants: then there is no bound.

namespace Imaml.Math

/// A bound on the error of one task's meta-gradient g = Λu. It can only be made by its formula, and is certified or estimated as its constants are.
/// The problem's derivatives are taken to be those of its losses, to the rounding that the constants state (DerivativeCheck compares them).
[<Sealed>]
type Certificate
    private
    (
        kind: BoundKind,
        reason: string,
        refuted: bool,
        constants: ErrorConstants,
        innerError: float,
        innerRounding: float,
        adjointError: float,
        adjointRounding: float,
        solveError: float,
        total: float,
        rounding: float
    ) =
    /// The kind of the bound: that of the constants, or None where there is no bound.
    member _.Kind = kind
    /// Why there is no bound, in words; empty where there is one.
    member _.Reason = reason
    /// Whether a curvature below µ disproves the constants. Then there is no bound.
    member _.IsRefuted = refuted
    /// What the bound is made of.
    member _.Constants = constants
    /// A bound on δ = ‖φ − Alg*(θ)‖ (Definition 1).
    member _.InnerError = innerError
    /// The part of InnerError that would remain with ∇G = 0 as computed.
    member _.InnerRounding = innerRounding
    /// A bound on ‖u − u*‖, u* = (H+Λ)⁻¹∇L at Alg*(θ).
    member _.AdjointError = adjointError
    /// The part of AdjointError that would remain with ∇G = 0 and r = 0 as computed.
    member _.AdjointRounding = adjointRounding
    /// A bound on δ′ = ‖g − Λ(H+Λ)⁻¹v‖ at φ (Definition 2).
    member _.SolveError = solveError
    /// The bound on ‖g − d_θL(Alg*(θ))‖ (Definition 3).
    member _.Total = total
    /// The part of Total that would remain with ∇G = 0 and r = 0 as computed: no iteration can remove it.
    member _.Rounding = rounding

    /// No bound, for this reason.
    static member internal None(constants, reason) =
        Certificate(BoundKind.None, reason, false, constants, infinity, infinity, infinity, infinity, infinity, infinity, infinity)

    // How far ⟨p, Mp⟩/⟨p, p⟩ as computed may be below the true one: the rounding of the product, of two inner products, and underflow.
    static member private CurvatureRounding(c: ErrorConstants, a: Arithmetic, norms: MeasuredNorms) =
        c.ProductRounding.At(a.NormAtMost norms.Phi)
        + a.RegularizerRounding * c.LargestRegularization
        + a.Gamma(2 * a.Parameters + 10) * c.Smoothness
        // For estimates the rounding of the losses is not known: half of the digits are taken to be wrong.
        + (if c.Kind = BoundKind.Estimated then
               sqrt a.UnitRoundoff * c.Smoothness
           else
               0.0)
        + (if norms.Solution > 0.0 then
               a.Underflow /^ norms.Solution
           else
               0.0)

    /// A Ritz value of conjugate gradients as an observed curvature: rounding of their coefficients may cost half of its digits.
    static member internal CurvatureOfRitzValue(c: ErrorConstants, a: Arithmetic, value: float) = value + sqrt a.UnitRoundoff * c.Smoothness

    /// The certificate from one task's constants, its arithmetic, and what was measured.
    ///
    /// Added to the constants' own roundings of ∇L̂, ∇L and products: φ − θ, Λ(φ−θ), Λu, the sums that make ∇G and r, and the norms.
    /// With w = φ − θ as computed and ∇G = ∇L̂ + Λw, ∇G errs by ‖Λ‖(‖φ‖ + ‖θ‖)(γ₂ + c(1 + γ₂)) and γ₂ of itself, c the rounding of a
    /// product with Λ. (H+Λ)u errs by γ₂ of itself, which is v − r, and r by γ₂ of itself.
    static member internal Of(constants: ErrorConstants, arithmetic: Arithmetic, norms: MeasuredNorms) : Certificate =
        let c = constants
        let a = arithmetic
        let isSize x = x >= 0.0 && x < infinity
        let none reason = Certificate.None(c, reason)

        if c.Kind = BoundKind.None && not (c.StrongConvexity <= 0.0 && c.StrongConvexity > -infinity) then
            none "no constants are known for this task"
        elif not (c.StrongConvexity > 0.0 && c.StrongConvexity < infinity) then
            none $"G is not known to be strongly convex (µ = {c.StrongConvexity}): raise λ"
        elif a.RegularizerRounding = infinity then
            none "Λ is beyond the normal numbers of this precision"
        elif not (isSize c.LargestRegularization && isSize c.OuterSmoothness && isSize c.HessianLipschitz) then
            none $"a bound needs finite constants: ‖Λ‖ = {c.LargestRegularization}, L = {c.OuterSmoothness}, ρ = {c.HessianLipschitz}"
        elif
            [ c.InnerGradientRounding; c.OuterGradientRounding; c.ProductRounding ]
            |> List.exists (fun bound -> not (isSize bound.Constant && isSize bound.Slope))
        then
            none "a bound on rounding must be finite and at least 0"
        elif norms.Curvature < c.StrongConvexity - Certificate.CurvatureRounding(c, a, norms) then
            let reason =
                $"G curves by {norms.Curvature:g6} along a direction that was found, less than the constants' µ = {c.StrongConvexity:g6}: they are wrong"

            Certificate(BoundKind.None, reason, true, c, infinity, infinity, infinity, infinity, infinity, infinity, infinity)
        else
            let mu = c.StrongConvexity
            let lambda = c.LargestRegularization
            let norm (measured: float) = a.NormAtMost measured
            let phi, theta, u = norm norms.Phi, norm norms.Theta, norm norms.Solution
            let regularizerRounding = a.RegularizerRounding *^ lambda
            let underflow = a.Underflow
            let once = a.Gamma 2
            // What a norm is multiplied by for n more of such roundings.
            let and' n = 1.0 +^ n *^ once

            let innerRounding =
                c.InnerGradientRounding.At phi
                +^ (lambda *^ once +^ regularizerRounding *^ and' 1.0) *^ (phi +^ theta)
                +^ underflow

            let residualRounding =
                c.OuterGradientRounding.At phi
                +^ (c.ProductRounding.At phi +^ regularizerRounding) *^ u
                +^ once *^ norm norms.OuterGradient
                +^ underflow

            let solutionRounding = regularizerRounding *^ u +^ underflow
            let gradient = norm norms.InnerGradient *^ and' 1.0
            let residual = norm norms.Residual *^ and' 2.0
            let slope = c.OuterSmoothness +^ c.HessianLipschitz *^ u
            // δ and ‖u − u*‖, and what they are of rounding alone.
            let inner, innerLeast = (gradient +^ innerRounding) /^ mu, innerRounding /^ mu
            let solve = residual +^ residualRounding

            let adjoint, adjointLeast =
                (solve +^ slope *^ inner) /^ mu, (residualRounding +^ slope *^ innerLeast) /^ mu

            let total = lambda *^ adjoint +^ solutionRounding

            // Λu overflows before its error does.
            if isSize total && isSize (lambda *^ u) then
                // A Λ of exponentials, and so µ, is known to 2u.
                let outward x = x *^ (1.0 + 2.0 ** -46.0)

                Certificate(
                    c.Kind,
                    "",
                    false,
                    c,
                    outward inner,
                    outward innerLeast,
                    outward adjoint,
                    outward adjointLeast,
                    outward (lambda *^ (solve /^ mu) +^ solutionRounding),
                    outward total,
                    outward (lambda *^ adjointLeast +^ solutionRounding)
                )
            else
                none "a measured norm, or g itself, is not finite, or there are too many parameters for this precision"

    /// What the certificate is made of, for every task, with r = v − (H+Λ)u computed anew.
    static member Measure
        (space: IInnerProductSpace<'V, 'S>, regularizer: IRegularizer<'V, 'S>, problem: IBilevelProblem<'V, 'S>, theta: 'V, phi: 'V, u: 'V)
        : MeasuredNorms[] =
        use _ = space.OpenRegion()
        use linearization = problem.LinearizeInner phi
        let struct (_, v) = problem.OuterLossAndGradient phi
        MeasuredNorms.at space regularizer linearization v theta phi u

    static member private OfMeasured
        (space, regularizer: IRegularizer<'V, 'S>, constants: TaskConstants[], vectors: 'V[], norms: MeasuredNorms[])
        =
        if constants.Length <> norms.Length then
            invalidArg (nameof constants) $"{constants.Length} tasks' constants for {norms.Length} tasks"

        let arithmetic = Arithmetic.Of(space, regularizer, vectors)
        Array.map2 (fun (c: TaskConstants) norms -> Certificate.Of(c.With regularizer, arithmetic, norms)) constants norms

    /// A bound on ‖Λu − d_θL(Alg*(θ))‖ for every task, for any φ and u; `constants` has one entry for each task. A given g has
    /// u = Λ⁻¹g (IRegularizer.ApplyInverse).
    ///
    /// Cost: one linearization, one product, one outer gradient; no exact solution.
    static member OfSolution
        (
            space: IInnerProductSpace<'V, 'S>,
            regularizer: IRegularizer<'V, 'S>,
            problem: IBilevelProblem<'V, 'S>,
            constants: TaskConstants[],
            theta: 'V,
            phi: 'V,
            u: 'V
        ) : Certificate[] =
        let norms = Certificate.Measure(space, regularizer, problem, theta, phi, u)
        Certificate.OfMeasured(space, regularizer, constants, [| theta; phi; u |], norms)

    /// The same for what Algorithm 2 returned at θ; the curvatures and Ritz values that its linear solve found can refute the constants too.
    /// Errors: a meta-gradient of a method that solves no linear system, which has no u.
    static member OfResult
        (
            space: IInnerProductSpace<'V, 'S>,
            regularizer: IRegularizer<'V, 'S>,
            problem: IBilevelProblem<'V, 'S>,
            constants: TaskConstants[],
            theta: 'V,
            result: MetaGradient<'V, 'S>
        ) : Certificate[] =
        let solves = result.Solve.Read(space)

        if solves |> Array.exists (fun solve -> solve.Status = SolveStatus.NotMade) then
            invalidArg
                (nameof result)
                $"the method solved no linear system ({SolveStatus.NotMade}): only Algorithm 2's result holds a u to certify"

        let finite = space.Read(result.IsFinite space)
        // With a remedy too, the curvatures and Ritz values of the report are those of H + Λ: the first solve's.
        let negative = space.Read result.NegativeCurvature

        let vectors = [| theta; result.Phi; result.Solve.Solution |]
        let arithmetic = Arithmetic.Of(space, regularizer, vectors)

        let seen task (c: ErrorConstants) =
            let ritz = solves[task].RitzValues |> Array.fold min infinity
            let marked = if negative[task] > 0.5 then 0.0 else infinity

            min solves[task].SmallestCurvature (Certificate.CurvatureOfRitzValue(c, arithmetic, ritz))
            |> min marked

        let norms =
            Certificate.Measure(space, regularizer, problem, theta, result.Phi, result.Solve.Solution)
            |> Array.mapi (fun task norms ->
                if task >= constants.Length then
                    norms
                else
                    { norms with
                        Curvature = min norms.Curvature (seen task (constants[task].With regularizer))
                    })

        Certificate.OfMeasured(space, regularizer, constants, vectors, norms)
        |> Array.mapi (fun task certificate ->
            if finite[task] > 0.5 then
                certificate
            else
                Certificate.None(certificate.Constants, "the meta-gradient is not finite"))

    /// An estimate of ‖Λu − d_θL(Alg*(θ))‖ for every task, where the constants are not known: they are measured at this φ.
    ///
    /// Cost: that of OfSolution and of EstimatedConstants.At.
    static member Estimate
        (
            space: IInnerProductSpace<'V, 'S>,
            coordinates: ICoordinates<'V>,
            regularizer: IRegularizer<'V, 'S>,
            problem: IBilevelProblem<'V, 'S>,
            options: EstimateOptions,
            theta: 'V,
            phi: 'V,
            u: 'V
        ) : Certificate[] =
        use _ = space.OpenRegion()
        use linearization = problem.LinearizeInner phi
        let struct (_, v) = problem.OuterLossAndGradient phi
        let arithmetic = Arithmetic.Of(space, regularizer, [| theta; phi; u |])
        let norms = MeasuredNorms.at space regularizer linearization v theta phi u

        EstimatedConstants.AtLinearization(space, coordinates, regularizer, problem, options, theta, phi, linearization, v)
        |> Array.map2 (fun norms estimate -> Certificate.Of(estimate.Constants, arithmetic, norms)) norms
