// Definitions 1 to 3: what Algorithm 2's accuracies are, how they are seen without knowing the solution, and the two errors of a
// meta-gradient, which must not be confused.
//
//     Definition 1    δ = ‖φ − Alg*(θ)‖ ≤ ‖∇G(φ, θ)‖/µ
//     Definition 2    δ′ = ‖g − Λ(H+Λ)⁻¹v‖ ≤ (‖Λ‖/µ)‖r‖
//     Definition 3    ‖g − d_θL(Alg*(θ))‖, the exact-solve error; the approximate-solve error is ‖g − d_θL(Alg(θ))‖
//
// On a constant H and T gradient steps of length α, Alg(θ) has the Jacobian J_T = J + (I − α(H+Λ))ᵀ(I − J), T a power: so back-propagation
// through the steps, whose approximate-solve error is 0, and the exact linear solve at the same φ differ by at most (1 − αµ)ᵀ‖I − J‖‖v‖.

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math

[<RequireQualifiedAccess>]
module Definitions =

    let private space = EuclideanSpace() :> IInnerProductSpace<Vector<float>, float>

    /// MAML's gradient after some steps of 1/β, and the path that it is the derivative of.
    let private unrolled family (seed: int) =
        let task: BilevelTask = Family.regularized family seed

        let options =
            {
                Momentum = NoMomentum
                Step = 1.0 / (BilevelTask.constants task).Smoothness
                Steps = Random(seed + 1).Next(1, 30)
            }

        let result =
            Unrolled.compute options space (Proximal.regularizer task.Proximal) (BilevelTask.problem task) task.Theta

        struct (task, options, result, DescentPath.full task options)

    let private approximateSolveMargin family seed =
        let struct (_, _, result, path) = unrolled family seed
        Claim.margin ((result.Gradient - path.Gradient).L2Norm()) path.GradientError

    let private apartMargin family seed =
        let struct (task, options, result, path) = unrolled family seed
        let v = (task.Outer.Gradient result.Phi).L2Norm()
        let rate = 1.0 - options.Step * (BilevelTask.constants task).StrongConvexity

        let rest =
            Spectrum.norm (Matrix<float>.Build.DenseIdentity task.Theta.Count - BilevelTask.jacobian task result.Phi)

        Claim.margin
            ((result.Gradient - BilevelTask.implicitGradient task result.Phi).L2Norm())
            (pown rate options.Steps * rest * v
             + path.GradientError
             + DescentPath.solveError task options (2.0 * v))

    /// MAML's gradient as if it were d_θL(Alg*(θ)): its exact-solve error against rounding.
    let private confusedMargin family seed =
        let struct (task, _, result, path) = unrolled family seed
        let struct (exact, bound) = Theorem1Accounts.exact task
        Claim.margin ((result.Gradient - exact).L2Norm()) (bound.Total + path.GradientError)

    let private bounded measure limit seed =
        let task: ScalarTask = ScalarTask.random seed
        let struct (_, exact) = Theorem1Accounts.exact task.Task
        let bound = Theorem1Accounts.certificate task.Task task.Phi task.U
        Claim.margin (measure task) (limit bound + limit exact)

    let private attained measure limit seed =
        let task: ScalarTask = ScalarTask.random seed
        let bound = Theorem1Accounts.certificate task.Task task.Phi task.U
        Claim.margin (0.999 * limit bound) (measure task)

    /// By the formula, with a µ that many times too large: the certificate itself would refute it.
    let private misjudged factor measure limit seed =
        let task: ScalarTask = ScalarTask.random seed
        let regularizer = Proximal.regularizer task.Task.Proximal
        let c = Misjudged.judged (Misjudged.strongConvexity factor) task.Task

        let norms =
            Certificate.Measure(space, regularizer, BilevelTask.problem task.Task, task.Task.Theta, task.Phi, task.U)
            |> Array.exactlyOne

        let bound =
            Certificate.Of(c, Arithmetic.Of(space, regularizer, [| task.Phi |]), { norms with Curvature = infinity })

        Claim.margin (measure task) (limit bound)

    /// The minimum that Newton's method finds from elsewhere, on a network that λ = 0.02 leaves without strong convexity, µ being the smallest
    /// eigenvalue of H + Λ there: as far as ∇G can tell it is Alg*(θ).
    let private otherMinimumMargin (seed: int) =
        let random = Random seed
        let layers = [| 2; 4; 2 |]
        let x = 3.0 * Spectrum.gaussianMatrix random 6 2
        let labels = Matrix<float>.Build.Dense(6, 1, fun _ _ -> float (random.Next 2))
        let network = MultilayerPerceptron.loss layers Activation.Tanh OutputLoss.CrossEntropy x labels

        let task =
            BilevelTask.create network network (Proximal.Scalar 0.02) (Spectrum.gaussian random network.Dimension)

        let solution = BilevelTask.exactSolution task task.Theta

        let other =
            BilevelTask.exactSolutionFrom (3.0 * Spectrum.gaussian random network.Dimension) task task.Theta

        let struct (smallest, _) = Spectrum.ends (BilevelTask.shiftedHessian task other)

        let bound =
            (BilevelTask.innerGradient task task.Theta other).L2Norm() / max smallest 0.0
            + ExactDifferences.solutionError
                { task with
                    Inner =
                        { network with
                            Constants = LossConstants.Proved(0.0, 100.0, infinity, infinity, AffineBound.Zero, AffineBound.Zero)
                        }
                }
                task.Theta
                other

        Claim.margin ((other - solution).L2Norm()) bound

    let private claim source statement hypotheses families measured bound instances violations : Claim =
        Claim.create source statement hypotheses families measured bound instances violations

    let private strong = "G is µ-strongly convex"
    let private every = Instances.names Family.withNetworks + "; every kind of Λ"
    let private constant = [ Quadratics; LinearRegressions ]

    let claims: Claim list =
        let numbered = Instances.numbered 4700 (Instances.count 40 400)
        let inner (task: ScalarTask) = task.InnerError
        let solve (task: ScalarTask) = task.SolveError

        [
            claim
                "Definition 1"
                "δ is at most ‖∇G(φ,θ)‖/µ"
                strong
                (every + "; " + Theorem1Accounts.scalar)
                "‖φ − Alg*(θ)‖"
                "‖∇G(φ,θ)‖/µ"
                (Theorem1Accounts.ofAccounts (fun a -> a.InnerError) (fun a -> a.Bound.InnerError + a.Exact.InnerError)
                 |> Instances.andThen (Theorem1Accounts.scalars (bounded inner (fun b -> b.InnerError))))
                [|
                    Violation.breaks "µ is overstated by half" (numbered (misjudged 1.5 inner (fun b -> b.InnerError)))
                    Violation.breaks
                        "G is not convex, φ is another minimum, and µ the curvature there: a network with λ = 0.02"
                        (Instances.numbered 1 (Instances.count 20 200) otherMinimumMargin)
                |]
            claim
                "Definition 1"
                "no smaller multiple of ‖∇G(φ,θ)‖/µ will do"
                strong
                Theorem1Accounts.scalar
                "0.999|∇G(φ,θ)|/µ"
                "|φ − Alg*(θ)|"
                (Theorem1Accounts.scalars (attained inner (fun b -> b.InnerError)))
                [||]
            claim
                "Definition 2"
                "δ′ is at most (‖Λ‖/µ)‖r‖"
                strong
                (every + "; " + Theorem1Accounts.scalar)
                "‖g − Λ(H+Λ)⁻¹v‖"
                "(‖Λ‖/µ)‖r‖"
                (Theorem1Accounts.ofAccounts (fun a -> a.SolveError) (fun a -> a.Bound.SolveError + a.ExactSolve.SolveError)
                 |> Instances.andThen (Theorem1Accounts.scalars (bounded solve (fun b -> b.SolveError))))
                [|
                    Violation.breaks "µ is overstated by half" (numbered (misjudged 1.5 solve (fun b -> b.SolveError)))
                |]
            claim
                "Definition 2"
                "no smaller multiple of (‖Λ‖/µ)‖r‖ will do"
                strong
                Theorem1Accounts.scalar
                "0.999(‖Λ‖/µ)|r|"
                "|g − Λ(H+Λ)⁻¹v|"
                (Theorem1Accounts.scalars (attained solve (fun b -> b.SolveError)))
                [||]
            claim
                "Definition 3"
                "back-propagation through the inner steps has no approximate-solve error"
                "L̂ is twice differentiable"
                (Instances.names Family.all + "; every kind of Λ")
                "‖g − d_θL(Alg(θ))‖"
                "rounding of T steps"
                (Instances.each 4200 Family.all (Instances.count 30 300) approximateSolveMargin)
                [|
                    Violation.breaks
                        "the approximate-solve error is read as the exact-solve error"
                        (Instances.each 4200 constant (Instances.count 30 300) confusedMargin)
                |]
            claim
                "Definition 3"
                "after T steps the two errors are at most (1−αµ)ᵀ‖I−J‖‖v‖ apart"
                "H is constant, steps of α = 1/β"
                (Instances.names constant + "; every kind of Λ")
                "‖d_θL(Alg(θ)) − Λ(H+Λ)⁻¹v‖"
                "(1−αµ)ᵀ‖I−(H+Λ)⁻¹Λ‖‖v‖"
                (Instances.each 4300 constant (Instances.count 30 300) apartMargin)
                [||]
        ]
