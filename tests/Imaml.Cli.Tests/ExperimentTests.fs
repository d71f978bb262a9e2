/// Experiments: files, presets and options make the same values; runs that are made longer; runs of own parts.
module Imaml.Cli.Tests.ExperimentTests

open System
open System.CommandLine
open System.IO
open System.Text.Json
open System.Threading
open Expecto
open FsUnit
open Imaml.Cli.Commands
open Imaml.Math
open Imaml.Nets
open Imaml.Nets.Learning
open Imaml.Nets.LibTorch
open Imaml.Nets.Methods
open Imaml.Nets.Models
open Imaml.Nets.Runs
open Imaml.Nets.Tasks
open Imaml.Testing

/// The experiment of a command line.
let private read (arguments: string list) =
    let options = ExperimentOptions()
    let command = Command "train"
    options.AddTo command
    options.Read(command.Parse(List.toArray arguments))

let private complaint (arguments: string list) =
    try
        read arguments |> ignore
        failtest "it was read"
    with :? ArgumentException as e ->
        e.Message

let private number (x: float) = x.ToString("R", Globalization.CultureInfo.InvariantCulture)

/// An experiment drawn from a seed, and a command line that says the same.
let private drawn (seed: int) : struct (Experiment * string list) =
    let random = Random seed
    let choose (items: 'T list) = items[random.Next items.Length]
    let coin () = random.Next 2 = 0
    let count most = 1 + random.Next most
    let real () = Math.Exp(6.0 * random.NextDouble() - 3.0)
    let steps = count 30

    let fixedDescent () =
        let size = real ()
        struct (Inner.GradientDescent(steps, Nullable size) :> Inner, [ "--inner-step-size"; number size ])

    let descent () =
        if coin () then
            struct (Inner.GradientDescent steps :> Inner, [])
        else
            fixedDescent ()

    let proximal () : struct (Nullable<float> * string list) =
        if coin () then
            let lambda = real ()
            struct (Nullable lambda, [ "--lambda"; number lambda ])
        else
            struct (Nullable(), [ "--no-proximal" ])

    let implicit name (inner: Inner) own : struct (Method * string list) =
        let lambda, products, probes, step = real (), count 9, count 3, real ()

        let struct (adjoint: Adjoint, solver) =
            match random.Next 4 with
            | 0 -> struct (Adjoint.ConjugateGradients products, [])
            | 1 ->
                struct (Adjoint.PreconditionedConjugateGradients(products, probes), [ "--linear-solver"; "pcg"; "--probes"; string probes ])
            | 2 -> struct (Adjoint.MinimalResidual products, [ "--linear-solver"; "minres" ])
            | _ -> struct (Adjoint.NeumannSeries(products, step), [ "--linear-solver"; "neumann"; "--neumann-step"; number step ])

        let struct (learned: LearnedLambda | null, learning) =
            if coin () then
                let per, rate =
                    choose
                        [
                            LearnedPer.One, "one"
                            LearnedPer.Layer, "layer"
                            LearnedPer.Parameter, "parameter"
                        ],
                    real ()

                struct (LearnedLambda(fst per, rate), [ "--learn-lambda"; snd per; "--lambda-rate"; number rate ])
            else
                struct (null, [])

        let delta, deltaPrime = real (), real ()
        let accuracies = coin ()

        let remedy, word =
            choose
                [
                    CurvatureRemedy.Truncate, "truncate"
                    CurvatureRemedy.GaussNewton, "gauss-newton"
                ]

        struct (ImplicitMaml(
                    inner,
                    lambda,
                    adjoint,
                    learned,
                    (if accuracies then Nullable delta else Nullable()),
                    (if accuracies then Nullable deltaPrime else Nullable()),
                    remedy
                ),
                [
                    "--algorithm"
                    name
                    "--lambda"
                    number lambda
                    "--cg-steps"
                    string products
                    "--on-negative-curvature"
                    word
                ]
                @ (if accuracies then
                       [ "--delta"; number delta; "--delta-prime"; number deltaPrime ]
                   else
                       [])
                @ own
                @ solver
                @ learning)

    let momentum () = 0.9 * random.NextDouble()

    let struct (method: Method, ofMethod) =
        match random.Next 11 with
        | 0 ->
            let struct (inner, own) = descent ()
            implicit "imaml-gd" inner own
        | 1 ->
            let size, b = real (), momentum ()
            implicit "imaml-nesterov" (Inner.Nesterov(steps, size, b)) [ "--inner-step-size"; number size; "--momentum"; number b ]
        | 2 ->
            let size, b = real (), momentum ()
            implicit "imaml-heavy-ball" (Inner.HeavyBall(steps, size, b)) [ "--inner-step-size"; number size; "--momentum"; number b ]
        | 3 ->
            let products, gaussNewton = count 9, coin ()

            implicit
                "imaml-hf"
                (Inner.HessianFree(
                    steps,
                    products,
                    (if gaussNewton then
                         DirectionMatrix.GaussNewton
                     else
                         DirectionMatrix.Hessian)
                ))
                ([ "--direction-steps"; string products ]
                 @ (if gaussNewton then
                        [ "--direction-matrix"; "gauss-newton" ]
                    else
                        []))
        | 4 ->
            let struct (inner, own), struct (lambda, proximal), again = fixedDescent (), proximal (), coin ()
            struct (Maml(inner, lambda, again), [ "--algorithm"; "maml" ] @ own @ proximal @ (if again then [ "--recompute" ] else []))
        | 5 ->
            let struct (inner, own), lambda, last = fixedDescent (), real (), count steps

            struct (TruncatedMaml(inner, lambda, last),
                    [
                        "--algorithm"
                        "truncated"
                        "--lambda"
                        number lambda
                        "--truncate"
                        string last
                    ]
                    @ own)
        | 6 ->
            let struct (inner, own), struct (lambda, proximal) = fixedDescent (), proximal ()
            struct (FirstOrder(inner, lambda), [ "--algorithm"; "fomaml" ] @ own @ proximal)
        | 7 ->
            let struct (inner, own), lambda, nudge = descent (), real (), real ()

            struct (NudgedMaml(inner, lambda, nudge, NudgedDifference.FourPoint),
                    [
                        "--algorithm"
                        "imaml-nudged"
                        "--lambda"
                        number lambda
                        "--nudge"
                        number nudge
                        "--difference"
                        "four-point"
                    ]
                    @ own)
        | 8 ->
            let lambda, rate, accuracy = real (), real (), real ()

            struct (ConvexHeadMaml(lambda, LearnedLambda(LearnedPer.One, rate), HeadLoss.Squares, true, accuracy),
                    [
                        "--algorithm"
                        "head"
                        "--lambda"
                        number lambda
                        "--learn-lambda"
                        "one"
                        "--lambda-rate"
                        number rate
                        "--head-loss"
                        "squares"
                        "--learn-start"
                        "--accuracy"
                        number accuracy
                    ])
        | 9 ->
            let size, struct (lambda, proximal), evaluation, batch = real (), proximal (), count 99, count 9
            let inner = Inner.Adam(steps, size, batch)

            let own =
                [
                    "--inner-solver"
                    "adam"
                    "--inner-step-size"
                    number size
                    "--inner-batch"
                    string batch
                ]

            let keep = coin ()

            struct (Reptile(inner, lambda, evaluation, keep),
                    [ "--algorithm"; "reptile"; "--evaluation-steps"; string evaluation ]
                    @ own
                    @ proximal
                    @ (if keep then [ "--keep-moments" ] else []))
        | _ ->
            let struct (inner, own), struct (lambda, proximal), rate = fixedDescent (), proximal (), real ()

            struct (MetaSgd(inner, lambda, LearnedPer.Layer, Nullable rate),
                    [
                        "--algorithm"
                        "meta-sgd"
                        "--step-sizes"
                        "layer"
                        "--step-size-rate"
                        number rate
                    ]
                    @ own
                    @ proximal)

    let rate, memory = real (), count 9

    let struct (outer: Outer, ofOuter) =
        match random.Next 3 with
        | 0 -> struct (Outer.Adam(rate, Schedule.Cosine), [])
        | 1 ->
            struct (Outer.GradientDescent(rate, Schedule.Constant),
                    [ "--outer-optimizer"; "gradient-descent"; "--outer-schedule"; "constant" ])
        | _ -> struct (Outer.Lbfgs(rate, memory), [ "--outer-optimizer"; "lbfgs"; "--outer-memory"; string memory ])

    let ways, shots, queries, metaSteps, metaBatch, every =
        2 + random.Next 9, count 5, count 5, count 900, count 9, random.Next 9

    let seed, trainingShots = uint64 (random.NextInt64()), count 9

    struct (Experiment(
                ImageEpisodes("omniglot", "seeded", 100, ways, shots, queries, trainingShots),
                StridedConvolutions(ways, Activation.Softplus),
                method,
                outer,
                Budget(metaSteps, metaBatch, every, 200, 100, every),
                seed
            ),
            [
                "--dataset"
                "omniglot"
                "--ways"
                string ways
                "--shots"
                string shots
                "--queries"
                string queries
                "--training-shots"
                string trainingShots
                "--filters"
                string ways
                "--activation"
                "softplus"
                // A head is solved to an accuracy.
                if method.InnerSteps.HasValue then
                    "--inner-steps"
                    string steps
                "--outer-rate"
                number rate
                "--meta-steps"
                string metaSteps
                "--meta-batch"
                string metaBatch
                "--validate-every"
                string every
                "--keep-every"
                string every
                "--seed"
                string seed
            ]
            @ ofMethod
            @ ofOuter)

let private file (folder: string) (text: string) =
    let path = Path.Combine(folder, "experiment.json")
    File.WriteAllText(path, text)
    path

let private values =
    testList
        "values"
        [
            testCase "options and JSON make the same value, and JSON gives it back exactly" (fun () ->
                inFolder (fun folder ->
                    for seed in 1..300 do
                        let struct (experiment, arguments) = drawn seed
                        let json = ExperimentFile.Write experiment
                        ExperimentFile.Parse json |> should equal experiment
                        read arguments |> should equal experiment
                        read [ file folder json ] |> should equal experiment))

            testCase "options override a file's fields, whatever its method was" (fun () ->
                inFolder (fun folder ->
                    for seed in 1..100 do
                        let struct (before, _) = drawn seed
                        let struct (after, arguments) = drawn (seed + 1000)
                        let path = file folder (ExperimentFile.Write before)
                        // What the options leave out is the file's: the split, the validation classes, the schedule where it has none.
                        let read =
                            read (
                                path :: arguments
                                @ (match after.Outer with
                                   | :? Outer.Adam -> [ "--outer-optimizer"; "adam"; "--outer-schedule"; "cosine" ]
                                   | _ -> [])
                            )

                        (read.Tasks, read.Network, read.Outer, read.Budget, read.Seed)
                        |> should equal (after.Tasks, after.Network, after.Outer, after.Budget, after.Seed)

                        read.Method.Name |> should equal after.Method.Name))

            testCase "a preset's note is about its own values, and is replaced where options change them" (fun () ->
                let preset = "omniglot-5w1s/imaml-gd"
                let note (one: Experiment) = string one.Note
                let own = note (ExperimentFile.Preset preset)
                note (read [ "--preset"; preset ]) |> should equal own

                note (
                    read
                        [
                            "--preset"
                            preset
                            "--seed"
                            "7"
                            "--algorithm"
                            "imaml-gd"
                            "--lambda"
                            "2.0"
                            "--meta-batch"
                            "32"
                        ]
                )
                |> should equal own

                note (
                    read
                        [
                            "--preset"
                            preset
                            "--algorithm"
                            "imaml-gd"
                            "--lambda"
                            "50"
                            "--meta-batch"
                            "4"
                        ]
                )
                |> should equal "omniglot-5w1s/imaml-gd with other values of --lambda, --meta-batch"

                let reptile = read [ "--preset"; "omniglot-5w1s/reptile"; "--algorithm"; "reptile" ]
                reptile.Method |> should equal (ExperimentFile.Preset "omniglot-5w1s/reptile").Method)

            testCase "a folder of photographs is the same wherever the working directory is, and where it was moved to" (fun () ->
                let options (folder: string) = [ "--preset"; "mini-imagenet-5w1s/imaml-gd"; "--dataset"; "folder:" + folder ]

                let relative = read (options "birds")
                let home = Environment.GetFolderPath Environment.SpecialFolder.UserProfile
                (relative.Tasks :?> EpisodeSpec).Dataset |> should equal ("folder:" + Path.GetFullPath "birds")
                ((read (options "~/birds")).Tasks :?> EpisodeSpec).Dataset |> should equal $"folder:{home}/birds"
                relative.DifferencesFrom(read (options "/elsewhere/birds")) |> should be Empty
                relative.DifferencesFrom(read (options "birds" @ [ "--ways"; "3" ])) |> should not' (be Empty))

            testCase "every preset is an experiment; there is one for each cell and method, by the paper's values" (fun () ->
                for name in ExperimentFile.Presets do
                    (ExperimentFile.Preset name).Complaints() |> should be Empty
                    read [ "--preset"; name ] |> should equal (ExperimentFile.Preset name)

                let cells =
                    [
                        for ways in [ 5; 20 ] do
                            for shots in [ 1; 5 ] -> $"omniglot-{ways}w{shots}s"
                    ]

                set
                    [
                        "glyphs-5w1s/imaml-gd"
                        for cell in cells do
                            for method in [ "imaml-gd"; "imaml-hf"; "maml"; "fomaml"; "reptile"; "meta-sgd" ] do
                                $"{cell}/{method}"
                        "omniglot-5w1s/head"
                        "omniglot-20w1s/head"
                        "mini-imagenet-5w1s/head"
                        for shots in [ 1; 5 ] do
                            $"grocery-5w{shots}s/imaml-gd"

                            for method in [ "imaml-gd"; "imaml-hf"; "maml"; "fomaml"; "reptile" ] do
                                $"mini-imagenet-5w{shots}s/{method}"
                    ]
                |> should equal (set ExperimentFile.Presets)

                (ExperimentFile.Preset "omniglot-20w1s/imaml-gd").Method
                |> should equal (ImplicitMaml(Inner.GradientDescent 25, 2.0, Adjoint.ConjugateGradients 5))

                let mini = ExperimentFile.Preset "mini-imagenet-5w1s/imaml-gd"

                mini.Method
                |> should equal (ImplicitMaml(Inner.GradientDescent 10, 0.5, Adjoint.ConjugateGradients 5))

                mini.Tasks |> should equal (PhotographEpisodes("mini-imagenet", 5, 1, 15, Split = "given"))
                mini.Network |> should equal (PooledConvolutions 32))

            testCase "all missing options are reported together, and so are unused ones and values that are wrong" (fun () ->
                complaint
                    [
                        "--algorithm"
                        "imaml-nesterov"
                        "--recompute"
                        "--truncate"
                        "2"
                        "--filters"
                        "0"
                    ]
                |> should
                    equal
                    "missing options: --dataset, --ways, --shots, --inner-step-size, --momentum, --inner-steps, --lambda, --cg-steps, --meta-steps, --meta-batch, --seed (for imaml-nesterov); unused options: --truncate, --recompute (with imaml-nesterov); --filters must be at least 1, not 0"

                let whole =
                    [
                        "--dataset"
                        "glyphs"
                        "--ways"
                        "1"
                        "--shots"
                        "0"
                        "--meta-steps"
                        "1"
                        "--meta-batch"
                        "1"
                        "--seed"
                        "1"
                    ]

                complaint (
                    whole
                    @ [
                        "--algorithm"
                        "imaml-gd"
                        "--lambda"
                        "-1"
                        "--inner-steps"
                        "0"
                        "--cg-steps"
                        "0"
                    ]
                )
                |> should
                    equal
                    "--ways must be at least 2, not 1; --shots must be at least 1, not 0; --inner-steps must be at least 1, not 0; --lambda must be positive and finite, not -1; --cg-steps must be at least 1, not 0")

            testCase "a file's misspelt, missing and mistyped fields are errors, all in one line with the file's name" (fun () ->
                inFolder (fun folder ->
                    let text = ExperimentFile.PresetText "glyphs-5w1s/imaml-gd"

                    for before, after, rule in
                        [
                            "\"lambda\"", "\"lamda\"", "method.lambda is missing; method.lamda is unknown; there are "
                            "\"lambda\": 2", "\"lambda\": \"two\"", "method.lambda must be a number, not \"two\""
                            "\"kind\": \"cg\"",
                            "\"kind\": \"lu\"",
                            "method.adjoint.kind lu is not known; it is one of cg, pcg, minres, neumann"
                            "\"lambda\": 2", "\"lambda\": -2", "method.lambda must be positive and finite, not -2"
                            "\"seed\": 1", "\"seed\": 1.5", "seed must be a whole number in its range, not 1.5"
                            "\"seed\": 1", "\"seed\": 1, \"threads\": 2", "threads is unknown"
                            "{", "[", "is not JSON"
                        ] do
                        let path = file folder (text.Replace(before, after))
                        let line = complaint [ path ]
                        line |> should startWith $"{path}: "
                        line |> should haveSubstring rule
                        line |> should not' (haveSubstring "\n")))
        ]

/// A run of a second, in a constant schedule.
let private small metaSteps changes output =
    [
        "train"
        "--preset"
        "glyphs-5w1s/imaml-gd"
        "--filters"
        "2"
        "--inner-steps"
        "2"
        "--meta-batch"
        "2"
        "--validate-every"
        "4"
        "--validation-episodes"
        "2"
        "--threads"
        "1"
        "--meta-steps"
        string metaSteps
        "--out"
        output
    ]
    @ (if List.contains "--outer-schedule" changes then
           changes
       else
           "--outer-schedule" :: "constant" :: changes)

let private succeed arguments =
    let outcome = Imaml.run arguments
    Expect.equal outcome.ExitCode 0 outcome.Errors
    outcome

/// A checkpoint without its header, which holds wall seconds, and its hash.
let private stateOf name (folder: string) =
    let bytes = File.ReadAllBytes(Path.Combine(folder, name))
    let header = BitConverter.ToInt32(bytes, 8)
    bytes[12 + header .. bytes.Length - 33]

let private state = stateOf "checkpoint.bin"

let private refused (line: string) arguments =
    let outcome = Imaml.run arguments
    outcome.ExitCode |> should not' (equal 0)
    outcome.Line |> should haveSubstring line

let private runs =
    testList
        "runs"
        [
            testCase "run.json trains the same run again, to the last bit" (fun () ->
                inFolder (fun folder ->
                    let one, other = Path.Combine(folder, "one"), Path.Combine(folder, "other")
                    succeed (small 3 [] one) |> ignore
                    succeed [ "train"; Path.Combine(one, "run.json"); "--out"; other; "--threads"; "2" ] |> ignore
                    state other = state one |> should equal true))

            for optimizer in
                [
                    []
                    [ "--outer-optimizer"; "gradient-descent" ]
                    [ "--outer-optimizer"; "lbfgs"; "--outer-memory"; "3" ]
                ] do
                let name = if optimizer.IsEmpty then "adam" else optimizer[1]

                testCase
                    $"a finished run of {name} that is made longer ends with the bits of one that was asked for so many steps at once"
                    (fun () ->
                        inFolder (fun folder ->
                            let whole, longer = Path.Combine(folder, "whole"), Path.Combine(folder, "longer")

                            let changes =
                                if name = "lbfgs" then
                                    optimizer @ [ "--outer-schedule" ]
                                else
                                    optimizer
                            // L-BFGS has no schedule.
                            let arguments steps output =
                                small steps changes output
                                |> List.filter (fun word -> name <> "lbfgs" || word <> "--outer-schedule")

                            succeed (arguments 9 whole) |> ignore
                            succeed (arguments 3 longer) |> ignore
                            (succeed (arguments 3 longer)).Output |> should haveSubstring "finished already"
                            (succeed (arguments 9 longer)).Errors |> should haveSubstring "continuing at meta-step 3"
                            state longer = state whole |> should equal true

                            let curve run =
                                [
                                    for line in File.ReadAllLines(Path.Combine(run, "curve.jsonl")) do
                                        use document = JsonDocument.Parse line

                                        document.RootElement.GetProperty("metaStep").GetInt32(),
                                        document.RootElement.GetProperty("accuracy").GetDouble()
                                ]

                            curve longer |> should equal (curve whole)
                            refused "has made 9 meta-steps already, more than 3" (arguments 3 longer)))

            testCase "a run that was stopped in its last validation makes up for it" (fun () ->
                inFolder (fun folder ->
                    let run = Path.Combine(folder, "run")
                    succeed (small 8 [] run) |> ignore
                    let curve = Path.Combine(run, "curve.jsonl")
                    let whole = File.ReadAllLines curve
                    File.WriteAllLines(curve, Array.take 1 whole)
                    succeed (small 8 [] run) |> ignore
                    let validations = File.ReadAllLines curve |> Array.map (fun line -> line.Split("\"seconds\"")[0])
                    validations |> should equal (whole |> Array.map (fun line -> line.Split("\"seconds\"")[0]))
                    (succeed (small 8 [] run)).Output |> should haveSubstring "finished already"))

            testCase "a run that had ends between its validations has the best state of one that had none" (fun () ->
                inFolder (fun folder ->
                    let whole, longer = Path.Combine(folder, "whole"), Path.Combine(folder, "longer")
                    let best = stateOf "checkpoint-best.bin"
                    // Of two episodes, so that many an end is better than what comes after it.
                    for steps in [ 3; 5; 6; 7; 9; 10; 11; 13; 14; 15; 17 ] do
                        succeed (small steps [] longer) |> ignore
                        // A finished run that is started again loses nothing.
                        succeed (small steps [] longer) |> ignore

                    succeed (small 17 [] whole) |> ignore
                    best longer = best whole |> should equal true))

            testCase "a run of a cosine schedule is not made longer, and says why" (fun () ->
                inFolder (fun folder ->
                    let run = Path.Combine(folder, "run")
                    let cosine = [ "--outer-schedule"; "cosine" ]
                    succeed (small 2 cosine run) |> ignore
                    let before = state run
                    refused "only runs of a constant schedule can be made longer" (small 4 cosine run)
                    state run = before |> should equal true))

            testCase
                "a run of own parts is not evaluated by the program that lacks them: one line says who must, and the run stays"
                (fun () ->
                    inFolder (fun folder ->
                        LibTorchLoader.EnsureLoaded() |> ignore
                        let run = Path.Combine(folder, "run")
                        let preset = ExperimentFile.Preset "glyphs-5w1s/imaml-gd"
                        let tasks = ImageTasks.Open(preset.Tasks :?> ImageEpisodes)

                        let network =
                            StridedConvolutions(2)
                                .Build(ImageShape(tasks.Images.Height, tasks.Images.Width, tasks.Images.Channels), tasks.Ways)

                        let own =
                            Experiment(preset.Tasks, OwnNetwork "two filters", preset.Method, preset.Outer, Budget(1, 2, 0), 1UL)

                        (use training = TrainingRun.Open(RunFolder run, own, tasks, ImageClassifier network, threads = 1)
                         training.Run CancellationToken.None)

                        let before = state run

                        for arguments in
                            [
                                [ "evaluate"; run ]
                                [ "diagnose"; run ]
                                [ "train"; Path.Combine(run, "run.json"); "--out"; run ]
                            ] do
                            refused
                                "the network two filters is not part of Imaml: the program that has it must train and evaluate this run"
                                arguments

                        state run = before |> should equal true))

            testCase "twenty broken experiment files: one line each, exit code not zero, no stack trace" (fun () ->
                inFolder (fun folder ->
                    let text = ExperimentFile.PresetText "glyphs-5w1s/imaml-gd"
                    let changed (before: string) (after: string) = text.Replace(before, after)

                    for broken in
                        [
                            ""
                            " "
                            "null"
                            "3"
                            "[]"
                            "\"x\""
                            text[.. text.Length / 2]
                            text + "}"
                            String('[', 100_000)
                            "{\"a\":" + String('[', 200) + String(']', 200) + "}"
                            String('x', 10_000_000)
                            changed "\"seed\": 1" "\"seed\": 1, \"seed\": 2"
                            changed "\"seed\": 1" "\"seed\": -1"
                            changed "\"seed\": 1" "\"seed\": 1e400"
                            changed "\"seed\": 1" "\"seed\": null"
                            changed "\"lambda\": 2" "\"lambda\": \"NaN\""
                            changed "\"lambda\": 2" "\"lambda\": 1e400"
                            changed "\"lambda\": 2" "\"lambda\": NaN"
                            changed "\"lambda\": 2" "\"lambda\": []"
                            changed "\"kind\": \"imaml\"" "\"kind\": 7"
                            changed "\"kind\": \"imaml\"" "\"kind\": null"
                        ] do
                        if broken = text then
                            failtest "nothing was broken"

                        let path = file folder broken
                        let outcome = Imaml.run [ "train"; path; "--out"; Path.Combine(folder, "run") ]
                        Expect.notEqual outcome.ExitCode 0 (broken[.. min 80 (broken.Length - 1)])
                        outcome.Line |> should not' (haveSubstring "   at ")
                        Expect.isLessThan outcome.Line.Length 2000 (broken[.. min 80 (broken.Length - 1)])
                        Directory.Exists(Path.Combine(folder, "run")) |> should equal false))

            testCase
                "an adapted network that is not finite has no accuracy: exit code 1, and the file says how the inner solves ended"
                (fun () ->
                    inFolder (fun folder ->
                        let run = Path.Combine(folder, "run")

                        // φ − θ grows by 1 − 2·10 = −19 a step: twice in training is harmless, 60 times are 10⁷⁶.
                        succeed (small 1 [ "--algorithm"; "fomaml"; "--inner-step-size"; "10"; "--lambda"; "2" ] run)
                        |> ignore

                        let outcome = Imaml.run [ "evaluate"; run; "--episodes"; "4"; "--inner-steps"; "60"; "--state"; "last" ]
                        outcome.ExitCode |> should equal 1
                        outcome.Output |> should haveSubstring "no accuracy"
                        outcome.Errors |> should haveSubstring "in 4 of 4 episodes the adapted network is not finite"

                        use document =
                            JsonDocument.Parse(File.ReadAllText(Path.Combine(run, "evaluation-test-episodes4-steps60.json")))

                        (document.RootElement.GetProperty "accuracy").ValueEquals "NaN" |> should equal true
                        document.RootElement.GetProperty("notFinite").GetInt32() |> should equal 4))
        ]

[<Tests>]
let tests = testList "Experiments" [ values; runs ]
