// Lemma 1 (6): dAlg*/dθ = (I + H(φ*)/λ)⁻¹, and with it the meta-gradient (5), against finite differences of the exact inner solution.
//
// The tolerance is derived. Along a unit direction, with r = λ/µ ≥ ‖Alg*′‖, differentiating ∇G(Alg*(θ), θ) = 0 twice and three times gives
// ‖Alg*″‖ ≤ ρr²/µ and ‖Alg*‴‖ ≤ r³(τ + 3ρ²/µ)/µ, τ the Lipschitz constant of L̂'s third derivative. A central difference of step h errs by
// at most h²/6 of that, and by e/h where each solution is known to e: e ≤ ‖∇G‖/µ for the solution that was computed, and rounding.

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math

[<RequireQualifiedAccess>]
module Lemma1 =

    let private rounding = 2.0 ** -53.0

    let private third (task: BilevelTask) (c: ErrorConstants) =
        c.Contraction ** 3.0
        * (task.Inner.ThirdDerivativeLipschitz
           + 3.0 * c.HessianLipschitz * c.HessianLipschitz / c.StrongConvexity)
        / c.StrongConvexity

    /// How far Alg*(θ) as computed may be from the truth: its gradient as computed, and the rounding of that gradient.
    let private solutionError (task: BilevelTask) (c: ErrorConstants) (theta: Vector<float>) (phi: Vector<float>) =
        let d = float theta.Count
        let scale = c.Smoothness * (phi.L2Norm() + theta.L2Norm()) + (task.Inner.Gradient phi).L2Norm()

        ((BilevelTask.innerGradient task theta phi).L2Norm() + 8.0 * (d + 30.0) * rounding * scale)
        / c.StrongConvexity

    /// One margin: the whole Jacobian, column by column, the worst column.
    let jacobianMargin (task: BilevelTask) =
        let c = BilevelTask.constants task
        let h = 1e-4
        let phi = BilevelTask.exactSolution task task.Theta
        let jacobian = BilevelTask.jacobian task phi

        Seq.init task.Theta.Count (fun j ->
            let shifted sign =
                let theta = task.Theta.Clone()
                theta[j] <- theta[j] + sign * h
                let solution = BilevelTask.exactSolution task theta
                struct (solution, solutionError task c theta solution)

            let struct (above, errorAbove) = shifted 1.0
            let struct (below, errorBelow) = shifted -1.0
            let measured = ((above - below) / (2.0 * h) - jacobian.Column j).L2Norm()
            // φ* itself is known to e, which moves the Jacobian by at most ρr·e/µ.
            let e = solutionError task c task.Theta phi

            let bound =
                h * h / 6.0 * third task c
                + (errorAbove + errorBelow) / (2.0 * h)
                + c.Contraction * c.HessianLipschitz * e / c.StrongConvexity

            Claim.margin measured bound)
        |> Seq.min

    /// One margin: a meta-gradient at task.Theta along a random direction, against a central difference of F(θ) = L(Alg*(θ)).
    /// `allowance` is what the given gradient may err by for reasons of its own.
    let metaGradientMargin (random: Random) (allowance: float) (gradient: Vector<float>) (task: BilevelTask) =
        let c = BilevelTask.constants task
        let d = task.Theta.Count
        let h = 1e-4
        let direction = Spectrum.direction random d
        let phi = BilevelTask.exactSolution task task.Theta
        let v = task.Outer.Gradient phi
        let r = c.Contraction
        let second = c.HessianLipschitz * r * r / c.StrongConvexity

        // F‴ = L‴[φ′,φ′,φ′] + 3L″[φ″,φ′] + L′[φ‴], with ‖L′‖ at most ‖v‖ + L·(r·h) on the way.
        let thirdOfF =
            task.Outer.HessianLipschitz * r ** 3.0
            + 3.0 * c.OuterSmoothness * second * r
            + (v.L2Norm() + c.OuterSmoothness * r * h) * third task c

        let value sign =
            let theta = task.Theta + sign * h * direction
            let solution = BilevelTask.exactSolution task theta

            let slope =
                if task.Outer.GradientBound < infinity then
                    task.Outer.GradientBound
                else
                    v.L2Norm()

            let loss = task.Outer.Value solution

            // The terms of L's value are at most this large, and each of its roundings is relative to them.
            let size =
                abs loss + 2.0 * c.OuterSmoothness * solution.L2Norm() ** 2.0 + 2.0 * slope * solution.L2Norm()

            let e = solutionError task c theta solution
            struct (loss, 8.0 * (float d + 30.0) * rounding * size + 2.0 * slope * e + c.OuterSmoothness * e * e)

        let struct (above, errorAbove) = value 1.0
        let struct (below, errorBelow) = value -1.0

        let measured = abs ((above - below) / (2.0 * h) - gradient.DotProduct direction)

        let e = solutionError task c task.Theta phi
        Claim.margin measured (h * h / 6.0 * thirdOfF + (errorAbove + errorBelow) / (2.0 * h) + c.InnerErrorFactor * e + allowance)

    let private lipschitzMargin family seed =
        let task = Family.task family seed
        let c = BilevelTask.constants task
        let other = task.Theta + Spectrum.gaussian (Random(seed + 1)) task.Theta.Count
        let here = BilevelTask.exactSolution task task.Theta
        let there = BilevelTask.exactSolution task other
        let errors = solutionError task c task.Theta here + solutionError task c other there
        Claim.margin ((here - there).L2Norm()) (c.Contraction * (task.Theta - other).L2Norm() + errors)

    let private some = Instances.count 60 600

    /// Lemma 1 and equation (5) on every family, and Alg* being (λ/µ)-Lipschitz.
    let claims: Claim list =
        [
            {
                Source = "Lemma 1"
                Statement = "(H+λI)⁻¹λ agrees with finite differences of the exact inner solution"
                Hypotheses = "G is µ-strongly convex, L̂ three times differentiable"
                Families = Instances.names Family.all
                Measured = "the worst column of the Jacobian less its central difference"
                Bound = "the truncation error of the difference, and the error of each solution"
                Instances = Instances.each 1000 Family.all some (fun family seed -> jacobianMargin (Family.task family seed))
                Violations = [||]
            }
            {
                Source = "(5)"
                Statement = "(I+H/λ)⁻¹∇L(φ*) agrees with finite differences of L(Alg*(θ))"
                Hypotheses = "G is µ-strongly convex, L̂ and L three times differentiable"
                Families = Instances.names Family.all
                Measured = "the meta-gradient along a random direction less its central difference"
                Bound = "the truncation error of the difference, and the error of each value"
                Instances =
                    Instances.each 2000 Family.all some (fun family seed ->
                        let task = Family.task family seed
                        metaGradientMargin (Random(seed + 1)) 0.0 (BilevelTask.exactMetaGradient task) task)
                Violations = [||]
            }
            {
                Source = "Lemma 1"
                Statement = "Alg* is (λ/µ)-Lipschitz"
                Hypotheses = "G is µ-strongly convex"
                Families = Instances.names Family.all
                Measured = "‖Alg*(θ) − Alg*(θ′)‖"
                Bound = "(λ/µ)‖θ − θ′‖"
                Instances = Instances.each 3000 Family.all some lipschitzMargin
                Violations = [||]
            }
        ]
