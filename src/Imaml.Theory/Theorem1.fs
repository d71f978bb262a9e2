// Theorem 1, with its constants made explicit: for the g that Algorithm 2 returns, at inner accuracy δ and linear-solve accuracy δ′,
//
//     ‖g − d_θL(Alg*(θ))‖ ≤ δ′ + Cδ,      C = λL/µ + λρB/µ²                                     (a priori)
//     ‖g − d_θL(Alg*(θ))‖ ≤ p + (λL/µ + (ρ/µ)(‖g‖ + p))d                                        (a posteriori, computable)
//
// with d = ‖∇_φG(φ, θ)‖/µ ≥ δ and p = (λ/µ)‖A(φ)g − ∇L(φ)‖ ≥ δ′. The checked g comes out of the core's Algorithm 2 with few inner and
// few CG steps, so that both errors are there to be bounded.

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math

/// What Algorithm 2 returned on one task, with the true errors and both bounds.
type ErrorAccount =
    {
        /// ‖g − d_θL(Alg*(θ))‖ (Definition 3)
        ExactSolveError: float
        /// δ = ‖φ − Alg*(θ)‖ (Definition 1), and d ≥ δ
        InnerError: float
        InnerErrorBound: float
        /// δ′ = ‖g − A(φ)⁻¹∇L(φ)‖ (Definition 2), and p ≥ δ′
        SolveError: float
        SolveErrorBound: float
        APrioriBound: float
        APosterioriBound: float
        /// How far rounding alone may move the measured error.
        Rounding: float
    }

[<RequireQualifiedAccess>]
module Theorem1 =

    /// The certificate: p + (λL/µ + (ρ/µ)(‖g‖ + p))d.
    let certificate (c: ErrorConstants) (innerErrorBound: float) (solveErrorBound: float) (gradientNorm: float) =
        solveErrorBound
        + (c.Contraction * c.OuterSmoothness
           + c.HessianLipschitz / c.StrongConvexity * (gradientNorm + solveErrorBound))
          * innerErrorBound

    /// Runs Algorithm 2 with these budgets and measures everything that Theorem 1 speaks of.
    let account (innerSteps: int) (linearSteps: int) (task: BilevelTask) : ErrorAccount =
        let c = BilevelTask.constants task
        let space = EuclideanSpace()
        let regularizer = Proximal.regularizer task.Proximal
        let solver = GradientDescentSolver<Vector<float>, float>(ConstantStep(1.0 / c.Smoothness), innerSteps)

        let options =
            {
                MaxSteps = linearSteps
                RelativeResidual = 0.0
                CheckEvery = 0
                RecomputeResidual = false
            }

        let result =
            ImplicitMetaGradient.Compute(
                space,
                regularizer,
                BilevelTask.problem task,
                solver,
                ConjugateGradientSolver<Vector<float>, float> options,
                Thresholds.none space,
                task.Theta
            )

        let g = result.Gradient
        let exactPhi = BilevelTask.exactSolution task task.Theta
        let exact = BilevelTask.implicitGradient task exactPhi
        let v = task.Outer.Gradient result.Phi
        let residual = BilevelTask.shiftedHessian task result.Phi * regularizer.ApplyInverse(space, g) - v
        let delta = (result.Phi - exactPhi).L2Norm()
        let deltaPrime = (g - BilevelTask.implicitGradient task result.Phi).L2Norm()
        let d = (BilevelTask.innerGradient task task.Theta result.Phi).L2Norm() / c.StrongConvexity
        let p = c.Contraction * residual.L2Norm()

        {
            ExactSolveError = (g - exact).L2Norm()
            InnerError = delta
            InnerErrorBound = d
            SolveError = deltaPrime
            SolveErrorBound = p
            APrioriBound = deltaPrime + c.InnerErrorFactor * delta
            APosterioriBound = certificate c d p (g.L2Norm())
            // A Cholesky solve of a system with condition κ errs by at most about dκ·2⁻⁵³ relatively, at φ, at φ*, and in δ′.
            Rounding =
                8.0
                * float task.Theta.Count
                * c.Condition
                * 2.0 ** -53.0
                * (exact.L2Norm() + v.L2Norm() + g.L2Norm())
        }

    let private accounts first count =
        [
            for family in Family.all do
                for seed in first .. first + count - 1 ->
                    let random = Random(seed + 1)
                    account (random.Next(1, 40)) (random.Next(1, 8)) (Family.task family seed)
        ]

    /// ⌈κ ln(R/δ)⌉ steps of gradient descent with step 1/β reach δ, from R = ‖∇G(θ)‖/µ.
    let private innerStepsMargin (accuracy: float) (task: BilevelTask) =
        let c = BilevelTask.constants task
        let radius = (BilevelTask.innerGradient task task.Theta task.Theta).L2Norm() / c.StrongConvexity
        let target = accuracy * radius
        let steps = max 1 (int (ceil (c.Condition * log (radius / target))))
        let rule = ConstantStep(1.0 / c.Smoothness)
        let regularizer = Proximal.regularizer task.Proximal

        let iterate =
            GradientDescent.solve rule steps 0 (EuclideanSpace()) regularizer (BilevelTask.problem task) task.Theta task.Theta 0.0

        Claim.margin ((iterate.Phi - BilevelTask.exactSolution task task.Theta).L2Norm()) target

    /// ⌈(√κ/2) ln(2√κ(λ/µ)‖v‖/δ′)⌉ steps of CG from 0 reach δ′: on systems of 200 parameters with evenly spaced eigenvalues, where CG can
    /// neither finish early nor find clusters.
    let private linearStepsMargin (seed: int) =
        let random = Random seed
        let d = 200
        let accuracy = 10.0 ** (-1.0 - 5.0 * random.NextDouble())
        let condition = 10.0 ** (2.0 * random.NextDouble())

        let shifted =
            Spectrum.symmetric random (Array.init d (fun i -> 1.0 + (condition - 1.0) * float i / float (d - 1)))

        let v = Spectrum.gaussian random d
        let root = sqrt condition
        let steps = max 1 (int (ceil (root / 2.0 * log (2.0 * root / accuracy))))

        let options =
            {
                MaxSteps = steps
                RelativeResidual = 0.0
                CheckEvery = 0
                RecomputeResidual = false
            }

        // Here λ/µ = 1: the system is solved for g/λ and both sides are divided by it.
        let solve = ConjugateGradient.solve (EuclideanSpace()) options (fun w -> shifted * w) v
        Claim.margin ((solve.Solution - shifted.Cholesky().Solve v).L2Norm()) (accuracy * v.L2Norm())

    let claims () : Claim list =
        let accounts = accounts 4000 200

        [
            Claim.ofMargins
                "Definition 1"
                "‖∇G(φ,θ)‖/µ bounds δ"
                (accounts |> Seq.map (fun a -> Claim.margin a.InnerError (a.InnerErrorBound + a.Rounding)))
            Claim.ofMargins
                "Definition 2"
                "(λ/µ)‖A(φ)g − v‖ bounds δ′"
                (accounts |> Seq.map (fun a -> Claim.margin a.SolveError (a.SolveErrorBound + a.Rounding)))
            Claim.ofMargins
                "Theorem 1"
                "the exact-solve error is at most δ′ + Cδ (a priori)"
                (accounts |> Seq.map (fun a -> Claim.margin a.ExactSolveError (a.APrioriBound + a.Rounding)))
            Claim.ofMargins
                "Theorem 1"
                "the certificate bounds the exact-solve error (a posteriori)"
                (accounts |> Seq.map (fun a -> Claim.margin a.ExactSolveError (a.APosterioriBound + a.Rounding)))
            Claim.ofMargins
                "Theorem 1"
                "⌈κ ln(R/δ)⌉ gradient steps of 1/β reach δ"
                ([
                    for family in Family.all do
                        for seed in 5000..5059 -> Family.task family seed
                 ]
                 |> Seq.map (innerStepsMargin 1e-3))
            Claim.ofMargins "Theorem 1" "⌈(√κ/2) ln(2√κ(λ/µ)B/δ′)⌉ CG steps reach δ′" (Seq.init 20 (fun i -> linearStepsMargin (5500 + i)))
        ]
