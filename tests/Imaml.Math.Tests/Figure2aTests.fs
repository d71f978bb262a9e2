/// Figure 2(a): the experiment's oracles, and what the paper reads off the figure.
module Imaml.Math.Tests.Figure2aTests

open System
open Expecto
open FsUnit
open MathNet.Numerics
open MathNet.Numerics.LinearAlgebra
open Imaml.Math
open Imaml.Testing
open Imaml.Theory

let private space = EuclideanSpace() :> IInnerProductSpace<Vector<float>, float>

/// 20 problems: the minimum that the figure is drawn for. The seed differs from the committed figure's.
let private points = lazy (Figure2a.problemSeeds 11 20 |> Array.mapi Figure2a.problem |> Array.concat)

let private claims = lazy (Figure2aClaims.ofPoints points.Value |> Array.map (Claim.check Extent.Quick))

let private few = [| 1; 2; 7; 20 |]

let private experiment =
    testList
        "The problems"
        [
            testCase "have κ = 100, and H + λI has five distinct eigenvalues" (fun () ->
                for seed in Figure2a.problemSeeds 5 10 do
                    let task = Figure2aProblem.task seed
                    // The enclosure of H's spectrum leaves some d²u of room.
                    Check.near 1e-10 100.0 (BilevelTask.constants task).Condition "κ"
                    let eigenvalues = (BilevelTask.shiftedHessian task task.Theta).Evd().EigenValues.Real()
                    let smallest = eigenvalues.Minimum()

                    eigenvalues
                    |> Seq.filter (fun value -> value > smallest * (1.0 + 1e-6))
                    |> Seq.length
                    |> should equal 4)

            testCase "the recursion of Jₜ is the derivative of the core's inner solvers in θ" (fun () ->
                // The iterates are affine in θ, so that a difference over a unit step is the derivative but for rounding: fewer than a hundred
                // contractive steps on numbers below 100.
                let task = Figure2aProblem.task 3
                let d = task.Theta.Count

                for accelerated in [ false; true ] do
                    let jacobians = Figure2aProblem.iterateJacobians task accelerated 30

                    for steps in [ 1; 2; 5; 30 ] do
                        let path = Figure2aProblem.path task accelerated steps

                        let iterate (theta: Vector<float>) =
                            (GradientDescent.accelerated
                                (ConstantStep path.Step)
                                path.Momentum
                                steps
                                0
                                space
                                (Proximal.regularizer task.Proximal)
                                (BilevelTask.problem task)
                                theta
                                theta
                                0.0)
                                .Phi

                        for i in 0 .. d - 1 do
                            let e = Vector<float>.Build.Dense(d, (fun j -> if i = j then 1.0 else 0.0))
                            let measured = iterate (task.Theta + e) - iterate task.Theta
                            Check.atMost 1e-11 ((measured - jacobians[steps - 1].Column i).L2Norm()) $"column {i} after {steps} steps")

            testCase "the counts of work are those of the code that runs" (fun () ->
                let task = Figure2aProblem.task 4
                let counting = CountingSpace<Vector<float>, float> space
                let struct (lambda, _) = Proximal.enclosure task.Proximal
                let problem = CountingProblem<_, _>(counting, BilevelTask.problem task)

                for point in Figure2a.onTask task Figure2a.methods few do
                    problem.Reset()

                    (Figure2a.strategy counting task point.Method point.InnerSteps)
                        .Compute(counting, ScalarRegularizer lambda, problem, counting.Track task.Theta)
                    |> ignore

                    (point.Gradients, point.HessianProducts)
                    |> should equal (problem.Count.Gradients, problem.Count.HessianProducts))

            testCase "are drawn by their seed, and 0 problems are refused" (fun () ->
                Figure2a.problemSeeds 3 5 |> should equal (Array.take 5 (Figure2a.problemSeeds 3 7))
                Figure2a.problemSeeds 3 5 |> should not' (equal (Figure2a.problemSeeds 4 5))

                Figure2a.onTask (Figure2aProblem.task 9) Figure2a.methods few
                |> should haveLength (few.Length * Figure2a.methods.Length)

                (fun () -> Figure2a.problemSeeds 3 0 |> ignore) |> should throw typeof<ArgumentException>)
        ]

let private statements =
    testList
        "The claims"
        [
            testCase "hold on 20 problems, and what is broken on purpose breaks" (fun () ->
                for claim in claims.Value do
                    Expect.isTrue claim.Holds $"{claim.Claim.Statement}: margin {claim.SmallestMargin} at {claim.Nearest}"

                claims.Value |> Array.sumBy (fun claim -> claim.Violations.Length) |> should equal 1)

            testCase "the certificate is not vacuous: it is within a factor of 10 of the error that 2 CG steps leave" (fun () ->
                let curve =
                    Figure2aClaims.curve points.Value Figure2aMethod.Imaml2 (Func<_, _>(fun p -> p.Certificate / p.ExactSolveError))

                Array.last curve.Median |> should be (lessThan 10.0)
                Array.last curve.Median |> should be (greaterThan 1.0))

            testCase "MAML is exact in the approximate-solve sense and not in the exact-solve sense" (fun () ->
                for point in points.Value do
                    if point.Method = Figure2aMethod.Maml && point.InnerSteps <= 10 then
                        point.ApproximateSolveError |> should be (lessThan 1e-10)
                        point.ExactSolveError |> should be (greaterThan 1e-3))

            testCase "fail on points that are not the paper's" (fun () ->
                let broken change =
                    points.Value
                    |> Array.map change
                    |> Figure2aClaims.ofPoints
                    |> Array.map (fun claim -> (Claim.check Extent.Quick { claim with Violations = [||] }).Holds)
                    |> Array.filter not
                    |> Array.length

                // A certificate a thousand times too small; MAML a hundred times nearer; a floor of 2 CG steps that is none, so that there is
                // nothing to remove either.
                broken (fun p ->
                    { p with
                        Certificate = p.Certificate / 1e3
                    })
                |> should equal 1

                broken (fun p ->
                    if p.Method = Figure2aMethod.Maml then
                        { p with
                            ExactSolveError = p.ExactSolveError / 100.0
                        }
                    else
                        p)
                |> should equal 1

                broken (fun p ->
                    if p.Method = Figure2aMethod.Imaml2 then
                        { p with ExactSolveError = 1e-15 }
                    else
                        p)
                |> should equal 2)
        ]

let private ledger =
    testCase "Ledger / the Markdown table has as many cells in every row, and keeps a bar within a cell" (fun () ->
        let one =
            { claims.Value[0] with
                Claim =
                    { claims.Value[0].Claim with
                        Measured = "|x|"
                    }
            }

        let rows = (Ledger.markdown [ one ]).Split '\n'
        let cells (row: string) = row.Replace("\\|", "").Split('|').Length
        rows |> Array.map cells |> Array.distinct |> should haveLength 1
        Expect.stringContains rows[2] "\\|x\\|" "the bars")

[<Tests>]
let tests = testList "Figure 2(a)" [ experiment; statements; ledger ]
