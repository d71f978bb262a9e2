/// The paper's statements about the implicit meta-gradient, on problems whose exact answer is known.
module Imaml.Math.Tests.MetaGradientTests

open System
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Testing
open Imaml.Theory

/// An inner solver that has the exact solution.
let private exact (task: BilevelTask) =
    { new IInnerSolver<Vector<float>, float> with
        member _.Solve(space, _, _, theta, _, _) = InnerSolver.blackBox space (BilevelTask.exactSolution task theta)
    }

let private compute linearSteps solver (task: BilevelTask) =
    ImplicitMetaGradient.Compute(
        EuclideanSpace(),
        Proximal.regularizer task.Proximal,
        BilevelTask.problem task,
        solver,
        ConjugateGradientSolver(KrylovLaws.budget linearSteps),
        Thresholds.None,
        task.Theta
    )

let private lemma1 =
    testList
        "Lemma 1"
        [
            for family in Family.all ->
                Subject.property
                    Subjects.euclidean
                    40
                    $"the meta-gradient agrees with finite differences of the exact inner solution, {Family.name family}"
                    (fun draw ->
                        let task = Family.task family draw.Seed
                        let c = BilevelTask.constants task
                        let result = compute 400 (exact task) task
                        // The linear solve errs by kκ roundings, ten for the constant, of at most ‖v‖λ/µ.
                        let v = task.Outer.Gradient result.Phi
                        let allowance = 10.0 * 24.0 * c.Condition * 2.0 ** -53.0 * c.Contraction * v.L2Norm()
                        let margin = ExactDifferences.metaGradientMargin (Random(draw.Seed + 1)) allowance result.Gradient task
                        Check.atMost margin 0.0 "0 against the margin of the derived tolerance")
        ]

let private definitions =
    testList
        "Definitions 1 and 2"
        [
            for family in Family.all ->
                Subject.property Subjects.euclidean 20 $"thresholds of δ and δ′ give δ and δ′, {Family.name family}" (fun draw ->
                    let task = Family.task family draw.Seed
                    let space = EuclideanSpace()
                    let regularizer = Proximal.regularizer task.Proximal
                    let c = BilevelTask.constants task
                    let star = BilevelTask.exactSolution task task.Theta

                    for delta, deltaPrime in [ 1e-2, 1e-6; 1e-6, 1e-2 ] do
                        let result =
                            ImplicitMetaGradient.Compute(
                                space,
                                regularizer,
                                BilevelTask.problem task,
                                GradientDescentSolver(MeasuredCurvature, 20000, 1),
                                ConjugateGradientSolver
                                    { KrylovLaws.budget 400 with
                                        CheckEvery = 1
                                    },
                                Thresholds.OfAccuracies(regularizer, c.StrongConvexity, delta, deltaPrime),
                                task.Theta
                            )

                        // Rounding, of numbers of order ‖φ‖ + ‖v‖ with κ ≤ 10⁶, is a hundredth of the accuracies.
                        Check.atMost (1.01 * delta) ((result.Phi - star).L2Norm()) "δ"
                        let exact = BilevelTask.implicitGradient task result.Phi
                        Check.atMost (1.01 * deltaPrime) ((result.Gradient - exact).L2Norm()) "δ′")
        ]

let private limits =
    let tasks family = [ for seed in 1..20 -> Family.task family seed ]

    testList
        "Limits"
        [
            for family in Family.all do
                testCase $"as λ→∞ the meta-gradient tends to the outer gradient at θ, as fast as 1/λ, {Family.name family}" (fun () ->
                    for task in tasks family do
                        for lambda in [ 1e2; 1e4; 1e6 ] do
                            let task =
                                { task with
                                    Proximal = Proximal.Scalar lambda
                                }

                            let result = compute 50 (exact task) task
                            let v = task.Outer.Gradient task.Theta
                            let slope = (task.Inner.Gradient task.Theta).L2Norm()
                            // ‖φ* − θ‖ ≤ ‖∇L̂(θ)‖/λ, ‖A⁻¹ − I‖ ≤ ‖H‖/λ, and rounding.
                            let bound =
                                (task.Inner.LargestCurvature * (task.Outer.Gradient result.Phi).L2Norm()
                                 + task.Outer.LargestCurvature * slope)
                                / lambda
                                + 1e-14 * v.L2Norm()

                            Check.atMost bound ((result.Gradient - v).L2Norm()) $"‖g − ∇L(θ)‖ at λ = {lambda}")

                testCase $"to first order in 1/λ it is one-step MAML with step 1/λ, {Family.name family}" (fun () ->
                    for task in tasks family do
                        let difference lambda =
                            let task =
                                { task with
                                    Proximal = Proximal.Scalar lambda
                                }

                            let g = (compute 50 (exact task) task).Gradient
                            let step = 1.0 / lambda
                            let phi = task.Theta - step * task.Inner.Gradient task.Theta
                            let v = task.Outer.Gradient phi
                            (g - (v - step * (task.Inner.Hessian task.Theta * v))).L2Norm()

                        // The rest is of order 1/λ²: ten times the λ leaves a hundredth, but for the next order and for rounding.
                        let v = (task.Outer.Gradient task.Theta).L2Norm()
                        Check.atMost (0.02 * difference 1e3 + 1e-13 * v) (difference 1e4) "the difference at ten times the λ")

            testCase "as λ→0 the meta-gradient vanishes where H is positive definite" (fun () ->
                for task in tasks Quadratics do
                    for lambda in [ 1e-3; 1e-6 ] do
                        let task =
                            { task with
                                Proximal = Proximal.Scalar lambda
                            }

                        let result = compute 400 (exact task) task
                        let v = task.Outer.Gradient result.Phi
                        // ‖λ(H+λ)⁻¹‖ ≤ λ/µ
                        let c = BilevelTask.constants task
                        Check.atMost (c.Contraction * v.L2Norm() * (1.0 + 1e-6)) (result.Gradient.L2Norm()) $"‖g‖ at λ = {lambda}")
        ]

let private specialCases =
    testList
        "Special cases"
        [
            testCase "no inner curvature: the meta-gradient is the outer gradient after the proximal step" (fun () ->
                let d = 4
                let b = Vector<float>.Build.DenseOfArray [| 1.0; -2.0; 3.0; 0.5 |]

                let task =
                    {
                        Inner = Quadratic.loss (Matrix<float>.Build.Dense(d, d)) b 0.0
                        Outer = Quadratic.random (Random 5) d 10.0
                        Proximal = Proximal.Scalar 2.0
                        Theta = Vector<float>.Build.Dense(d, 1.0)
                    }

                let result = compute 1 (GradientDescentSolver(MeasuredCurvature, 1)) task
                let expected = task.Outer.Gradient(task.Theta - b / 2.0)
                Check.atMost (1e-14 * expected.L2Norm()) ((result.Gradient - expected).L2Norm()) "g")

            testCase "λ that is not positive and finite is refused" (fun () ->
                for lambda in [ 0.0; -1.0; nan; infinity; -infinity ] do
                    let message =
                        try
                            ScalarRegularizer<Vector<float>, float> lambda |> ignore
                            "accepted"
                        with :? ArgumentException as e ->
                            e.Message

                    message |> should haveSubstring $"λ must be positive and finite, not {lambda}")

            testCase "the regulariser is λw, and its smallest eigenvalue λ" (fun () ->
                let regularizer = ScalarRegularizer<Vector<float>, float> 3.0
                let w = Vector<float>.Build.DenseOfArray [| 1.0; -2.0 |]
                let action = regularizer :> IRegularizer<_, _>
                action.Apply(EuclideanSpace(), w) |> should equal (3.0 * w)
                action.SmallestEigenvalue |> should equal 3.0
                regularizer.Lambda |> should equal 3.0)
        ]

[<Tests>]
let tests = testList "Meta-gradient" [ lemma1; definitions; limits; specialCases ]
