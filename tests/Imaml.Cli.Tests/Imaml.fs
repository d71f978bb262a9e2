/// Runs the built program as a user does.
[<RequireQualifiedAccess>]
module Imaml.Cli.Tests.Imaml

open System
open System.Diagnostics
open System.IO
open Expecto

/// What a run left behind.
type Outcome =
    {
        ExitCode: int
        Output: string
        Errors: string
    }

    /// The error stream's one line; a failed expectation where it has none, several, or a stack trace.
    member this.Line =
        match this.Errors.Split('\n', StringSplitOptions.RemoveEmptyEntries) with
        | [| line |] -> line
        | _ -> failtest $"one line expected on the error stream, found: {this.Errors}"

/// Starts `imaml ARGUMENTS`, with these environment variables changed.
let start (environment: (string * string) list) (arguments: string list) : Process =
    let host =
        Option.ofObj (Environment.GetEnvironmentVariable "DOTNET_HOST_PATH") |> Option.defaultValue "dotnet"

    let program = Path.Combine(AppContext.BaseDirectory, "imaml.dll")

    let start =
        ProcessStartInfo(host, "exec" :: program :: arguments, RedirectStandardOutput = true, RedirectStandardError = true)

    for name, value in environment do
        start.Environment[name] <- value

    match Process.Start start with
    | null -> failtest $"{host} did not start"
    | running -> running

/// `imaml ARGUMENTS`, with these environment variables changed.
let runWith (environment: (string * string) list) (arguments: string list) : Outcome =
    use running = start environment arguments
    let errors = running.StandardError.ReadToEndAsync()
    let output = running.StandardOutput.ReadToEnd()
    running.WaitForExit()

    {
        ExitCode = running.ExitCode
        Output = output
        Errors = errors.Result
    }

/// `imaml ARGUMENTS`.
let run (arguments: string list) : Outcome = runWith [] arguments
