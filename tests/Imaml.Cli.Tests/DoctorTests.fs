/// imaml doctor prints what it found, and one line where libtorch cannot be used.
module Imaml.Cli.Tests.DoctorTests

open System
open System.IO
open System.Text.Json
open System.Threading.Tasks
open Expecto
open Imaml.Testing
open FsUnit

[<Tests>]
let tests =
    testList
        "Doctor"
        [
            testCase "prints a table that is plain text where it is redirected" (fun () ->
                let outcome = Imaml.runAlone [ "doctor"; "--threads"; "1" ]
                outcome.ExitCode |> should equal 0
                outcome.Errors |> should be EmptyString
                outcome.Output |> should not' (haveSubstring "\u001b")

                for fact in
                    [
                        ".NET"
                        "instruction set"
                        "TorchSharp"
                        "libtorch"
                        "compatibility copy"
                        "CUDA"
                        "threads"
                        "GFLOP/s"
                        "convolutions"
                        "right, relative error"
                        "MPI"
                        "MathNet native provider"
                    ] do
                    outcome.Output |> should haveSubstring fact)

            testCase "prints the same as JSON" (fun () ->
                let outcome = Imaml.run [ "doctor"; "--threads"; "1"; "--json" ]
                outcome.ExitCode |> should equal 0
                use document = JsonDocument.Parse outcome.Output
                let root = document.RootElement
                root.GetProperty("libTorch").GetProperty("threads").GetInt32() |> should equal 1
                let processor = root.GetProperty("matrixMultiply").EnumerateArray() |> Seq.head
                processor.GetProperty("gflops").GetDouble() |> should be (greaterThan 0.0))

            // Where the processor hides its caches, oneDNN's own choice of instructions is wrong, and doctor sees it.
            testCase "convolutions are right, and those that are not are told" (fun () ->
                let outcome = Imaml.runWith [ "ONEDNN_MAX_CPU_ISA", "DEFAULT" ] [ "doctor"; "--threads"; "1"; "--json" ]

                use document = JsonDocument.Parse outcome.Output
                let error = document.RootElement.GetProperty("convolutionError").GetDouble()

                if document.RootElement.GetProperty("cachesHidden").GetBoolean() && error > 1e-4 then
                    outcome.ExitCode |> should equal 1
                    outcome.Line |> should haveSubstring "convolutions are wrong on this processor"
                else
                    outcome.ExitCode |> should equal 0
                    error |> should be (lessThan 1e-4))

            testCase "names the instruction set, and the variable that limits libtorch's" (fun () ->
                let outcome =
                    Imaml.runWith [ "ATEN_CPU_CAPABILITY", "default" ] [ "doctor"; "--threads"; "1"; "--json" ]

                outcome.ExitCode |> should equal 0
                use document = JsonDocument.Parse outcome.Output
                let set = document.RootElement.GetProperty "instructionSet"
                string (set.GetProperty("libTorch").GetString()) |> should equal "default"

                set.GetProperty("limits").EnumerateArray()
                |> Seq.map (fun limit -> string (limit.GetString()))
                |> should contain "ATEN_CPU_CAPABILITY=default")

            testCase "a folder without libtorch: one line, exit code 1, and the other facts all the same" (fun () ->
                inFolder (fun folder ->
                    if OperatingSystem.IsLinux() then
                        let outcome = Imaml.runWith [ "IMAML_LIBTORCH", folder ] [ "doctor" ]
                        outcome.ExitCode |> should equal 1
                        outcome.Line |> should haveSubstring $"IMAML_LIBTORCH={folder} holds no libtorch_cpu.so"
                        outcome.Output |> should haveSubstring "does not load"))

            testCase "names the data sets in the folder, and what they lack" (fun () ->
                inFolder (fun folder ->
                    File.WriteAllBytes(Path.Combine(folder, "images_background.zip"), [||])
                    let outcome = Imaml.run [ "doctor"; "--threads"; "1"; "--data"; folder ]
                    outcome.ExitCode |> should equal 0
                    outcome.Output |> should haveSubstring "images_evaluation missing"))

            testCase "a data folder that does not exist is a fact, unless the command line names it" (fun () ->
                inFolder (fun folder ->
                    let absent = Path.Combine(folder, "absent")
                    let outcome = Imaml.runWith [ "IMAML_DATA", absent ] [ "doctor"; "--threads"; "1" ]
                    outcome.ExitCode |> should equal 0
                    outcome.Output |> should haveSubstring $"the data folder {absent} (IMAML_DATA) does not exist"
                    let named = Imaml.run [ "doctor"; "--threads"; "1"; "--data"; absent ]
                    named.ExitCode |> should equal 2
                    named.Line |> should haveSubstring $"the data folder {absent} (as given) does not exist"))

            testCase "processes that race for the first copy all load" (fun () ->
                inFolder (fun cache ->
                    let start () =
                        Task.Run(fun () -> Imaml.runWith [ "XDG_CACHE_HOME", cache ] [ "doctor"; "--threads"; "1"; "--json" ])

                    for outcome in Task.WhenAll(Array.init 3 (fun _ -> start ())).Result do
                        outcome.Errors |> should be EmptyString
                        outcome.ExitCode |> should equal 0

                    Directory.GetFiles(cache, "*", SearchOption.AllDirectories).Length
                    |> should be (lessThanOrEqualTo 1)))
        ]
