/// Algorithm 1 on networks: reproducible to the last bit, deaf to tasks without a finite meta-gradient, and it learns.
module Imaml.Nets.Tests.MetaLearnerTests

open System
open System.Threading
open Expecto
open FsUnit
open TorchSharp
open Imaml.Nets.Tensors
open Imaml.Nets.Tasks
open Imaml.Nets.Runs
open Imaml.Nets.Learning
open Imaml.Nets.Models
open Imaml.Nets.Tests.MetaLearnerFixtures
open Imaml.Nets.Tests.Tensors
open Imaml.Nets.Methods

let private theta (learner: MetaLearner) = numbers learner.Theta

/// Adam's state.
let private moments (learner: MetaLearner) =
    [
        for struct (name, vector) in learner.Outer.Vectors do
            name, numbers vector
    ]

let private firstMoment (learner: MetaLearner) = learner.Outer.Vector "first moment"

/// Some pixels of one task are not numbers.
let private spoil (task: int) (pixels: float32[]) (tasks: int) =
    let each = pixels.Length / tasks
    Array.fill pixels (task * each) (each / 2) nanf

let private finite (report: StepReport) =
    for value in
        [
            report.OuterLoss
            report.OuterAccuracy
            report.InnerLoss
            report.InnerGradientNorm
            report.CgResidual
            report.LargestCurvature
            report.MetaGradientNorm
        ] do
        Double.IsFinite value |> should equal true

let private reproducibility =
    testList
        "reproducibility"
        [
            testCase "two runs with the same seed are equal to the last bit, in θ, the optimiser and every report" (fun () ->
                let run seed =
                    use learner = learner seed
                    let reports = List.init 5 (fun step -> learner.Step(batch step))

                    struct (reports, theta learner, moments learner)

                let struct (reports, theta, first) = run 4UL
                let struct (reports', theta', first') = run 4UL
                reports' |> should equal reports
                theta' |> should equal theta
                first' |> should equal first
                let struct (_, other, _) = run 5UL
                other |> should not' (equal theta))

            // Forty tasks of three images are chunks of five.
            testCase "the number of threads changes no bit" (fun () ->
                let run threads =
                    use learner = learnerOf (experimentOf imaml 7UL) threads
                    let reports = List.init 3 (fun step -> learner.Step(range (int64 (40 * step)) 40))
                    struct (reports, theta learner)

                let struct (reports, alone) = run 1

                for threads in [ 2; 3; 8 ] do
                    let struct (reports', shared) = run threads
                    reports' |> should equal reports
                    shared |> should equal alone)

            testCase "chunks cover the tasks once, in order, and a failure in one is the caller's" (fun () ->
                for tasks, atOnce, threads in [ 1, 1, 1; 7, 3, 2; 8, 4, 4; 5, 9, 3 ] do
                    TaskChunks.Map(tasks, atOnce, threads, (fun first count -> [ first .. first + count - 1 ]))
                    |> List.concat
                    |> should equal [ 0 .. tasks - 1 ]

                let message =
                    try
                        TaskChunks.Map(
                            9,
                            2,
                            2,
                            (fun first _ ->
                                if first = 4 then
                                    raise (ArgumentException "the third")
                                else
                                    first)
                        )
                        |> ignore

                        failtest "the failure was lost"
                    with :? ArgumentException as e ->
                        e.Message

                message |> should equal "the third")

            // What is in no scope is freed by a collection of another thread while libtorch reads it.
            testCase "what chunks compute and what is added up belongs to a dispose scope on every thread, which ends with it" (fun () ->
                let scopes = Collections.Concurrent.ConcurrentBag<DisposeScope | null>()
                let seen = Collections.Concurrent.ConcurrentDictionary<int, bool>()

                let see () =
                    scopes.Add(torch.CurrentDisposeScope)
                    seen[Environment.CurrentManagedThreadId] <- true
                    // Until another thread has come too.
                    SpinWait.SpinUntil((fun () -> seen.Count > 1), 1000) |> ignore

                TaskChunks.Sum(
                    8,
                    1,
                    2,
                    (fun _ _ ->
                        see ()
                        1),
                    (fun a b ->
                        see ()
                        a + b)
                )
                |> should equal 8

                scopes |> Seq.forall (fun scope -> not (isNull scope)) |> should equal true
                Seq.length (Seq.distinct scopes) |> should equal 8)

            testCase "fomaml moves θ by Adam along the mean of ∇L(φ), and solves nothing" (fun () ->
                use _ = torch.NewDisposeScope()
                let first = experimentOf (FirstOrder(Inner.GradientDescent 3, Nullable 2.0)) 4UL
                use learner = learnerOf first 1
                let tasks = batch 0
                // Task by task, as the chunks of so small a batch are.
                let slope task =
                    let problem = learner.Problem.Problem(tasks.Slice(task, 1), learner.Theta)
                    let struct (_, v) = problem.OuterLossAndGradient((learner.Adapt(problem, 1)).Phi)
                    v

                let sum = List.init tasks.Count slope |> List.reduce (fun a b -> a.add b)

                let struct (expected, _) =
                    Imaml.Math.Adam.Step(
                        TensorCoordinates(),
                        Imaml.Math.AdamOptions.Authors,
                        1e-2,
                        {
                            Steps = 0
                            FirstMoment = firstMoment learner
                            SecondMoment = learner.Outer.Vector "second moment"
                        },
                        sum.div (torch.tensor (float32 tasks.Count)),
                        learner.Theta
                    )

                let expected = numbers expected
                let report = learner.Step tasks
                theta learner |> should equal expected
                Double.IsNaN report.CgResidual |> should equal true)

            testCase "a thread that allocates and collects garbage meanwhile does not change a bit" (fun () ->
                let run () =
                    use learner = learner 6UL
                    let reports = List.init 20 (fun step -> learner.Step(batch step))
                    struct (reports, theta learner)

                let struct (reports, alone) = run ()

                let collect () =
                    GC.Collect 0
                    GC.WaitForPendingFinalizers()

                let struct (reports', accompanied) = besideCollections collect run
                reports' |> should equal reports
                accompanied |> should equal alone)

            testCase "a step moves θ, counts itself and its tasks, and reports finite numbers" (fun () ->
                use learner = learner 1UL
                let before = theta learner
                let report = learner.Step(batch 0)
                theta learner |> should not' (equal before)
                report.MetaStep |> should equal 1
                report.Tasks |> should equal 3L
                learner.MetaStep |> should equal 1
                report.NonFinite |> should equal 0
                finite report)
        ]

/// Episodes 0 and 2, by the numbers 0 and 1.
let private withoutSecond =
    { new ITaskSource<EpisodeBatch> with
        member _.Identity = "patterned, without the second"
        member _.SupportExamples = 3

        member _.Take range =
            EpisodeBatch.Pack(
                sampler.Value.Set,
                [|
                    for i in 0 .. range.Count - 1 -> sampler.Value.Sample(2L * (range.First + int64 i))
                |]
            )
    }

let private outliers =
    testList
        "tasks without a finite meta-gradient"
        [
            for what in [ "support"; "query" ] do
                testCase $"one with NaN in its {what} set is left out of the mean and counted" (fun () ->
                    let spoiled = (sampler.Value.Sample 1L).Number

                    let tasks =
                        tasksWith (fun batch ->
                            for i in 0 .. batch.Count - 1 do
                                if batch.Episodes[i].Number = spoiled then
                                    spoil i (if what = "support" then batch.Support else batch.Query) batch.Count)

                    use learner = MetaLearner.Create((experimentOf imaml 2UL).Plan, LearningProblem.Of(tasks, model ()), 1)
                    let report = learner.Step(batch 0)
                    report.NonFinite |> should equal 1

                    match report.Ended with
                    | null -> failtest "no statuses"
                    | ended ->
                        ended.NotFinite |> should equal 1
                        ended.Linear[Imaml.Math.SolveStatus.NonFinite] |> should equal 1
                        Seq.sum ended.Inner.Values |> should equal 3
                        Seq.sum ended.Linear.Values |> should equal 3

                    finite report
                    // The same step of the two others, put together by the core.
                    let expected =
                        MetaLearner.Create((experimentOf imaml 2UL).Plan, LearningProblem.Of(withoutSecond, model ()), 1)

                    use expected = expected
                    (expected.Step(range 0L 2)).NonFinite |> should equal 0

                    // The first moment is the mean meta-gradient times 1 − β₁. In single precision the batch of two rounds otherwise than the
                    // batch of three: 24 layers' sums of at most 54 terms in five gradients and four products, ε = 2⁻²³, times 10 for
                    // what the normalisations magnify.
                    agree (10.0 * 24.0 * 54.0 * 9.0 * 2.0 ** -23.0) (firstMoment expected) (firstMoment learner) "mean meta-gradient"
                    theta learner |> Array.forall Double.IsFinite |> should equal true)

            testCase "where no task has one the step is refused, and θ, the optimiser and the count are as they were" (fun () ->
                let spoiling = ref false

                let tasks =
                    tasksWith (fun batch ->
                        if spoiling.Value then
                            Array.fill batch.Support 0 batch.Support.Length nanf)

                use learner = MetaLearner.Create((experimentOf imaml 3UL).Plan, LearningProblem.Of(tasks, model ()), 1)
                learner.Step(batch 0) |> ignore
                let before = theta learner, moments learner
                spoiling.Value <- true

                let message =
                    try
                        learner.Step(batch 1) |> ignore
                        failtest "a step without a finite meta-gradient was made"
                    with :? TrainingDivergedException as e ->
                        e.Message

                message |> should haveSubstring "meta-step 2"
                message |> should not' (haveSubstring "\n")

                (theta learner, moments learner) |> should equal before

                learner.MetaStep |> should equal 1
                spoiling.Value <- false
                (learner.Step(batch 1)).MetaStep |> should equal 2)
        ]

let private learning =
    testList
        "learning"
        [
            // 60 episodes of 25 query images: the accuracy of guessing has standard deviation √(0.2·0.8/1500) = 0.0103, and a difference of two
            // accuracies at most √(2·0.25/1500) = 0.0183, its images being no more than independent. Six of them are exceeded by chance
            // once in a thousand million.
            testCase
                "forty meta-steps on glyphs lift the accuracy on unseen classes above guessing, and above that of the untrained network"
                (fun () ->
                    let set = Glyphs.Create(120, 10, 1UL)
                    let split = ClassSplit.Seeded(set, 1UL, RotationMode.None, 100, 0, 20)
                    let tasks = ImageTasks(set, split, 5, 1, 5)
                    let network = StridedConvolutions(8).Build(ImageShape(28, 28, 1), 5)
                    let method = ImplicitMaml(Inner.GradientDescent 8, 2.0, Adjoint.ConjugateGradients 3)
                    let plan = LearningPlan(method, Outer.Adam(1e-2, Schedule.Constant), 40, 4, 2UL)
                    use learner = MetaLearner.Create(plan, LearningProblem.Of(tasks, ImageClassifier network), 1)

                    let accuracy () = Evaluation.AfterAdapting(learner, ClassPart.Test, 3UL, 60, CancellationToken.None).Mean

                    let untrained = accuracy ()

                    for _ in 0..39 do
                        learner.Step learner.NextTasks |> ignore

                    let trained = accuracy ()
                    trained |> should be (greaterThan (0.2 + 6.0 * 0.0103))
                    trained - untrained |> should be (greaterThan (6.0 * 0.0183)))
        ]

let private metaSgd = experimentOf (MetaSgd(Inner.GradientDescent(3, Nullable 0.1), Nullable())) 7UL

let private layerwise =
    experimentOf (ImplicitMaml(Inner.GradientDescent 3, 2.0, Adjoint.ConjugateGradients 2, LearnedLambda(LearnedPer.Layer, 0.05))) 7UL

let private reptile =
    Experiment(
        OwnTasks "patterned",
        StridedConvolutions 2,
        Reptile(Inner.Adam(2, 0.01), Nullable(), KeepMoments = true),
        Outer.GradientDescent(0.5, Schedule.Constant),
        Budget(200, 3),
        7UL
    )

let private learnedNumbers (learner: MetaLearner) =
    match learner.Learned with
    | null -> [||]
    | learned -> learned.Numbers.ToArray()

let private beside =
    testList
        "what is learned with θ"
        [
            for name, experiment in [ "meta-sgd", metaSgd; "λ for each layer", layerwise ] do
                testCase $"it moves, is reported, and a run that is read back goes on to the same last bit: {name}" (fun () ->
                    Imaml.Testing.TemporaryFolder.inFolder (fun folder ->
                        experiment.Validate()
                        use learner = learnerOf experiment 1
                        let start = learnedNumbers learner
                        let first = learner.Step(batch 0)
                        learnedNumbers learner |> should not' (equal start)
                        let range = first.Learned |> Option.ofObj |> Option.get
                        range.Name |> should equal (if name = "meta-sgd" then "α" else "λ")
                        // The range is that of the step, before it moved the numbers; one ulp for λ = e^log λ.
                        range.Smallest |> should (equalWithin 1e-15) (if name = "meta-sgd" then 0.1 else 2.0)
                        let path = IO.Path.Combine(folder, "checkpoint.bin")
                        Checkpoint.Write(path, experiment, 1.0, learner)
                        let struct (header, read) = Checkpoint.Read(path, problem (), 1)
                        use read = read
                        header.Experiment |> should equal experiment
                        learnedNumbers read |> should equal (learnedNumbers learner)
                        read.Step(batch 1) |> should equal (learner.Step(batch 1))
                        learnedNumbers read |> should equal (learnedNumbers learner)
                        theta read |> should equal (theta learner)))

            testCase
                "Reptile's moments: the mean of what the tasks of a meta-step leave, of which a run that is read back goes on"
                (fun () ->
                    Imaml.Testing.TemporaryFolder.inFolder (fun folder ->
                        reptile.Validate()
                        use learner = learnerOf reptile 1
                        learnedNumbers learner |> Array.forall ((=) 0.0) |> should equal true
                        let report = learner.Step(batch 0)
                        (Option.ofObj report.Learned).IsNone |> should equal true
                        let moments = learnedNumbers learner
                        Array.min moments |> should be (greaterThanOrEqualTo 0.0)

                        let alone task =
                            use one = learnerOf reptile 1
                            one.Step(range task 1) |> ignore
                            learnedNumbers one

                        let mean =
                            [ 0L; 1L; 2L ] |> List.map alone |> List.reduce (Array.map2 (+)) |> Array.map (fun sum -> sum / 3.0)

                        let rows (numbers: float[]) = torch.tensor numbers
                        use _ = torch.NewDisposeScope()
                        // In single precision a batch of three rounds otherwise than one task: as for the mean meta-gradient above.
                        agree (10.0 * 24.0 * 54.0 * 9.0 * 2.0 ** -23.0) (rows mean) (rows moments) "moments"

                        let path = IO.Path.Combine(folder, "checkpoint.bin")
                        Checkpoint.Write(path, reptile, 1.0, learner)
                        let struct (header, read) = Checkpoint.Read(path, problem (), 1)
                        use read = read
                        header.Experiment |> should equal reptile
                        learnedNumbers read |> should equal moments
                        read.Step(batch 1) |> should equal (learner.Step(batch 1))
                        learnedNumbers read |> should equal (learnedNumbers learner)
                        learnedNumbers read |> should not' (equal moments)
                        theta read |> should equal (theta learner)))

            testCase "it adapts with what it has learned" (fun () ->
                use learner = learnerOf metaSgd 1
                use _ = torch.NewDisposeScope()
                let problem = learner.Problem.Problem(batch 0, learner.Theta)
                learner.Step(batch 0) |> ignore
                let phi = (learner.Adapt(problem, 3)).Phi
                let sizes = learnedNumbers learner |> Array.map float32
                let mutable expected = learner.Theta.expand (3L, -1L)

                for _ in 1..3 do
                    expected <- expected.sub ((problem.InnerGradient expected).mul(torch.tensor sizes))

                // Three steps, each of a subtraction and a product.
                agree (6.0 * 2.0 ** -23.0) (expected.to_type torch.float64) (phi.to_type torch.float64) "φ")
        ]

[<Tests>]
let tests = testSequenced (testList "Meta-learner" [ reproducibility; outliers; learning; beside ])
