// Meta-gradients without second derivatives: the inner problem is solved again with a little of the outer loss in it, and the solutions are
// compared (the contrastive rule: Zucchet et al. 2022; F2SA: Kwon et al. 2023).
//
//     φ_β = argmin_φ L̂(φ) + βL(φ) + ½(φ−θ)ᵀΛ(φ−θ)
//
//
// g = −Λφ′, φ′ the derivative in β at 0, by one of the differences in NudgedDifference.fs. Only inner solves are needed, so any black-box solver can
// be used. But L̂ − βL with the proximal term must stay convex, which an inner solve alone does not show.

namespace Imaml.Math

open System

/// L̂ + βL in place of L̂.
type private NudgedProblem<'V, 'S>(space: IInnerProductSpace<'V, 'S>, problem: IBilevelProblem<'V, 'S>, beta: float) =
    // Only the direction of a step depends on β∇²L: a difference of ∇L with an error of about 2⁻¹⁶ is enough, in single precision too.
    let displacement = 2.0 ** -8.0

    let product (phi: 'V) (w: 'V) =
        let length = space.Multiply(space.Scalar displacement, space.Add(space.Scalar 1.0, space.Norm phi))
        let h = space.DivideOrZero(length, space.Norm w)
        let at (a: 'S) = let struct (_, v) = problem.OuterLossAndGradient(space.Axpy(a, w, phi)) in v
        let difference = space.Axpy(space.Scalar -1.0, at (space.Multiply(space.Scalar -1.0, h)), at h)
        space.Scale(space.DivideOrZero(space.Scalar 0.5, h), difference)

    interface IBilevelProblem<'V, 'S> with
        member _.InnerLoss phi =
            let struct (outer, _) = problem.OuterLossAndGradient phi
            space.Add(problem.InnerLoss phi, space.Multiply(space.Scalar beta, outer))

        member _.InnerGradient phi =
            let struct (_, v) = problem.OuterLossAndGradient phi
            space.Axpy(space.Scalar beta, v, problem.InnerGradient phi)

        member _.LinearizeInner phi =
            let inner = problem.LinearizeInner phi
            let struct (outer, v) = problem.OuterLossAndGradient phi
            let loss = space.Add(inner.Loss, space.Multiply(space.Scalar beta, outer))
            let gradient = space.Axpy(space.Scalar beta, v, inner.Gradient)

            { new ILinearization<'V, 'S> with
                member _.Loss = loss
                member _.Gradient = gradient
                member _.HessianProduct w = space.Axpy(space.Scalar beta, product phi w, inner.HessianProduct w)
                member _.Dispose() = inner.Dispose()
            }

        member _.OuterLossAndGradient phi = problem.OuterLossAndGradient phi

/// A nudged meta-gradient, and what shows whether β was small enough.
type NudgedMetaGradient<'V, 'S> =
    {
        /// g and what it was made of, the status being that of all solves together. Where the nudge was refused g is not a number, so that the task is
        /// not Usable; NegativeCurvature marks where an objective was seen not to be convex.
        Result: MetaGradient<'V, 'S>
        /// The largest ‖φ_kβ − φ₀ + kβu‖/‖kβu‖: how far the solutions are from a line in β. 0 for one-sided differences, which do not see it.
        Nonlinearity: 'S
    }

    interface ICarried<'V, 'S, NudgedMetaGradient<'V, 'S>> with
        member this.Carry(vector, scalar) =
            {
                Result = (this.Result :> ICarried<_, _, _>).Carry(vector, scalar)
                Nonlinearity = scalar.Invoke this.Nonlinearity
            }

/// Differences of nudged solutions as a strategy. All solves use the same inner solver: from θ to φ, and from φ to φ₀ and to every φ_kβ. A solve
/// is done where the gradient of its objective is at most innerGradientNorm, and after the first at most 2⁻¹⁰β‖∇L(φ)‖ too, so that the effect of
/// a nudge is visible. 0 is a fixed budget of T steps: the error of φ cancels in the differences, but u is the displacement that T steps make from
/// φ₀ towards φ_kβ. For gradient descent of step a on a quadratic that is the Neumann series of T terms, as in truncated back-propagation over the
/// budget. Its relative error is at most (1 − aµ)ᵀ: in directions of small curvature a large part may be missing, and no check here shows it.
///
/// A task is refused where the curvature of a nudged objective is not positive along φ_kβ − φ, at either end, or along the second difference
/// φ_β + φ_−β − 2φ₀ where there is one, where the nonlinearity is above 1, or where rounding hides a nudge: g would be meaningless. An error shows in these directions, but
/// they do not prove convexity; one-sided differences have the first alone.
///
/// Cost: 3, 4 or 6 inner solves; of a nudged one each gradient is one of L̂ and one of L, and four more measure its curvature, six where there is a
/// second difference; and one linearization. Memory does not depend on the number of steps. Errors: β that is not positive and finite.
type NudgedStrategy<'V, 'S>(innerSolver: IInnerSolver<'V, 'S>, difference: NudgedDifference, beta: float, innerGradientNorm: float) =
    do ArgumentNullException.ThrowIfNull(innerSolver, nameof innerSolver)

    let weights = Nudge.Weights difference

    do
        if not (beta > 0.0 && beta < infinity) then
            invalidArg (nameof beta) $"β must be positive and finite, not {beta}"

        MetaGradient.requireThreshold (nameof innerGradientNorm) innerGradientNorm

    let largestNonlinearity = 1.0
    let resolution = 2.0 ** -10.0

    // Of the way between two ends, on which gradients are compared.
    let little = 2.0 ** -6.0

    /// The meta-gradient and the nonlinearity of every task at θ.
    member _.ComputeBoth
        (space: IInnerProductSpace<'V, 'S>, regularizer: IRegularizer<'V, 'S>, problem: IBilevelProblem<'V, 'S>, theta: 'V)
        : NudgedMetaGradient<'V, 'S> =
        Regularizer.requireProximalTerm regularizer "a nudged meta-gradient"
        let asked = space.Scalar innerGradientNorm
        let minus x y = space.Axpy(space.Scalar -1.0, y, x)
        let negated a = space.Multiply(space.Scalar -1.0, a)

        Region.run space (fun () ->
            let inner = innerSolver.Solve(space, regularizer, problem, theta, theta, asked)
            let start = inner.Phi

            // All of the meta-gradient but g: its Gradient is ∇L(φ).
            let report = MetaGradient.withoutSolve space regularizer problem theta inner 0 0 id
            let visible = space.Multiply(space.Scalar(resolution * beta), space.Norm report.Gradient)
            let tolerance = negated (Mask.larger space (negated asked) (negated visible))

            let solve (objective: IBilevelProblem<'V, 'S>) = innerSolver.Solve(space, regularizer, objective, theta, start, tolerance)

            // Whether the objective curves down from a point along a way, forwards or backwards.
            let bends (objective: IBilevelProblem<'V, 'S>) (way: 'V) (phi: 'V) (sign: float) =
                let gradient phi = InnerObjective.gradient space regularizer (objective.InnerGradient phi) phi theta
                let near = space.Axpy(space.Scalar(sign * little), way, phi)

                let curvature =
                    space.Multiply(space.Scalar sign, space.Inner(way, minus (gradient near) (gradient phi)))

                space.Exceeds(space.Scalar 0.0, curvature)

            let plain = solve problem

            let nudged =
                [
                    for struct (k, weight) in weights do
                        if k <> 0 then
                            let objective = NudgedProblem(space, problem, float k * beta) :> IBilevelProblem<'V, 'S>
                            let iterate = solve objective
                            let way = minus iterate.Phi start

                            let indefinite =
                                Mask.larger space (bends objective way start 1.0) (bends objective way iterate.Phi -1.0)
                                |> Mask.larger space iterate.Marks.Indefinite

                            struct (k, weight, objective, iterate, minus iterate.Phi plain.Phi, indefinite)
                ]

            let wayOf k = nudged |> List.pick (fun (struct (j, _, _, _, way, _)) -> if j = k then Some way else None)

            // The second difference, as long as the way.
            let second =
                if difference = NudgedDifference.OneSided then
                    None
                else
                    let sum = space.Axpy(space.Scalar 1.0, wayOf -1, wayOf 1)
                    Some(space.Axpy(space.DivideOrZero(space.Norm(wayOf 1), space.Norm sum), sum, space.Zero sum))

            // The weights of all solutions add up to 0, so that those of the ways from φ₀ alone are left.
            let u =
                nudged
                |> List.fold
                    (fun sum (struct (_, weight, _, _, way, _)) -> space.Axpy(space.Scalar(weight / beta), way, sum))
                    (space.Zero theta)

            let negative =
                nudged
                |> List.map (fun (struct (_, _, objective, iterate, _, indefinite)) ->
                    match second with
                    | Some way -> Mask.larger space indefinite (bends objective way iterate.Phi 1.0)
                    | None -> indefinite)
                |> List.reduce (Mask.larger space)

            let nonlinearity =
                if difference = NudgedDifference.OneSided then
                    space.Scalar 0.0
                else
                    let size = space.Norm u

                    nudged
                    |> List.map (fun (struct (k, _, _, _, way, _)) ->
                        let step = float k * beta
                        let off = space.Norm(space.Axpy(space.Scalar step, u, way))
                        space.DivideOrZero(off, space.Multiply(space.Scalar(abs step), size)))
                    |> List.reduce (Mask.larger space)

            // Ways that rounding hides, though there is an outer gradient.
            let hidden =
                let rounding = space.Multiply(Mask.epsilon space, space.Norm plain.Phi)

                nudged
                |> List.map (fun (struct (_, _, _, _, way, _)) -> space.Exceeds(rounding, space.Norm way))
                |> List.reduce (Mask.larger space)
                |> fun hidden -> space.Multiply(hidden, space.Exceeds(visible, space.Scalar 0.0))

            let refused =
                Mask.larger space negative (space.Exceeds(nonlinearity, space.Scalar largestNonlinearity))
                |> Mask.larger space hidden

            let factor = space.Select(refused, space.Scalar nan, space.Scalar 1.0)
            let iterates = nudged |> List.map (fun (struct (_, _, _, iterate, _, _)) -> iterate)

            // The status is that of all solves: converged where each is, else the worst of them.
            let marks =
                plain :: iterates
                |> List.map _.Marks
                |> List.fold
                    (fun all one ->
                        {
                            Met = space.Multiply(all.Met, one.Met)
                            NonFinite = Mask.larger space all.NonFinite one.NonFinite
                            Stagnated = Mask.larger space all.Stagnated one.Stagnated
                            Indefinite = Mask.larger space all.Indefinite one.Indefinite
                        })
                    report.Inner.Marks

            let ofNudged = iterates |> List.map _.Counts |> List.reduce (fun sum one -> sum.Plus(space, one))

            let looks = space.Scalar((if second.IsSome then 6.0 else 4.0) * float iterates.Length)
            let nudgedGradients = space.Add(ofNudged.Gradients, looks)

            // Of L̂ + βL every gradient and every loss is one of each, and a product is two gradients of L.
            let outer =
                space.Add(nudgedGradients, space.Add(ofNudged.Losses, space.Multiply(space.Scalar 2.0, ofNudged.Products)))

            {
                Result =
                    { report with
                        Gradient = space.Scale(factor, regularizer.Apply(space, u))
                        NegativeCurvature = negative
                        Inner =
                            { report.Inner with
                                Marks = marks
                                Counts =
                                    { report.Inner.Counts with
                                        Losses = space.Add(report.Inner.Counts.Losses, space.Add(plain.Counts.Losses, ofNudged.Losses))
                                    }
                            }
                        DerivativeGradients = space.Add(report.DerivativeGradients, space.Add(plain.Counts.Gradients, nudgedGradients))
                        DerivativeProducts = space.Add(plain.Counts.Products, ofNudged.Products)
                        OuterGradients = space.Add(report.OuterGradients, outer)
                    }
                    |> MetaGradient.judged space
                Nonlinearity = nonlinearity
            })

    interface IMetaGradientStrategy<'V, 'S> with
        member this.Compute(space, regularizer, problem, theta) = this.ComputeBoth(space, regularizer, problem, theta).Result
