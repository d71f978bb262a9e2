/// Memory does not grow: live tensors, by TorchSharp's own count of this thread.
module Imaml.Nets.Tests.MemoryTests

open System.Threading
open Expecto
open FsUnit
open TorchSharp
open Imaml.Math
open Imaml.Nets.Tensors
open Imaml.Nets.Runs
open Imaml.Nets.Models
open Imaml.Nets.Tests.MetaLearnerFixtures
open Imaml.Nets.Tests.Oracle
open Imaml.Nets.Tests.Tensors
open Imaml.Nets.Learning
open Imaml.Nets.Methods
open Imaml.Nets.Tasks

let private live () = DisposeScopeManager.Statistics.ThreadTotalLiveCount

[<Tests>]
let tests =
    testSequenced
    <| testList
        "Memory"
        [
            testCase "50 meta-steps leave as many live tensors as one" (fun () ->
                let before = live ()
                use learner = learner 1UL
                let batches = Array.init 10 batch
                learner.Step batches[0] |> ignore
                let once = live ()

                for step in 1..49 do
                    learner.Step batches[step % 10] |> ignore

                live () |> should equal once
                // θ and Adam's two moments.
                once - before |> should equal 3L)

            testCase "a step that is refused leaves none behind" (fun () ->
                let spoiled = tasksWith (fun batch -> Array.fill batch.Support 0 batch.Support.Length nanf)

                use learner =
                    MetaLearner.Create((experimentOf imaml 1UL).Plan, LearningProblem.Of(spoiled, model ()), 1)

                let before = live ()

                for _ in 1..3 do
                    try
                        learner.Step(batch 0) |> ignore
                    with :? TrainingDivergedException ->
                        ()

                live () |> should equal before)

            testCase "a disposed learner leaves none behind, and neither does an evaluation" (fun () ->
                let before = live ()

                let run () =
                    use learner = learner 1UL
                    Evaluation.AfterAdapting(learner, ClassPart.Test, 1UL, 25, CancellationToken.None) |> ignore
                    Evaluation.BeforeAdapting(learner, ClassPart.Test, 1UL, 25, CancellationToken.None) |> ignore

                run ()
                live () |> should equal before)

            testCase "gradients, products and linearizations leave their results and nothing else" (fun () ->
                use _ = torch.NewDisposeScope()
                let instance = draw 1 (strided (ImageShape(12, 12, 1)) 3 3) 2 4
                let problem = instance.Problem
                let w = normal 2 (sizes instance.Parameters)

                let leaves expected what (body: unit -> unit) =
                    let before = live ()
                    body ()
                    Expect.equal (live () - before) expected what

                leaves 1L "InnerGradient" (fun () -> problem.InnerGradient instance.Parameters |> ignore)
                leaves 2L "OuterLossAndGradient" (fun () -> problem.OuterLossAndGradient instance.Parameters |> ignore)
                leaves 1L "QueryLogits" (fun () -> problem.QueryLogits instance.Parameters |> ignore)
                leaves 0L "QueryAccuracy" (fun () -> problem.QueryAccuracy instance.Parameters |> ignore)
                let before = live ()
                let linearization = problem.LinearizeInner instance.Parameters

                for _ in 1..3 do
                    leaves 1L "HessianProduct" (fun () -> linearization.HessianProduct w |> ignore)

                linearization.Dispose()
                // The three products.
                live () - before |> should equal 3L)

            testCase
                "every inner step, and every product of the linear solve, begins with as many live tensors as the one before"
                (fun () ->
                    use _ = torch.NewDisposeScope()
                    let instance = draw 1 (strided (ImageShape(12, 12, 1)) 3 3) 2 4
                    let gradients, products = ResizeArray<int64>(), ResizeArray<int64>()

                    let observed =
                        let problem = instance.Problem :> IBilevelProblem<Tensor, Tensor>

                        { new IBilevelProblem<Tensor, Tensor> with
                            member _.InnerLoss phi = problem.InnerLoss phi

                            member _.InnerGradient phi =
                                gradients.Add(live ())
                                problem.InnerGradient phi

                            member _.LinearizeInner phi =
                                let inner = problem.LinearizeInner phi

                                { new ILinearization<Tensor, Tensor> with
                                    member _.Loss = inner.Loss
                                    member _.Gradient = inner.Gradient

                                    member _.HessianProduct w =
                                        products.Add(live ())
                                        inner.HessianProduct w

                                    member _.Dispose() = inner.Dispose()
                                }

                            member _.OuterLossAndGradient phi = problem.OuterLossAndGradient phi
                        }

                    let before = live ()

                    ImplicitMetaGradient.Compute(
                        TensorSpace(2, torch.ScalarType.Float64, torch.CPU),
                        ScalarRegularizer<Tensor, Tensor> 2.0,
                        observed,
                        GradientDescentSolver<Tensor, Tensor>(MeasuredCurvature, 12),
                        ConjugateGradientSolver<Tensor, Tensor>(
                            {
                                MaxSteps = 10
                                RelativeResidual = 0.0
                                CheckEvery = 0
                                RecomputeResidual = false
                            }
                        ),
                        Thresholds.None,
                        instance.Parameters
                    )
                    |> ignore

                    let left = live () - before
                    gradients.Count |> should equal 11
                    gradients |> Seq.distinct |> Seq.length |> should equal 1
                    // One to begin gradient descent with; then the solve's, each with the two numbers α and β of every step before it.
                    let solve = Seq.toArray products |> Array.skip 1
                    solve.Length |> should equal 10

                    solve
                    |> Array.pairwise
                    |> Array.skip 1
                    |> Array.map (fun (a, b) -> b - a)
                    |> should equal (Array.create 8 2L)

                    // The report: 3 vectors, 28 numbers (8 of its own, 4 marks and 4 counts of either solve, 4 more of the linear one), and 2 numbers for
                    // each of 10 steps.
                    left |> should equal 51L)
        ]
