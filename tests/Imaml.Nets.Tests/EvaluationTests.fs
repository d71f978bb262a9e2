/// Accuracies and their interval, and that the same episodes give the same numbers.
module Imaml.Nets.Tests.EvaluationTests

open System
open System.Threading
open Expecto
open FsUnit
open TorchSharp
open Imaml.Nets.Runs
open Imaml.Nets.Tasks
open Imaml.Nets.Learning
open Imaml.Nets.Models
open Imaml.Nets.Tests.MetaLearnerFixtures
open Imaml.Nets.Tests.Tensors

let private accuracy (shares: float[]) = Evaluation(LearningProblem.Accuracy, shares, Collections.Generic.Dictionary())

[<Tests>]
let tests =
    testSequenced
    <| testList
        "Evaluation"
        [
            // 0.2, 0.4, 0.6, 0.8: mean ½, squared deviations 0.09 + 0.01 + 0.01 + 0.09 = 0.2, variance 0.2/3, 1.96·√(0.2/3/4) = 1.96/√60.
            testCase "mean and 95 % half-width are those computed by hand" (fun () ->
                let measured = accuracy [| 0.2; 0.4; 0.6; 0.8 |]
                near (4.0 * epsilon) 0.5 measured.Mean "mean"
                near (8.0 * epsilon) (1.96 / sqrt 60.0) measured.HalfWidth95 "half-width"
                (accuracy [| 0.75; 0.75; 0.75 |]).HalfWidth95 |> should equal 0.0)

            testCase "one episode has no interval" (fun () ->
                let measured = accuracy [| 0.25 |]
                measured.Mean |> should equal 0.25
                measured.HalfWidth95 |> should equal infinity)

            testCase "the same episodes give the same accuracies, and more episodes begin with them" (fun () ->
                use learner = learner 1UL
                let measure episodes = Evaluation.AfterAdapting(learner, ClassPart.Test, 1UL, episodes, CancellationToken.None).PerTask
                let forty = Seq.toArray (measure 40)
                forty.Length |> should equal 40
                Seq.toArray (measure 40) |> should equal forty
                // 20 episodes go through the network at once; so do the first 20 of 40.
                Seq.toArray (measure 20) |> should equal forty[..19]
                // Shares of 6 query images.
                forty
                |> Array.forall (fun share -> abs (6.0 * share - round (6.0 * share)) < 12.0 * epsilon)
                |> should equal true)

            testCase "before adapting, each episode's accuracy is that of θ on its query set" (fun () ->
                use learner = learner 1UL
                use _ = torch.NewDisposeScope()
                let measured = Evaluation.BeforeAdapting(learner, ClassPart.Test, 1UL, 32, CancellationToken.None)

                // In the portions that the evaluator takes, so that not even rounding differs.
                let expected =
                    [| 0L, 20; 20L, 12 |]
                    |> Array.collect (fun (first, count) ->
                        let problem = FewShotProblem(network (), sampler.Value.Batch(first, count), learner.Theta)

                        problem.QueryAccuracy(learner.Theta.expand (int64 count, -1L)))

                Seq.toArray measured.PerTask |> should equal expected
                expected[20..] |> should not' (equal expected[..11]))

            testCase "evaluating does not move θ, reports its progress to the end, and can be cancelled" (fun () ->
                use learner = learner 1UL
                let theta = numbers learner.Theta
                let mutable shares = []

                let progress =
                    { new IProgress<float> with
                        member _.Report share = shares <- share :: shares
                    }

                Evaluation.AfterAdapting(learner, ClassPart.Test, 1UL, 50, CancellationToken.None, progress)
                |> ignore

                numbers learner.Theta |> should equal theta
                shares |> should equal [ 1.0; 0.8; 0.4 ]

                (fun () -> Evaluation.AfterAdapting(learner, ClassPart.Test, 1UL, 50, CancellationToken true) |> ignore)
                |> should throw typeof<OperationCanceledException>)
        ]
