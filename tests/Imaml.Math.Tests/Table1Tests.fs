/// What Table 1's experiment is built of: the fit, the search for the smallest count, and the tasks with a chosen spectrum.
module Imaml.Math.Tests.Table1Tests

open System
open Expecto
open FsUnit
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Testing
open Imaml.Theory

let private refused rule (body: unit -> obj) =
    let message =
        try
            body () |> ignore
            "accepted"
        with :? ArgumentException as e ->
            e.Message

    message |> should haveSubstring rule

let private fits =
    testList
        "Power law"
        [
            testCase "points on y = 3x^b have the slope b, the intercept ln 3, and an interval of no width" (fun () ->
                let x = [| 10.0; 31.0; 100.0; 1000.0; 1e4 |]

                for b in [ -1.0; 0.0; 0.5; 1.0 ] do
                    let fit = PowerLaw.fit x (x |> Array.map (fun x -> 3.0 * x ** b))
                    // Some ten roundings of numbers below 10, for a spread of x of 10.
                    Check.near 1e-13 b fit.Slope "b"
                    Check.near 1e-13 (log 3.0) fit.Intercept "ln a"
                    Check.atMost 1e-12 (fit.High - fit.Low) "the interval"
                    fit.Points |> should equal 5)

            testCase "the interval of (0, 0), (1, 1), (2, 1) is that of Student's distribution with one degree of freedom" (fun () ->
                // b = ½, residuals −1/6, 1/3, −1/6, so s² = 1/6, Σ(x − x̄)² = 2; t = tan(0.475π).
                let half = tan (0.475 * Math.PI) * sqrt (1.0 / 12.0)
                let line = PowerLaw.line [| 0.0; 1.0; 2.0 |] [| 0.0; 1.0; 1.0 |]
                Check.near 1e-14 0.5 line.Slope "b"
                // The quantile is found to some 10⁻⁸.
                Check.near (1e-6 * half) half (line.High - line.Slope) "half of the interval"
                Check.near (1e-6 * half) half (line.Slope - line.Low) "half of the interval"
                Check.near 1e-14 (1.0 / 3.0) line.LargestResidual "the largest residual")

            testCase "95 % of the intervals of noisy lines hold the slope" (fun () ->
                let random = Random 11
                let x = Array.init 8 float
                let draws = 2000

                let covered =
                    Seq.init draws (fun _ ->
                        let line = PowerLaw.line x (x |> Array.map (fun x -> 2.0 * x + (Spectrum.gaussian random 1)[0]))
                        line.Low <= 2.0 && 2.0 <= line.High)
                    |> Seq.filter id
                    |> Seq.length

                // Five standard deviations of a binomial share.
                Check.near (5.0 * sqrt (0.95 * 0.05 / float draws)) 0.95 (float covered / float draws) "the share that covers")

            testCase "too few points, points at one x, and numbers that have no logarithm are refused" (fun () ->
                let line x y () = PowerLaw.line x y :> obj
                refused "an interval needs at least 3 points, not 2" (line [| 1.0; 2.0 |] [| 1.0; 2.0 |])
                refused "3 values of x, but 2 of y" (line [| 1.0; 2.0; 3.0 |] [| 1.0; 2.0 |])
                refused "must differ in x, all are at 2" (line [| 2.0; 2.0; 2.0 |] [| 1.0; 2.0; 3.0 |])
                refused "must be finite" (line [| 1.0; 2.0; nan |] [| 1.0; 2.0; 3.0 |])
                refused "positive numbers, not 0" (fun () -> PowerLaw.fit [| 1.0; 2.0; 3.0 |] [| 1.0; 0.0; 3.0 |] :> obj))
        ]

let private counts =
    let geometric (q: float) n = struct (q ** float (n - 1), q ** float n)

    testList
        "Smallest count"
        [
            testCase "the count of a geometric error is the first to meet the target, from any guess" (fun () ->
                for q in [ 0.01; 0.5; 0.9; 0.999 ] do
                    for target in [ 0.9; 0.1; 1e-3; 1e-9 ] do
                        for guess in [ 1; 7; 100; 1_000_000 ] do
                            let n = SmallestCount.find (geometric q) target guess 100_000
                            let struct (before, after) = geometric q n
                            Check.atMost target after $"the error after {n} steps"
                            before |> should be (greaterThan target))

            testCase "an error that stops above the target takes as many steps as are allowed" (fun () ->
                let stuck n = struct (0.5 + 0.5 ** float (n - 1), 0.5 + 0.5 ** float n)

                for guess in [ 1; 10; 1000 ] do
                    SmallestCount.find stuck 0.25 guess 1000 |> should equal 1000)
        ]

let private task condition = SpectralTask.random (Random 5) 24 condition

let private options (task: SpectralTask) momentum steps : UnrolledOptions =
    {
        Momentum = momentum
        Step = 1.0 / task.Smoothness
        Steps = steps
    }

let private spectral =
    testList
        "Spectral task"
        [
            testCase "κ, µ = λ and φ* are what they are said to be" (fun () ->
                for condition in [ 10.0; 1e4 ] do
                    let t = task condition
                    let c = BilevelTask.constants t.Task
                    Check.near (1e-12 * condition) condition c.Condition "κ"
                    Check.near (1e-15) t.Lambda c.StrongConvexity "µ"

                    Check.atMost
                        (Stationarity.at t.Task t.Task.Theta t.Solution).RoundingLevel
                        ((BilevelTask.innerGradient t.Task t.Task.Theta t.Solution).L2Norm())
                        "‖∇G(φ*)‖")

            testCase "J_Tᵀv eigenvalue by eigenvalue is the dense recurrence's" (fun () ->
                let t = task 50.0

                // A few steps: the bound on rounding grows as (1 + 2b)ᵀ with momentum.
                for momentum in [ NoMomentum; Nesterov 0.75 ] do
                    let options = options t momentum 10
                    let path = DescentPath.full t.Task options
                    let g = SpectralTask.unrolledGradient t options (t.Task.Outer.Gradient path.Phi)
                    Check.atMost path.GradientError ((g - path.Gradient).L2Norm()) $"{momentum}")

            testCase "K is the smallest whose truncation is near enough, by the strategy itself" (fun () ->
                let t = task 50.0
                let options = options t NoMomentum 40
                let path = DescentPath.full t.Task options

                let distance kept =
                    let result =
                        (TruncatedStrategy(options, kept) :> IMetaGradientStrategy<_, _>)
                            .Compute(RegularizedTask.space, ScalarRegularizer t.Lambda, BilevelTask.problem t.Task, t.Task.Theta)

                    (result.Gradient - path.Gradient).L2Norm()

                for share in [ 0.9; 0.7; 0.5 ] do
                    let allowed = share * distance 1
                    let kept = SpectralTask.truncation t options (t.Task.Outer.Gradient path.Phi) allowed
                    kept |> should be (greaterThan 1)
                    Check.atMost (allowed + path.GradientError) (distance kept) $"K = {kept}"
                    distance (kept - 1) + path.GradientError |> should be (greaterThan allowed))

            testCase "a problem of Table 1 is replayed by its seed" (fun () ->
                let first () = Table1.Measure(Extent.Quick, 3) |> Seq.head
                first () |> should equal (first ()))
        ]

[<Tests>]
let tests = testList "Table 1" [ fits; counts; spectral ]
