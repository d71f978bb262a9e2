/// A run that is shared out to ranks has the bits of one process, whatever their number. The ranks are threads.
module Imaml.Nets.Tests.RanksTests

open System
open System.IO
open System.Text.Json
open System.Threading
open Expecto
open FsUnit
open Imaml.Nets.Learning
open Imaml.Nets.Machines
open Imaml.Nets.Methods
open Imaml.Nets.Runs
open Imaml.Nets.Tasks
open Imaml.Nets.Tests.MetaLearnerFixtures
open Imaml.Nets.Tests.Tensors
open Imaml.Testing

let private sizes = [ 2; 3; 4 ]

let private algorithms: (string * Method) list =
    [
        "imaml-gd", imaml
        "imaml-gd, a learned λ for each layer",
        ImplicitMaml(Inner.GradientDescent 3, 2.0, Adjoint.ConjugateGradients 2, LearnedLambda(LearnedPer.Layer, 0.05))
        "maml", Maml(Inner.GradientDescent(3, Nullable 0.1), Nullable 2.0)
        "meta-sgd, a learned step size for each parameter", MetaSgd(Inner.GradientDescent(3, Nullable 0.1), Nullable())
        "head, a learned λ", ConvexHeadMaml(0.5, LearnedLambda(LearnedPer.One, 0.05))
    ]

/// θ, the optimiser's memory and the learned numbers.
let private stateOf (learner: MetaLearner) =
    numbers learner.Theta,
    [
        for struct (name, vector) in learner.Outer.Vectors do
            name, numbers vector
    ],
    match learner.Learned with
    | null -> [||]
    | learned -> learned.Numbers.ToArray()

/// Numbers of very different sizes, so that their sum depends on the order of adding.
let private vectors count d =
    let random = Random 5

    [|
        for _ in 1..count -> Array.init d (fun _ -> float32 ((random.NextDouble() - 0.5) * 10.0 ** float (random.Next(-4, 5))))
    |]

let private sums =
    testList
        "ordered sum"
        [
            // d that the ranks do not divide, one that has fewer numbers than ranks, and ranks without a vector.
            testCase "is the sum of one process from the left, to the last bit, for any number of ranks" (fun () ->
                for size in 1..5 do
                    for count in [ 1; 3; 4; 17 ] do
                        for d in [ 1; 2; 7; 103 ] do
                            let all = vectors count d
                            let expected = all |> Array.reduce (Array.map2 (+))
                            let shares = Ranks.Shares(count, size)

                            let results =
                                ThreadRanks.Run(
                                    size,
                                    fun ranks ->
                                        let struct (first, mine) = Ranks.Share(ranks, count)
                                        Ranks.OrderedSum(ranks, all[first .. first + mine - 1], shares, d)
                                )

                            for sum in results do
                                sum |> should equal expected)

            testCase "and this is seen: from the right these numbers have another sum" (fun () ->
                let all = vectors 17 103

                all
                |> Array.rev
                |> Array.reduce (Array.map2 (+))
                |> should not' (equal (all |> Array.reduce (Array.map2 (+)))))

            testCase "shares are consecutive, cover everything once, and differ by at most one" (fun () ->
                for size in 1..7 do
                    for items in 0..23 do
                        let shares = Ranks.Shares(items, size)
                        Array.sum shares |> should equal items
                        Array.max shares - Array.min shares |> should be (lessThanOrEqualTo 1)

                        ThreadRanks.Run(
                            size,
                            fun ranks ->
                                let struct (first, count) = Ranks.Share(ranks, items)
                                [ first .. first + count - 1 ]
                        )
                        |> List.concat
                        |> should equal [ 0 .. items - 1 ])

            testCase "what ranks gather has any length, and what rank 0 cannot make is every rank's failure" (fun () ->
                for size in sizes do
                    let all =
                        ThreadRanks.Run(size, fun ranks -> Ranks.GatherAll(ranks, Array.create ranks.Rank (byte ranks.Rank)))

                    let expected = Array.init size (fun rank -> Array.create rank (byte rank))

                    for one in all do
                        one |> should equal expected

                    ThreadRanks.Run(
                        size,
                        fun ranks ->
                            try
                                Ranks.FromFirst(ranks, (fun () -> (raise (IOException "the disk is full"): byte[]))) |> ignore
                                "nothing"
                            with
                            | :? IOException as e when ranks.Rank = 0 -> e.Message
                            | :? FirstRankException as e when ranks.Rank > 0 -> e.Message
                    )
                    |> should equal (Array.create size "the disk is full"))
        ]

/// Twenty tasks of three images are ten chunks of two.
let private steps (experiment: Experiment) (ranks: IRanks) =
    use learner = MetaLearner.Create(experiment.Plan, problem (), 1, ranks)
    let reports = List.init 3 (fun step -> learner.Step(range (int64 (20 * step)) 20))
    let measured = Evaluation.AfterAdapting(learner, ClassPart.Test, 3UL, 50, CancellationToken.None)

    JsonSerializer.Serialize(reports, RunJson.Options),
    stateOf learner,
    List.ofSeq measured.PerTask,
    Convert.ToHexString(learner.StateHash())

let private metaSteps =
    testList
        "meta-step"
        [
            for name, method in algorithms do
                testCase $"{name}: 2, 3 and 4 ranks have the bits, reports and measurements of one process" (fun () ->
                    let experiment = experimentOf method 7UL
                    let alone = steps experiment Ranks.Alone

                    for size in sizes do
                        for one in ThreadRanks.Run(size, steps experiment) do
                            one |> should equal alone)

            testCase "more ranks than chunks: some compute nothing, and all have the same" (fun () ->
                let run (ranks: IRanks) =
                    use learner = MetaLearner.Create((experimentOf imaml 3UL).Plan, problem (), 1, ranks)
                    learner.Step(batch 0), stateOf learner

                let alone = run Ranks.Alone

                for one in ThreadRanks.Run(5, run) do
                    one |> should equal alone)

            testCase "each rank samples its own tasks alone, all together each task once" (fun () ->
                let sampled =
                    ThreadRanks.Run(
                        3,
                        fun ranks ->
                            let mine = ResizeArray()

                            let tasks =
                                { new ITaskSource<EpisodeBatch> with
                                    member _.Identity = "recorded"
                                    member _.SupportExamples = 3

                                    member _.Take range =
                                        lock mine (fun () -> mine.AddRange [ range.First .. range.First + int64 range.Count - 1L ])
                                        sampler.Value.Batch(range.First, range.Count)
                                }

                            use learner =
                                MetaLearner.Create((experimentOf imaml 3UL).Plan, LearningProblem.Of(tasks, model ()), 1, ranks)

                            learner.Step(range 0L 20) |> ignore
                            List.ofSeq mine
                    )

                sampled |> Array.map List.length |> should equal [| 6; 6; 8 |]
                sampled |> List.concat |> List.sort |> should equal [ 0L .. 19L ])
        ]

let private experiment: Experiment =
    Experiment(
        OwnTasks "patterned",
        Imaml.Nets.Models.StridedConvolutions 2,
        ImplicitMaml(Inner.GradientDescent 3, 2.0, Adjoint.ConjugateGradients 2, LearnedLambda(LearnedPer.One, 0.05)),
        Outer.Adam(1e-2, Schedule.Constant),
        Budget(8, 16, 3, 30, 2, 4),
        7UL
    )

let private opened folder (ranks: IRanks) =
    TrainingRun.OpenShared(RunFolder folder, experiment, tasksWith ignore, model (), null, Nullable 1, ranks)

/// Trains until `stop` says so, which a rank asks after each of its steps.
let private train folder (stop: IRanks -> StepReport -> bool) (ranks: IRanks) =
    use run = opened folder ranks
    use source = new CancellationTokenSource()

    run.Run(
        source.Token,
        fun step ->
            if stop ranks step then
                source.Cancel()
    )

    run.Learner.MetaStep

let private toTheEnd: IRanks -> StepReport -> bool = fun _ _ -> false

/// The checkpoint without its header, which has wall seconds, and without its hash.
let private state folder name =
    let bytes = File.ReadAllBytes(Path.Combine(folder, name))
    bytes[12 + BitConverter.ToInt32(bytes, 8) .. bytes.Length - 33]

let private lines folder log =
    [
        for line in File.ReadLines(Path.Combine(folder, log)) do
            use document = JsonDocument.Parse line

            [
                for one in document.RootElement.EnumerateObject() do
                    if one.Name <> "seconds" && one.Name <> "computeSeconds" then
                        one.Name, one.Value.GetRawText()
            ]
    ]

let private sameRun a b =
    for name in [ "checkpoint.bin"; "checkpoint-best.bin"; "checkpoint-000004.bin" ] do
        state a name = state b name |> should equal true

    for log in [ "progress.jsonl"; "curve.jsonl" ] do
        lines b log |> should equal (lines a log)

let private runs =
    testList
        "run"
        [
            for size in 1 :: sizes do
                testCase $"{size} ranks leave the files of one process" (fun () ->
                    inFolder (fun folder ->
                        let alone, shared = Path.Combine(folder, "alone"), Path.Combine(folder, "shared")
                        train alone toTheEnd Ranks.Alone |> should equal 8
                        ThreadRanks.Run(size, train shared toTheEnd) |> should equal (Array.create size 8)
                        sameRun alone shared))

            testCase
                "asked to stop on one rank, all stop after the same meta-step; another number of ranks goes on to the same files"
                (fun () ->
                    inFolder (fun folder ->
                        let alone, shared = Path.Combine(folder, "alone"), Path.Combine(folder, "shared")
                        train alone toTheEnd Ranks.Alone |> ignore

                        let third at (ranks: IRanks) (step: StepReport) = ranks.Rank = 2 && step.MetaStep = at
                        ThreadRanks.Run(4, train shared (third 3)) |> should equal [| 3; 3; 3; 3 |]
                        ThreadRanks.Run(3, train shared (third 5)) |> should equal [| 5; 5; 5 |]
                        train shared (fun _ step -> step.MetaStep = 6) Ranks.Alone |> should equal 6
                        ThreadRanks.Run(2, train shared toTheEnd) |> should equal [| 8; 8 |]
                        sameRun alone shared))

            testCase "a rank whose θ is another stops the run, which names its machine and keeps the checkpoint before" (fun () ->
                inFolder (fun folder ->
                    ThreadRanks.Run(2, train folder (fun ranks step -> ranks.Rank = 0 && step.MetaStep = 4)) |> ignore
                    let before = state folder "checkpoint.bin"

                    let message =
                        try
                            ThreadRanks.Run(
                                3,
                                fun ranks ->
                                    use run = opened folder ranks

                                    if ranks.Rank = 1 then
                                        use _ = TorchSharp.torch.no_grad ()
                                        run.Learner.Theta.add_ (TorchSharp.torch.tensor 1e-3f) |> ignore

                                    run.Run CancellationToken.None
                            )
                            |> ignore

                            failtest "the ranks went on"
                        with :? RanksDifferException as e ->
                            e.Message

                    message
                    |> should startWith "θ after meta-step 5 of rank 1 on thread1 is not that of rank 0 on thread0"

                    state folder "checkpoint.bin" = before |> should equal true))

            testCase "ranks with other data are refused before anything is written" (fun () ->
                inFolder (fun folder ->
                    let message =
                        try
                            ThreadRanks.Run(
                                2,
                                fun ranks ->
                                    let tasks =
                                        { new ITaskSource<EpisodeBatch> with
                                            member _.Identity = $"data of {ranks.Rank}"
                                            member _.SupportExamples = 3
                                            member _.Take range = sampler.Value.Batch(range.First, range.Count)
                                        }

                                    let at = RunFolder(Path.Combine(folder, "run"))
                                    use run = TrainingRun.OpenShared(at, experiment, tasks, model (), null, Nullable 1, ranks)
                                    run.Learner.MetaStep
                            )
                            |> ignore

                            failtest "the run began"
                        with :? RanksDifferException as e ->
                            e.Message

                    message |> should startWith "the data of rank 1 on thread1 is not that of rank 0 on thread0"
                    Directory.Exists(Path.Combine(folder, "run")) |> should equal false))

            testCase "a folder that rank 0 cannot use is every rank's failure" (fun () ->
                inFolder (fun folder ->
                    File.WriteAllText(Path.Combine(folder, "mine.txt"), "mine")

                    ThreadRanks.Run(
                        2,
                        fun ranks ->
                            try
                                use _ = opened folder ranks
                                "opened"
                            with
                            | :? CheckpointException as e when ranks.Rank = 0 -> e.Message
                            | :? FirstRankException as e when ranks.Rank = 1 -> e.Message
                    )
                    |> should equal (Array.create 2 $"{folder} is not empty and holds no run; name another folder")))
        ]

[<Tests>]
let tests = testSequenced (testList "Ranks" [ sums; metaSteps; runs ])
