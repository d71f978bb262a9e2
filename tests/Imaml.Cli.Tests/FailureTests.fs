/// Which exceptions become one line, and with which exit code.
module Imaml.Cli.Tests.FailureTests

open System
open System.IO
open System.Runtime.InteropServices
open Expecto
open FsUnit
open Imaml.Cli
open Imaml.Nets.Tasks
open Imaml.Nets.LibTorch

let private failure (e: exn) =
    match Failure.Of e with
    | null -> []
    | known -> [ known.Message, known.ExitCode ]

[<Tests>]
let tests =
    testList
        "Failure"
        [
            testCase "the outside world's refusals exit with 1" (fun () ->
                for e in
                    [
                        IOException "no space" :> exn
                        UnauthorizedAccessException "no space"
                        InvalidDataException "no space"
                        LibTorchLoadException "no space"
                    ] do
                    failure e |> should equal [ "no space", 1 ])

            testCase "a value that makes no sense exits with 2, without the parameter's name" (fun () ->
                failure (ArgumentException("λ must be positive", "lambda"))
                |> should equal [ "λ must be positive", 2 ])

            testCase "a message of several lines becomes one" (fun () ->
                failure (ArgumentOutOfRangeException("ways", 0, "at least 2"))
                |> should equal [ "at least 2; Actual value was 0.", 2 ])

            testCase "of libtorch's exceptions the first line is kept" (fun () ->
                failure (ExternalException "sizes differ\nException raised from …")
                |> should equal [ "libtorch: sizes differ", 1 ])

            testCase "what only wraps another exception is looked into" (fun () ->
                failure (TypeInitializationException("T", AggregateException(IOException "gone")))
                |> should equal [ "gone", 1 ])

            testCase "being stopped exits as shells have it" (fun () ->
                failure (OperationCanceledException()) |> should equal [ "stopped", 130 ])

            testCase "a fault of the program keeps its stack trace" (fun () -> failure (NullReferenceException()) |> should be Empty)
        ]
