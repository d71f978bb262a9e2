/// Gradient descent with momentum: its rates (theory of Nesterov and Polyak), and what it may and may not be combined with.
module Imaml.Math.Tests.MomentumTests

open System
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Testing
open Imaml.Theory

let private space = EuclideanSpace()

let private descend step momentum steps (task: BilevelTask) =
    let regularizer = Proximal.regularizer task.Proximal

    (GradientDescent.accelerated (ConstantStep step) momentum steps 0 space regularizer (BilevelTask.problem task) task.Theta task.Theta 0.0)
        .Phi

/// The error at φ after so many steps, R = ‖θ − φ*‖, and what rounding may add: ‖∇G‖ rounds by its terms, and 1/µ carries that to φ.
let private errors step momentum steps (task: BilevelTask) =
    let c = BilevelTask.constants task
    let exact = BilevelTask.exactSolution task task.Theta

    let terms =
        c.Smoothness * (exact.L2Norm() + task.Theta.L2Norm()) + (task.Inner.Gradient task.Theta).L2Norm()

    let rounding = 100.0 * 2.0 ** -52.0 * terms / c.StrongConvexity
    let distance = (task.Theta - exact).L2Norm()
    struct ((descend step momentum (steps distance) task - exact).L2Norm(), distance, rounding)

let private rates =
    let relative = 1e-6

    testList
        "Rates"
        [
            for family in Family.all do
                testCase $"gradient descent with step 1/β reaches δ in ⌈κ ln(R/δ)⌉ steps, {Family.name family}" (fun () ->
                    for seed in 1..10 do
                        let task = Family.task family seed
                        let c = BilevelTask.constants task
                        let steps _ = int (ceil (c.Condition * log (1.0 / relative)))
                        let struct (error, distance, rounding) = errors (1.0 / c.Smoothness) NoMomentum steps task
                        Check.atMost (relative * distance + rounding) error $"‖φ − φ*‖, seed {seed}")

                testCase $"Nesterov's method reaches δ in ⌈2√κ ln(√(κ+1)R/δ)⌉ steps, {Family.name family}" (fun () ->
                    for seed in 1..10 do
                        let task = Family.task family seed
                        let c = BilevelTask.constants task
                        let struct (step, momentum) = Momentum.NesterovFor(c.StrongConvexity, c.Smoothness)
                        let steps _ = int (ceil (2.0 * sqrt c.Condition * log (sqrt (c.Condition + 1.0) / relative)))
                        let struct (error, distance, rounding) = errors step momentum steps task
                        Check.atMost (relative * distance + rounding) error $"‖φ − φ*‖, seed {seed}")

            for family in [ Quadratics; LinearRegressions ] do
                testCase $"after k steps of heavy ball the error is at most (2k+1)((√κ−1)/(√κ+1))ᵏR, {Family.name family}" (fun () ->
                    for seed in 1..10 do
                        let task = Family.task family seed
                        let c = BilevelTask.constants task
                        let struct (step, momentum) = Momentum.HeavyBallFor(c.StrongConvexity, c.Smoothness)
                        let q = (sqrt c.Condition - 1.0) / (sqrt c.Condition + 1.0)

                        // In an eigendirection of M = H + λ, eₖ/qᵏ = Uₖ(x)e₀ − qUₖ₋₁(x)e₀ with |x| ≤ 1 and |Uₖ| ≤ k + 1 (Chebyshev).
                        for k in [ 1; 2; 5; 20; 100 ] do
                            let struct (error, distance, rounding) = errors step momentum (fun _ -> k) task
                            let bound = (2.0 * float k + 1.0) * q ** float k * distance
                            // The same growth for the rounding of each step.
                            Check.atMost (bound + sqrt c.Condition * rounding) error $"‖φ{k} − φ*‖, seed {seed}")

            testCase "on a quadratic of κ = 10⁴ both take a tenth of gradient descent's steps, or fewer" (fun () ->
                let random = Random 5
                let a = Spectrum.symmetric random (Spectrum.spread random 20 1e-9 9999.0)

                let task =
                    {
                        Inner = Quadratic.loss a (Spectrum.gaussian random 20) 0.0
                        Outer = Quadratic.random random 20 10.0
                        Proximal = Proximal.Scalar 1.0
                        Theta = Spectrum.gaussian random 20
                    }

                let c = BilevelTask.constants task

                let steps step momentum =
                    let solver: IInnerSolver<Vector<float>, float> =
                        GradientDescentSolver(ConstantStep step, momentum, 300_000, 1)

                    let iterate =
                        solver.Solve(space, Proximal.regularizer task.Proximal, BilevelTask.problem task, task.Theta, task.Theta, 1e-5)

                    let s = (iterate.Read space)[0]
                    s.Status |> should equal InnerStatus.Converged
                    s.Steps

                let plain = steps (1.0 / c.Smoothness) NoMomentum

                for struct (step, momentum) in
                    [
                        Momentum.NesterovFor(c.StrongConvexity, c.Smoothness)
                        Momentum.HeavyBallFor(c.StrongConvexity, c.Smoothness)
                    ] do
                    Check.atMost (float plain / 10.0) (float (steps step momentum)) $"steps, {momentum}")
        ]

let private byHand =
    // G = ½·2φ² from φ₀ = 1 with step 1/4 and b = 1/2: ∇G = 2φ.
    let task =
        {
            Inner = Quadratic.loss (Matrix<float>.Build.Dense(1, 1, 1.0)) (Vector<float>.Build.Dense(1, 0.0)) 0.0
            Outer = Quadratic.loss (Matrix<float>.Build.Dense(1, 1, 1.0)) (Vector<float>.Build.Dense(1, 0.0)) 0.0
            Proximal = Proximal.Scalar 1.0
            Theta = Vector<float>.Build.Dense(1, 0.0)
        }

    let at momentum steps =
        (GradientDescent.accelerated
            (ConstantStep 0.25)
            momentum
            steps
            0
            space
            (Proximal.regularizer task.Proximal)
            (BilevelTask.problem task)
            task.Theta
            (Vector<float>.Build.Dense(1, 1.0))
            0.0)
            .Phi[0]

    testList
        "By hand"
        [
            testCase "heavy ball: 1, 1/2, 0, −1/4" (fun () ->
                // φ₁ = 1 − ½; φ₂ = ½ − ¼ − ¼ = 0; φ₃ = 0 − 0 − ¼.
                [ 1..3 ] |> List.map (at (HeavyBall 0.5)) |> should equal [ 0.5; 0.0; -0.25 ])

            testCase "Nesterov: 1, 1/2, 1/8, −1/32" (fun () ->
                // y₁ = ¼, φ₂ = y₁/2 = ⅛; y₂ = ⅛ − 3/16 = −1/16, φ₃ = −1/32.
                [ 1..3 ] |> List.map (at (Nesterov 0.5)) |> should equal [ 0.5; 0.125; -0.03125 ])

            testCase "no momentum is momentum 0" (fun () ->
                for steps in 1..5 do
                    at (HeavyBall 0.0) steps |> should equal (at NoMomentum steps)
                    at (Nesterov 0.0) steps |> should equal (at NoMomentum steps))

            testCase "Nesterov returns the point whose gradient met the tolerance" (fun () ->
                // ‖∇G(y₁)‖ = ½ meets 0.6, where ‖∇G(φ₁)‖ = 1 does not.
                let solver: IInnerSolver<Vector<float>, float> =
                    GradientDescentSolver(ConstantStep 0.25, Nesterov 0.5, 100, 1)

                let start = Vector<float>.Build.Dense(1, 1.0)

                let iterate =
                    solver.Solve(space, Proximal.regularizer task.Proximal, BilevelTask.problem task, task.Theta, start, 0.6)

                iterate.Phi[0] |> should equal 0.25
                let s = (iterate.Read space)[0]
                struct (s.Status, s.Steps, s.Gradients) |> should equal (struct (InnerStatus.Converged, 1, 2)))

            testCase "momentum with measured steps, and momentum outside [0, 1), are refused" (fun () ->
                let complaint rule momentum =
                    try
                        GradientDescentSolver<Vector<float>, float>(rule, momentum, 1, 0) |> ignore
                        "accepted"
                    with :? ArgumentException as e ->
                        e.Message

                for momentum in [ HeavyBall 0.5; Nesterov 0.5 ] do
                    complaint MeasuredCurvature momentum
                    |> should haveSubstring $"momentum needs a constant step: {momentum} cannot be combined with {MeasuredCurvature}"

                for b in [ -0.1; 1.0; nan ] do
                    complaint (ConstantStep 0.1) (Nesterov b)
                    |> should haveSubstring $"a momentum must be in [0, 1), not {b}")
        ]

[<Tests>]
let tests = testList "Momentum" [ rates; byHand ]
