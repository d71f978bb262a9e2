/// `imaml reproduce`: files that are whole, numbers that parse, mistakes in one line.
module Imaml.Cli.Tests.ReproduceTests

open System
open System.Globalization
open System.IO
open System.Text.Json
open Expecto
open FsUnit
open Imaml.Testing
open Imaml.Theory
open Imaml.Cli.Tests

let private mistake (arguments: string list) (line: string) =
    let outcome = Imaml.run ("reproduce" :: arguments)
    outcome.ExitCode |> should equal 2
    outcome.Line |> should equal line

[<Tests>]
let tests =
    testList
        "imaml reproduce"
        [
            testCase
                "fig2a writes four figures in three formats, a row for each problem, method and number of steps, and what was checked"
                (fun () ->
                    inFolder (fun folder ->
                        let target = Path.Combine(folder, "new")

                        let outcome =
                            Imaml.run
                                [
                                    "reproduce"
                                    "fig2a"
                                    "--problems"
                                    "4"
                                    "--seed"
                                    "2"
                                    "--out"
                                    target
                                    "--json"
                                ]

                        outcome.ExitCode |> should equal 0

                        let files =
                            [
                                "fig2a.csv"
                                "fig2a.json"
                                for name in [ "fig2a"; "fig2a-certificate"; "fig2a-variants"; "fig2a-work" ] do
                                    $"{name}.pdf"
                                    $"{name}.png"
                                    $"{name}.svg"
                            ]

                        Directory.GetFiles target
                        |> Array.map (fun path -> string (Path.GetFileName path))
                        |> set
                        |> should equal (set files)

                        let printed = JsonDocument.Parse(outcome.Output).RootElement
                        let written = JsonDocument.Parse(File.ReadAllText(Path.Combine(target, "fig2a.json"))).RootElement
                        JsonElement.DeepEquals(printed, written) |> should equal true
                        written.GetProperty("options").GetProperty("seed").GetInt32() |> should equal 2

                        Expect.stringStarts
                            (written.GetProperty("provenance").GetProperty("version").GetString() |> string)
                            "0."
                            "the version"

                        for claim in written.GetProperty("claims").EnumerateArray() do
                            claim.GetProperty("holds").GetBoolean() |> should equal true

                        let rows = File.ReadAllLines(Path.Combine(target, "fig2a.csv"))
                        rows |> should haveLength (1 + 4 * Figure2a.methods.Length * Figure2a.innerSteps.Length)
                        let columns = rows[0].Split ','

                        for row in rows[1..] do
                            let cells = row.Split ','
                            cells |> should haveLength columns.Length

                            Double.Parse(cells[Array.IndexOf(columns, "exact_solve_error")], CultureInfo.InvariantCulture)
                            |> should be (greaterThan 0.0)))

            testCase "fig2a without problems, or with a seed below 0, is one line and exit code 2" (fun () ->
                mistake [ "fig2a"; "--problems"; "0" ] "imaml: --problems must be at least 1, not 0; see `imaml reproduce fig2a --help`"
                mistake [ "fig2a"; "--seed"; "-1" ] "imaml: --seed must be at least 0, not -1; see `imaml reproduce fig2a --help`"
                mistake [ "table1"; "--seed"; "-1" ] "imaml: --seed must be at least 0, not -1; see `imaml reproduce table1 --help`")

            testCase "a figure that is not there is answered with the nearest name" (fun () ->
                mistake [ "fig2" ] "imaml: unknown command fig2 (did you mean fig2a?); see `imaml reproduce --help`")

            testCase "a folder that is a file is one line and exit code 2" (fun () ->
                inFolder (fun folder ->
                    let file = Path.Combine(folder, "file")
                    File.WriteAllText(file, "")

                    for what in [ "fig2a"; "table1" ] do
                        let outcome = Imaml.run [ "reproduce"; what; "--out"; file ]
                        outcome.ExitCode |> should equal 2
                        Expect.stringContains outcome.Line "--out" "the line"))

            testCase "a claim that fails is named, and the exit code is 1, though the files are written" (fun () ->
                // One problem on which MAML is nearer for many numbers of steps: medians of one do not bear the paper's claim.
                inFolder (fun folder ->
                    let seed =
                        Seq.initInfinite id
                        |> Seq.find (fun seed ->
                            let points = Figure2a.problemSeeds seed 1 |> Array.head |> Figure2a.problem 0

                            Figure2aClaims.ofPoints points
                            |> Array.exists (fun claim -> not (Claim.check Extent.Quick claim).Holds))

                    let outcome =
                        Imaml.run
                            [
                                "reproduce"
                                "fig2a"
                                "--problems"
                                "1"
                                "--seed"
                                string seed
                                "--out"
                                folder
                            ]

                    outcome.ExitCode |> should equal 1
                    Expect.stringContains outcome.Errors "claims fail: Figure 2(a)" "the last line"
                    File.Exists(Path.Combine(folder, "fig2a.json")) |> should equal true))
        ]
