// Theorem 1, with its constants made explicit: for the g that Algorithm 2 returns, at inner accuracy δ and linear-solve accuracy δ′,
//
//     ‖g − d_θL(Alg*(θ))‖ ≤ δ′ + Cδ,      C = ‖Λ‖L/µ + ‖Λ‖ρB/µ²                                 (a priori, ErrorBounds)
//     ‖g − d_θL(Alg*(θ))‖ ≤ (‖Λ‖/µ)(‖r‖ + (L + ρ‖u‖)d) + rounding                               (a posteriori, ErrorBound)
//
// with d = ‖∇_φG(φ, θ)‖/µ ≥ δ and r = ∇L(φ) − (H+Λ)u. The checked g comes out of the core's Algorithm 2 with few inner and few CG steps, so
// that both errors are there to be bounded. What it is measured against is itself only known to within a certificate of its own, which
// is added to the bound; tests repeat the check with 256 binary digits.

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math

/// What Algorithm 2 returned on one task, with the measured errors, how far each measurement may be off, and both bounds.
type ErrorAccount =
    {
        /// ‖g − d_θL(Alg*(θ))‖ (Definition 3)
        ExactSolveError: float
        /// δ = ‖φ − Alg*(θ)‖ (Definition 1)
        InnerError: float
        /// δ′ = ‖g − Λ(H+Λ)⁻¹∇L(φ)‖ (Definition 2)
        SolveError: float
        /// The certificate of g, of the exact meta-gradient as it was computed, and of the exact linear solve at φ.
        Bound: ErrorBound
        Exact: ErrorBound
        ExactSolve: ErrorBound
        /// δ′ + Cδ, with δ and δ′ as large as they may be.
        APrioriBound: float
    }

[<RequireQualifiedAccess>]
module Theorem1 =

    let private space = EuclideanSpace() :> IInnerProductSpace<Vector<float>, float>

    /// Double precision, for this task.
    let arithmetic (task: BilevelTask) = Arithmetic.double task.Theta.Count (Proximal.regularizer task.Proximal)

    /// The certificate of g = Λu at φ.
    let certificate (task: BilevelTask) phi u =
        let regularizer = Proximal.regularizer task.Proximal

        Certificate.ofSolution
            space
            regularizer
            (BilevelTask.problem task)
            [| BilevelTask.constants task |]
            (arithmetic task)
            task.Theta
            phi
            u
        |> Array.exactlyOne

    /// Runs Algorithm 2 with these budgets and measures everything that Theorem 1 speaks of.
    let account (innerSteps: int) (linearSteps: int) (task: BilevelTask) : ErrorAccount =
        let c = BilevelTask.constants task
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
                Proximal.regularizer task.Proximal,
                BilevelTask.problem task,
                solver,
                ConjugateGradientSolver<Vector<float>, float> options,
                Thresholds.none space,
                task.Theta
            )

        let g, phi = result.Gradient, result.Phi
        let exactPhi = BilevelTask.exactSolution task task.Theta
        let exactU = BilevelTask.adjoint task exactPhi
        let solvedU = BilevelTask.adjoint task phi
        let exact = certificate task exactPhi exactU
        let exactSolve = certificate task phi solvedU
        let innerError = (phi - exactPhi).L2Norm()
        let solveError = (g - Proximal.apply task.Proximal solvedU).L2Norm()

        {
            ExactSolveError = (g - Proximal.apply task.Proximal exactU).L2Norm()
            InnerError = innerError
            SolveError = solveError
            Bound = certificate task phi result.Solve.Solution
            Exact = exact
            ExactSolve = exactSolve
            APrioriBound =
                ErrorBounds.aPriori
                    c
                    {
                        Inner = innerError + exact.InnerError
                        Solve = solveError + exactSolve.SolveError
                    }
        }

    let private accounts =
        Instances.shared (fun extent ->
            [|
                for struct (family, seed) in Instances.seeds 4000 Family.all (Instances.count 70 700) extent do
                    let random = Random(seed + 1)
                    let name = $"{Family.name family}, seed {seed}"
                    struct (name, account (random.Next(1, 40)) (random.Next(1, 8)) (Family.task family seed))

                    struct ("wide " + name,
                            account (int (400.0 ** random.NextDouble())) (int (100.0 ** random.NextDouble())) (Family.wide family seed))
            |])

    let private radius (task: BilevelTask) =
        (BilevelTask.innerGradient task task.Theta task.Theta).L2Norm()
        / (BilevelTask.constants task).StrongConvexity

    /// How near φ is to Alg*(θ) against a target, with the error of what Alg*(θ) is taken for.
    let private reachMargin (task: BilevelTask) target (phi: Vector<float>) =
        let exactPhi = BilevelTask.exactSolution task task.Theta
        let exact = certificate task exactPhi (BilevelTask.adjoint task exactPhi)
        Claim.margin ((phi - exactPhi).L2Norm()) (target + exact.InnerError)

    /// ⌈κ ln(R/δ)⌉ steps of gradient descent with step 1/β reach δ, from R = ‖∇G(θ)‖/µ.
    let private innerStepsMargin (accuracy: float) (task: BilevelTask) =
        let c = BilevelTask.constants task
        let target = accuracy * radius task
        let steps = max 1 (ErrorBounds.gradientDescentSteps c (radius task) target)
        let rule = ConstantStep(1.0 / c.Smoothness)
        let regularizer = Proximal.regularizer task.Proximal

        (GradientDescent.solve rule steps 0 space regularizer (BilevelTask.problem task) task.Theta task.Theta 0.0).Phi
        |> reachMargin task target

    /// ⌈2√κ ln(√(κ+1)R/δ)⌉ steps with Nesterov's constants reach δ.
    let private acceleratedMargin (accuracy: float) (task: BilevelTask) =
        let c = BilevelTask.constants task
        let target = accuracy * radius task
        let root = sqrt c.Condition
        let momentum = (root - 1.0) / (root + 1.0)
        let steps = ErrorBounds.nesterovSteps c (radius task) target

        let next struct (last: Vector<float>, phi: Vector<float>) _ =
            let y = phi + momentum * (phi - last)
            struct (phi, y - BilevelTask.innerGradient task task.Theta y / c.Smoothness)

        let struct (_, phi) = Seq.fold next struct (task.Theta, task.Theta) (seq { 1..steps })
        reachMargin task target phi

    /// ⌈(√κ/2) ln(2(λ/µ)‖v‖/δ′)⌉ steps of CG from 0 reach δ′: on systems of 200 parameters with evenly spaced eigenvalues, where CG can
    /// neither finish early nor find clusters.
    let private linearStepsMargin (seed: int) =
        let random = Random seed
        let d = 200
        let accuracy = 10.0 ** (-1.0 - 5.0 * random.NextDouble())
        let condition = 10.0 ** (2.0 * random.NextDouble())

        let shifted =
            Spectrum.symmetric random (Array.init d (fun i -> 1.0 + (condition - 1.0) * float i / float (d - 1)))

        let v = Spectrum.gaussian random d

        // Λ = I here, so that ‖Λ‖/µ = 1.
        let constants =
            { BilevelTask.constants (Family.task Quadratics 1) with
                StrongConvexity = 1.0
                Smoothness = condition
                LargestRegularization = 1.0
            }

        let steps = max 1 (ErrorBounds.conjugateGradientSteps constants (v.L2Norm()) (accuracy * v.L2Norm()))

        let options =
            {
                MaxSteps = steps
                RelativeResidual = 0.0
                CheckEvery = 0
                RecomputeResidual = false
            }

        let solve = ConjugateGradient.solve space options (fun w -> shifted * w) v
        Claim.margin ((solve.Solution - shifted.Cholesky().Solve v).L2Norm()) (accuracy * v.L2Norm())

    let private strong = "G is µ-strongly convex and β-smooth"
    let private all = strong + ", L is L-smooth, H is ρ-Lipschitz"

    let private check source statement hypotheses measured bound measure limit : Claim =
        {
            Source = source
            Statement = statement
            Hypotheses = hypotheses
            Families = Instances.names Family.all + ", every kind of Λ"
            Measured = measured
            Bound = bound
            Instances =
                Instances.from (fun extent ->
                    accounts extent
                    |> Seq.map (fun struct (name, account) -> Claim.instance name (measure account) (limit account)))
            Violations = [||]
        }

    let private count statement measured bound families instances : Claim =
        {
            Source = "Theorem 1"
            Statement = statement
            Hypotheses = strong
            Families = families
            Measured = measured
            Bound = bound
            Instances = instances
            Violations = [||]
        }

    let private steps margin =
        Instances.each 5000 Family.all (Instances.count 60 600) (fun family seed -> margin (Family.task family seed))

    let claims: Claim list =
        [
            check "Definition 1" "‖∇G(φ,θ)‖/µ bounds δ" strong "‖φ − Alg*(θ)‖" "‖∇G(φ,θ)‖/µ" (fun a -> a.InnerError) (fun a ->
                a.Bound.InnerError + a.Exact.InnerError)
            check "Definition 2" "(‖Λ‖/µ)‖r‖ bounds δ′" strong "‖g − Λ(H+Λ)⁻¹v‖" "(‖Λ‖/µ)‖r‖" (fun a -> a.SolveError) (fun a ->
                a.Bound.SolveError + a.ExactSolve.SolveError)
            check
                "Theorem 1"
                "the exact-solve error is at most δ′ + Cδ (a priori)"
                (all + ", L is B-Lipschitz")
                "‖g − d_θL(Alg*(θ))‖"
                "δ′ + Cδ"
                (fun a -> a.ExactSolveError)
                (fun a -> a.APrioriBound + a.Exact.Total)
            check
                "Theorem 1"
                "the certificate bounds the exact-solve error (a posteriori)"
                all
                "‖g − d_θL(Alg*(θ))‖"
                "(‖Λ‖/µ)(‖r‖ + (L + ρ‖u‖)d) + rounding"
                (fun a -> a.ExactSolveError)
                (fun a -> a.Bound.Total + a.Exact.Total)
            count
                "⌈κ ln(R/δ)⌉ gradient steps of 1/β reach δ"
                "‖φ − Alg*(θ)‖"
                "δ"
                (Instances.names Family.all)
                (steps (innerStepsMargin 1e-3))
            count
                "⌈2√κ ln(√(κ+1)R/δ)⌉ steps with Nesterov's momentum reach δ"
                "‖φ − Alg*(θ)‖"
                "δ"
                (Instances.names Family.all)
                (steps (acceleratedMargin 1e-3))
            count
                "⌈(√κ/2) ln(2(‖Λ‖/µ)‖v‖/δ′)⌉ CG steps reach δ′"
                "‖g − Λ(H+Λ)⁻¹v‖"
                "δ′"
                "evenly spaced spectra"
                (Instances.from (fun extent ->
                    Seq.init (Instances.count 20 200 extent) (fun i ->
                        {
                            Name = $"seed {5500 + i}"
                            Margin = linearStepsMargin (5500 + i)
                        })))
        ]
