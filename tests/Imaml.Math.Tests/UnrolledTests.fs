/// Differentiated paths, first-order methods and the gradient in Λ where the curvature changes along the way: on the families of theory,
/// against dense products of the recurrences and against finite differences.
module Imaml.Math.Tests.UnrolledTests

open System
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Testing
open Imaml.Theory

let private space = EuclideanSpace() :> IInnerProductSpace<Vector<float>, float>

let private momenta =
    [
        "gradient descent", NoMomentum
        "heavy ball", HeavyBall 0.75
        "Nesterov", Nesterov 0.75
    ]

/// λ from 1/4 to 2 and a step below 1/β.
let private setting (task: BilevelTask) (seed: int) momentum : struct (float * UnrolledOptions) =
    let lambda = 2.0 ** float (seed % 4 - 2)

    struct (lambda,
            {
                Momentum = momentum
                Step = 0.9 / (lambda + task.Inner.LargestCurvature)
                Steps = 1 + seed % 12
            })

/// φ_T and J_T, by the recurrences as Unrolled.fs states them.
let private dense (task: BilevelTask) lambda (options: UnrolledOptions) (theta: Vector<float>) =
    let one = Matrix<float>.Build.DenseIdentity theta.Count
    let alpha = options.Step
    let gradient (phi: Vector<float>) : Vector<float> = task.Inner.Gradient phi + lambda * (phi - theta)
    let contraction phi : Matrix<float> = one - alpha * (task.Inner.Hessian phi + lambda * one)

    let next struct (phi: Vector<float>, phiBefore: Vector<float>, j: Matrix<float>, jBefore: Matrix<float>) _ =
        match options.Momentum with
        | NoMomentum -> struct (phi - alpha * gradient phi, phi, contraction phi * j + alpha * lambda * one, j)
        | HeavyBall b ->
            struct (phi - alpha * gradient phi + b * (phi - phiBefore),
                    phi,
                    contraction phi * j + b * (j - jBefore) + alpha * lambda * one,
                    j)
        | Nesterov b ->
            let y: Vector<float> = phi + b * (phi - phiBefore)
            struct (y - alpha * gradient y, phi, contraction y * ((1.0 + b) * j - b * jBefore) + alpha * lambda * one, j)

    let struct (phi, _, j, _) = Seq.fold next struct (theta, theta, one, one) (seq { 1 .. options.Steps })
    struct (phi, j)

let private compute (strategy: IMetaGradientStrategy<Vector<float>, float>) (task: BilevelTask) lambda theta =
    strategy.Compute(space, ScalarRegularizer lambda, BilevelTask.problem task, theta)

/// Rounding of a path: T steps of d terms, each amplified by the two-step map's powers, which stay below 2/(1 − b) = 8.
let private rounding (task: BilevelTask) (options: UnrolledOptions) =
    8.0 * 8.0 * float ((options.Steps + 1) * (task.Theta.Count + 30)) * 2.0 ** -53.0

let private maml =
    testList
        "MAML"
        [
            for family in Family.all do
                for name, momentum in momenta do
                    Subject.property
                        Subjects.euclidean
                        30
                        $"g = J_Tᵀ∇L(φ_T) with Hₜ where {name} takes its gradient, {Family.name family}"
                        (fun drawn ->
                            let task = Family.task family drawn.Seed
                            let struct (lambda, options) = setting task drawn.Seed momentum
                            let result = compute (UnrolledStrategy options) task lambda task.Theta
                            let struct (phi, j) = dense task lambda options task.Theta
                            let size = phi.L2Norm() + task.Theta.L2Norm() + (task.Inner.Gradient phi).L2Norm() / lambda
                            Check.atMost (rounding task options * size) ((result.Phi - phi).L2Norm()) "φ"
                            let v = task.Outer.Gradient phi
                            // φ's rounding moves v by L of it, and J by ρ of it for every step.
                            let curved = 1.0 + float options.Steps * task.Inner.HessianLipschitz * size
                            let terms = v.L2Norm() + task.Outer.LargestCurvature * size + (task.Outer.Gradient(0.0 * phi)).L2Norm()

                            Check.atMost
                                (8.0 * rounding task options * curved * terms)
                                ((result.Gradient - j.Transpose() * v).L2Norm())
                                "g")

                    Subject.property
                        Subjects.euclidean
                        15
                        $"J_T w agrees with finite differences of the last iterate, {name}, {Family.name family}"
                        (fun drawn ->
                            let task = Family.task family drawn.Seed
                            let struct (lambda, options) = setting task drawn.Seed momentum
                            let w = Spectrum.direction (Random(drawn.Seed + 1)) task.Theta.Count

                            let path =
                                ForwardMode.tangents options space (ScalarRegularizer lambda) (BilevelTask.problem task) task.Theta [| w |]

                            let last h =
                                let struct (phi, _) = dense task lambda options (task.Theta + h * w)
                                phi

                            let difference h = (last h - last -h) / (2.0 * h)
                            let h = 1e-4
                            // The error of a central difference is a third of its change from 2h to h, to leading order; and rounding over h.
                            let coarse, fine = difference (2.0 * h), difference h
                            let size = (last 0.0).L2Norm() + task.Theta.L2Norm() + (task.Inner.Gradient(last 0.0)).L2Norm() / lambda
                            let bound = (coarse - fine).L2Norm() + 2.0 * rounding task options * size / h
                            Check.atMost bound ((path.Tangents[0] - fine).L2Norm()) "J_T w")
        ]

let private moreau =
    testList
        "Reptile"
        [
            for family in Family.all do
                Subject.property
                    Subjects.euclidean
                    20
                    $"Λ(θ − φ*) is the gradient of the training loss's Moreau envelope, by finite differences, {Family.name family}"
                    (fun drawn ->
                        let task = Family.task family drawn.Seed
                        let struct (lambda, _) = setting task drawn.Seed NoMomentum
                        let solver = GradientDescentSolver(MeasuredCurvature, 2000, 1)
                        let size = 1.0 + task.Theta.L2Norm() + (task.Inner.Gradient task.Theta).L2Norm()
                        let tolerance = 1e-9 * size
                        let strategy = ReptileStrategy(solver, tolerance)
                        let problem = BilevelTask.problem task

                        // min_φ G(φ, θ): an error e in φ* costs only βe²/2.
                        let envelope theta =
                            let phi = (compute strategy task lambda theta).Phi
                            InnerObjective.value space (ScalarRegularizer lambda) (problem.InnerLoss phi) phi theta

                        let g = lambda * (compute strategy task lambda task.Theta).Gradient
                        let w = Spectrum.direction (Random(drawn.Seed + 1)) task.Theta.Count
                        let difference h = (envelope (task.Theta + h * w) - envelope (task.Theta - h * w)) / (2.0 * h)
                        let h = 1e-3
                        let value = abs (envelope task.Theta) + task.Inner.LargestCurvature * size * size + lambda * size * size
                        // Truncation by its change, the values' rounding over h, and what ‖∇G‖ ≤ tolerance leaves in φ*.
                        let bound =
                            abs (difference (2.0 * h) - difference h)
                            + 8.0 * float (task.Theta.Count + 30) * 2.0 ** -53.0 * value / h
                            + tolerance

                        Check.near bound (difference h) (g.DotProduct w) "Λ(θ − φ*) along w")
        ]

/// λ's gradient by finite differences of L(φ*(λ)), for the quadratics, whose φ* is a solve.
let private regularizer =
    let exactPhi (task: BilevelTask) (lambda: float) =
        let m = task.Inner.Hessian task.Theta + lambda * Matrix<float>.Build.DenseIdentity task.Theta.Count
        m.Cholesky().Solve(lambda * task.Theta - task.Inner.Gradient(0.0 * task.Theta))

    let knowing task lambda =
        { new IInnerSolver<Vector<float>, float> with
            member _.Solve(space, _, _, _, _, _) = InnerSolver.blackBox space (exactPhi task lambda)
        }

    let gradientIn lambda result theta = RegularizerGradient.Compute(space, (ScalarRegularizer<Vector<float>, float> lambda), result, theta)

    testList
        "Learning Λ"
        [
            Subject.property Subjects.euclidean 30 "dL/dλ from a meta-gradient agrees with finite differences of L(φ*) in λ" (fun drawn ->
                let task = Family.task Quadratics drawn.Seed
                let lambda = 2.0 ** float (drawn.Seed % 4 - 2)
                let solver = ConjugateGradientSolver(KrylovLaws.budget 200)

                let result =
                    compute (ImplicitStrategy(knowing task lambda, solver, Thresholds.None)) task lambda task.Theta

                let loss lambda = task.Outer.Value(exactPhi task lambda)
                let difference h = (loss (lambda + h) - loss (lambda - h)) / (2.0 * h)
                let h = 1e-4

                let size =
                    1.0
                    + task.Theta.L2Norm()
                    + (exactPhi task lambda).L2Norm()
                    + (task.Outer.Gradient result.Phi).L2Norm()
                // φ* errs by cond(M) ≤ 1 + 1/λ ≤ 5 of d roundings.
                let bound =
                    abs (difference (2.0 * h) - difference h)
                    + 40.0 * float (task.Theta.Count + 6) * 2.0 ** -53.0 * size * size / h

                Check.near bound (difference h) (gradientIn lambda result task.Theta) "dL/dλ")

            Subject.property
                Subjects.euclidean
                20
                "truncated back-propagation's tends to the implicit one's as K grows, as (1 − αµ)ᴷ"
                (fun drawn ->
                    let task = Family.task Quadratics drawn.Seed
                    let lambda = 1.0
                    let step = 1.0 / (lambda + task.Inner.LargestCurvature)

                    for k in [ 1; 5; 20 ] do
                        let options =
                            {
                                Momentum = NoMomentum
                                Step = step
                                Steps = 200
                            }

                        let result = compute (TruncatedStrategy(options, k)) task lambda task.Theta
                        let m = task.Inner.Hessian task.Theta + lambda * Matrix<float>.Build.DenseIdentity task.Theta.Count
                        let v = task.Outer.Gradient result.Phi
                        let away = result.Phi - task.Theta
                        let expected = -away.DotProduct(m.Cholesky().Solve v)
                        // u is off by (1 − αµ)ᴷ‖v‖/µ, µ ≥ λ = 1.
                        let bound = away.L2Norm() * v.L2Norm() * ((1.0 - step) ** float k + 1e-12)
                        Check.near bound expected (gradientIn lambda result task.Theta) $"dL/dλ, K = {k}")
        ]

let private refusals =
    let options momentum step steps : UnrolledOptions =
        {
            Momentum = momentum
            Step = step
            Steps = steps
        }

    let refused (build: unit -> obj) (said: string) =
        let message =
            try
                build () |> ignore
                "accepted"
            with :? ArgumentException as e ->
                e.Message

        message |> should haveSubstring said

    testList
        "refuses"
        [
            testCase "a step that is not positive and finite, fewer steps than 1, a momentum outside [0, 1)" (fun () ->
                for step in [ 0.0; -1.0; nan; infinity ] do
                    for build in
                        [
                            (fun o -> UnrolledStrategy<Vector<float>, float> o :> obj)
                            (fun o -> TruncatedStrategy<Vector<float>, float>(o, 1))
                            (fun o -> ForwardModeStrategy<Vector<float>, float>(EuclideanCoordinates(), o))
                        ] do
                        refused (fun () -> build (options NoMomentum step 3)) $"a constant step must be positive and finite, not {step}"
                        refused (fun () -> build (options NoMomentum 0.1 0)) "the number of inner steps must be at least 1, not 0"
                        refused (fun () -> build (options (Nesterov 1.0) 0.1 3)) "a momentum must be in [0, 1), not 1")

            testCase "K below 1 or above T" (fun () ->
                for k in [ 0; -1; 4 ] do
                    refused
                        (fun () -> TruncatedStrategy<Vector<float>, float>(options NoMomentum 0.1 3, k))
                        $"must be from 1 to the number of inner steps 3, not {k}")
        ]

[<Tests>]
let tests = testList "Unrolled" [ maml; moreau; regularizer; refusals ]
