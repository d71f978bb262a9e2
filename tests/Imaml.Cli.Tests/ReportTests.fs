/// imaml report, show and runs: the numbers are those of the files, nothing in a file becomes markup, the page needs no network.
module Imaml.Cli.Tests.ReportTests

open System
open System.Collections.Generic
open System.Diagnostics
open System.IO
open System.Net
open System.Security.Cryptography
open System.Text
open System.Text.Json
open System.Text.Json.Nodes
open System.Text.RegularExpressions
open Expecto
open FsUnit
open Imaml.Cli
open Imaml.Cli.Reports
open Imaml.Math
open Imaml.Nets.Learning
open Imaml.Nets.Methods
open Imaml.Nets.Models
open Imaml.Nets.Runs
open Imaml.Nets.Tasks
open Imaml.Testing

let private experiment = ExperimentFile.Parse(ExperimentFile.PresetText "glyphs-5w1s/imaml-gd")

let private inner (counts: (InnerStatus * int) list) = Dictionary(dict counts) :> IReadOnlyDictionary<_, _>
let private linear (counts: (SolveStatus * int) list) = Dictionary(dict counts) :> IReadOnlyDictionary<_, _>

let private validation metaStep accuracy =
    CurveLine(
        metaStep,
        int64 (4 * metaStep),
        0.25 * float metaStep,
        Nullable accuracy,
        Nullable(),
        0.0123,
        0.5,
        0.25,
        30.0 + float metaStep,
        0,
        0,
        inner [ InnerStatus.StepLimit, 200 ]
    )

/// A meta-step of 4 tasks whose figures depend on its number.
let private step (metaStep: int) =
    StepReport(
        metaStep,
        int64 (4 * metaStep),
        1.0 / float metaStep,
        0.5,
        0.25,
        float (metaStep % 97),
        nan,
        float (metaStep % 89),
        1.0,
        metaStep % 3,
        0,
        Ended =
            TaskStatuses(
                inner [ InnerStatus.StepLimit, 3; InnerStatus.Stalled, 1 ],
                linear [ SolveStatus.StepLimit, 2; SolveStatus.NonPositiveCurvature, 2 ],
                0
            )
    )

let private writeLines (path: string) (lines: 'a seq) =
    File.WriteAllLines(path, lines |> Seq.map (fun line -> JsonSerializer.Serialize(line, RunJson.Options)))

/// A run's folder with this experiment, these validations and a log of so many meta-steps.
let private write (folder: string) (experiment: Experiment) (curve: CurveLine list) (metaSteps: int) =
    let run = RunFolder folder
    Directory.CreateDirectory folder |> ignore
    RunFolder.WriteJson(run.DescriptionPath, experiment)
    writeLines run.CurvePath curve

    if metaSteps > 0 then
        writeLines run.ProgressPath [ for i in 1..metaSteps -> ProgressLine(i, float i, step i) ]

let private evaluate (folder: string) (seed: uint64) (accuracies: float list) =
    let mean, half = List.average accuracies, 0.01

    let result =
        EvaluationResult(
            experiment,
            null,
            "glyphs, so many ways (images 0123, classes 4567)",
            Provenance.WithoutLibTorch(),
            100,
            ClassPart.Test,
            seed,
            Nullable 16,
            accuracies.Length,
            Nullable mean,
            Nullable(),
            half,
            0,
            inner [ InnerStatus.StepLimit, accuracies.Length ],
            0.1,
            1.0,
            0.01,
            List.toArray accuracies,
            null,
            BatchNormalization = Nullable BatchNormMode.Transductive
        )

    RunFolder.WriteJson(Path.Combine(folder, result.FileName), result)

let private page (folders: string list) = ReportPage.Render [| for folder in folders -> RunContents.Read folder |]

/// The diagrams' data in a page.
let private charts (html: string) =
    let found =
        Regex.Match(html, "<script type=\"application/json\" id=\"report-data\">(.*?)</script>", RegexOptions.Singleline)

    JsonDocument.Parse(found.Groups[1].Value).RootElement

let private firstSeries (html: string) =
    let chart = (charts html).[0]
    let series = chart.GetProperty "series"
    series.[0]

let private numbers (name: string) (series: JsonElement) =
    [
        for one in series.GetProperty(name).EnumerateArray() ->
            if one.ValueKind = JsonValueKind.Null then
                nan
            else
                one.GetDouble()
    ]

/// Throws in one line that holds this text, for this exit code.
let private refusesWith (code: int) (text: string) (read: unit -> 'a) =
    let failure =
        try
            read () |> ignore
            null
        with e ->
            Failure.Of e

    match failure with
    | null -> failtest $"nothing was wrong, where '{text}' was expected"
    | said ->
        said.ExitCode |> should equal code
        said.Message |> should haveSubstring text
        Expect.isFalse (said.Message.Contains '\n') said.Message

let private refuses (text: string) (read: unit -> 'a) = refusesWith ExitCode.Failed text read

/// The page after its script, which fails the test where it fails.
let private inBrowser (folder: string) (html: string) =
    let file = Path.Combine(folder, "page.html")
    File.WriteAllText(file, html)

    let browser =
        ProcessStartInfo(
            "chromium",
            [
                "--headless"
                "--no-sandbox"
                "--disable-gpu"
                $"--user-data-dir={folder}/profile"
                "--enable-logging=stderr"
                "--virtual-time-budget=5000"
                "--dump-dom"
                $"file://{file}"
            ],
            RedirectStandardOutput = true,
            RedirectStandardError = true
        )

    use running = Process.Start browser |> nonNull
    let said = running.StandardError.ReadToEndAsync()
    let drawn = running.StandardOutput.ReadToEnd()
    running.WaitForExit()
    Expect.isFalse (said.Result.Contains ":CONSOLE:") said.Result
    drawn

[<Tests>]
let pages =
    testList
        "Report"
        [
            testCase "a run whose summary is of fewer tasks than it was asked for is not finished" (fun () ->
                inFolder (fun folder ->
                    write folder experiment [] 0
                    let batch, asked = experiment.Budget.MetaBatch, experiment.Budget.MetaSteps

                    let summary metaSteps =
                        TrainingSummary(
                            experiment,
                            Provenance.WithoutLibTorch(),
                            1,
                            int64 metaSteps * int64 batch,
                            1.0,
                            0.1,
                            TaskStatuses(inner [ InnerStatus.StepLimit, batch ], linear [ SolveStatus.StepLimit, batch ], 0),
                            1L
                        )

                    for made, state in [ asked, "finished"; asked - 1, $"stopped at {asked - 1}" ] do
                        RunFolder.WriteJson((RunFolder folder).SummaryPath, summary made)
                        (RunContents.Read folder).State |> should equal state))

            testCase "nothing that a file or a folder's name says becomes markup" (fun () ->
                inFolder (fun folder ->
                    let bad = "</script><script>alert(1)</script><img onerror='x' src=\"y\">&amp;\u0000\u202e"
                    let run = Path.Combine(folder, "<b>run & 'it'<")

                    write
                        run
                        (Experiment(
                            experiment.Tasks,
                            experiment.Network,
                            experiment.Method,
                            experiment.Outer,
                            experiment.Budget,
                            1UL,
                            bad
                        ))
                        [ validation 10 0.5 ]
                        3

                    File.WriteAllText(Path.Combine(run, "evaluation-<i>.json"), "{}")
                    let html = page [ run ]

                    for markup in [ "<script>alert"; "<img"; "<b>run"; "<i>"; "\u0000" ] do
                        Expect.isFalse (html.Contains(markup, StringComparison.Ordinal)) $"{markup} is in the page"

                    Regex.Matches(html, "<script").Count |> should equal 2

                    html
                    |> should
                        haveSubstring
                        "&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;img onerror=&#39;x&#39; src=&quot;y&quot;&gt;&amp;amp;"

                    string ((firstSeries html).GetProperty("name").GetString()) |> should equal "<b>run & 'it'<"))

            testCase "the page names no address but SVG's namespace, and lets no script run but its own" (fun () ->
                inFolder (fun folder ->
                    write (Path.Combine(folder, "run")) experiment [ validation 10 0.5 ] 3
                    let html = page [ Path.Combine(folder, "run") ]

                    [ for one in Regex.Matches(html, "[a-z]+://[^\"' ]*") -> one.Value ]
                    |> should equal [ "http://www.w3.org/2000/svg" ]

                    for request in
                        [
                            " src="
                            " href="
                            "@import"
                            "url(h"
                            "fetch("
                            "XMLHttpRequest"
                            "innerHTML"
                            "eval("
                        ] do
                        Expect.isFalse (html.Contains(request, StringComparison.Ordinal)) $"{request} is in the page"

                    let script = Regex.Match(html, "<script>(.*?)</script>", RegexOptions.Singleline).Groups[1].Value
                    let hash = Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes script))

                    html
                    |> should haveSubstring $"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{hash}'"))

            Needs.unlessLacking
                (Needs.lackOf "chromium" "chromium")
                "a browser draws every diagram of the page, without an error"
                (fun () ->
                    inFolder (fun folder ->
                        write (Path.Combine(folder, "run")) experiment [ for i in 1..20 -> validation (10 * i) (0.04 * float i) ] 200
                        let html = page [ Path.Combine(folder, "run") ]
                        let drawn = inBrowser folder html
                        let diagrams = (charts html).GetArrayLength()
                        diagrams |> should be (greaterThan 3)

                        Regex.Matches(drawn, "<svg tabindex=\"0\" role=\"img\" aria-label=\"[^\"]+\"").Count
                        |> should equal diagrams))

            Needs.unlessLacking
                (Needs.lackOf "chromium" "chromium")
                "the curves of many runs differ in colour or marker, those of long logs too, and the table of runs has the same markers"
                (fun () ->
                    inFolder (fun folder ->
                        let runs = [ for i in 10..29 -> Path.Combine(folder, $"run{i}") ]

                        for run in runs do
                            write run experiment [ validation 10 0.5; validation 20 0.6 ] 100

                        let drawn = inBrowser folder (page runs)
                        // Colour and shape, without places.
                        let marks (svg: string) =
                            [
                                for one in
                                    Regex.Matches(svg, "<(circle|rect|path) [^>]*fill=\"(#[0-9a-f]+)\"[^>]*stroke=\"(#[0-9a-f]+)\"") ->
                                    let shape = Regex.Match(one.Value, " d=\"M[-0-9. ]+([a-z]).*?(h|z)").Groups[2].Value
                                    one.Groups[1].Value + shape, one.Groups[2].Value, one.Groups[3].Value
                            ]

                        let each pattern =
                            [
                                for one in Regex.Matches(drawn, pattern, RegexOptions.Singleline) -> one.Groups[1].Value
                            ]

                        let keys = each "<span class=\"key\"[^>]*>(.*?)</span>" |> List.collect marks
                        keys |> should haveLength 20
                        keys |> List.distinct |> should haveLength 20

                        let figures =
                            each "<figure (.*?)</figure>"
                            |> List.map (fun figure ->
                                let legend = figure.IndexOf("class=\"legend\"", StringComparison.Ordinal)
                                marks figure[.. legend - 1], marks figure[legend..])

                        for curves, legend in figures do
                            legend |> List.distinct |> should haveLength legend.Length
                            // Every name in the legend has its marker at its curve.
                            set curves |> should equal (set legend)

                        snd figures[0] |> should equal keys))

            testCase "the note of an experiment is under the table of the runs, once" (fun () ->
                inFolder (fun folder ->
                    write (Path.Combine(folder, "run")) experiment [ validation 10 0.5 ] 3
                    let note = string (WebUtility.HtmlEncode(nonNull experiment.Note))
                    Regex.Matches(page [ Path.Combine(folder, "run") ], Regex.Escape note).Count |> should equal 1))

            testCase "the numbers are those of the files: a run of an earlier version that is in the repository" (fun () ->
                let folder = Path.Combine((Repository.root ()), "results", "omniglot-5w1s")
                let html = page [ folder ]

                let lines =
                    [
                        for line in File.ReadLines(Path.Combine(folder, "curve.jsonl")) -> JsonDocument.Parse(line).RootElement
                    ]

                let series = firstSeries html

                for field, name in
                    [
                        "metaStep", "step"
                        "seconds", "seconds"
                        "accuracy", "value"
                        "halfWidth95", "halfWidth"
                    ] do
                    numbers name series |> should equal [ for line in lines -> line.GetProperty(field).GetDouble() ]

                for line in lines do
                    let percent (field: string) = (100.0 * line.GetProperty(field).GetDouble()).ToString "F2"
                    let accuracy, half = percent "accuracy", percent "halfWidth95"
                    string (WebUtility.HtmlDecode html) |> should haveSubstring $"{accuracy} ± {half} %%"

                // Its options are shown as they are.
                html |> should haveSubstring "<code>options.innerSteps</code>"
                html |> should haveSubstring "7,000 of 7,000")

            testCase "options of two runs stand side by side, and those that differ are marked" (fun () ->
                inFolder (fun folder ->
                    let at name = Path.Combine(folder, name)
                    write (at "one") experiment [] 0

                    write
                        (at "two")
                        (Experiment(
                            experiment.Tasks,
                            experiment.Network,
                            experiment.Method.WithInnerSteps 7,
                            experiment.Outer,
                            experiment.Budget,
                            2UL,
                            experiment.Note
                        ))
                        []
                        0

                    let rows = OptionRow.Of [| for name in [ "one"; "two" ] -> (RunContents.Read(at name)).Description |]
                    let differing = rows |> Seq.filter _.Differs |> Seq.map _.Path |> Set.ofSeq
                    differing |> should equal (set [ "method.inner.steps"; "seed" ])
                    let html = page [ at "one"; at "two" ]
                    Regex.Matches(html, "<tr class=\"differs\">").Count |> should equal 2
                    html |> should haveSubstring "<tr class=\"differs\"><td><code>seed</code> ≠</td>"))

            testCase "runs are compared on the same episodes only, by their paired difference" (fun () ->
                inFolder (fun folder ->
                    let at name = Path.Combine(folder, name)
                    let first, second = [ 0.9; 0.8; 0.7; 1.0 ], [ 0.8; 0.8; 0.5; 0.9 ]

                    for name, seed, accuracies in [ "one", 1UL, first; "two", 1UL, second; "three", 2UL, second ] do
                        write (at name) experiment [] 0
                        evaluate (at name) seed accuracies

                    let found =
                        EpisodeComparison.Of [| for name in [ "one"; "two"; "three" ] -> RunContents.Read(at name) |]
                        |> List.ofSeq

                    found |> List.map (fun one -> one.First.Name, one.Second.Name) |> should equal [ "one", "two" ]
                    let expected = PairedDifference.Of(List.toArray first, List.toArray second)
                    found[0].Difference |> should equal expected
                    // (0.1 + 0 + 0.2 + 0.1) / 4
                    expected.Mean |> should (equalWithin 1e-12) 0.1
                    string (WebUtility.HtmlDecode(page [ at "one"; at "two" ])) |> should haveSubstring "+10.00 ± "

                    page [ at "one"; at "three" ]
                    |> should haveSubstring "No two runs were evaluated on the same episodes"))

            testCase "a long log is thinned: equally long stretches with the same means, maxima and sums" (fun () ->
                inFolder (fun folder ->
                    let path = Path.Combine(folder, "progress.jsonl")
                    let count = 4096
                    writeLines path [ for i in 1..count -> ProgressLine(i, float i, step i) ]
                    let log = TrainingLog.Read(path, 32)
                    let points = List.ofSeq log.Points
                    points.Length |> should be (lessThanOrEqualTo 64)
                    points |> List.map _.Steps |> List.distinct |> should haveLength 1
                    points |> List.sumBy _.Steps |> should equal count
                    let last = List.last points
                    (last.MetaStep, last.Seconds) |> should equal (count, float count)

                    // Means of at most 4096 numbers below 1: an error of 4096 roundings.
                    points
                    |> List.averageBy _.Step.OuterLoss
                    |> should (equalWithin 1e-12) (List.average [ for i in 1..count -> 1.0 / float i ])

                    points |> List.map _.Step.InnerGradientNorm |> List.max |> should equal 96.0

                    points
                    |> List.sumBy _.Step.NonPositiveCurvature
                    |> should equal (List.sum [ for i in 1..count -> i % 3 ])

                    match log.Ended with
                    | null -> failtest "the log's lines say how the solves ended"
                    | ended ->
                        ended.Inner[InnerStatus.Stalled] |> should equal count
                        ended.Linear[SolveStatus.StepLimit] |> should equal (2 * count)

                    // Few lines are not thinned.
                    Seq.length (TrainingLog.Read(path, count)).Points |> should equal count))

            testCase "a line of several meta-steps replaces the shorter one before it, as in a run that was stopped" (fun () ->
                inFolder (fun folder ->
                    let path = Path.Combine(folder, "progress.jsonl")

                    writeLines
                        path
                        [
                            ProgressLine(10, 1.0, step 10, Nullable(), 10)
                            ProgressLine(14, 1.4, step 14, Nullable(), 4)
                            ProgressLine(20, 2.0, step 20, Nullable(), 10)
                        ]

                    [ for point in (TrainingLog.Read path).Points -> point.MetaStep, point.Steps ]
                    |> should equal [ 10, 10; 20, 10 ]))

            testCase "a damaged file that is no log is named, and all else is shown" (fun () ->
                inFolder (fun folder ->
                    let run = Path.Combine(folder, "run")
                    write run experiment [ validation 10 0.5 ] 3

                    for name in [ "provenance.json"; "training.json"; "evaluation-test.json" ] do
                        for text in [ ""; "{"; "[]"; "null" ] do
                            File.WriteAllText(Path.Combine(run, name), text)
                            (RunContents.Read run).NotRead |> should equal [| name |]

                        for command in [ "show"; "report" ] do
                            let shown = Imaml.run [ command; run ]
                            shown.ExitCode |> should equal 0

                        (Imaml.run [ "show"; run ]).Output.ReplaceLineEndings " " |> should haveSubstring name
                        File.Delete(Path.Combine(run, name))))

            testCase
                "an empty folder, a damaged file and a damaged line are one line that names them; a torn last line is no damage"
                (fun () ->
                    inFolder (fun folder ->
                        let run = Path.Combine(folder, "run")
                        let at name = Path.Combine(run, name)
                        refusesWith ExitCode.Usage "there is no folder" (fun () -> RunContents.Read run)
                        Directory.CreateDirectory run |> ignore
                        refuses "holds no run (run.json is missing)" (fun () -> RunContents.Read run)

                        for text in [ ""; "{"; "[]"; "null"; "{\"seed\":1" ] do
                            File.WriteAllText(at "run.json", text)
                            refuses "run.json is damaged" (fun () -> RunContents.Read run)

                        write run experiment [ validation 10 0.5; validation 20 0.6 ] 3
                        let curve = File.ReadAllText(at "curve.jsonl")
                        File.WriteAllText(at "curve.jsonl", curve + "{\"metaStep\":30,\"acc")
                        Seq.length (RunContents.Read run).Curve |> should equal 2

                        for line in [ "x"; "{}"; "null"; "[1]"; "{\"metaStep\":\"a\"}" ] do
                            File.WriteAllText(at "curve.jsonl", line + "\n" + curve)
                            refuses "curve.jsonl: line 1 is damaged" (fun () -> RunContents.Read run)

                        for whole, damaged in
                            [
                                "\"accuracy\":0.5", "\"accuracy\":1e308"
                                "\"accuracy\":0.5", "\"accuracy\":-3"
                                "\"halfWidth95\":0.0123", "\"halfWidth95\":-5"
                                "\"metaStep\":10", "\"metaStep\":20"
                                "\"seconds\":2.5", "\"seconds\":1e308"
                            ] do
                            curve |> should haveSubstring whole
                            File.WriteAllText(at "curve.jsonl", curve.Replace(whole, damaged))
                            refuses "curve.jsonl: line " (fun () -> RunContents.Read run)

                        File.WriteAllText(at "curve.jsonl", curve)
                        let log = File.ReadAllLines(at "progress.jsonl")

                        for damaged in [ "\"ended\":{}"; "\"ended\":{\"inner\":null,\"linear\":{},\"notFinite\":0}" ] do
                            let first = (nonNull (JsonNode.Parse log[0])).AsObject()
                            (nonNull first["step"]).AsObject().Remove "ended" |> ignore
                            let text = first.ToJsonString().Replace("\"step\":{", $"\"step\":{{{damaged},")
                            File.WriteAllLines(at "progress.jsonl", Array.append [| text |] log)
                            refuses "progress.jsonl: line 1 is damaged" (fun () -> RunContents.Read run)

                        File.WriteAllLines(at "progress.jsonl", log)
                        let described = File.ReadAllText(at "run.json")
                        File.WriteAllText(at "run.json", described.Replace("\"seed\"", "\"\\ud800\": 1, \"seed\""))
                        refuses "run.json is damaged" (fun () -> RunContents.Read run)
                        File.WriteAllText(at "run.json", described)

                        File.WriteAllText(at "progress.jsonl", "\n\n")
                        refuses "progress.jsonl: line 1 is damaged" (fun () -> RunContents.Read run)
                        // A run that has begun and has nothing yet is a page and a few lines.
                        File.Delete(at "progress.jsonl")
                        File.Delete(at "curve.jsonl")
                        page [ run ] |> should haveSubstring "There is no curve"

                        RunLines.Show(RunContents.Read run, 80)
                        |> String.concat "\n"
                        |> should haveSubstring "no validation and no log"))

            testCase "a run that validates nothing says so; one that will has no validation yet" (fun () ->
                inFolder (fun folder ->
                    for every, title in
                        [
                            0, "the run is not validated; query loss"
                            50, "no validation yet; query loss"
                        ] do
                        let run = Path.Combine(folder, $"{every}")

                        let described =
                            ExperimentFile.Write(experiment).Replace("\"validateEvery\": 100", $"\"validateEvery\": {every}")

                        write run (ExperimentFile.Parse described) [] 3
                        RunLines.Show(RunContents.Read run, 80) |> String.concat "\n" |> should haveSubstring title))

            testCase "an evaluation is shown by the images that it was made on, wherever they are now" (fun () ->
                inFolder (fun folder ->
                    let run = Path.Combine(folder, "run")
                    write run experiment [] 3
                    evaluate run 1UL [ 0.5; 0.75 ]

                    let shown tasks =
                        RunFolder.WriteJson((RunFolder run).OriginPath, RunOrigin(tasks, null, Provenance.WithoutLibTorch()))
                        let contents = RunContents.Read run
                        contents.Evaluations.Count, contents.NotRead.Count

                    // Other ways, and the same images and classes.
                    shown "glyphs, 2-way (images 0123, classes 4567)" |> should equal (1, 0)
                    shown "glyphs, so many ways (images 0123, classes 89ab)" |> should equal (0, 1)))

            testCase "a run that diverged is called that, with the reason" (fun () ->
                inFolder (fun folder ->
                    let run = Path.Combine(folder, "run")
                    write run experiment [] 3

                    File.WriteAllText(
                        Path.Combine(run, "diverged.json"),
                        """{"metaStep": 3, "message": "no task has a finite meta-gradient"}"""
                    )

                    (RunContents.Read run).State |> should equal "diverged at 3"

                    RunLines.Show(RunContents.Read run, 80)
                    |> Seq.exists _.Contains("diverged: no task has a finite meta-gradient")
                    |> should equal true))

            testCase "a run is running while its lock is held, and not when a killed process left the file" (fun () ->
                inFolder (fun folder ->
                    let run = Path.Combine(folder, "run")
                    write run experiment [] 3
                    let state () = (RunContents.Read run).State

                    let held =
                        new FileStream(Path.Combine(run, "lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None)

                    state () |> should equal "running"
                    held.Dispose()

                    File.Exists(Path.Combine(run, "lock")) |> should equal true
                    state () |> should equal "stopped at 3"))
        ]

[<Tests>]
let terminal =
    // A path is whole, on a line of its own.
    let fits width (line: string) =
        if line.Trim().Contains ' ' then
            Expect.isLessThanOrEqual line.Length width line

    testList
        "Show"
        [
            testCase "the curve fits any width, and says where its points are" (fun () ->
                inFolder (fun folder ->
                    let run = Path.Combine(folder, "a-run-with-a-long-name-that-does-not-fit-into-twenty-columns")

                    write
                        run
                        experiment
                        [
                            for i in 1..30 -> validation (100 * i) (0.5 + 0.4 * (1.0 - exp (-float i / 6.0)))
                        ]
                        20

                    evaluate run 1UL [ 0.5; 0.75 ]

                    for width in [ 20; 40; 80; 160 ] do
                        let lines = List.ofSeq (RunLines.Show(RunContents.Read run, width))

                        for line in lines do
                            fits width line
                            Expect.isFalse (line |> Seq.exists Char.IsControl) line

                        let text = String.concat " " (lines |> List.map _.Trim())
                        // As many points as there are columns for.
                        let marked = text |> Seq.filter ((=) '*') |> Seq.length
                        Expect.isGreaterThanOrEqual marked (min 10 (width / 4)) $"{width}"
                        Expect.isGreaterThanOrEqual lines.Length 12 $"{width}"))

            testCase "a rising curve rises, and its ends are labelled" (fun () ->
                let lines =
                    TerminalCurve.Draw([| for i in 0..10 -> TerminalPoint(i, float i / 10.0, 0.0) |], true, 40)
                    |> Array.ofSeq

                let columns = lines |> Array.map (fun line -> line.IndexOf '*') |> Array.filter (fun at -> at >= 0)
                columns |> should equal (Array.sortDescending columns)
                lines[0] |> should startWith "100.0 % +"
                lines[lines.Length - 1] |> should endWith "10")

            testCase "one point, equal points and points that are not finite are drawn too" (fun () ->
                let draw (values: float list) =
                    TerminalCurve.Draw(
                        [|
                            for i, value in List.indexed values -> TerminalPoint(10 * i + 10, value, infinity)
                        |],
                        false,
                        20
                    )
                    |> String.concat "\n"

                draw [ 0.5 ] |> should haveSubstring "*"
                draw [ 0.5; 0.5; 0.5 ] |> should haveSubstring "*"
                draw [ 0.0; nan; 1e300 ] |> should haveSubstring "*"
                draw [ nan; infinity ] |> should equal "no finite value")

            testCase "text is wrapped between words; a word that is too long has a line of its own" (fun () ->
                let wrap text width = TextLines.Wrap(text, width, "  ") |> List.ofSeq
                wrap "one two three four" 9 |> should equal [ "one two"; "  three"; "  four" ]
                wrap "at abcdefghijklm it is" 6 |> should equal [ "at"; "  abcdefghijklm"; "  it"; "  is" ]
                wrap "one\ntwo three" 20 |> should equal [ "one"; "  two three" ]
                TextLines.LongestWord "one three\ntwo" |> should equal 5
                // Two columns each.
                wrap "蘋果 梨 葡萄" 7 |> should equal [ "蘋果 梨"; "  葡萄" ]
                TextLines.LongestWord "fruit 蘋果葡萄" |> should equal 8)

            testCase "columns stand below each other where names are of wide characters" (fun () ->
                let best = BestValidation(0.9, 0.01, 500, false)
                let row name = RunRow(name, "imaml-gd", "omniglot 5-way 1-shot", 500, 1000, best, true, "finished")
                let lines = List.ofSeq (RunLines.List([| row "蘋果/run"; row "apples/run" |], 160))

                [
                    for line in lines[1..] -> TextLines.Width(line[.. line.IndexOf "imaml-gd" - 1])
                ]
                |> should equal [ 12; 12 ])

            testCase "the list fits any width, and a damaged run does not hide the others" (fun () ->
                let best = BestValidation(0.9, 0.01, 500, false)

                let rows =
                    [|
                        RunRow("group/run", "imaml-gd", "omniglot 5-way 1-shot", 500, 1000, best, true, "stopped at 500")
                        RunRow.Damaged("group/other", "group/other/run.json is damaged (line 1 is not JSON)")
                    |]

                for width in [ 20; 40; 80; 160 ] do
                    let lines = List.ofSeq (RunLines.List(rows, width))

                    for line in lines do
                        fits width line

                    let text = String.concat " " lines

                    for word in [ "group/run"; "imaml-gd"; "damaged" ] do
                        text |> should haveSubstring word)
        ]

[<Tests>]
let words =
    testList
        "Solve words"
        [
            testCase "a budget that was planned is used; one that came before an accuracy is a limit" (fun () ->
                let counts = inner [ InnerStatus.StepLimit, 12; InnerStatus.NonFinite, 1 ]
                let fixedBudget = experiment.Method :?> ImplicitMaml
                let steps = fixedBudget.Inner.Steps

                SolveWords.Inner(counts, fixedBudget)
                |> should equal $"12 used the budget of {steps} steps, 1 non finite"

                SolveWords.Inner(counts, fixedBudget.WithInnerSteps 1)
                |> should equal "12 used the budget of 1 step, 1 non finite"

                SolveWords.Inner(counts, null) |> should equal "12 used their budget of steps, 1 non finite"

                let toAccuracy =
                    ImplicitMaml(fixedBudget.Inner, fixedBudget.Lambda, fixedBudget.Adjoint, null, Nullable 0.1, Nullable 0.1)

                SolveWords.Inner(counts, toAccuracy)
                |> should equal $"12 reached the limit of {steps} steps before δ, 1 non finite"

                SolveWords.Linear(linear [ SolveStatus.StepLimit, 3 ], toAccuracy)
                |> should equal $"3 reached the limit of {fixedBudget.Adjoint.Steps} steps before δ′")
        ]

// A record: its length, a checksum, the event, a checksum.
let rec private events (bytes: byte[]) =
    [
        if bytes.Length > 0 then
            let length = int (BitConverter.ToUInt64(bytes, 0))
            Tensorboard.Event.Parser.ParseFrom(bytes, 12, length)
            yield! events bytes[16 + length ..]
    ]

/// The scalars of the only event file of a run: meta-step, value, wall time.
let private scalars (folder: string) tag =
    let file = Directory.GetFiles(Path.Combine(folder, "tensorboard")) |> Array.exactlyOne

    [
        for event in events (File.ReadAllBytes file) do
            if not (isNull event.Summary) then
                for value in event.Summary.Value do
                    if value.Tag = tag then
                        event.Step, value.SimpleValue, event.WallTime
    ]

[<Tests>]
let commands =
    testList
        "imaml report, show, runs and help"
        [
            testCase "a page, a curve and a list of two runs, from the program" (fun () ->
                inFolder (fun folder ->
                    let at name = Path.Combine(folder, name)

                    for name in [ "one"; "two" ] do
                        write (at name) experiment [ validation 10 0.5; validation 20 0.625 ] 20

                    let file = at "both.html"
                    let outcome = Imaml.run [ "report"; at "one"; at "two"; "--out"; file ]
                    outcome.ExitCode |> should equal 0
                    outcome.Output.Trim() |> should equal file
                    File.ReadAllText file |> should haveSubstring "2 runs"
                    let shown = Imaml.run [ "show"; at "one"; "--width"; "40" ]
                    shown.ExitCode |> should equal 0
                    shown.Output |> should haveSubstring "best: 62.50 ± 1.23 % at 20"
                    Expect.isFalse (shown.Output.Contains '\u001b') "escape codes"
                    shown.Errors |> should be EmptyString
                    File.WriteAllText(at "two/curve.jsonl", "x\n\n")
                    let listed = Imaml.run [ "runs"; folder; "--json" ]
                    listed.ExitCode |> should equal 0
                    listed.Errors |> should be EmptyString
                    let rows = JsonDocument.Parse(listed.Output).RootElement

                    [ for row in rows.EnumerateArray() -> row.GetProperty("name").GetString() ]
                    |> should equal [ "one"; "two" ]

                    (rows.[0]).GetProperty("bestValidation").GetProperty("value").GetDouble() |> should equal 0.625
                    string (rows[1].GetProperty("fault").GetString()) |> should haveSubstring "line 1 is damaged"))

            testCase "event files hold the curve, once" (fun () ->
                inFolder (fun folder ->
                    write folder experiment [ validation 10 0.5; validation 20 0.625 ] 20

                    for _ in 1..2 do
                        let outcome = Imaml.run [ "report"; folder; "--tensorboard" ]
                        Expect.equal outcome.ExitCode 0 outcome.Errors
                        let scalars = scalars folder

                        [ for metaStep, value, _ in scalars "validation/accuracy" -> metaStep, value ]
                        |> should equal [ 10L, 0.5f; 20L, 0.625f ]

                        // A log line a second: TensorBoard's axis of time is that of the training.
                        [ for _, _, wall in scalars "training/query loss" -> wall ]
                        |> List.pairwise
                        |> List.forall (fun (one, next) -> next - one = 1.0)
                        |> should equal true

                        for tag in [ "support loss"; "tasks with non-positive curvature" ] do
                            scalars $"training/{tag}" |> should haveLength 20))

            testCase "event files call the average of the last iterates what it is: an accuracy, or a loss" (fun () ->
                for accuracy, loss, tag in [ Nullable 0.5, Nullable(), "accuracy"; Nullable(), Nullable 0.5, "loss" ] do
                    inFolder (fun folder ->
                        let line =
                            CurveLine(
                                10,
                                40L,
                                2.5,
                                accuracy,
                                loss,
                                0.01,
                                0.5,
                                0.25,
                                30.0,
                                0,
                                0,
                                inner [ InnerStatus.StepLimit, 200 ],
                                Nullable 0.25
                            )

                        write folder experiment [ line ] 0
                        (Imaml.run [ "report"; folder; "--tensorboard" ]).ExitCode |> should equal 0

                        [
                            for other in [ "accuracy"; "loss" ] -> (scalars folder $"validation/{other} of the average").Length
                        ]
                        |> should equal [ for other in [ "accuracy"; "loss" ] -> if other = tag then 1 else 0 ]))

            testCase "usage errors end with 2, faults of a folder with 1, each in one line" (fun () ->
                inFolder (fun folder ->
                    for code, arguments, line in
                        [
                            2, [ "report" ], "RUN is missing"
                            2, [ "show" ], "RUN is missing"
                            2, [ "data" ], "a command is missing: list, get, check; see `imaml data --help`"
                            2, [ "show"; folder; "--width"; "19" ], "--width must be at least 20, not 19"
                            2, [ "runs"; Path.Combine(folder, "none") ], "there is no folder"
                            2, [ "runs"; folder; folder ], "unknown argument"
                            2, [ "report"; folder; "--otu"; "x" ], "unknown option --otu (did you mean --out?)"
                            2,
                            [ "predict"; "omniglot-5way"; folder; "--exampels"; folder ],
                            "unknown option --exampels (did you mean --examples?)"
                            2, [ "help"; "tran" ], "there is no command tran (did you mean train?)"
                            1, [ "show"; folder ], "run.json is missing"
                            1, [ "report"; folder ], "run.json is missing"
                        ] do
                        let outcome = Imaml.run arguments
                        Expect.equal outcome.ExitCode code $"{arguments}: {outcome.Errors}"
                        outcome.Output |> should be EmptyString
                        outcome.Line |> should haveSubstring line

                    Directory.GetFileSystemEntries folder |> should be Empty
                    (Imaml.run [ "runs"; folder ]).Output |> should haveSubstring "no runs below"))

            testCase "help is what --help is, of every command" (fun () ->
                for words in [ []; [ "train" ]; [ "reproduce"; "fig2a" ] ] do
                    let help, option = Imaml.run ("help" :: words), Imaml.run (words @ [ "--help" ])
                    help |> should equal option
                    help.ExitCode |> should equal 0)
        ]
