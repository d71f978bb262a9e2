/// Adam against three steps computed by hand, and its invariances.
module Imaml.Math.Tests.AdamTests

open System
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Testing
open Imaml.Theory

let private coordinates = EuclideanCoordinates()

let private vector (numbers: float list) = Vector<float>.Build.DenseOfEnumerable numbers

let private start (theta: Vector<float>) = Adam.Start(EuclideanSpace(), theta)

/// θ after each step against these gradients.
let private run options rate theta gradients =
    let step struct (theta, state) gradient = Adam.Step(coordinates, options, rate, state, gradient, theta)

    gradients
    |> List.scan step (struct (theta, start theta))
    |> List.tail
    |> List.map (fun struct (theta, _) -> theta)

[<Tests>]
let tests =
    testList
        "Adam"
        [
            testCase "three steps with β₁ = β₂ = 1/2, ε = 0, rate 1 against gradients 1, 3, −1" (fun () ->
                let options =
                    {
                        Beta1 = 0.5
                        Beta2 = 0.5
                        Epsilon = 0.0
                    }
                // m: 1/2, 7/4, 3/8;  v: 1/2, 19/4, 23/8;  1 − βᵗ: 1/2, 3/4, 7/8.
                // m̂/√v̂: 1;  (7/3)/√(19/3);  (3/7)/√(23/7).
                let moves = [ 1.0; 7.0 / 3.0 / sqrt (19.0 / 3.0); 3.0 / 7.0 / sqrt (23.0 / 7.0) ]
                let expected = moves |> List.scan (-) 10.0 |> List.tail
                let actual = run options 1.0 (vector [ 10.0 ]) [ vector [ 1.0 ]; vector [ 3.0 ]; vector [ -1.0 ] ]

                List.iter2 (fun e (a: Vector<float>) -> Check.near (20.0 * 2.0 ** -52.0 * 10.0) e a[0] "θ") expected actual)

            testCase "with its authors' constants the second step is 0.9·… by the textbook formula, ε outside the root" (fun () ->
                let options = AdamOptions.Authors

                options
                |> should
                    equal
                    {
                        Beta1 = 0.9
                        Beta2 = 0.999
                        Epsilon = 1e-8
                    }
                // A gradient as small as ε shows where ε stands: θ₁ = −rate·g/(|g| + ε).
                let g = 1e-8
                let first = run options 0.1 (vector [ 0.0 ]) [ vector [ g ] ]
                Check.near 1e-14 (-0.1 * g / (g + 1e-8)) first.Head[0] "θ₁"
                // m̂ = (0.9·0.1g + 0.1h)/(1 − 0.81), v̂ = (0.999·0.001g² + 0.001h²)/(1 − 0.998001).
                let h = 3e-8
                let moment = (0.09 * g + 0.1 * h) / 0.19
                let square = (0.999e-3 * g * g + 1e-3 * h * h) / (1.0 - 0.999 ** 2.0)
                let both = run options 0.1 (vector [ 0.0 ]) [ vector [ g ]; vector [ h ] ]
                let expected = first.Head[0] - 0.1 * moment / (sqrt square + 1e-8)
                // 1 − β₂² has lost three digits.
                Check.near 1e-13 expected both[1].[0] "θ₂")

            testCase "with ε = 0 the steps do not depend on the gradients' scale" (fun () ->
                let options =
                    { AdamOptions.Authors with
                        Epsilon = 0.0
                    }

                let random = Random 5
                let theta = Spectrum.gaussian random 6
                let gradients = List.init 10 (fun _ -> Spectrum.gaussian random 6)
                let expected = run options 0.01 theta gradients

                for scale in [ 1e-6; 1e6 ] do
                    let actual = run options 0.01 theta (gradients |> List.map (fun g -> scale * g))
                    // Ten steps of at most rate·√t, each with a few roundings.
                    List.iter2 (fun (e: Vector<float>) (a: Vector<float>) -> Check.atMost 1e-14 ((e - a).L2Norm()) "θ") expected actual)

            testCase "coordinates are scaled one by one: the first step is rate·sign of the gradient" (fun () ->
                let options =
                    { AdamOptions.Authors with
                        Epsilon = 0.0
                    }

                let actual = run options 0.5 (vector [ 1.0; 1.0; 1.0 ]) [ vector [ 1e-9; -3.0; 1e9 ] ]
                Check.rows 1e-14 [| [| 0.5; 1.5; 0.5 |] |] [| actual.Head.ToArray() |] "θ₁")

            testCase "the state counts the steps and carries both moments" (fun () ->
                let theta = vector [ 0.0 ]

                let options =
                    {
                        Beta1 = 0.5
                        Beta2 = 0.25
                        Epsilon = 1.0
                    }

                let struct (_, first) = Adam.Step(coordinates, options, 1.0, start theta, vector [ 2.0 ], theta)
                let struct (_, second) = Adam.Step(coordinates, options, 1.0, first, vector [ 4.0 ], theta)
                second.Steps |> should equal 2
                // 0.5·(0.5·2) + 0.5·4 and 0.25·(0.75·4) + 0.75·16.
                second.FirstMoment[0] |> should equal 2.5
                second.SecondMoment[0] |> should equal 12.75)
        ]

/// The inner solver on logistic regression.
[<Tests>]
let inner =
    let task = Family.task LogisticRegressions 1

    let options =
        { AdamOptions.Authors with
            Beta1 = 0.0
            Epsilon = 0.0
        }

    let solve steps rate problem =
        let solver: IInnerSolver<Vector<float>, float> = AdamSolver(coordinates, options, rate, steps)
        solver.Solve(EuclideanSpace(), Proximal.regularizer task.Proximal, problem, task.Theta, task.Theta, 0.0)

    testList
        "Adam"
        [
            testCase "as an inner solver: the steps of Adam.Step on ∇G, counted" (fun () ->
                let gradient phi = BilevelTask.innerGradient task task.Theta phi

                let step struct (phi, moments) _ = Adam.Step(coordinates, options, 0.1, moments, gradient phi, phi)
                let struct (expected, _) = List.fold step (struct (task.Theta, start task.Theta)) [ 1..4 ]
                let actual = solve 4 0.1 (BilevelTask.problem task)
                // ∇G is summed in another order: d·n roundings of a direction of size 1 in every coordinate, a hundred at most.
                Check.atMost (4.0 * 0.1 * 100.0 * 2.0 ** -52.0 * float expected.Count) ((actual.Phi - expected).L2Norm()) "φ"
                let statistics = actual.Read(EuclideanSpace())
                statistics[0].Steps |> should equal 4
                statistics[0].Gradients |> should equal 4
                statistics[0].Status |> should equal InnerStatus.StepLimit)

            testCase "with a problem for each step: the gradient of step t is that of the t-th" (fun () ->
                let toZero =
                    BilevelProblem.FromDelegates((fun _ -> 0.0), id, (fun (_: Vector<float>) w -> w), (fun (_: Vector<float>) -> 0.0), id)

                let problems = [| BilevelTask.problem task; toZero |]

                let solver: IInnerSolver<Vector<float>, float> =
                    AdamSolver(
                        coordinates,
                        options,
                        0.1,
                        4,
                        Func<_, _, _>(fun problem step -> if step % 2 = 0 then problem else problems[1])
                    )

                let regularizer = Proximal.regularizer task.Proximal
                let actual = solver.Solve(EuclideanSpace(), regularizer, problems[0], task.Theta, task.Theta, 0.0)

                let step struct (phi, moments) t =
                    let gradient = problems[t % 2].InnerGradient phi + regularizer.Apply(EuclideanSpace(), phi - task.Theta)

                    Adam.Step(coordinates, options, 0.1, moments, gradient, phi)

                let struct (expected, _) = List.fold step (struct (task.Theta, start task.Theta)) [ 0..3 ]
                Check.atMost (4.0 * 0.1 * 100.0 * 2.0 ** -52.0 * float expected.Count) ((actual.Phi - expected).L2Norm()) "φ")

            testCase "its first step moves every coordinate by the rate, downhill" (fun () ->
                let moved = (solve 1 0.1 (BilevelTask.problem task)).Phi - task.Theta
                let downhill = (BilevelTask.innerGradient task task.Theta task.Theta).PointwiseSign() * -0.1
                Check.atMost (0.1 * 2.0 ** -50.0 * float moved.Count) ((moved - downhill).L2Norm()) "φ − θ")

            testCase "a gradient that is not finite is said" (fun () ->
                let nowhere =
                    BilevelProblem.FromDelegates(
                        (fun _ -> nan),
                        (fun (phi: Vector<float>) -> phi * nan),
                        (fun (_: Vector<float>) w -> w),
                        (fun _ -> 0.0),
                        id
                    )

                ((solve 2 0.1 nowhere).Read(EuclideanSpace())[0]).Status |> should equal InnerStatus.NonFinite)

            testCase "second moments that are kept: v goes on from there without a correction, and Reptile hands v − vᵢ on" (fun () ->
                let problem, regularizer = BilevelTask.problem task, Proximal.regularizer task.Proximal
                let square (x: Vector<float>) = x.PointwiseMultiply x
                let kept = Vector<float>.Build.Dense(task.Theta.Count, (fun i -> 1.0 + float i))

                // `weight` t is what v's mean of g² has been divided by after t steps.
                let descend (weight: int -> float) start =
                    let step struct (phi: Vector<float>, v: Vector<float>) t =
                        let gradient = BilevelTask.innerGradient task task.Theta phi
                        let v = options.Beta2 * v + (1.0 - options.Beta2) * square gradient
                        struct (phi - 0.1 * gradient.PointwiseDivide((v / weight t).PointwiseSqrt()), v)

                    List.fold step (struct (task.Theta, start)) [ 1..3 ]

                let solver = AdamSolver<Vector<float>, float>(coordinates, options, 0.1, 3)

                let check (solver: AdamSolver<Vector<float>, float>) (phi: Vector<float>) (learned: Vector<float>) =
                    let reptile: IMetaGradientStrategy<Vector<float>, float> = ReptileKeepingMomentsStrategy solver
                    let result = reptile.Compute(EuclideanSpace(), regularizer, problem, task.Theta)
                    // As above; the moments are below 100.
                    let rounding = 3.0 * 100.0 * 2.0 ** -52.0 * float phi.Count
                    Check.atMost rounding ((result.Gradient - (task.Theta - phi)).L2Norm()) "θ − φ"
                    Check.atMost (100.0 * rounding) ((vector (List.ofArray result.Learned[0]) - learned).L2Norm()) "v − vᵢ"

                let struct (phi, v) = descend (fun _ -> 1.0) kept
                check (solver.Keeping kept) phi (kept - v)
                // Before the first meta-batch v is 0: every task begins at 0, and hands on what has no bias of that start.
                let bias t = 1.0 - options.Beta2 ** float t
                let struct (phi, v) = descend bias (0.0 * kept)
                check solver phi (-v / bias 3))

            testCase "its errors" (fun () ->
                (fun () -> solve 0 0.1 (BilevelTask.problem task) |> ignore)
                |> should throw typeof<ArgumentException>

                (fun () -> solve 1 nan (BilevelTask.problem task) |> ignore)
                |> should throw typeof<ArgumentException>)
        ]
