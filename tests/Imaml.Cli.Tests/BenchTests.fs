/// `imaml bench` and `imaml reproduce fig2b` on a tiny network: every measurement in a process of its own, rows that agree with each other,
/// mistakes in one line.
module Imaml.Cli.Tests.BenchTests

open System
open System.Collections.Generic
open System.Diagnostics
open System.IO
open System.Text.Json
open Expecto
open FsUnit
open Imaml.Cli.Benchmarks
open Imaml.Cli.Results
open Imaml.Math
open Imaml.Nets.Assumptions
open Imaml.Nets.Cost
open Imaml.Nets.Learning
open Imaml.Nets.LibTorch
open Imaml.Nets.Methods
open Imaml.Nets.Models
open Imaml.Nets.Runs
open Imaml.Nets.Tasks
open Imaml.Testing
open Imaml.Cli.Tests
open Imaml.Nets.Tests.DataFixtures

let private tiny = [ "--meta-batch"; "1"; "--steps"; "1"; "--filters"; "2"; "--threads"; "1" ]

let private succeed (arguments: string list) =
    let outcome = Imaml.run arguments

    if outcome.ExitCode <> 0 then
        failtest $"exit code {outcome.ExitCode}: {outcome.Errors}"

    outcome

let private refused exitCode (arguments: string list) (line: string) =
    let outcome = Imaml.run arguments
    outcome.ExitCode |> should equal exitCode
    outcome.Line |> should equal line

let private number (name: string) (element: JsonElement) = element.GetProperty(name).GetDouble()
let private text (name: string) (element: JsonElement) = string (element.GetProperty(name).GetString())
let private array (name: string) (element: JsonElement) = Seq.toList (element.GetProperty(name).EnumerateArray())

/// 10⁹ operations a second of matrix multiplication.
let private rate = 200.0

/// The row of a run with the setting's network: seconds a task and MiB.
let private row setting (methodName: string) innerSteps seconds (mib: int64) =
    let isMethod = methodName <> BenchRow.Gradient

    let experiment =
        BenchMethod
            .Of(if isMethod then methodName else BenchMethod.Imaml)
            .Experiment(BenchSetting.Of setting, Nullable(), innerSteps, 1, Nullable())

    let cost work flops = TaskCost(seconds, work, flops)

    let product =
        if isMethod then
            null
        else
            TaskCost(2.0 * seconds, TaskWork.OneHessianProduct, 2e9)

    let work =
        if isMethod then
            MeasuredWork.MetaStep
        else
            MeasuredWork.Gradient

    struct (BenchPlan(BenchSetting.Of setting, methodName, MeasurementRequest(experiment, 2, work, 1)),
            Measurement(1, cost TaskWork.OneGradient 1e9, 0L, Nullable(mib <<< 20), product, MatrixMultiplyGflops = rate))

/// The same measurement where the networks of three of four tasks diverged.
let private diverged (one: Measurement) =
    Measurement(
        one.ProcessId,
        one.Task,
        one.ResidentBytes,
        one.PeakBytes,
        one.HessianProduct,
        TaskStatuses(
            dict [ InnerStatus.StepLimit, 1; InnerStatus.NonFinite, 3 ] |> Dictionary,
            dict [ SolveStatus.StepLimit, 1; SolveStatus.NonFinite, 3 ] |> Dictionary,
            3
        ),
        TensorBytes = one.TensorBytes,
        MatrixMultiplyGflops = one.MatrixMultiplyGflops
    )

[<Tests>]
let tests =
    testList
        "imaml bench"
        [
            testCase "measures each row in a process of its own, and prints what it writes" (fun () ->
                inFolder (fun folder ->
                    let outcome =
                        succeed (
                            [
                                "bench"
                                "--settings"
                                "5w1s"
                                "--methods"
                                "imaml-gd"
                                "--inner-steps"
                                "4"
                                "--json"
                                "--out"
                                folder
                            ]
                            @ tiny
                        )

                    let printed = JsonDocument.Parse(outcome.Output).RootElement
                    let written = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "bench.json"))).RootElement
                    JsonElement.DeepEquals(printed, written) |> should equal true
                    let rows = array "rows" written

                    rows
                    |> List.map (fun row -> text "method" row, row.GetProperty("innerSteps").GetInt32())
                    |> should
                        equal
                        [
                            "gradient", 4
                            "hessian-product", 4
                            "imaml-gd", 4
                            "imaml-gd", 1
                            "imaml-gd", 100
                        ]

                    // The task of the meta-step that is timed has a status of each kind.
                    for row in rows |> List.filter (fun row -> text "method" row = "imaml-gd") do
                        for kind in [ "inner"; "linear" ] do
                            row.GetProperty("statuses").GetProperty(kind).EnumerateObject()
                            |> Seq.sumBy (fun one -> one.Value.GetInt32())
                            |> should equal 1

                        row.GetProperty("statuses").GetProperty("notFinite").GetInt32() |> should equal 0

                    outcome.Errors |> should haveSubstring "inner solves: 1 used the budget of 4 steps; linear solves: "
                    // A product is timed in its gradient's process.
                    rows |> List.distinctBy (number "processId") |> should haveLength 4
                    let rates = rows |> List.map (number "matrixMultiplyGflops")
                    let range = written.GetProperty "matrixMultiply"

                    (number "lowestGflops" range, number "highestGflops" range)
                    |> should equal (List.min rates, List.max rates)

                    for row in rows do
                        // A product's tensors are in its gradient's count.
                        if text "method" row <> "hessian-product" then
                            number "tensorBytes" row |> should be (greaterThan 0.0)

                        if OperatingSystem.IsLinux() then
                            let used = row.GetProperty "use"
                            number "cpuSeconds" used |> should be (greaterThan 0.0)
                            number "pageFaults" used |> should be (greaterThanOrEqualTo 0.0)

                        let gflops = number "gflops" row
                        gflops |> should be (greaterThan 0.0)

                        Expect.floatClose Accuracy.high gflops (number "flopsPerTask" row / number "secondsPerTask" row / 1e9) "GFLOP/s"

                        Expect.floatClose
                            Accuracy.high
                            (number "fractionOfMatrixMultiply" row)
                            (gflops / number "matrixMultiplyGflops" row)
                            "the fraction"

                    Expect.stringStarts (text "version" (written.GetProperty "provenance")) "0." "the version"
                    let instructions = text "processor" ((written.GetProperty "provenance").GetProperty "instructionSet")
                    File.ReadAllText(Path.Combine(folder, "bench.md")) |> should haveSubstring $"({instructions}"

                    File.ReadAllLines(Path.Combine(folder, "bench.md"))
                    |> Array.filter (fun line -> line.StartsWith "| 5w1s |")
                    |> should haveLength rows.Length))

            testCase "holds iMAML against its targets, in the worst setting" (fun () ->
                let rows =
                    BenchRow.Of(
                        [|
                            row "5w1s" BenchRow.Gradient (Nullable()) 0.002 10L
                            row "5w1s" "imaml-gd" (Nullable()) 0.04 20L
                            row "5w1s" "imaml-gd" (Nullable 1) 0.01 20L
                            row "5w1s" "imaml-gd" (Nullable 100) 0.1 20L
                            row "20w5s" BenchRow.Gradient (Nullable()) 0.02 10L
                            row "20w5s" "imaml-gd" (Nullable()) 0.1 50L
                            row "20w5s" "imaml-gd" (Nullable 1) 0.1 100L
                            row "20w5s" "imaml-gd" (Nullable 100) 0.1 103L
                            row "20w5s" "maml" (Nullable()) 9.0 900L
                            row BenchSetting.MiniImageNet "imaml-gd" (Nullable()) 0.00625 40L
                        |]
                    )

                // 1 GFLOP in 0.04, 0.1 and 0.00625 s is 25, 10 and 160 GFLOP/s, of 200. 20 MiB by two threads.
                [
                    for target in BenchTarget.Of rows -> target.Setting, Math.Round(target.Measured, 6), target.Verdict
                ]
                |> should
                    equal
                    [
                        "5w1s", 0.125, "missed"
                        "20w5s", 0.05, "missed"
                        "mini-5w1s", 0.8, "aim"
                        "5w1s", 10.0, "aim"
                        "20w5s", 1.03, "must"
                        "20w5s", 5.0, "missed"
                        "5w1s", 2.0, "aim"
                    ])

            testCase "a row of networks that did not stay finite is marked, and held against no target" (fun () ->
                let struct (plan, measured) = row "5w1s" "imaml-gd" (Nullable()) 0.04 20L
                let rows = BenchRow.Of [| struct (plan, diverged measured) |]
                Seq.length (BenchTarget.Of rows) |> should equal 0

                let file =
                    BenchFile(
                        BenchOptions([| "5w1s" |], [| "imaml-gd" |], Nullable(), Nullable(), 1, Nullable(), 2, "cpu", false),
                        Provenance.WithoutLibTorch(),
                        1.0,
                        MatrixMultiplyRange.Of rows,
                        BenchTarget.Of rows,
                        rows,
                        [||]
                    )

                BenchReport.Markdown file
                |> says
                    [
                        "| 3 of 4 |"
                        "not finite: 5w1s imaml-gd, inner steps 16: inner solves: 1 used the budget of 16 steps, 3 non finite; linear solves: 1 used the budget of 5 steps, 3 non finite"
                    ])

            testCase "a point of networks that did not stay finite is in no slope" (fun () ->
                let point steps =
                    Figure2bPoint(
                        "maml",
                        steps,
                        Measurement(
                            1,
                            TaskCost(1.0, TaskWork.OneGradient, 1.0),
                            0L,
                            Nullable(1L <<< 20),
                            TensorBytes = Nullable(int64 steps <<< 20)
                        )
                    )

                let wrong =
                    Figure2bPoint(
                        "maml",
                        100,
                        diverged (
                            Measurement(
                                1,
                                TaskCost(1.0, TaskWork.OneGradient, 1.0),
                                0L,
                                Nullable(1L <<< 20),
                                TensorBytes = Nullable(1L <<< 20)
                            )
                        )
                    )

                let one = Figure2bSummary.Of [ point 1; point 2; wrong ] |> Seq.exactlyOne
                one.MostInnerSteps |> should equal 2
                Expect.floatClose Accuracy.high one.MibPerInnerStep 1.0 "MiB a step")

            testCase "what is not measured has no target" (fun () ->
                BenchTarget.Of(BenchRow.Of [| row "5w5s" "maml" (Nullable()) 0.1 1L |])
                |> Seq.length
                |> should equal 0)

            testCase "the options of every method in every setting are those of a run" (fun () ->
                for setting in BenchSetting.All do
                    for one in BenchMethod.All do
                        for innerSteps in [ Nullable(); Nullable 1 ] do
                            let run = one.Experiment(setting, Nullable(), innerSteps, 1, Nullable 2)
                            run.Validate()
                            // A measuring process reads it from its command line.
                            nonNull (
                                JsonSerializer.Deserialize<Experiment>(JsonSerializer.Serialize(run, RunJson.Options), RunJson.Options)
                            )
                            |> should equal run)

            testCase "names that are not known, and numbers that make no sense, are one line and exit code 2" (fun () ->
                refused
                    2
                    [ "bench"; "--methods"; "imaml-gd"; "imaml" ]
                    "imaml: --methods: imaml is not one of imaml-gd, imaml-hf, imaml-nesterov, maml, maml-recompute, truncated, fomaml, reptile, meta-sgd (did you mean maml?); see `imaml bench --help`"

                refused
                    2
                    [ "bench"; "--settings"; "5w2s" ]
                    "imaml: --settings: 5w2s is not one of 5w1s, 5w5s, 20w1s, 20w5s, mini-5w1s (did you mean 5w1s?); see `imaml bench --help`"

                refused 2 [ "bench"; "--steps"; "0" ] "imaml: --steps must be at least 1, not 0; see `imaml bench --help`"
                refused 2 [ "bench"; "--meta-batch"; "0" ] "imaml: --meta-batch must be at least 1, not 0; see `imaml bench --help`"

                refused
                    2
                    [ "reproduce"; "fig2b"; "--inner-steps"; "1"; "0" ]
                    "imaml: --inner-steps must be at least 1, not 0; see `imaml reproduce fig2b --help`"

                refused
                    2
                    [ "reproduce"; "fig2b"; "--most-memory"; "0" ]
                    "imaml: --most-memory must be at least 1, not 0; see `imaml reproduce fig2b --help`")

            testCase "a measurement that fails says why in one line" (fun () ->
                refused 2 [ MeasuringProcess.Command; "{}" ] "imaml: the request has no experiment"

                // φ − θ grows by 1 − 2·10 = −19 a step, 60 times: beyond single precision.
                let diverging =
                    MeasurementRequest(
                        Experiment(
                            ImageEpisodes(ImageEpisodes.Glyphs, ImageEpisodes.SeededSplit, 0, 5, 1, 1),
                            StridedConvolutions 2,
                            FirstOrder(Inner.GradientDescent(60, Nullable 10.0), Nullable 2.0),
                            Outer.Adam(1e-3, Schedule.Constant),
                            Budget(2, 2),
                            1UL
                        ),
                        1,
                        MeasuredWork.MetaStep,
                        1
                    )

                let outcome =
                    Imaml.run
                        [
                            MeasuringProcess.Command
                            JsonSerializer.Serialize(diverging, RunJson.Options)
                        ]

                outcome.ExitCode |> should equal 1
                outcome.Line |> should haveSubstring "no task has a finite meta-gradient"

                let outcome = Imaml.runWith [ "IMAML_LIBTORCH", "/nowhere" ] ([ "bench"; "--settings"; "5w1s" ] @ tiny)

                outcome.ExitCode |> should equal 1
                outcome.Line |> should haveSubstring "libtorch")

            testCase "stopped, it writes nothing and says so" (fun () ->
                inFolder (fun folder ->
                    let target = Path.Combine(folder, "new")
                    use running = Imaml.start [] ([ "bench"; "--settings"; "5w1s"; "--out"; target ] @ tiny)
                    // One measurement is done, the next one begins.
                    string (running.StandardError.ReadLine()) |> should haveSubstring "gradient"
                    // As Ctrl-C does; but a background job may have been told to ignore SIGINT.
                    use kill = Process.Start("kill", [ "-TERM"; string running.Id ])
                    kill.WaitForExit()
                    running.StandardError.ReadToEnd() |> should haveSubstring "imaml: stopped"
                    running.WaitForExit()
                    running.ExitCode |> should equal 130
                    Directory.Exists target |> should equal false))

            testCase "fig2b writes a row and a point for each method and number of inner steps, and the slopes" (fun () ->
                inFolder (fun folder ->
                    let outcome =
                        succeed (
                            [
                                "reproduce"
                                "fig2b"
                                "--methods"
                                "imaml-gd"
                                "maml"
                                "--inner-steps"
                                "3"
                                "1"
                                "--json"
                                "--out"
                                folder
                            ]
                            @ tiny
                        )

                    Directory.GetFiles folder
                    |> Array.map (fun path -> string (Path.GetFileName path))
                    |> set
                    |> should equal (set [ "fig2b.csv"; "fig2b.json"; "fig2b.pdf"; "fig2b.png"; "fig2b.svg" ])

                    // From the file alone it is the same picture.
                    let picture () = File.ReadAllBytes(Path.Combine(folder, "fig2b.png"))
                    let drawn = picture ()
                    File.Delete(Path.Combine(folder, "fig2b.png"))
                    (Imaml.run [ "redraw"; folder ]).ExitCode |> should equal 0
                    picture () |> should equal drawn

                    let written = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "fig2b.json"))).RootElement
                    JsonElement.DeepEquals(JsonDocument.Parse(outcome.Output).RootElement, written) |> should equal true

                    array "points" written
                    |> List.distinctBy (fun point -> number "processId" (point.GetProperty "measured"))
                    |> should haveLength 4

                    array "summary" written |> List.map (text "method") |> should equal [ "imaml-gd"; "maml" ]

                    let rows =
                        File.ReadAllLines(Path.Combine(folder, "fig2b.csv")) |> Array.map (fun line -> line.Split ',')

                    rows[0]
                    |> should
                        equal
                        [|
                            "method"
                            "inner_steps"
                            "ways"
                            "shots"
                            "meta_batch"
                            "tensor_mib"
                            "peak_mib"
                            "resident_mib"
                            "seconds_per_task"
                            "gflop_per_task"
                            "gradients"
                            "hessian_products"
                            "not_finite"
                        |]

                    // iMAML: a gradient a step and one at φ, a product for the first length and five for the solve. MAML: back through every step,
                    // of which the last linearization is that at φ.
                    [ for row in rows[1..] -> row[0], row[1], row[2], row[10], row[11] ]
                    |> should
                        equal
                        [
                            "imaml-gd", "1", "20", "2", "6"
                            "imaml-gd", "3", "20", "4", "6"
                            "maml", "1", "20", "3", "1"
                            "maml", "3", "20", "7", "3"
                        ]))

            testCase "fig2b omits a point that needs more memory than allowed, and reports it" (fun () ->
                inFolder (fun folder ->
                    // Less than the program itself needs.
                    let outcome =
                        succeed (
                            [
                                "reproduce"
                                "fig2b"
                                "--methods"
                                "maml"
                                "--inner-steps"
                                "2"
                                "--most-memory"
                                "20"
                                "--out"
                                folder
                            ]
                            @ tiny
                        )

                    outcome.Output
                    |> should haveSubstring "1 of 1 points are not measured: 20 MiB of memory are not enough"

                    let rows = File.ReadAllLines(Path.Combine(folder, "fig2b.csv"))
                    rows[1] |> should equal "maml,2,20,5,1,,,,,,,,"))

            testCase "fig2b's slopes are those of straight lines" (fun () ->
                let point steps =
                    Figure2bPoint(
                        "maml",
                        steps,
                        Measurement(
                            1,
                            TaskCost(0.5 + 0.25 * float steps, TaskWork.OneGradient, 1.0),
                            0L,
                            // The process's peak says little: here it falls.
                            Nullable((100L - int64 steps) <<< 20),
                            TensorBytes = Nullable((10L + 3L * int64 steps) <<< 20)
                        )
                    )

                let one =
                    Figure2bSummary.Of [ point 10; point 1; point 4; Figure2bPoint("maml", 100, null) ]
                    |> Seq.exactlyOne

                (one.FewestInnerSteps, one.MostInnerSteps) |> should equal (1, 10)
                Expect.floatClose Accuracy.high one.MibPerInnerStep 3.0 "MiB a step"
                Expect.floatClose Accuracy.high one.SecondsPerInnerStep 0.25 "seconds a step"
                Expect.floatClose Accuracy.high one.MemoryRatio (40.0 / 13.0) "the ratio")
        ]
