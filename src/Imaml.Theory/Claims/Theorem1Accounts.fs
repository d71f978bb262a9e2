// What Theorem 1 speaks of, measured on one run of Algorithm 2: for the g that it returns, at inner accuracy δ and linear-solve accuracy δ′,
//
//     ‖g − d_θL(Alg*(θ))‖ ≤ δ′ + Cδ,      C = ‖Λ‖L/µ + ‖Λ‖ρB/µ²                                 (a priori, Theorem1)
//     ‖g − d_θL(Alg*(θ))‖ ≤ (‖Λ‖/µ)(‖r‖ + (L + ρ‖u‖)d) + rounding                               (a posteriori, Certificate)
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
        Bound: Certificate
        Exact: Certificate
        ExactSolve: Certificate
        /// δ′ + Cδ, with δ and δ′ as large as they may be.
        APrioriBound: float
    }

[<RequireQualifiedAccess>]
module Theorem1Accounts =

    let private space = EuclideanSpace() :> IInnerProductSpace<Vector<float>, float>

    /// The certificate of g = Λu at φ.
    let certificate (task: BilevelTask) phi u =
        Certificate.OfSolution(
            space,
            Proximal.regularizer task.Proximal,
            BilevelTask.problem task,
            [| BilevelTask.losses task |],
            task.Theta,
            phi,
            u
        )
        |> Array.exactlyOne

    /// Runs Algorithm 2 with these budgets and measures everything that Theorem 1 speaks of.
    let account (innerSteps: int) (linearSteps: int) (task: BilevelTask) : ErrorAccount =
        let c = BilevelTask.constants task
        let solver = GradientDescentSolver<Vector<float>, float>(ConstantStep(1.0 / c.Smoothness), innerSteps)

        let result =
            ImplicitMetaGradient.Compute(
                space,
                Proximal.regularizer task.Proximal,
                BilevelTask.problem task,
                solver,
                ConjugateGradientSolver<Vector<float>, float>(LinearSolveOptions.FixedBudget(linearSteps)),
                Thresholds.None,
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
            APrioriBound = Theorem1.Bound(c, innerError + exact.InnerError, solveError + exactSolve.SolveError)
        }

    /// Accounts of tasks of every family with random budgets, from moderate and from wide ranges.
    let internal accounts =
        Instances.shared (fun extent ->
            seq {
                for struct (family, seed) in Instances.seeds 4000 Family.withNetworks (Instances.count 40 400) extent do
                    let random = Random(seed + 1)
                    let name = $"{Family.name family}, seed {seed}"
                    struct (name, account (random.Next(1, 40)) (random.Next(1, 8)) (Family.regularized family seed))

                    struct ("wide " + name,
                            account (int (400.0 ** random.NextDouble())) (int (100.0 ** random.NextDouble())) (Family.wide family seed))
            }
            |> Seq.cache)

    let internal ofAccounts measured limit =
        Instances.from (fun extent ->
            accounts extent
            |> Seq.map (fun struct (name, account: ErrorAccount) -> Claim.instance name (measured account) (limit account)))

    /// The exact meta-gradient of a task, and how far it may be off as computed.
    let internal exact (task: BilevelTask) =
        let phi = BilevelTask.exactSolution task task.Theta
        let u = BilevelTask.adjoint task phi
        struct (Proximal.apply task.Proximal u, certificate task phi u)

    /// What Theorem 1 supposes.
    let internal hypotheses = "G is µ-strongly convex and β-smooth, L is L-smooth, H is ρ-Lipschitz"

    let internal scalar = "one parameter, curvature growing as ρ"

    // The same seeds in every claim, so that a bound and what shows it to be sharp are seen on the same tasks.
    let internal scalars margin = Instances.numbered 4700 (Instances.count 60 600) margin
