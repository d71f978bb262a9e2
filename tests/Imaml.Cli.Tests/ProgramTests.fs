/// The program answers at the command line.
module Imaml.Cli.Tests.ProgramTests

open System
open System.Diagnostics
open System.IO
open Expecto
open FsUnit

/// Exit code, standard output, standard error of `imaml ARGUMENTS`.
let private imaml (arguments: string list) =
    let host =
        Option.ofObj (Environment.GetEnvironmentVariable "DOTNET_HOST_PATH") |> Option.defaultValue "dotnet"

    let program = Path.Combine(AppContext.BaseDirectory, "imaml.dll")

    let start =
        ProcessStartInfo(host, "exec" :: program :: arguments, RedirectStandardOutput = true, RedirectStandardError = true)

    match Process.Start start with
    | null -> failtest $"{host} did not start"
    | running ->
        use running = running
        let errors = running.StandardError.ReadToEndAsync()
        let output = running.StandardOutput.ReadToEnd()
        running.WaitForExit()
        running.ExitCode, output, errors.Result

[<Tests>]
let tests =
    testList
        "Program"
        [
            testCase "--version prints the version and nothing else" (fun () ->
                let code, output, errors = imaml [ "--version" ]
                code |> should equal 0
                output.Trim() |> should startWith "0."
                errors |> should be EmptyString)
        ]
