/// The inner solver that follows the measured curvature, where a step fixed in advance would diverge or crawl.
module Imaml.Math.Tests.GradientDescentTests

open System
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Testing
open Imaml.Theory

let private descend rule steps (task: BilevelTask) =
    let regularizer = Proximal.regularizer task.Proximal

    (GradientDescent.solve rule steps 0 (EuclideanSpace()) regularizer (BilevelTask.problem task) task.Theta task.Theta 0.0).Phi

let private gradientNorm (task: BilevelTask) phi = (BilevelTask.innerGradient task task.Theta phi).L2Norm()

/// Curvatures from λ to about κλ, evenly spread in their logarithms.
let private stiff seed d condition : BilevelTask =
    let random = Random seed

    {
        Inner =
            Quadratic.loss (Spectrum.symmetric random (Spectrum.spread random d 1e-9 (condition - 1.0))) (Spectrum.gaussian random d) 0.0
        Outer = Quadratic.random random d 10.0
        Proximal = Proximal.Scalar 1.0
        Theta = Spectrum.gaussian random d
    }

[<Tests>]
let tests =
    testList
        "Gradient descent"
        [
            for condition in [ 1e1; 1e2; 1e3; 1e4 ] do
                testCase $"steps that follow the curvature converge for κ = {condition:g}" (fun () ->
                    for seed in 1..10 do
                        let task = stiff seed 20 condition
                        let before = gradientNorm task task.Theta
                        let after = gradientNorm task (descend MeasuredCurvature 3000 task)
                        // Rounding of the gradient at φ*: d terms of at most κ(‖φ‖ + ‖θ‖) and ‖b‖, all below ‖∇G(θ)‖ or a hundred.
                        let rounding = 20.0 * 2.0 ** -52.0 * condition * 100.0
                        Check.atMost (1e-8 * before + rounding) after $"‖∇G‖ after 3000 steps, seed {seed}")

            testCase "on a stiff problem a fixed step diverges and measured steps converge" (fun () ->
                let task = stiff 3 20 1e4
                let before = gradientNorm task task.Theta
                gradientNorm task (descend (ConstantStep 0.1) 30 task) |> should be (greaterThan (1e10 * before))
                gradientNorm task (descend MeasuredCurvature 30 task) |> should be (lessThan before))

            testCase "16 measured steps reduce ‖∇G‖ further than the best constant step, on losses with a few stiff directions" (fun () ->
                // Five curvatures between 50 and 100, the others at λ: the shape that a network's Hessian has.
                for seed in 1..20 do
                    let random = Random seed
                    let curvatures = Array.init 50 (fun i -> if i < 5 then 50.0 + 50.0 * random.NextDouble() else 0.0)

                    let task =
                        {
                            Inner = Quadratic.loss (Spectrum.symmetric random curvatures) (Spectrum.gaussian random 50) 0.0
                            Outer = Quadratic.random random 50 10.0
                            Proximal = Proximal.Scalar 2.0
                            Theta = Spectrum.gaussian random 50
                        }

                    // 2/(µ + β) contracts by (κ−1)/(κ+1), the best that one step size can do.
                    let c = BilevelTask.constants task

                    let constant =
                        gradientNorm task (descend (ConstantStep(2.0 / (c.StrongConvexity + c.Smoothness))) 16 task)

                    Check.atMost constant (gradientNorm task (descend MeasuredCurvature 16 task)) $"‖∇G(φ)‖, seed {seed}")

            for family in Family.all do
                testCase $"measured steps reach the exact solution, {Family.name family}" (fun () ->
                    for seed in 1..20 do
                        let task = Family.task family seed
                        let c = BilevelTask.constants task
                        let phi = descend MeasuredCurvature 4000 task
                        let exact = BilevelTask.exactSolution task task.Theta
                        // ‖φ − φ*‖ ≤ ‖∇G‖/µ, and the gradient rounds by its d (or n) terms.
                        let terms =
                            c.Smoothness * (exact.L2Norm() + task.Theta.L2Norm()) + (task.Inner.Gradient task.Theta).L2Norm()

                        let bound = 100.0 * 2.0 ** -52.0 * terms / c.StrongConvexity + 1e-8 * (exact - task.Theta).L2Norm()
                        Check.atMost bound ((phi - exact).L2Norm()) $"‖φ − φ*‖, seed {seed}")

            testCase "the measured step is ‖s‖/‖y‖ of the last move s and the change y of the gradient" (fun () ->
                // A = diag(1, 4), b = θ = (1, 1), λ = 1: M = diag(2, 5), g₀ = (2, 5). By hand: α₀ = ⟨g,g⟩/⟨g,Mg⟩ = 29/133, g₁ = (I − α₀M)g₀,
                // then α₁ = ‖g₀‖/‖Mg₀‖ = √(29/641).
                let m = Vector<float>.Build.DenseOfArray [| 2.0; 5.0 |]

                let task =
                    {
                        Inner =
                            Quadratic.loss
                                (Matrix<float>.Build.DenseOfDiagonalArray [| 1.0; 4.0 |])
                                (Vector<float>.Build.DenseOfArray [| 1.0; 1.0 |])
                                0.0
                        Outer = Quadratic.random (Random 1) 2 2.0
                        Proximal = Proximal.Scalar 1.0
                        Theta = Vector<float>.Build.Dense(2, 1.0)
                    }

                let g0 = m
                let phi1 = task.Theta - 29.0 / 133.0 * g0
                let g1 = g0 - 29.0 / 133.0 * m.PointwiseMultiply g0
                let phi2 = phi1 - sqrt (29.0 / 641.0) * g1
                let tolerance = 100.0 * 2.0 ** -52.0
                Check.atMost tolerance ((descend MeasuredCurvature 1 task - phi1).L2Norm()) "φ₁"
                Check.atMost tolerance ((descend MeasuredCurvature 2 task - phi2).L2Norm()) "φ₂")

            testCase "where the first curvature is not positive the first step is 1/λ" (fun () ->
                let task =
                    {
                        Inner =
                            Quadratic.loss
                                (Matrix<float>.Build.DenseOfDiagonalArray [| -3.0; -3.0 |])
                                (Vector<float>.Build.Dense(2, 1.0))
                                0.0
                        Outer = Quadratic.random (Random 1) 2 2.0
                        Proximal = Proximal.Scalar 2.0
                        Theta = Vector<float>.Build.Dense 2
                    }

                Check.atMost 1e-15 ((descend MeasuredCurvature 1 task + 0.5 * Vector<float>.Build.Dense(2, 1.0)).L2Norm()) "φ₁ + b/λ")

            testCase "in single precision the measured step is right where squares of gradients would cancel" (fun () ->
                // Curvature 10⁴ at θ and 1 everywhere else, so the first step is 10⁻⁴ and changes the gradient by a part in 10⁴, its square
                // by one in 10⁸, below rounding. The second step must be 1, to the minimiser 0. λ = 2⁻⁴⁰ is below rounding too.
                let subject = Subjects.singlePrecision 1
                let theta = [| [| 0.7; -1.3; 2.1; 0.4; -0.9 |] |]

                let problem =
                    { new IBilevelProblem<Matrix<float>, float[]> with
                        member _.InnerLoss _ = [| 0.0 |]
                        member _.InnerGradient phi = phi

                        member _.LinearizeInner phi =
                            { new ILinearization<Matrix<float>, float[]> with
                                member _.Loss = [| 0.0 |]
                                member _.Gradient = phi
                                member _.HessianProduct w = 1e4 * w
                                member _.Dispose() = ()
                            }

                        member _.OuterLossAndGradient phi = struct ([| 0.0 |], phi)
                    }

                let start = subject.OfRows theta

                let iterate =
                    GradientDescent.solve
                        MeasuredCurvature
                        2
                        0
                        subject.Space
                        (ScalarRegularizer(2.0 ** -40.0))
                        problem
                        start
                        start
                        [| 0.0 |]

                let phi = subject.ToRows iterate.Phi

                // The gradient rounds by 2⁻²⁴ at each end of the move, which is 10⁴ times that of its change; twice for the scalars' own.
                let size row = (Vector<float>.Build.DenseOfArray row).L2Norm()
                Check.atMost (4.0 * 1e4 * 2.0 ** -24.0 * size theta[0]) (size phi[0]) "‖φ₂‖")

            testCase "an impossible number of steps or step size is refused with the number and the rule" (fun () ->
                let complaint body =
                    try
                        body ()
                        failtest "nothing was thrown"
                    with :? ArgumentException as e ->
                        e.Message

                let task = stiff 1 2 10.0

                for steps in [ 0; -1 ] do
                    let expected = $"the number of inner steps must be at least 1, not {steps}"

                    complaint (fun () -> GradientDescentSolver<Vector<float>, float>(MeasuredCurvature, steps) |> ignore)
                    |> should haveSubstring expected

                    complaint (fun () -> descend MeasuredCurvature steps task |> ignore)
                    |> should haveSubstring expected

                for step in [ 0.0; -0.1; nan; infinity ] do
                    let expected = $"a constant step must be positive and finite, not {step}"

                    complaint (fun () -> GradientDescentSolver<Vector<float>, float>(ConstantStep step, 1) |> ignore)
                    |> should haveSubstring expected

                    complaint (fun () -> descend (ConstantStep step) 1 task |> ignore) |> should haveSubstring expected)
        ]
