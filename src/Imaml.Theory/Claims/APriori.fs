// Theorem 1 a priori: ‖g − d_θL(Alg*(θ))‖ ≤ δ′ + Cδ with C = ‖Λ‖L/µ + ‖Λ‖ρB/µ², and the accuracies δ = ε/(2C), δ′ = ε/2 that it asks for ε:
// that the bound holds, that no smaller one would, and what becomes of it where one of its constants is wrong.

namespace Imaml.Theory

open System
open MathNet.Numerics.LinearAlgebra
open Imaml.Math

[<RequireQualifiedAccess>]
module APriori =

    let private space = EuclideanSpace() :> IInnerProductSpace<Vector<float>, float>

    /// δ′ + Cδ on a task whose δ, δ′ and error are known, and its error with what that may be off by.
    let private priced (task: ScalarTask) (constants: ErrorConstants) =
        let struct (gradient, bound) = Theorem1Accounts.exact task.Task
        let error = (Proximal.apply task.Task.Proximal task.U - gradient).L2Norm()

        struct (error, Theorem1.Bound(constants, task.InnerError, task.SolveError), bound.Total)

    let private attainedMargin seed =
        let task = ScalarTask.random seed
        let struct (error, bound, uncertainty) = priced task (BilevelTask.constants task.Task)
        Claim.margin (0.999 * bound) (error + uncertainty)

    // With these constants in place of the task's own.
    let private pricedMargin (judge: BilevelTask -> TaskConstants) seed =
        let task = ScalarTask.random seed
        let struct (error, bound, uncertainty) = priced task (Misjudged.judged judge task.Task)
        Claim.margin error (bound + uncertainty)

    /// Algorithm 2 at the accuracies for ε: does it reach ε?
    let private accuracyMargin family seed =
        let task: BilevelTask = Family.regularized family seed
        let random = Random(seed + 2)
        let c = BilevelTask.constants task
        let struct (gradient, bound) = Theorem1Accounts.exact task
        let epsilon = 10.0 ** (-1.0 - 5.0 * random.NextDouble()) * (gradient.L2Norm() + 1e-3)
        let accuracies = Theorem1.AccuraciesFor(c, epsilon)
        let regularizer = Proximal.regularizer task.Proximal

        let result =
            ImplicitMetaGradient.Compute(
                space,
                regularizer,
                BilevelTask.problem task,
                GradientDescentSolver(ConstantStep(1.0 / c.Smoothness), 200_000, 1),
                ConjugateGradientSolver(LinearSolveOptions.ToTolerance(100 + 20 * task.Theta.Count, 0.0)),
                Thresholds.OfAccuracies(regularizer, c.StrongConvexity, accuracies.Inner, accuracies.Solve),
                task.Theta
            )

        Claim.margin ((result.Gradient - gradient).L2Norm()) (epsilon + bound.Total)

    /// The same on one parameter, stopped exactly at these accuracies: what is left of ε, or of the error where `reversed`.
    let private spentMargin reversed seed =
        let c = BilevelTask.constants (ScalarTask.random seed).Task
        let epsilon = 2.0 * ScalarTask.distance * c.OuterGradientBound
        let task = ScalarTask.reaching (Theorem1.AccuraciesFor(c, epsilon)) seed
        let struct (error, _, uncertainty) = priced task c

        if reversed then
            Claim.margin (0.99 * epsilon) (error + uncertainty)
        else
            Claim.margin error (epsilon + uncertainty)

    /// Logistic regression whose outer loss is nearly linear, so that the error is that of H alone.
    let internal nearlyLinear seed : BilevelTask =
        let random = Random(seed: int)
        let d = random.Next(1, 5)
        let examples scale = scale * Spectrum.gaussianMatrix random 10 d
        let labels () = Vector<float>.Build.Dense(10, fun _ -> float (random.Next 2))

        BilevelTask.create
            (LogisticRegression.loss (examples 3.0) (labels ()))
            (LogisticRegression.loss (examples 1e-3) (labels ()))
            (Proximal.Scalar 0.05)
            (Spectrum.gaussian random d)

    /// δ′ + Cδ with other constants than the task's, after these steps and an exact linear solve.
    let private withConstants steps (judge: Vector<float> -> BilevelTask -> TaskConstants) (task: BilevelTask) =
        let c = BilevelTask.constants task
        let regularizer = Proximal.regularizer task.Proximal
        let rule = ConstantStep(1.0 / c.Smoothness)

        let phi =
            (GradientDescent.solve rule steps 0 space regularizer (BilevelTask.problem task) task.Theta task.Theta 0.0).Phi

        let u = BilevelTask.adjoint task phi
        let struct (gradient, bound) = Theorem1Accounts.exact task
        let solve = Theorem1Accounts.certificate task phi u

        let limit =
            Theorem1.Bound(
                Misjudged.judged (judge phi) task,
                (phi - BilevelTask.exactSolution task task.Theta).L2Norm() + bound.InnerError,
                solve.SolveError
            )

        Claim.margin ((Proximal.apply task.Proximal u - gradient).L2Norm()) (limit + bound.Total)

    /// δ as a solver of min L̂ would see it, ‖∇L̂(φ)‖/µ, at the end of descent on L̂ alone.
    let private withoutTermMargin family seed =
        let task: BilevelTask = Family.regularized family seed
        let c = BilevelTask.constants task

        let phi =
            Seq.fold (fun phi _ -> phi - task.Inner.Gradient phi / c.Smoothness) task.Theta (seq { 1..200 })

        let struct (gradient, bound) = Theorem1Accounts.exact task

        let limit = Theorem1.Bound(c, (task.Inner.Gradient phi).L2Norm() / c.StrongConvexity, 0.0)

        Claim.margin ((BilevelTask.implicitGradient task phi - gradient).L2Norm()) (limit + bound.Total)

    let private claim statement families measured bound instances violations : Claim =
        Claim.create "Theorem 1" statement (Theorem1Accounts.hypotheses + ", L is B-Lipschitz") families measured bound instances violations

    let private every = Instances.names Family.withNetworks + "; every kind of Λ"

    let claims: Claim list =
        let few = Instances.count 20 200

        [
            claim
                "the exact-solve error is at most δ′ + Cδ (a priori)"
                (every + "; " + Theorem1Accounts.scalar)
                "‖g − d_θL(Alg*(θ))‖"
                "δ′ + Cδ"
                (Theorem1Accounts.ofAccounts (fun a -> a.ExactSolveError) (fun a -> a.APrioriBound + a.Exact.Total)
                 |> Instances.andThen (Theorem1Accounts.scalars (pricedMargin BilevelTask.losses)))
                [|
                    Violation.breaks
                        "ρ is taken for 0, on logistic regression"
                        (Instances.numbered 4600 few (nearlyLinear >> withConstants 3 (fun _ -> Misjudged.flat)))
                    Violation.breaks "L is understated by half" (Instances.numbered 4700 few (pricedMargin (Misjudged.outerSmoothness 0.5)))
                    Violation.breaks "µ is overstated by half" (Instances.numbered 4700 few (pricedMargin (Misjudged.strongConvexity 1.5)))
                    Violation.survives
                        "B is ‖∇L(φ)‖ at the φ that was reached, no bound on the way to Alg*(θ)"
                        (Instances.each 4000 [ LogisticRegressions; Networks ] few (fun family seed ->
                            Family.regularized family seed
                            |> withConstants 2 (fun phi task -> Misjudged.outerGradientBound ((task.Outer.Gradient phi).L2Norm()) task)))
                    Violation.breaks
                        "the inner objective lacks its proximal term, and δ is ‖∇L̂(φ)‖/µ"
                        (Instances.each 4000 [ LinearRegressions; LogisticRegressions ] few withoutTermMargin)
                |]
            claim
                "no smaller C and no smaller multiple of δ′ will do"
                Theorem1Accounts.scalar
                "0.999(δ′ + Cδ)"
                "|g − d_θL(Alg*(θ))|"
                (Theorem1Accounts.scalars attainedMargin)
                [||]
            claim
                "δ = ε/(2C) and δ′ = ε/2 reach ε"
                (every + "; " + Theorem1Accounts.scalar)
                "‖g − d_θL(Alg*(θ))‖"
                "ε"
                (Instances.each 4800 Family.withNetworks (Instances.count 25 250) accuracyMargin
                 |> Instances.andThen (Theorem1Accounts.scalars (spentMargin false)))
                [||]
            claim
                "δ = ε/(2C) and δ′ = ε/2 leave nothing of ε over"
                Theorem1Accounts.scalar
                "0.99ε"
                "|g − d_θL(Alg*(θ))|"
                (Theorem1Accounts.scalars (spentMargin true))
                [||]
        ]
