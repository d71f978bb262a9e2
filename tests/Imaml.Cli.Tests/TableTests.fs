/// `imaml reproduce table2`: cells that are begun, go on, are finished and compared, and what the text says of them.
module Imaml.Cli.Tests.TableTests

open System.IO
open System.Text.Json
open Expecto
open FsUnit
open Imaml.Testing
open Imaml.Cli.Tables
open Imaml.Nets.Learning
open Imaml.Nets.Methods
open Imaml.Nets.Runs

[<Tests>]
let tests =
    testList
        "Tables"
        [
            testCase
                "every cell of both tables is an experiment that can be run, at both scales, of its seed, its method and its setting"
                (fun () ->
                    for table in [ PublishedTable.Table2; PublishedTable.Table3 ] do
                        for cell in table.Cells do
                            Imaml.Cli.Plots.PlotStyle.Methods.ContainsKey cell.Method |> should equal true

                            for scale in [ Scale.Paper; Scale.Cpu ] do
                                let experiment = cell.Experiment(scale, 3UL)
                                experiment.Complaints() |> should be Empty
                                experiment.Seed |> should equal 3UL
                                experiment.Outer.Averaging.HasValue |> should equal true
                                // A run that may end at any time and go on has no length in its step sizes.
                                if scale = Scale.Cpu then
                                    experiment.Outer.DependsOnLength |> should equal false)

            testCase "at scale cpu a cell's note declares each value that is not its preset's: λ, inner step, rate" (fun () ->
                let values (experiment: Experiment) =
                    let lambda, inner =
                        match experiment.Method with
                        | :? ImplicitMaml as one -> ValueSome one.Lambda, ValueSome one.Inner
                        | :? Maml as one -> ValueNone, ValueSome one.Inner
                        | _ -> ValueNone, ValueNone

                    let step =
                        match inner with
                        | ValueSome(:? Inner.GradientDescent as descent) -> ValueOption.ofNullable descent.StepSize
                        | _ -> ValueNone

                    let rate =
                        match experiment.Outer with
                        | :? Outer.Adam as adam -> ValueSome adam.Rate
                        | _ -> ValueNone

                    [ lambda; step; rate ]

                for table in [ PublishedTable.Table2; PublishedTable.Table3 ] do
                    for cell in table.Cells do
                        let cpu = cell.Experiment(Scale.Cpu, 1UL)

                        for paper, here in List.zip (values (ExperimentFile.Preset cell.Preset)) (values cpu) do
                            match paper, here with
                            | ValueSome paper, ValueSome here when paper <> here -> string cpu.Note |> should haveSubstring $" {here}"
                            | _ -> ())

            testCase "times and cells that make no sense are one line and exit code 2" (fun () ->
                for options, line in
                    [
                        [ "--budget"; "60" ], "--budget must be a time such as 90s, 60m or 2h, not 60"
                        [ "--budget"; "-1m" ], "--budget must be a time such as 90s, 60m or 2h, not -1m"
                        [ "--budget"; "m" ], "--budget must be a time such as 90s, 60m or 2h, not m"
                        [ "--cells"; "5w1s/imaml" ], "--cells: 5w1s/imaml is not one of 5w1s/maml, "
                        [ "--seeds"; "0" ], "--seeds must be at least 1, not 0"
                    ] do
                    let outcome = Imaml.run ([ "reproduce"; "table2" ] @ options)
                    outcome.ExitCode |> should equal 2
                    outcome.Line |> should haveSubstring line)

            Needs.omniglot
                "a cell is begun, finished by its budget, goes on under a larger one, and is compared with others on the same episodes"
                (fun data ->
                    inFolder (fun folder ->
                        let reproduce options =
                            let outcome =
                                Imaml.run ([ "reproduce"; "table2"; "--data"; data; "--out"; folder; "--episodes"; "10" ] @ options)

                            outcome.ExitCode |> should equal 0
                            outcome.Output

                        reproduce [ "--cells"; "5w1s/fomaml"; "--report" ] |> should haveSubstring "| not begun |"
                        let first = reproduce [ "--cells"; "5w1s/fomaml"; "5w1s/reptile"; "--budget"; "1s" ]
                        first |> should haveSubstring "| 5w1s | fomaml | 98.3 ± 0.5 | "
                        first |> should haveSubstring "| 5w1s | fomaml | reptile | 1 | "

                        for ending in [ "png"; "svg"; "pdf" ] do
                            File.Exists(Path.Combine(folder, $"table2-5w1s.{ending}")) |> should equal true

                        let run () =
                            use document = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "table2.json")))

                            let cell =
                                document.RootElement.GetProperty("cells").EnumerateArray()
                                |> Seq.find (fun one -> one.GetProperty("method").GetString() = "fomaml")

                            let run = cell.GetProperty("runs").[0]


                            string (run.GetProperty "state"),
                            run.GetProperty("metaSteps").GetInt32(),
                            run.GetProperty("gradients").GetInt64(),
                            run.GetProperty("seconds").GetDouble()

                        let state, steps, gradients, seconds = run ()
                        state |> should equal "finished"
                        seconds |> should be (greaterThanOrEqualTo 1.0)
                        // First-order MAML: one inner gradient, one at φ and one of the query loss for each of 4 tasks.
                        gradients |> should equal (int64 (12 * steps))
                        // Nothing is left to do, and a larger budget goes on.
                        reproduce [ "--cells"; "5w1s/fomaml"; "--budget"; "1s" ] |> ignore
                        run () |> should equal (state, steps, gradients, seconds)

                        let running = reproduce [ "--budget"; "100s"; "--report" ]
                        running |> should haveSubstring "| running, validation "
                        // Its test is of a state that it leaves.
                        running |> should haveSubstring "No two methods of a setting are measured yet."
                        // A report alone goes by the table that is there.
                        reproduce [ "--budget"; "1s"; "--report" ] |> ignore
                        reproduce [ "--report" ] |> should haveSubstring first

                        let prolonged = [ "--cells"; "5w1s/fomaml"; "--budget"; $"{seconds + 1.0:F1}s" ]
                        reproduce prolonged |> ignore
                        let state, more, _, _ = run ()
                        state |> should equal "finished"
                        more |> should be (greaterThan steps)
                        // A test of a state that is no longer the best one is not the cell's.
                        let cell = Path.Combine(folder, "5w1s", "fomaml", "seed-1")
                        let test = Path.Combine(cell, "evaluation-test-episodes10-best.json")
                        let text = File.ReadAllText test

                        File.WriteAllText(
                            test,
                            System.Text.RegularExpressions.Regex.Replace(text, "\"metaStep\": \\d+", "\"metaStep\": 0")
                        )

                        let curve = File.ReadAllText(Path.Combine(cell, "curve.jsonl"))
                        reproduce ("--report" :: prolonged) |> ignore
                        let state, _, _, _ = run ()
                        state |> should equal "trained"
                        reproduce prolonged |> ignore
                        let state, same, _, _ = run ()
                        (state, same) |> should equal ("finished", more)
                        File.ReadAllText(Path.Combine(cell, "curve.jsonl")) |> should equal curve
                        // A run that goes on from before the first line of its log.
                        let log = Path.Combine(cell, "progress.jsonl")
                        let lines = File.ReadAllText log

                        File.WriteAllText(
                            log,
                            System.Text.RegularExpressions.Regex.Replace(lines, "\"metaStep\":\\d+", "\"metaStep\":1000000")
                        )

                        reproduce ("--report" :: prolonged) |> ignore
                        File.WriteAllText(log, lines)
                        // Another scale is another run.
                        reproduce [ "--scale"; "paper"; "--report" ] |> should not' (haveSubstring "finished")

                        for changed in
                            [
                                ""
                                "[]"
                                "{"
                                text.Replace("\"accuracyPerEpisode\": [", "\"accuracyPerEpisode\": [2.0, ")
                            ] do
                            File.WriteAllText(test, changed)

                            let told =
                                Imaml.run (
                                    [
                                        "reproduce"
                                        "table2"
                                        "--data"
                                        data
                                        "--out"
                                        folder
                                        "--episodes"
                                        "10"
                                        "--report"
                                    ]
                                    @ prolonged
                                )

                            told.ExitCode |> should equal 1
                            told.Errors |> should haveSubstring $"5w1s/fomaml, seed 1: {test} is damaged"
                            let state, _, _, _ = run ()
                            state |> should equal "trained"

                        for changed in
                            [
                                text.Replace("\"part\": \"test\"", "\"part\": \"validation\"")
                                text.Replace("\"episodeSeed\": 20191208", "\"episodeSeed\": 7")
                                text.Replace("\"ways\": 5", "\"ways\": 2")
                                text.Replace(" of omniglot (images ", " of omniglot (images 0")
                                text.Replace("\"lambda\": null", "\"lambda\": 2.0")
                            ] do
                            changed |> should not' (equal text)
                            File.WriteAllText(test, changed)
                            reproduce ("--report" :: prolonged) |> ignore
                            let state, _, _, _ = run ()
                            state |> should equal "trained"

                        let cells () =
                            use document = JsonDocument.Parse(reproduce ("--json" :: prolonged))
                            document.RootElement.GetProperty("cells").GetArrayLength()

                        // What is damaged or of another model is not replaced. What a test prints is progress.
                        File.Delete test
                        cells () |> should equal PublishedTable.Table2.Cells.Count
                        let finished = File.ReadAllText test

                        // A damaged cell, or a run of other options, is said, and loses no other cell.
                        let report () = Imaml.run [ "reproduce"; "table2"; "--out"; folder; "--report" ]
                        let checkpoint = Path.Combine(cell, "checkpoint.bin")
                        let whole = File.ReadAllBytes checkpoint
                        let previous = Path.Combine(cell, "checkpoint-previous.bin")
                        File.Delete previous
                        File.WriteAllBytes(checkpoint, whole[..999])
                        let damaged = report ()
                        damaged.ExitCode |> should equal 1
                        damaged.Errors |> should haveSubstring "imaml: 5w1s/fomaml, seed 1: "
                        damaged.Output |> should haveSubstring "| damaged |"
                        damaged.Output |> should haveSubstring "| 5w1s | reptile | "
                        File.WriteAllBytes(checkpoint, whole)
                        let other = Path.Combine(folder, "5w1s", "maml")
                        Directory.CreateDirectory(Path.Combine(other, "seed-1")) |> ignore

                        for file in Directory.GetFiles cell do
                            File.Copy(file, Path.Combine(other, "seed-1", string (Path.GetFileName file)))

                        let another = report ()
                        another.ExitCode |> should equal 1
                        another.Errors |> should haveSubstring "holds a run of another experiment (method.kind "
                        another.Output |> should haveSubstring "| another experiment |"
                        Directory.Delete(other, true)
                        // A log with a gap, and without one line.
                        File.WriteAllLines(log, File.ReadAllLines log |> Array.skip 1)
                        reproduce [ "--report" ] |> should haveSubstring "| finished, its log incomplete |"
                        File.Delete log
                        reproduce [ "--report" ] |> should haveSubstring "its log incomplete |"
                        File.WriteAllText(log, lines)
                        File.ReadAllText test |> should equal finished

                        File.ReadAllLines log
                        |> Seq.sumBy (fun line ->
                            use document = JsonDocument.Parse line
                            document.RootElement.GetProperty("steps").GetInt32())
                        |> should equal more))

            testCase "an error that falls as c·n^(−b) is extrapolated; a few points, or none that falls, are not" (fun () ->
                let law (points: (float * float) list) = ErrorLaw.OfSecondHalf [| for n, error in points -> struct (n, error) |]
                let exact = [ for i in 1..20 -> 1000.0 * float i, 8.0 * (1000.0 * float i) ** -0.5 ]

                // What comes before the second half, and errors of zero, are left out.
                let fit = law ([ 1.0, 0.9; 2.0, 0.1 ] @ exact @ [ 21000.0, 0.0; 22000.0, 0.0 ]) |> Unchecked.nonNull

                fit.Points |> should equal 10
                exp fit.Intercept |> should (equalWithin 1e-9) 8.0
                fit.Slope |> should (equalWithin 1e-12) -0.5
                fit.High - fit.Low |> should (equalWithin 1e-9) 0.0
                ErrorLaw.Reaches(fit, 0.01) |> should (equalWithin 1e-3) 640000.0
                law (List.take 9 exact) |> isNull |> should equal false
                law (List.take 8 exact) |> isNull |> should equal true
                let rising = law [ for n, error in exact -> n, 0.001 / error ] |> Unchecked.nonNull
                ErrorLaw.Reaches(rising, 0.001) |> should equal infinity)

            testCase "several seeds: mean and Student's interval over the seeds; one seed: over its episodes; none: nothing" (fun () ->
                let of' (tests: CellTest list) = CellAccuracy.Of(Seq.ofList<CellTest | null> [ for one in tests -> one ]) |> Option.ofObj
                let test mean = CellTest(mean, 0.01, 10, 0)
                // Deviations ∓0.1: s² = 0.02, √(0.02/2) = 0.1; t₁ = tan(0.475π), t₂ = 0.95·√(2/(1 − 0.95²)).
                let two = (of' [ test 0.5; test 0.7 ]).Value
                two.Accuracy |> should (equalWithin 1e-12) 0.6
                two.HalfWidth95 |> should (equalWithin 1e-3) (0.1 * tan (0.475 * System.Math.PI))
                two.Seeds |> should equal 2
                let three = (of' [ test 0.5; test 0.6; test 0.7 ]).Value

                three.HalfWidth95
                |> should (equalWithin 1e-4) (0.1 / sqrt 3.0 * 0.95 * sqrt (2.0 / (1.0 - 0.95 ** 2.0)))

                Expect.equal (of' [ test 0.5 ]) (Some(CellAccuracy(0.5, 0.01, 1))) "one seed"
                Expect.equal (of' []) None "none")
        ]
