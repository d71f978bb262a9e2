/// Runs of `imaml train` on the built-in glyphs that take a second, and what they leave behind.
module Imaml.Cli.Tests.TrainRuns

open System
open System.IO
open System.Text.Json
open Expecto
open Imaml.Testing
open FsUnit

/// A run of a tiny network by a method that takes a second; later options win over earlier ones.
let optionsOf (method: (string * string) list) (changes: (string * string) list) (output: string) =
    let usual =
        [
            "--dataset", "glyphs"
            "--ways", "5"
            "--shots", "1"
            "--meta-steps", "6"
            "--meta-batch", "2"
            "--seed", "7"
            "--threads", "1"
            "--filters", "4"
            "--validate-every", "3"
            "--validation-episodes", "4"
            "--checkpoint-every", "2"
        ]
        @ method

    let kept =
        usual |> List.filter (fun (name, _) -> changes |> List.forall (fun (changed, _) -> changed <> name))

    "train"
    :: List.collect (fun (name, value) -> [ name; value ]) (kept @ changes @ [ "--out", output ])

/// Of iMAML.
let options =
    optionsOf
        [
            "--algorithm", "imaml-gd"
            "--lambda", "2"
            "--inner-steps", "4"
            "--cg-steps", "3"
        ]

let private succeedBy run (arguments: string list) : Imaml.Outcome =
    let outcome: Imaml.Outcome = run arguments

    if outcome.ExitCode <> 0 then
        failtest $"exit code {outcome.ExitCode}: {outcome.Errors}"

    outcome

let succeed (arguments: string list) = succeedBy Imaml.run arguments
let succeedAlone (arguments: string list) = succeedBy Imaml.runAlone arguments

/// The bytes of θ and Adam's moments: the checkpoint without its header, which holds wall seconds, and its hash.
let state (folder: string) =
    let bytes = File.ReadAllBytes(Path.Combine(folder, "checkpoint.bin"))
    let header = BitConverter.ToInt32(bytes, 8)
    bytes[12 + header .. bytes.Length - 33]

/// A log's lines without wall seconds.
let numbers (folder: string) (log: string) =
    [
        for line in File.ReadLines(Path.Combine(folder, log)) do
            use document = JsonDocument.Parse line

            [
                for one in document.RootElement.EnumerateObject() do
                    if one.Name <> "seconds" && one.Name <> "computeSeconds" then
                        one.Name, one.Value.GetRawText()
            ]
    ]

let sameRun (a: string) (b: string) =
    state a = state b |> should equal true
    numbers a "progress.jsonl" |> should equal (numbers b "progress.jsonl")
    numbers a "curve.jsonl" |> should equal (numbers b "curve.jsonl")

/// Sends a running `train` a signal once its log has `metaStep` lines; the exit code.
let signalAt (signal: string) (metaStep: int) (running: Diagnostics.Process) (folder: string) =
    let log = Path.Combine(folder, "progress.jsonl")
    let deadline = DateTime.UtcNow.AddMinutes 5.0

    let written () =
        try
            File.Exists log && (File.ReadAllLines log).Length >= metaStep
        with :? IOException ->
            false

    while not (written ()) && not running.HasExited && DateTime.UtcNow < deadline do
        Threading.Thread.Sleep 5

    use kill = Diagnostics.Process.Start("kill", [ signal; string running.Id ])
    kill.WaitForExit()
    running.WaitForExit()
    running.ExitCode

/// A run that is stopped by the signal and continued, and one that is not.
let stoppedAndContinued options (start: string list -> Diagnostics.Process) (signal: string) =
    inFolder (fun folder ->
        // From the signal to its end the run has 45 meta-steps, some seconds.
        let changes =
            [
                "--meta-steps", "50"
                "--validate-every", "10"
                "--validation-episodes", "10"
                "--checkpoint-every", "5"
            ]

        let whole, stopped = Path.Combine(folder, "whole"), Path.Combine(folder, "stopped")
        succeed (options changes whole) |> ignore
        use running = start (options changes stopped)
        let exitCode = signalAt signal 5 running stopped
        // By other threads, on which no number depends.
        let outcome = succeed (options (("--threads", "2") :: changes) stopped)
        outcome.Errors |> should haveSubstring "continuing at meta-step"
        sameRun whole stopped
        exitCode)

let refused (line: string) (arguments: string list) =
    let outcome = Imaml.run arguments
    outcome.ExitCode |> should not' (equal 0)
    outcome.Line |> should haveSubstring line
