/// Accuracies and their interval, and that the same episodes give the same numbers.
module Imaml.Nets.Tests.EvaluationTests

open System
open System.Collections.Immutable
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
            // 0.2, 0.4, 0.6, 0.8: mean ½, squared deviations 0.09 + 0.01 + 0.01 + 0.09 = 0.2, variance 0.2/3, √(0.2/3/4) = 1/√60.
            // Student's quantile of three degrees of freedom from a table; Abramowitz and Stegun, table 26.10.
            testCase "mean and 95 % half-width are those computed by hand" (fun () ->
                let measured = accuracy [| 0.2; 0.4; 0.6; 0.8 |]
                near (4.0 * epsilon) 0.5 measured.Mean "mean"
                near 1e-6 (3.182446 / sqrt 60.0) measured.HalfWidth95 "half-width"
                (accuracy [| 0.75; 0.75; 0.75 |]).HalfWidth95 |> should equal 0.0)

            testCase "of many episodes the half-width is 1.96·s/√n, as the literature has it, of fewer it is wider" (fun () ->
                let halves n = Array.init n (fun i -> float (i % 2))
                near (16.0 * epsilon) (1.96 * 0.5 / sqrt 99.0) (accuracy (halves 100)).HalfWidth95 "100 episodes"
                // Ten: t = 2.262157.
                near 1e-6 (2.262157 * 0.5 / 3.0) (accuracy (halves 10)).HalfWidth95 "10 episodes")

            testCase "one episode has no interval" (fun () ->
                let measured = accuracy [| 0.25 |]
                measured.Mean |> should equal 0.25
                measured.HalfWidth95 |> should equal infinity)

            // Differences 0.1, 0.3, 0.1, 0.3: mean 0.2, s² = 4·0.01/3, √(s²/4) = 0.1/√3, 3.182446 of which; unpaired it would be far wider.
            testCase "a baseline's difference is paired by episodes" (fun () ->
                let baseline = Baseline.Compare("another", [| 0.3; 0.6; 0.7; 1.0 |], [| 0.2; 0.3; 0.6; 0.7 |])
                near (8.0 * epsilon) 0.45 baseline.Accuracy "its accuracy"
                near (8.0 * epsilon) 0.2 baseline.Difference.Mean "difference"
                near 1e-6 (3.182446 * 0.1 / sqrt 3.0) baseline.Difference.HalfWidth95 "half-width of the difference"
                // 4 of 4 better: 2·2⁻⁴.
                near (4.0 * epsilon) 0.125 baseline.Difference.SignTest "sign test")

            // 5 differ, one of them for the worse: 2·(1 + 5)/2⁵; a test without any information gives 1.
            testCase "the sign test is the exact one, and equal episodes are not counted" (fun () ->
                let zeros = Array.zeroCreate 7
                let test = PairedDifference.Of([| 0.1; 0.2; 0.1; 0.3; -0.1; 0.0; 0.0 |], zeros)
                (test.Better, test.Worse) |> should equal (4, 1)
                near (8.0 * epsilon) (12.0 / 32.0) test.SignTest "p"
                PairedDifference.Of(zeros, zeros).SignTest |> should equal 1.0
                PairedDifference.Of([| 1.0; 0.0 |], [| 0.0; 1.0 |]).SignTest |> should equal 1.0

                let unknown = PairedDifference.Of([| 0.5; nan; 0.7 |], [| 0.4; 0.2; 0.1 |])
                Double.IsNaN unknown.Mean |> should equal true
                Double.IsNaN unknown.SignTest |> should equal true

                for first, second in [ zeros, [| 0.0 |]; [||], [||] ] do
                    (fun () -> PairedDifference.Of(first, second) |> ignore) |> should throw typeof<ArgumentException>)

            testCase "the nearest centroid is that of the support images' means, the first of equals" (fun () ->
                let episode =
                    Episode(
                        0L,
                        ImmutableArray.Create("a", "b"),
                        ImmutableArray.Create(0, 0),
                        2,
                        2,
                        ImmutableArray.Create(0, 1, 2, 3),
                        ImmutableArray.Create(4, 5, 6, 7)
                    )

                let accuracy (query: float32[]) =
                    NearestCentroid.Accuracy(
                        EpisodeBatch(
                            [| episode |],
                            [| 0.0f; 0.5f; 0.5f; 1.0f |],
                            [| 0L; 0L; 1L; 1L |],
                            query,
                            [| 0L; 0L; 1L; 1L |],
                            1,
                            1,
                            1
                        )
                    )

                // Means ¼ and ¾, exact in binary.
                accuracy [| 0.0f; 0.375f; 0.625f; 1.0f |] |> should equal 1.0
                accuracy [| 0.0f; 0.75f; 0.625f; 0.25f |] |> should equal 0.5
                accuracy [| 0.5f; 0.5f; 0.5f; 0.5f |] |> should equal 0.5)

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

            testCase "one adapting under both normalisations gives the numbers of one for each" (fun () ->
                use learner = learner 1UL
                let range = TaskRange(ClassPart.Test, 1UL, 0L, 25)

                let problem mode = LearningProblem.Of(tasksWith ignore, ImageClassifier(network (), mode))

                let measure (problems: LearningProblem list) =
                    [
                        for one in Evaluation.AfterAdapting([| learner |], List.toArray problems, range, CancellationToken.None, null) ->
                            Seq.toList one.PerTask
                    ]

                let both = measure [ problem BatchNormMode.Transductive; problem BatchNormMode.Inductive ]

                both
                |> should equal (measure [ problem BatchNormMode.Transductive ] @ measure [ problem BatchNormMode.Inductive ])

                both[0] |> should not' (equal both[1]))

            testCase "an ensemble chooses the class of the largest mean probability; of one learner twice, its own" (fun () ->
                use first = learner 1UL
                use second = learner 2UL

                let measure (learners: MetaLearner list) =
                    let range = TaskRange(ClassPart.Test, 1UL, 0L, 20)

                    let measured =
                        Evaluation.AfterAdapting(List.toArray learners, [| first.Problem |], range, CancellationToken.None, null)

                    Seq.toArray measured[0].PerTask

                let expected =
                    [|
                        for at in 0L..2L..18L do
                            use _ = torch.NewDisposeScope()
                            let problem = FewShotProblem(network (), sampler.Value.Batch(at, 2), first.Theta)

                            let probabilities =
                                [ first; second ]
                                |> List.map (fun one -> problem.QueryLogits((one.Adapt(problem, 2)).Phi).softmax(-1L))

                            let mean = (probabilities[0].add probabilities[1]).div(2.0.ToScalar())
                            let labels = LabelledImages.Query(sampler.Value.Batch(at, 2), first.Theta).OneHot.argmax -1L

                            for task in 0L .. 1L do
                                let right = mean.argmax(-1L).eq(labels).[task]
                                right.to_type(torch.float64).mean().item<float>()
                    |]

                measure [ first; second ] |> should equal expected
                measure [ first; first ] |> should equal (measure [ first ])
                expected |> should not' (equal (measure [ first ])))

            testCase "before adapting, each episode's accuracy is that of θ on its query set" (fun () ->
                use learner = learner 1UL
                use _ = torch.NewDisposeScope()
                let measured = Evaluation.BeforeAdapting(learner, ClassPart.Test, 1UL, 32, CancellationToken.None)

                // In the chunks that the evaluator takes, so that not even rounding differs: of 20 tasks 2 at once, of 12 tasks 1.
                let expected =
                    [|
                        for first in 0L..2L..18L -> first, 2
                        for first in 20L .. 31L -> first, 1
                    |]
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
