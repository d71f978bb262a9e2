/// Progress where there is no terminal: lines that are neither many nor rare.
module Imaml.Cli.Tests.ProgressTests

open System
open Expecto
open FsUnit
open Imaml.Cli.Commands
open Imaml.Nets.Learning
open Imaml.Nets.Runs

/// A clock that the test moves.
type private Clock() =
    inherit TimeProvider()
    member val Seconds = 0.0 with get, set
    override _.TimestampFrequency = 1000L
    override this.GetTimestamp() = int64 (1000.0 * this.Seconds)

/// The lines printed when these fractions are reported at these times.
let private lines (reports: (float * float) list) =
    let written = Collections.Generic.List<string>()
    let clock = Clock()
    let progress = ProgressLines("working", (fun line -> written.Add line), clock) :> IProgress<float>

    for seconds, fraction in reports do
        clock.Seconds <- seconds
        progress.Report fraction

    List.ofSeq written

[<Tests>]
let tests =
    testList
        "Progress"
        [
            testCase "of what is soon done is not worth a line" (fun () ->
                lines [ 0.1, 0.1; 0.5, 0.4; 1.0, 0.9; 1.5, 1.0 ] |> should be Empty)

            testCase "is a line for each tenth, with the time left" (fun () ->
                [ for i in 1..99 -> 0.5 * float i, float i / 100.0 ]
                |> lines
                |> should equal [ for i in 1..9 -> $"working: {10 * i} %%, 0:00:{5 * (10 - i):D2} left" ])

            testCase "of what is slow is a line four times a minute" (fun () ->
                [ for i in 1..600 -> float i, float i / 10_000.0 ] |> lines |> should haveLength 40)

            testCase "that comes out of order never goes back" (fun () ->
                lines [ 0.0, 0.0; 20.0, 0.5; 40.0, 0.4; 60.0, 0.75 ]
                |> should equal [ "working: 50 %, 0:00:20 left"; "working: 75 %, 0:00:20 left" ])

            testCase "of what goes on takes no time for what was done before" (fun () ->
                lines [ 5.0, 0.4; 25.0, 0.5 ] |> should equal [ "working: 50 %, 0:01:40 left" ])

            testCase "of a training is one line of any width, without what matters least; trouble is never left out" (fun () ->
                let step = StepReport(4422, 17688L, 0.2131, 0.96, 0.1, 0.0334, 0.178, 50.51, 1.0, 0, 0)
                let trouble = TrainingTrouble(3, 2, 1)
                let line (trouble: TrainingTrouble) width = TrainingDisplay.Line(step, Budget(7000, 4), 0.15, trouble, width)

                line (TrainingTrouble()) Int32.MaxValue
                |> should
                    equal
                    "  4422/7000  loss 0.213  accuracy 96.0 %  ‖∇G‖ 0.033  CG residual 0.178  h_max 50.5  0.0375 s/task  0:06:26 left"

                line (TrainingTrouble()) 79
                |> should equal "  4422/7000  accuracy 96.0 %  ‖∇G‖ 0.033  CG residual 0.178  0:06:26 left"

                line (TrainingTrouble()) 39 |> should equal "  4422/7000  accuracy 96.0 %"

                for width in [ 79; 120 ] do
                    let written = line trouble width
                    written.Length |> should be (lessThanOrEqualTo width)

                    for what in [ "non-positive curvature 3"; "NOT FINITE 2"; "inner solve diverged 1" ] do
                        written |> should haveSubstring what)
        ]
