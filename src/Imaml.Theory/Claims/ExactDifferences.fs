// Central differences of the exact inner solution, and of a loss at it, with all that they may err by: what Lemma 1 is checked against.
//
// Along a unit direction, with r = ‖Λ‖/µ ≥ ‖Alg*′‖, differentiating ∇G(Alg*(θ), θ) = 0 twice and three times gives ‖Alg*″‖ ≤ ρr²/µ and
// ‖Alg*‴‖ ≤ r³(τ + 3ρ²/µ)/µ, τ the Lipschitz constant of L̂'s third derivative. A central difference of step h errs by at most h²/6 of that,
// and by e/h where each solution is known to e: e ≤ ‖∇G‖/µ for the solution that was computed, and rounding.

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math

[<RequireQualifiedAccess>]
module ExactDifferences =

    let private h = 1e-4

    let private third (task: BilevelTask) (c: ErrorConstants) =
        c.Contraction ** 3.0
        * (task.Inner.ThirdDerivativeLipschitz
           + 3.0 * c.HessianLipschitz * c.HessianLipschitz / c.StrongConvexity)
        / c.StrongConvexity

    /// How far Alg*(θ) as computed may be from the truth: its gradient as computed, and the rounding of that gradient.
    let solutionError (task: BilevelTask) (theta: Vector<float>) (phi: Vector<float>) =
        let c = BilevelTask.constants task
        let d = float theta.Count
        let scale = c.Smoothness * (phi.L2Norm() + theta.L2Norm()) + (task.Inner.Gradient phi).L2Norm()

        ((BilevelTask.innerGradient task theta phi).L2Norm() + 8.0 * (d + 30.0) * Rounding.unit * scale)
        / c.StrongConvexity

    /// The margin of a Jacobian of Alg* at φ* against the differences, column by column, the worst column.
    let jacobianMargin (task: BilevelTask) (phi: Vector<float>) (jacobian: Matrix<float>) =
        let c = BilevelTask.constants task

        Seq.init task.Theta.Count (fun j ->
            let shifted sign =
                let theta = task.Theta.Clone()
                theta[j] <- theta[j] + sign * h
                let solution = BilevelTask.exactSolution task theta
                struct (solution, solutionError task theta solution)

            let struct (above, errorAbove) = shifted 1.0
            let struct (below, errorBelow) = shifted -1.0
            let measured = ((above - below) / (2.0 * h) - jacobian.Column j).L2Norm()
            // φ* itself is known to e, which moves the Jacobian by at most ρr·e/µ.
            let e = solutionError task task.Theta phi

            let bound =
                h * h / 6.0 * third task c
                + (errorAbove + errorBelow) / (2.0 * h)
                + c.Contraction * c.HessianLipschitz * e / c.StrongConvexity

            Claim.margin measured bound)
        |> Seq.min

    /// The margin of a meta-gradient at task.Theta along a random direction against a central difference of F(θ) = L(Alg*(θ)).
    /// `allowance` is what the given gradient may err by for reasons of its own.
    let metaGradientMargin (random: Random) (allowance: float) (gradient: Vector<float>) (task: BilevelTask) =
        let c = BilevelTask.constants task
        let d = task.Theta.Count
        let direction = Spectrum.direction random d
        let phi = BilevelTask.exactSolution task task.Theta
        let v = task.Outer.Gradient phi
        let r = c.Contraction
        let second = c.HessianLipschitz * r * r / c.StrongConvexity

        // F‴ = L‴[φ′,φ′,φ′] + 3L″[φ″,φ′] + L′[φ‴], with ‖L′‖ at most ‖v‖ + L·(r·h) in between.
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

            let e = solutionError task theta solution
            struct (loss, 8.0 * (float d + 30.0) * Rounding.unit * size + 2.0 * slope * e + c.OuterSmoothness * e * e)

        let struct (above, errorAbove) = value 1.0
        let struct (below, errorBelow) = value -1.0

        let measured = abs ((above - below) / (2.0 * h) - gradient.DotProduct direction)

        let e = solutionError task task.Theta phi
        Claim.margin measured (h * h / 6.0 * thirdOfF + (errorAbove + errorBelow) / (2.0 * h) + c.InnerErrorFactor * e + allowance)
