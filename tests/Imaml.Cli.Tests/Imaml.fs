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

let private host =
    Option.ofObj (Environment.GetEnvironmentVariable "DOTNET_HOST_PATH") |> Option.defaultValue "dotnet"

let private command (arguments: string list) = "exec" :: Path.Combine(AppContext.BaseDirectory, "imaml.dll") :: arguments

let private begun (environment: (string * string) list) (program: string) (words: string list) : Process =
    let start =
        ProcessStartInfo(program, words, RedirectStandardOutput = true, RedirectStandardError = true)

    for name, value in environment do
        start.Environment[name] <- value

    match Process.Start start with
    | null -> failtest $"{program} did not start"
    | running -> running

/// Starts `imaml ARGUMENTS`, with these environment variables changed.
let start (environment: (string * string) list) (arguments: string list) : Process = begun environment host (command arguments)

/// Starts a script of bash in which `"$@"` is `imaml ARGUMENTS`.
let startByShell (environment: (string * string) list) (script: string) (arguments: string list) : Process =
    begun environment "/bin/bash" ([ "-c"; script; "bash"; host ] @ command arguments)

let private ended (running: Process) : Outcome =
    let errors = running.StandardError.ReadToEndAsync()
    let output = running.StandardOutput.ReadToEnd()
    running.WaitForExit()

    {
        ExitCode = running.ExitCode
        Output = output
        Errors = errors.Result
    }

/// `imaml ARGUMENTS`, with these environment variables changed.
let runWith (environment: (string * string) list) (arguments: string list) : Outcome =
    use running = start environment arguments
    ended running

/// A script of bash in which `"$@"` is `imaml ARGUMENTS`.
let runByShell (environment: (string * string) list) (script: string) (arguments: string list) : Outcome =
    use running = startByShell environment script arguments
    ended running

/// `imaml ARGUMENTS`.
let run (arguments: string list) : Outcome = runWith [] arguments
