/// imaml train, evaluate and demo as a user runs them, on the built-in glyphs.
module Imaml.Cli.Tests.TrainTests

open System
open System.IO
open System.Text.Json
open Expecto
open Imaml.Testing
open Imaml.Cli.Tests.TrainRuns
open FsUnit

/// Every algorithm with the options that are its own, and the options that change how one of them solves.
let private algorithms =
    let implicit = [ "--lambda", "2"; "--cg-steps", "2" ]
    let step = "--inner-step-size", "0.05"
    let none = "--no-proximal", ""

    [
        "imaml-gd", implicit
        "imaml-nesterov", implicit @ [ step; "--momentum", "0.5" ]
        "imaml-heavy-ball", implicit @ [ step; "--momentum", "0.5" ]
        "imaml-hf", implicit @ [ "--direction-steps", "3" ]
        "imaml-hf", implicit @ [ "--direction-steps", "3"; "--direction-matrix", "gauss-newton" ]
        "imaml-gd",
        implicit
        @ [
            "--linear-solver", "pcg"
            "--probes", "1"
            "--on-negative-curvature", "gauss-newton"
        ]
        "imaml-gd",
        implicit
        @ [
            "--delta", "0.1"
            "--delta-prime", "0.1"
            "--on-negative-curvature", "raise-lambda"
        ]
        "imaml-gd", implicit @ [ "--learn-lambda", "parameter"; "--lambda-rate", "0.1" ]
        "imaml-nudged", [ step; "--lambda", "2"; "--nudge", "0.1"; "--difference", "four-point" ]
        "maml", [ step; none; "--recompute", "" ]
        "truncated", [ step; "--lambda", "2"; "--truncate", "2" ]
        "fomaml", [ step; none ]
        "reptile", [ step; none ]

        "reptile",
        [
            "--inner-step-size", "0.001"
            none
            "--inner-solver", "adam"
            "--evaluation-steps", "5"
            "--training-shots", "2"
            "--keep-moments", ""
        ]
        "meta-sgd", [ step; none; "--step-sizes", "layer" ]
        "head", [ "--lambda", "0.5"; "--accuracy", "1e-3" ]
        "head",
        [
            "--lambda", "0.5"
            "--learn-lambda", "one"
            "--lambda-rate", "0.1"
            "--head-loss", "squares"
            "--learn-start", ""
        ]
    ]

/// A run of one algorithm; options without a value have the value "".
let private trainBy name (special: (string * string) list) metaSteps (output: string) =
    [
        "--dataset", "glyphs"
        "--ways", "3"
        "--shots", "1"
        "--meta-steps", string metaSteps
        "--meta-batch", "2"
        if name <> "head" then
            "--inner-steps", "3"
        "--seed", "7"
        "--threads", "1"
        "--filters", "2"
        "--validate-every", "0"
        "--algorithm", name
        "--out", output
    ]
    @ special
    |> List.collect (fun (name, value) -> if value = "" then [ name ] else [ name; value ])
    |> fun arguments -> "train" :: arguments

[<Tests>]
let tests =
    testList
        "Train"
        [
            testCase "two runs with the same seed are equal to the last bit, whatever their threads" (fun () ->
                inFolder (fun folder ->
                    let first = Path.Combine(folder, "first")
                    succeed (options [ "--threads", "1" ] first) |> ignore
                    // Each process has its own addresses and its own hash codes of texts.
                    (numbers first "progress.jsonl").Length |> should equal 6
                    (numbers first "curve.jsonl").Length |> should equal 2

                    for threads in [ "1"; "2" ] do
                        let other = Path.Combine(folder, threads)
                        succeedAlone (options [ "--threads", threads ] other) |> ignore
                        sameRun first other))

            testCase "another seed is another run" (fun () ->
                inFolder (fun folder ->
                    let a, b = Path.Combine(folder, "a"), Path.Combine(folder, "b")
                    succeed (options [] a) |> ignore
                    succeed (options [ "--seed", "8" ] b) |> ignore
                    state a = state b |> should equal false))

            testCase "a run that was killed and continued equals one that was not" (fun () ->
                if not (OperatingSystem.IsWindows()) then
                    stoppedAndContinued options (Imaml.start []) "-KILL" |> should equal (128 + 9))

            testCase "the same of a convex head with a learned λ and a certificate" (fun () ->
                if not (OperatingSystem.IsWindows()) then
                    let head =
                        optionsOf
                            [
                                "--algorithm", "head"
                                "--lambda", "0.1"
                                "--learn-lambda", "one"
                                "--lambda-rate", "0.01"
                                "--accuracy", "0.01"
                            ]

                    stoppedAndContinued head (Imaml.start []) "-KILL" |> should equal (128 + 9))

            testCase "a run that was asked to stop and continued equals one that was not" (fun () ->
                if not (OperatingSystem.IsWindows()) then
                    // As Ctrl-C does; but a background job may have been told to ignore SIGINT.
                    stoppedAndContinued options (Imaml.start []) "-TERM" |> should equal 130)

            testCase
                "a log of several meta-steps a line: the sum of a log of each, and the same however often the run was stopped"
                (fun () ->
                    inFolder (fun folder ->
                        let run name = Path.Combine(folder, name)
                        let changes = [ "--validate-every", "0"; "--outer-schedule", "constant" ]
                        let logged = ("--log-every", "4") :: changes
                        succeed (options changes (run "each")) |> ignore
                        succeed (options logged (run "whole")) |> ignore

                        for steps in [ "1"; "3"; "6" ] do
                            succeed (options (("--meta-steps", steps) :: logged) (run "parts")) |> ignore

                        sameRun (run "whole") (run "parts")
                        state (run "each") = state (run "whole") |> should equal true

                        let lines name =
                            [
                                for line in File.ReadLines(Path.Combine(run name, "progress.jsonl")) do
                                    use document = JsonDocument.Parse line
                                    document.RootElement.Clone()
                            ]

                        let step (line: JsonElement) (field: string) = line.GetProperty("step").GetProperty(field).GetDouble()
                        let each = lines "each"

                        let together = [ each[0..3], (lines "whole")[0]; each[4..5], (lines "whole")[1] ]

                        (lines "whole").Length |> should equal 2

                        for steps, line in together do
                            line.GetProperty("steps").GetInt32() |> should equal steps.Length

                            step line "outerLoss"
                            |> should (equalWithin 1e-12) (steps |> List.averageBy (fun one -> step one "outerLoss"))

                            step line "cgResidual"
                            |> should equal (steps |> List.map (fun one -> step one "cgResidual") |> List.max)

                            step line "gradients" |> should equal (steps |> List.sumBy (fun one -> step one "gradients"))))

            testCase "a finished run is not trained again" (fun () ->
                inFolder (fun folder ->
                    let run = Path.Combine(folder, "run")
                    succeed (options [] run) |> ignore

                    let files () = [ for path in Directory.GetFiles run -> path, File.GetLastWriteTimeUtc path ]

                    let before = files ()
                    (succeed (options [] run)).Output |> should haveSubstring "is finished already"
                    files () |> should equal before))

            testCase "training.json and the screen count how the solves ended, in a stopped run too" (fun () ->
                inFolder (fun folder ->
                    succeed (options [ "--meta-steps", "3"; "--outer-schedule", "constant"; "--validate-every", "0" ] folder)
                    |> ignore

                    let outcome =
                        succeed (options [ "--meta-steps", "6"; "--outer-schedule", "constant"; "--validate-every", "0" ] folder)

                    outcome.Output
                    |> should haveSubstring "inner solves: 12 used the budget of 4 steps; linear solves: "

                    use document = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "training.json")))
                    let statuses = document.RootElement.GetProperty "statuses"
                    statuses.GetProperty("inner").GetProperty("step-limit").GetInt32() |> should equal 12

                    statuses.GetProperty("linear").EnumerateObject()
                    |> Seq.sumBy (fun one -> one.Value.GetInt32())
                    |> should equal 12

                    statuses.GetProperty("notFinite").GetInt32() |> should equal 0))

            testCase "a run whose last validation has no accuracy has failed: exit code 1, also when it is asked for again" (fun () ->
                inFolder (fun folder ->
                    // |1 − αλ| = 2·10¹⁰: one step stays finite in single precision, fifty do not.
                    let command =
                        "train --dataset glyphs --ways 3 --shots 1 --filters 2 --algorithm reptile --lambda 2 --inner-step-size 1e10 --inner-steps 1"
                        + " --evaluation-steps 50 --outer-optimizer gradient-descent --outer-rate 1e-15 --meta-steps 1 --meta-batch 2"
                        + " --validate-every 1 --validation-episodes 2 --seed 7 --threads 1 --out"

                    let command = List.ofArray (command.Split ' ') @ [ Path.Combine(folder, "run") ]

                    for _ in 1..2 do
                        let outcome = Imaml.run command
                        outcome.ExitCode |> should equal 1

                        outcome.Errors
                        |> should haveSubstring "imaml: no accuracy at the last validation, after 1 meta-steps"))

            testCase "validation needs classes" (fun () ->
                inFolder (fun folder ->
                    refused
                        "--validate-every 3 needs validation classes"
                        (options [ "--validation-classes", "0" ] (Path.Combine(folder, "run")))))

            testCase
                "with --json train and evaluate print one JSON document and nothing else; the folder says what each of its files is"
                (fun () ->
                    inFolder (fun folder ->
                        let run = Path.Combine(folder, "run")
                        let command = options [ "--keep-every", "3" ] run @ [ "--json" ]
                        let first = JsonDocument.Parse((succeedAlone command).Output).RootElement
                        first.GetProperty("finished").GetBoolean() |> should equal true
                        first.GetProperty("lastValidation").GetProperty("metaStep").GetInt32() |> should equal 6
                        let written = JsonDocument.Parse(File.ReadAllText(Path.Combine(run, "training.json"))).RootElement
                        JsonElement.DeepEquals(first.GetProperty "training", written) |> should equal true
                        // So does a run that is finished already.
                        let again = JsonDocument.Parse((succeed command).Output).RootElement
                        JsonElement.DeepEquals(first, again) |> should equal true

                        let results =
                            JsonDocument
                                .Parse((succeedAlone [ "evaluate"; run; "--episodes"; "4"; "--batch-norm"; "both"; "--json" ]).Output)
                                .RootElement

                        let name = "evaluation-test-episodes4-best.json"
                        let file = JsonDocument.Parse(File.ReadAllText(Path.Combine(run, name))).RootElement
                        results.GetArrayLength() |> should equal 2

                        results.EnumerateArray()
                        |> Seq.exists (fun one -> JsonElement.DeepEquals(one, file))
                        |> should equal true

                        let readMe = File.ReadAllText(Path.Combine(run, "README.txt"))

                        for path in Directory.GetFileSystemEntries run do
                            let name = string (Path.GetFileName path)

                            let listed =
                                if name.StartsWith("evaluation-", StringComparison.Ordinal) then
                                    "evaluation-*.json"
                                elif name.StartsWith("checkpoint-0", StringComparison.Ordinal) then
                                    "checkpoint-N.bin"
                                else
                                    name

                            if name <> "README.txt" then
                                readMe |> should haveSubstring listed))

            testCase "the demo leaves a model and drawings, which the command that it prints classifies; it replaces no drawing" (fun () ->
                inFolder (fun folder ->
                    let drawn = Directory.CreateDirectory(Path.Combine(folder, "examples", "A"))
                    let mine = Path.Combine(drawn.FullName, "1.png")
                    File.WriteAllText(mine, "mine")
                    let demo = succeed [ "demo"; "--quick"; "--out"; folder; "--threads"; "2" ]

                    let words =
                        demo.Output.Split('\n')
                        |> Array.find (fun line -> line.Contains("imaml predict", StringComparison.Ordinal))
                        |> fun line -> line.Trim().Split(' ')

                    let predicted = succeed (List.ofArray words[1..] @ [ "--json" ])
                    let answer = JsonDocument.Parse(predicted.Output).RootElement
                    // 5 classes, 5 drawings of each; chance is 5 right.
                    answer.GetProperty("judged").GetInt32() |> should equal 25
                    answer.GetProperty("right").GetInt32() |> should be (greaterThan 10)
                    File.ReadAllText mine |> should equal "mine"))

            testCase "evaluate measures the same accuracy every time, and writes what it was measured on" (fun () ->
                inFolder (fun folder ->
                    let run = Path.Combine(folder, "run")
                    succeed (options [] run) |> ignore
                    let evaluate = [ "evaluate"; run; "--episodes"; "40" ]
                    let first = succeed evaluate
                    first.Output |> should haveSubstring "40 episodes"
                    let path = Path.Combine(run, "evaluation-test-episodes40-best.json")

                    let read () =
                        use document = JsonDocument.Parse(File.ReadAllText path)
                        let root = document.RootElement

                        let perEpisode =
                            [
                                for one in root.GetProperty("accuracyPerEpisode").EnumerateArray() -> one.GetDouble()
                            ]

                        perEpisode, root.GetProperty("accuracy").GetDouble(), root.GetProperty("manifest").GetProperty("hash").GetString()

                    let perEpisode, mean, hash = read ()
                    perEpisode.Length |> should equal 40
                    mean |> should (equalWithin 1e-12) (List.average perEpisode)
                    String.IsNullOrEmpty hash |> should equal false
                    succeed evaluate |> ignore
                    read () |> should equal (perEpisode, mean, hash)))

            testCase "evaluate names the state that it measures: of the best validation, or the last one" (fun () ->
                inFolder (fun folder ->
                    let run = Path.Combine(folder, "run")
                    succeed (options [ "--validate-every", "1" ] run) |> ignore

                    let curve =
                        [
                            for line in File.ReadLines(Path.Combine(run, "curve.jsonl")) do
                                use document = JsonDocument.Parse line

                                document.RootElement.GetProperty("accuracy").GetDouble(),
                                document.RootElement.GetProperty("metaStep").GetInt32()
                        ]

                    let best = curve |> List.map fst |> List.max
                    let step = curve |> List.find (fun (accuracy, _) -> accuracy = best) |> snd
                    let output options = (succeed ([ "evaluate"; run; "--episodes"; "4" ] @ options)).Output
                    output [] |> should haveSubstring $"the state of the best validation, {step} meta-step"
                    output [ "--state"; "last" ] |> should haveSubstring "the last state, 6 meta-steps"
                    // A word in other capitals is the word.
                    output [ "--state"; "LAST" ] |> should haveSubstring "the last state, 6 meta-steps"
                    output [ "--batch-norm"; "Inductive" ] |> should haveSubstring "classes, inductive:"
                    output [ "--inner-steps"; "9" ] |> should haveSubstring "inner solves: 4 used the budget of 9 steps"
                    succeed (options [ "--validate-every", "0" ] (run + "2")) |> ignore

                    (succeed [ "evaluate"; run + "2"; "--episodes"; "4" ]).Output
                    |> should haveSubstring "the last state, 6 meta-steps"))

            testCase "evaluate --ensemble takes the kept states with the best validations together" (fun () ->
                inFolder (fun folder ->
                    let run = Path.Combine(folder, "run")
                    succeed (options [ "--validate-every", "1"; "--keep-every", "1" ] run) |> ignore

                    let best =
                        [
                            for line in File.ReadLines(Path.Combine(run, "curve.jsonl")) do
                                use document = JsonDocument.Parse line

                                document.RootElement.GetProperty("accuracy").GetDouble(),
                                document.RootElement.GetProperty("metaStep").GetInt32()
                        ]
                        |> List.filter (fun (_, step) -> File.Exists(Path.Combine(run, $"checkpoint-{step:D6}.bin")))
                        |> List.sortDescending
                        |> List.map snd

                    let evaluate options = [ "evaluate"; run; "--episodes"; "4" ] @ options

                    (succeed (evaluate [ "--ensemble"; "3" ])).Output
                    |> should haveSubstring "the 3 kept states with the best validations together"

                    use file =
                        JsonDocument.Parse(File.ReadAllText(Path.Combine(run, "evaluation-test-episodes4-ensemble3.json")))

                    [
                        for step in file.RootElement.GetProperty("ensemble").EnumerateArray() -> step.GetInt32()
                    ]
                    |> should equal (List.take 3 best)

                    refused
                        $"has {best.Length} states that were kept and validated, fewer than the 99 of --ensemble; train with --keep-every at the meta-steps of --validate-every"
                        (evaluate [ "--ensemble"; "99" ])

                    let both = Imaml.run (evaluate [ "--ensemble"; "2"; "--state"; "last" ])
                    both.ExitCode |> should equal 2
                    both.Line |> should haveSubstring "--ensemble and --state exclude each other"))

            testCase "a run that is stopped and goes on keeps the same best state" (fun () ->
                inFolder (fun folder ->
                    let whole, parts = Path.Combine(folder, "whole"), Path.Combine(folder, "parts")
                    let changes = [ "--validate-every", "1"; "--outer-schedule", "constant" ]
                    succeed (options changes whole) |> ignore
                    succeed (options (("--meta-steps", "3") :: changes) parts) |> ignore
                    succeed (options changes parts) |> ignore

                    let theta (run: string) =
                        let bytes = File.ReadAllBytes(Path.Combine(run, "checkpoint-best.bin"))
                        let header = BitConverter.ToInt32(bytes, 8)
                        bytes[12 + header .. bytes.Length - 33]

                    theta whole = theta parts |> should equal true))

            testCase "a damaged best state does not keep a run from going on: the next validation replaces it" (fun () ->
                inFolder (fun folder ->
                    let run = Path.Combine(folder, "run")
                    let changes = [ "--validate-every", "1"; "--outer-schedule", "constant" ]
                    succeed (options (("--meta-steps", "3") :: changes) run) |> ignore
                    let best = Path.Combine(run, "checkpoint-best.bin")
                    File.WriteAllText(best, "damaged")
                    succeed (options changes run) |> ignore
                    FileInfo(best).Length |> should be (greaterThan 1000L)))

            testCase "evaluate with other ways, shots, queries and normalisation says so, on the screen and in the file's name" (fun () ->
                inFolder (fun folder ->
                    let run = Path.Combine(folder, "run")
                    succeed (options [] run) |> ignore
                    let evaluate options = [ "evaluate"; run; "--episodes"; "4"; "--state"; "last" ] @ options
                    let both = (succeed (evaluate [ "--batch-norm"; "both" ])).Output
                    both |> should haveSubstring "5-way 1-shot, test classes, transductive: "
                    both |> should haveSubstring "5-way 1-shot, test classes, inductive: "
                    File.Exists(Path.Combine(run, "evaluation-test-episodes4-inductive.json")) |> should equal true
                    let fewer = (succeed (evaluate [ "--ways"; "3"; "--shots"; "2"; "--queries"; "4" ])).Output
                    fewer |> should haveSubstring "3-way 2-shot"
                    fewer |> should haveSubstring "chance 33 %"

                    File.Exists(Path.Combine(run, "evaluation-test-episodes4-ways3-shots2-queries4.json"))
                    |> should equal true

                    refused
                        "6 classes are more than the network has outputs: it was trained on 5-way tasks; take at most 5, or a model of the algorithm head without --learn-start, which takes any number"
                        (evaluate [ "--ways"; "6" ])))

            testCase "evaluate compares with baselines on the same episodes" (fun () ->
                inFolder (fun folder ->
                    let run = Path.Combine(folder, "run")
                    succeed (options [] run) |> ignore
                    let evaluate = [ "evaluate"; run; "--episodes"; "4"; "--state"; "last" ]
                    let output = (succeed (evaluate @ [ "--baselines"; "--ways"; "3" ])).Output
                    output |> should haveSubstring "untrained network: "
                    output |> should haveSubstring "nearest centroid of pixels: "

                    use document =
                        JsonDocument.Parse(File.ReadAllText(Path.Combine(run, "evaluation-test-episodes4-ways3-baselines.json")))

                    let numbers (root: JsonElement) =
                        [
                            for one in root.GetProperty("accuracyPerEpisode").EnumerateArray() -> one.GetDouble()
                        ]

                    let own = numbers document.RootElement

                    for baseline in document.RootElement.GetProperty("baselines").EnumerateArray() do
                        let theirs = numbers baseline
                        theirs |> should haveLength 4

                        baseline.GetProperty("difference").GetProperty("mean").GetDouble()
                        |> should (equalWithin 1e-12) (List.average own - List.average theirs)))

            testCase "options that no run can have: one line that names the option, its value and the rule" (fun () ->
                inFolder (fun folder ->
                    let run = Path.Combine(folder, "run")

                    for name, value, line in
                        [
                            "--lambda", "0", "--lambda must be positive and finite, not 0"
                            "--lambda", "NaN", "--lambda must be a finite number, not NaN"
                            "--lambda", "2,5", "--lambda must be a finite number, not 2,5"
                            "--lambda",
                            "1e-400",
                            "--lambda must be a finite number that double precision can distinguish from 0, not 1e-400"
                            "--inner-step-size", "0,1", "--inner-step-size must be a finite number, not 0,1"
                            "--outer-rate", "fast", "--outer-rate must be a finite number, not fast"
                            "--inner-steps", "0", "--inner-steps must be at least 1, not 0"
                            "--filters", "2147483647", "--filters 2147483647 makes 124,515,522,381,57"
                            "--cg-steps", "0", "--cg-steps must be at least 1, not 0"
                            "--ways", "1", "--ways must be at least 2, not 1"
                            "--ways", "5000", "5000-way episodes need 5000 classes"
                            "--ways", "101", "101-way episodes need 101 classes, but this part of glyphs has 100"
                            "--filters", "10000", "--filters 10000 makes 2,700,000,000 weights"
                            "--meta-batch", "600000", "--meta-batch 600000 makes"
                            "--outer-schedule", "linear", "linear is not one of constant, cosine"
                            "--outer-schedule", "7", "7 is not one of constant, cosine"
                            "--shots", "20", "20 support + 5 query images per class need 25"
                            "--dataset", "letters", "--dataset letters is not known"
                            "--algorithm", "sgd", "--algorithm sgd is not known"
                            "--split", "vinyals", "--split vinyals is not known"
                            "--lamda", "2", "unknown option --lamda (did you mean --lambda?)"
                            "--checkpoint-every", "0", "--checkpoint-every must be at least 1, not 0"
                            "--validation-classes",
                            "1000",
                            "--validation-classes must be less than the 1000 classes of training, not 1000"
                        ] do
                        refused line (options [ name, value ] run)
                        Directory.Exists run |> should equal false))

            testCase "every algorithm trains and is measured" (fun () ->
                inFolder (fun folder ->
                    algorithms
                    |> List.iteri (fun i (name, special) ->
                        let run = Path.Combine(folder, string i)
                        succeed (trainBy name special 2 run) |> ignore
                        (succeed [ "evaluate"; run; "--episodes"; "2" ]).Output |> should haveSubstring "3-way 1-shot")))

            testCase "options that an algorithm lacks or has no use for: one line that names both" (fun () ->
                inFolder (fun folder ->
                    let run = Path.Combine(folder, "run")

                    for name, special, line in
                        [
                            "imaml-gd", [ "--lambda", "2" ], "missing option: --cg-steps (for imaml-gd)"
                            "imaml-nesterov",
                            [ "--lambda", "2"; "--cg-steps", "2"; "--inner-step-size", "0.1" ],
                            "missing option: --momentum (for imaml-nesterov)"
                            "imaml-hf",
                            [ "--lambda", "2"; "--cg-steps", "2"; "--inner-step-size", "0.1" ],
                            "unused option: --inner-step-size (with imaml-hf)"
                            "maml", [ "--inner-step-size", "0.1" ], "missing option: --lambda (or --no-proximal) (for maml)"
                            "maml",
                            [ "--inner-step-size", "0.1"; "--lambda", "2"; "--no-proximal", "" ],
                            "--lambda and --no-proximal contradict each other"
                            "maml",
                            [ "--inner-step-size", "0.1"; "--no-proximal", ""; "--cg-steps", "2" ],
                            "unused option: --cg-steps (with maml)"
                            "fomaml",
                            [ "--inner-step-size", "0.1"; "--no-proximal", ""; "--recompute", "" ],
                            "unused option: --recompute (with fomaml)"
                            "truncated", [ "--inner-step-size", "0.1"; "--lambda", "2" ], "missing option: --truncate (for truncated)"
                            "truncated",
                            [ "--inner-step-size", "0.1"; "--lambda", "2"; "--truncate", "5" ],
                            "--truncate must be at most the 3 inner steps, not 5"
                            "reptile",
                            [ "--no-proximal", "" ],
                            "--inner-step-size is missing: without a proximal term the step size must be given"
                            "imaml-heavy-ball",
                            [
                                "--lambda", "2"
                                "--cg-steps", "2"
                                "--inner-step-size", "0.1"
                                "--momentum", "1"
                            ],
                            "--momentum must be at least 0 and below 1, not 1"
                            "imaml-gd",
                            [ "--lambda", "2"; "--cg-steps", "2"; "--linear-solver", "pcg" ],
                            "missing option: --probes (for imaml-gd)"
                            "imaml-gd",
                            [ "--lambda", "2"; "--cg-steps", "2"; "--neumann-step", "0.1" ],
                            "unused option: --neumann-step (with imaml-gd)"
                            "imaml-gd",
                            [ "--lambda", "2"; "--cg-steps", "2"; "--linear-solver", "lu" ],
                            "lu is not one of cg, pcg, minres, neumann"
                            "imaml-gd",
                            [ "--lambda", "2"; "--cg-steps", "2"; "--learn-lambda", "layer" ],
                            "missing option: --lambda-rate (for imaml-gd)"
                            "imaml-gd",
                            [ "--lambda", "2"; "--cg-steps", "2"; "--on-negative-curvature", "ignore" ],
                            "ignore is not one of truncate, raise-lambda, minres, gauss-newton"
                            "imaml-gd",
                            [
                                "--lambda", "2"
                                "--cg-steps", "2"
                                "--inner-solver", "adam"
                                "--inner-step-size", "0.1"
                                "--delta", "0.1"
                            ],
                            "--delta needs an inner solver that can stop at an accuracy; adam takes all of its steps"
                            "imaml-gd",
                            [ "--lambda", "2"; "--cg-steps", "2"; "--delta", "0" ],
                            "--delta must be positive and finite, not 0"
                            "meta-sgd",
                            [ "--inner-step-size", "0.1"; "--no-proximal", ""; "--step-sizes", "task" ],
                            "task is not one of layer, parameter"
                            "meta-sgd",
                            [
                                "--inner-step-size", "0.1"
                                "--no-proximal", ""
                                "--learn-lambda", "one"
                                "--lambda-rate", "1"
                            ],
                            "unused options: --learn-lambda, --lambda-rate (with meta-sgd)"
                        ] do
                        refused line (trainBy name special 2 run)
                        Directory.Exists run |> should equal false))

            testCase "a head has no inner steps to ask for, and a nudge that is too large is named" (fun () ->
                inFolder (fun folder ->
                    let head = Path.Combine(folder, "head")
                    succeed (trainBy "head" [ "--lambda", "0.5" ] 1 head) |> ignore

                    (fun () -> Imaml.Nets.Prediction.FewShotClassifier.Load(head, 3) |> ignore)
                    |> should throw typeof<System.ArgumentException>

                    refused
                        "choose another nudge β"
                        (trainBy
                            "imaml-nudged"
                            [ "--inner-step-size", "0.05"; "--lambda", "2"; "--nudge", "1e6" ]
                            1
                            (Path.Combine(folder, "nudged")))))

            testCase "an inner solver that the algorithm does not have, and λ with --no-proximal, are named once" (fun () ->
                inFolder (fun folder ->
                    for algorithm in [ "imaml-gd"; "imaml-hf"; "maml" ] do
                        refused
                            $"--inner-solver is for fomaml and reptile, not {algorithm}"
                            (trainBy algorithm [ "--inner-solver", "adam"; "--inner-step-size", "0.1"; "--lambda", "2" ] 1 folder)

                    for β in [ "1e-9"; "1e-12" ] do
                        refused
                            "so small that rounding hides it"
                            (trainBy "imaml-nudged" [ "--lambda", "2"; "--nudge", β ] 1 (Path.Combine(folder, "nudged")))))

            testCase "a run of other options is not overwritten" (fun () ->
                inFolder (fun folder ->
                    let run = Path.Combine(folder, "run")
                    succeed (options [] run) |> ignore
                    let before = state run
                    refused "holds a run of another experiment (method.lambda 2 → 3)" (options [ "--lambda", "3" ] run)
                    state run = before |> should equal true))

            testCase "a folder of something else is not written to" (fun () ->
                inFolder (fun folder ->
                    File.WriteAllText(Path.Combine(folder, "diary.txt"), "dear diary")
                    refused "is not empty and holds no run" (options [] folder)
                    Directory.GetFiles(folder).Length |> should equal 1))

            testCase "a checkpoint that is cut off, of something else, or missing: one line" (fun () ->
                inFolder (fun folder ->
                    let run = Path.Combine(folder, "run")
                    succeed (options [] run) |> ignore
                    let path = Path.Combine(run, "checkpoint.bin")
                    File.Delete(Path.Combine(run, "checkpoint-previous.bin"))
                    let whole = File.ReadAllBytes path
                    File.WriteAllBytes(path, whole[.. whole.Length / 2])
                    refused "is cut off or damaged" [ "evaluate"; run; "--state"; "last" ]
                    refused "is cut off or damaged" (options [] run)
                    whole[whole.Length / 2] <- whole[whole.Length / 2] ^^^ 1uy
                    File.WriteAllBytes(path, whole)
                    refused "is cut off or damaged" [ "evaluate"; run; "--state"; "last" ]
                    File.WriteAllText(path, "not a checkpoint at all")
                    refused "is not a checkpoint of this program" [ "evaluate"; run; "--state"; "last" ]
                    File.WriteAllText(path, "IMAMLCK2 and the rest")
                    refused "was written by another version" [ "evaluate"; run; "--state"; "last" ]
                    File.Delete path
                    refused "there is no checkpoint" [ "evaluate"; run; "--state"; "last" ]))

            testCase "an output that cannot be a folder: one line, and nothing is written" (fun () ->
                inFolder (fun folder ->
                    let file = Path.Combine(folder, "file")
                    File.WriteAllText(file, "")
                    refused "is a file, not a folder" (options [] (Path.Combine(file, "run")))
                    refused "is a file, not a folder" [ "demo"; "--quick"; "--out"; Path.Combine(file, "demo") ]
                    Directory.GetFileSystemEntries(folder) |> should equal [| file |]))

            testCase "omniglot without a data folder: one line that says how to get it" (fun () ->
                inFolder (fun folder ->
                    let outcome =
                        Imaml.runWith [ "IMAML_DATA", "" ] (options [ "--dataset", "omniglot" ] (Path.Combine(folder, "run")))

                    outcome.ExitCode |> should equal 1
                    outcome.Line |> should haveSubstring "--data DIR or set IMAML_DATA"))
        ]

/// Peak resident memory of a run, in bytes, as the system counts it.
let private peakMemory (changes: (string * string) list) (run: string) =
    succeedAlone (options changes run) |> ignore
    use document = JsonDocument.Parse(File.ReadAllText(Path.Combine(run, "training.json")))
    float (document.RootElement.GetProperty("peakResidentBytes").GetInt64())

[<Tests>]
let memory =
    testList
        "Memory"
        [
            testCase "does not grow with the inner steps: 64 need no more than 4" (fun () ->
                inFolder (fun folder ->
                    let peak steps =
                        peakMemory
                            [
                                "--inner-steps", string steps
                                "--filters", "32"
                                "--meta-batch", "8"
                                "--meta-steps", "2"
                                "--validate-every", "0"
                            ]
                            (Path.Combine(folder, $"{steps}"))

                    peak 64 / peak 4 |> should be (lessThan 1.1)))
        ]
