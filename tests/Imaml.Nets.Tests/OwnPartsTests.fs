/// Own tasks, an own network and an own method go through the same run as the library's: trained, stopped, continued, extended, evaluated.
/// Their code may use plain numbers in libtorch's operations.
module Imaml.Nets.Tests.OwnPartsTests

open System
open System.IO
open System.Threading
open Expecto
open FsUnit
open TorchSharp
open Imaml.Math
open Imaml.Nets.Learning
open Imaml.Nets.Methods
open Imaml.Nets.Models
open Imaml.Nets.Runs
open Imaml.Nets.Tasks
open Imaml.Nets.Tensors
open Imaml.Nets.Tests.Tensors
open Imaml.Testing

/// Lines y = 2 + sx at four points, a slope for each task.
let private lines =
    { new ITaskSource<float32[]> with
        member _.Identity = "lines through 2"
        member _.SupportExamples = 4

        member _.Take range = Array.init range.Count (fun i -> Random(int range.First + i + 7919 * int range.Part).NextSingle())
    }

/// y = ax + b, whose losses are `error` of (φ, slopes).
let private lineModel (error: Tensor -> Tensor -> Tensor) =
    { new IModel<float32[]> with
        member _.LayerSizes = [| 1; 1 |]
        member _.InitialParameters generator = torch.randn ([| 2L |], generator = generator, device = torch.CPU)

        member _.Problem(slopes, like) =
            let slopes = torch.tensor(slopes, device = like.device).to_type(like.dtype).view(-1L, 1L)
            AutogradProblem((fun phi -> error phi slopes), (fun phi -> error phi slopes))
    }

let private points (phi: Tensor) = torch.tensor([| -1.0f; 0.0f; 1.0f; 2.0f |], device = phi.device).to_type phi.dtype

/// With plain numbers, as a user writes them: each is a Scalar that nothing holds.
let private plain (phi: Tensor) (slopes: Tensor) =
    let x = points phi

    let apart =
        x.mul(phi.narrow (1L, 0L, 1L)).add(phi.narrow (1L, 1L, 1L)).sub(x.mul slopes).sub(2.0.ToScalar())

    let bent =
        apart.mul(3.0.ToScalar()).add(1.0.ToScalar()).sub(1.0.ToScalar()).div(3.0.ToScalar()).pow(2.0.ToScalar())

    bent.mul(7.0.ToScalar()).div(7.0.ToScalar()).mean([| 1L |], keepdim = true)

/// φ − θ as the meta-gradient, halved: nothing that the library has.
let private halved: Method =
    OwnMethod(
        "halved",
        fun _ ->
            let inner = GradientDescentSolver<Tensor, Tensor>(MeasuredCurvature, 3)
            let reptile: IMetaGradientStrategy<Tensor, Tensor> = ReptileStrategy(inner, 0.0)

            let strategy =
                { new IMetaGradientStrategy<Tensor, Tensor> with
                    member _.Compute(space, regularizer, problem, theta) =
                        let result = reptile.Compute(space, regularizer, problem, theta)

                        { result with
                            Gradient = result.Gradient.mul (0.5.ToScalar())
                        }
                }

            BoundMethod(ScalarRegularizer<Tensor, Tensor> 1.0, inner, strategy)
    )

let private implicit': Method = ImplicitMaml(Inner.GradientDescent 3, 1.0, Adjoint.ConjugateGradients 2)

let private experimentBy (outer: Outer) method budget =
    Experiment(OwnTasks "lines", OwnNetwork "a weight and a bias", method, outer, budget, 3UL)

let private adam = Outer.Adam(0.05, Schedule.Constant)

let private experiment method steps = experimentBy adam method (Budget(steps, 8, ValidateEvery = 4, ValidationEpisodes = 4))

let private opened folder method steps = TrainingRun.Open(RunFolder folder, experiment method steps, lines, lineModel plain, threads = 2)

let private trained folder method steps =
    use run = opened folder method steps
    run.Run CancellationToken.None
    numbers run.Learner.Theta

[<Tests>]
let tests =
    testSequenced
    <| testList
        "Own parts"
        [
            for name, method in [ "an own method", halved; "the library's method", implicit' ] do
                testCase $"own tasks and losses by {name}: stopped and continued, or made longer, a run ends with the same bits" (fun () ->
                    inFolder (fun folder ->
                        let at name = Path.Combine(folder, name)
                        let whole = trained (at "whole") method 9

                        use stop = new CancellationTokenSource()

                        (use run = opened (at "stopped") method 9

                         run.Run(
                             stop.Token,
                             onStep =
                                 fun line ->
                                     if line.MetaStep = 4 then
                                         stop.Cancel()
                         )

                         run.Learner.MetaStep |> should equal 4)

                        (use run = opened (at "stopped") method 9
                         run.Learner.MetaStep |> should equal 4)

                        trained (at "stopped") method 9 |> should equal whole
                        trained (at "longer") method 5 |> ignore
                        trained (at "longer") method 9 |> should equal whole
                        File.ReadAllLines(at "longer/curve.jsonl").Length |> should equal 3))

            testCase "a folder that is moved while it is trained in is said to have moved, and goes on where it is" (fun () ->
                inFolder (fun folder ->
                    let at name = Path.Combine(folder, name)
                    let whole = trained (at "whole") implicit' 9

                    (use run = opened (at "here") implicit' 9

                     let moving (step: StepReport) =
                         if step.MetaStep = 4 then
                             Directory.Move(at "here", at "there")

                     Expect.throwsC (fun () -> run.Run(CancellationToken.None, onStep = moving)) (fun e ->
                         e |> should be instanceOfType<CheckpointException>
                         e.Message |> should haveSubstring "was moved or removed while it was trained in"))

                    trained (at "there") implicit' 9 |> should equal whole))

            testCase "a run of own parts is evaluated: its loss falls far below the untrained one" (fun () ->
                inFolder (fun folder ->
                    let loss steps =
                        use run = opened (Path.Combine(folder, string steps)) implicit' steps
                        run.Run CancellationToken.None
                        let result = run.Evaluate 50
                        File.Exists(run.Folder.File result.FileName) |> should equal true
                        result.NotFinite |> should equal 0
                        result.Accuracy.HasValue |> should equal false
                        result.Loss.Value

                    // Slopes are uniform in [0, 1]; what remains after three steps from the best θ is below their variance of 1/12 times the
                    // points' mean square of 1.5.
                    loss 150 |> should be (lessThan (min 0.125 (loss 1 / 4.0)))))

            testCase "the states that a run kept are loaded: the initial one, those on the way, the last" (fun () ->
                inFolder (fun path ->
                    let folder, seen = RunFolder path, Collections.Generic.Dictionary()

                    let keeping = experimentBy adam implicit' (Budget(5, 8, KeepEvery = 2))

                    (use run = TrainingRun.Open(folder, keeping, lines, lineModel plain, threads = 1)
                     seen[0] <- numbers run.Learner.Theta
                     run.Run(CancellationToken.None, (fun step -> seen[step.MetaStep] <- numbers run.Learner.Theta)))

                    let problem = LearningProblem.Of(lines, lineModel plain)
                    Seq.toList (folder.States()) |> should equal [ 0; 2; 4; 5 ]

                    for state in folder.States() do
                        use learner = folder.Load(problem, state)
                        learner.MetaStep |> should equal state
                        numbers learner.Theta |> should equal seen[state]

                    use last = folder.Load problem
                    last.MetaStep |> should equal 5

                    Expect.throwsC (fun () -> folder.Load(problem, 3) |> ignore) (fun e ->
                        e.Message |> should haveSubstring "checkpoint-000003.bin")))

            testCase
                "parts that are not the experiment's, or say what is not so, are refused when the run is opened or makes its first problem"
                (fun () ->
                    inFolder (fun path ->
                        let folder = RunFolder(Path.Combine(path, "run"))
                        let refused part (action: unit -> unit) = Expect.throwsC action (fun e -> e.Message |> should haveSubstring part)
                        let glyphs = ImageEpisodes(ImageEpisodes.Glyphs, ImageEpisodes.SeededSplit, 0, 2, 1, 2)

                        let imagesBy filters =
                            Experiment(
                                glyphs,
                                StridedConvolutions filters,
                                FirstOrder(Inner.GradientDescent(1, 0.1), Nullable()),
                                adam,
                                Budget(1, 2),
                                1UL
                            )

                        let images = imagesBy 2

                        let struct (tasks, model) = images.Open()

                        let opening experiment (tasks: ImageTasks) (model: ImageClassifier) () =
                            TrainingRun.Open(folder, experiment, tasks, model) |> ignore

                        opening images tasks (model.With BatchNormMode.Inductive)
                        |> refused "network.batchNorm is Transductive, but the model that the run was given: Inductive"

                        opening images (tasks.With(2, 3, 2)) model
                        |> refused "tasks.shots is 1, but the tasks that the run was given: 3"

                        opening (imagesBy 3) tasks model |> refused "network is Convolution of"
                        let line = lineModel plain

                        let claiming classifies identity has =
                            { new ITaskSource<float32[]> with
                                member _.Identity = identity
                                member _.Has part = has part
                                member _.SupportExamples = 4
                                member _.Take range = lines.Take range
                            },
                            { new IModel<float32[]> with
                                member _.LayerSizes = line.LayerSizes
                                member _.Classifies = classifies
                                member _.InitialParameters generator = line.InitialParameters generator
                                member _.Problem(slopes, like) = line.Problem(slopes, like)
                            }

                        let run (tasks, model) act =
                            use run = TrainingRun.Open(folder, experiment implicit' 1, tasks, model, threads = 1)
                            act run

                        let all (_: ClassPart) = true
                        let nothing (_: TrainingRun) = ()

                        (fun () -> run (claiming true "lines" all) (fun run -> run.Run CancellationToken.None))
                        |> refused "Classifies is True, but its problems are not measured by accuracy"

                        (fun () -> run (claiming false "" all) nothing) |> refused "Identity must not be empty"

                        (fun () -> run (claiming false "lines" ((<>) ClassPart.Train)) nothing)
                        |> refused "none to train on"

                        (fun () -> run (claiming false "lines" ((<>) ClassPart.Test)) (fun run -> run.Evaluate 2 |> ignore))
                        |> refused "the tasks have none for test"

                        (fun () -> run (claiming false "lines" all) (fun run -> run.Evaluate 0 |> ignore))
                        |> refused "at least 1 task"

                        (fun () -> run (claiming false "lines" all) (fun run -> run.Run(CancellationToken.None, seconds = nan)))
                        |> refused "must be a number of seconds"

                        [ for one in (OwnTasks "").Complaints() -> string one ] |> should equal [ "name must not be empty" ]))

            testCase "one thread at a time uses a run, and none after it is disposed of" (fun () ->
                inFolder (fun path ->
                    let run = opened path implicit' 2
                    let mutable other = ""

                    run.Run(
                        CancellationToken.None,
                        onStep =
                            fun _ ->
                                // The thread itself may, within its callback.
                                run.Evaluate 1 |> ignore

                                let thread =
                                    Thread(fun () ->
                                        try
                                            run.Evaluate 1 |> ignore
                                        with :? InvalidOperationException as e ->
                                            other <- e.Message)

                                thread.Start()
                                thread.Join()
                    )

                    other |> should haveSubstring "another thread uses this run"
                    run.Dispose()
                    (fun () -> run.Evaluate 1 |> ignore) |> should throw typeof<ObjectDisposedException>

                    (fun () -> run.Learner.Step run.Learner.NextTasks |> ignore)
                    |> should throw typeof<ObjectDisposedException>))

            testCase "the memory of a run of own losses does not grow" (fun () ->
                inFolder (fun path ->
                    let resident () =
                        use me = Diagnostics.Process.GetCurrentProcess()
                        me.WorkingSet64

                    use run =
                        TrainingRun.Open(
                            RunFolder path,
                            experimentBy adam implicit' (Budget(700, 2)),
                            lines,
                            lineModel plain,
                            threads = 1
                        )

                    let seen = Array.zeroCreate<int64> 701
                    run.Run(CancellationToken.None, onStep = fun step -> seen[step.MetaStep] <- resident ())
                    // The collector lets some 50 MB accumulate before it runs.
                    // Where objects that wait for a finalizer accumulate, as they did, 500 meta-steps take 160 MB.
                    seen[700] - seen[200] |> should be (lessThan (100L <<< 20))))

            testCase "a step to a θ that is not finite is refused, and θ and the count are as they were" (fun () ->
                let steep phi slopes = (plain phi slopes).mul(1e3.ToScalar())
                // ∇L(φ) of thousands, times the largest rate that single precision has.
                let method: Method = FirstOrder(Inner.GradientDescent(1, 1e-9), 1.0)
                let plan = LearningPlan(method, Outer.GradientDescent(3e38, Schedule.Constant), 5, 4, 3UL)
                use learner = MetaLearner.Create(plan, LearningProblem.Of(lines, lineModel steep), 1)
                let before = numbers learner.Theta

                Expect.throwsC (fun () -> learner.Step learner.NextTasks |> ignore) (fun e ->
                    e |> should be instanceOfType<TrainingDivergedException>

                    e.Message |> should haveSubstring "meta-step 1: θ, or its optimiser's state, would not be finite")

                (numbers learner.Theta, learner.MetaStep) |> should equal (before, 0))

            testCase "a run that diverges keeps its last finite state, and its folder says why it is the last" (fun () ->
                inFolder (fun path ->
                    let diverging = experimentBy (Outer.GradientDescent(1e30, Schedule.Constant)) implicit' (Budget(9, 8))

                    use run = TrainingRun.Open(RunFolder path, diverging, lines, lineModel plain, threads = 1)

                    let message =
                        try
                            run.Run CancellationToken.None
                            failtest "it went on without a finite number"
                        with :? TrainingDivergedException as e ->
                            e.Message

                    let divergence = Divergence.Read(RunFolder path) |> Unchecked.nonNull
                    divergence.Message |> should equal message
                    divergence.MetaStep |> should equal run.Learner.MetaStep
                    divergence.MetaStep |> should be (greaterThan 0)
                    numbers run.Learner.Theta |> Array.forall Double.IsFinite |> should equal true))

            testCase "an experiment of the library's parts trains itself, and its folder says what it is" (fun () ->
                inFolder (fun path ->
                    let folder = RunFolder path

                    let own =
                        Experiment(
                            ImageEpisodes(ImageEpisodes.Glyphs, ImageEpisodes.SeededSplit, 0, 2, 1, 1),
                            StridedConvolutions 1,
                            implicit',
                            Outer.Adam(0.05, Schedule.Constant),
                            Budget(1, 2),
                            3UL
                        )

                    (use run = own.Train(folder, threads = 1)
                     run.Run CancellationToken.None
                     run.Finished |> should equal true)

                    ExperimentFile.Read folder.DescriptionPath |> should equal own))

            testCase "the program that lacks the parts says so in one line" (fun () ->
                Expect.throwsC (fun () -> (experiment halved 1).Open() |> ignore) (fun e ->
                    e.Message
                    |> should equal "the method halved is not part of Imaml: the program that has it must train and evaluate this run"))

            // A freed number would end the process or change the bits (see HeldScalars).
            testCase "own losses with plain numbers keep their bits on two threads beside a thread that collects garbage" (fun () ->
                inFolder (fun folder ->
                    let expected = trained (Path.Combine(folder, "quiet")) implicit' 100

                    besideCollections (fun () -> GC.Collect 0) (fun () -> trained (Path.Combine(folder, "collected")) implicit' 100)
                    |> should equal expected))
        ]
