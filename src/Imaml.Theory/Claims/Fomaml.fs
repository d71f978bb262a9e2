// FOMAML is Algorithm 2 without its solve: g = v = ∇L(φ), A taken for I. What that costs, and what the first CG step repairs:
//
//     ‖v − ΛM⁻¹v‖ = ‖HM⁻¹v‖ ≤ h/(h + λ)·‖v‖,   h = λ_max(H), H ⪰ 0, Λ = λI;       one CG step from 0:   u = (vᵀv/vᵀMv)v, g = Λu,
//
// for Λ = λI the step of FOMAML's own direction that minimises (7).

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math

[<RequireQualifiedAccess>]
module Fomaml =

    let private space = RegularizedTask.space

    /// A few steps: nothing here needs φ to be exact.
    let private inner (t: RegularizedTask) : IInnerSolver<Vector<float>, float> =
        GradientDescentSolver(ConstantStep(1.0 / (BilevelTask.constants t.Task).Smoothness), 5)

    let private fomaml (t: RegularizedTask) =
        (FirstOrderStrategy(inner t, 0.0) :> IMetaGradientStrategy<_, _>).Compute(space, t.Regularizer, t.Problem, t.Task.Theta)

    let private noSolveMargin (t: RegularizedTask) _ =
        let theta = t.Task.Theta
        let phi = ((inner t).Solve(space, t.Regularizer, t.Problem, theta, theta, 0.0)).Phi
        // The same functions at the same points: not one rounding more.
        Claim.margin (((fomaml t).Gradient - t.Task.Outer.Gradient phi).L2Norm()) 0.0

    let private errorMargin (t: RegularizedTask) _ =
        let result = fomaml t
        let c = BilevelTask.constants t.Task
        let struct (lambda, _) = Proximal.enclosure t.Task.Proximal
        let v = t.Task.Outer.Gradient result.Phi
        let struct (_, largest) = Eigenvalues.enclosure (t.Task.Inner.Hessian result.Phi)
        let d = float v.Count
        // The dense solve, by Cholesky: γ of 4d(d+10) operations times κ.
        let rounding =
            4.0 * Rounding.gamma (4 * int d * (int d + 10)) * c.Condition * c.Contraction * v.L2Norm()

        let error = (result.Gradient - BilevelTask.implicitGradient t.Task result.Phi).L2Norm()
        Claim.margin error (largest / (largest + lambda) * v.L2Norm() + rounding)

    let private oneStepMargin (t: RegularizedTask) _ =
        let result =
            ImplicitMetaGradient.Compute(
                space,
                t.Regularizer,
                t.Problem,
                inner t,
                ConjugateGradientSolver<Vector<float>, float>(LinearSolveOptions.FixedBudget(1)),
                Thresholds.None,
                t.Task.Theta
            )

        let v = t.Task.Outer.Gradient result.Phi
        let shifted = BilevelTask.shiftedHessian t.Task result.Phi
        let curvature = v.DotProduct(shifted * v)
        let expected = Proximal.apply t.Task.Proximal (v.DotProduct v / curvature * v)
        let c = BilevelTask.constants t.Task
        // vᵀMv is known to γ of d(d + 10) products of size ‖v‖²‖|M|‖, ‖|M|‖ ≤ √dβ, relative to itself at most √dκ of that; Λ once more.
        let d = v.Count

        let rounding =
            Rounding.gamma (d * d + 40) * sqrt (float d) * (v.DotProduct v * c.Smoothness / abs curvature + 1.0)

        let product = t.Task.Inner.ProductRounding.At(result.Phi.L2Norm()) * v.DotProduct v / abs curvature

        Claim.margin
            ((result.Gradient - expected).L2Norm())
            ((rounding + product)
             * (expected.L2Norm() + c.LargestRegularization * v.L2Norm() * v.DotProduct v / abs curvature))

    let private scalar first families margin =
        Instances.each first families (Instances.count 48 480) (fun family seed ->
            let task = Family.task family seed
            let random = Random(seed + 1)
            margin (RegularizedTask.ofKind RegularizerKind.Scalar random (10.0 ** (3.0 * random.NextDouble() - 2.0)) task) random)

    /// Quadratics of 4 parameters whose H has these eigenvalues, λ = ½.
    let private ofCurvatures first (curvatures: float[]) (margin: RegularizedTask -> Random -> float) =
        Instances.from (fun extent ->
            Seq.init (Instances.count 20 200 extent) (fun i ->
                let random = Random(first + i: int)
                let a = Spectrum.symmetric random curvatures

                let task =
                    BilevelTask.create
                        (Quadratic.loss a (Spectrum.gaussian random 4) 0.0)
                        (Quadratic.random random 4 10.0)
                        (Proximal.Scalar 1.0)
                        (Spectrum.gaussian random 4)

                {
                    Name = $"negative curvature, seed {first + i}"
                    Margin = margin (RegularizedTask.ofKind RegularizerKind.Scalar random 0.5 task) random
                }))

    let private some = Instances.count 48 480

    let claims: Claim list =
        [
            Claim.create
                "FOMAML"
                "without a solve g = ∇L(φ), φ the inner solver's from θ"
                "none"
                (Instances.names Family.all + ", every kind of Λ")
                "‖g − ∇L(φ)‖"
                "0"
                (RegularizedTask.each 15000 Family.all some noSolveMargin)
                [||]
            {
                Source = "FOMAML"
                Statement = "leaving out the solve costs at most h/(h + λ) of ‖v‖, h = λ_max(H)"
                Hypotheses = "H ⪰ 0, Λ = λI"
                Families = Instances.names Family.all
                Measured = "‖g − λ(H+λI)⁻¹v‖"
                Bound = "h/(h + λ)·‖v‖"
                Instances = scalar 15200 Family.all errorMargin
                Violations =
                    [|
                        Violation.breaks "H ⪰ 0: negative curvature, above −λ" (ofCurvatures 15200 [| -0.4; -0.3; 0.5; 1.0 |] errorMargin)
                    |]
            }
            {
                Source = "FOMAML"
                Statement = "one CG step from 0 gives u = (vᵀv/vᵀMv)v, FOMAML optimally scaled"
                Hypotheses = "vᵀMv > 0"
                Families = Instances.names Family.all + ", every kind of Λ"
                Measured = "‖g − Λ(vᵀv/vᵀMv)v‖"
                Bound = "rounding of vᵀMv"
                Instances = RegularizedTask.each 15400 Family.all some oneStepMargin
                Violations =
                    [|
                        Violation.breaks "vᵀMv > 0: negative curvature" (ofCurvatures 15400 [| -2.0; -1.5; -1.0; -0.8 |] oneStepMargin)
                    |]
            }
        ]
