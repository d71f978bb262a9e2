/// Runs command lines: within the tests' process, where a command costs a tenth, or in a process of their own as a user does, where the test is of what
/// surrounds the program (its streams, signals, limits, environment) or of two processes that agree.
[<RequireQualifiedAccess>]
module Imaml.Cli.Tests.Imaml

open System
open System.Diagnostics
open System.IO
open System.Runtime.CompilerServices
open System.Text
open System.Threading
open Expecto
open Imaml.Cli

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

/// What the commands within this process print, and where it goes: each to the test that runs it.
module private Streams =
    let results, messages = AsyncLocal<TextWriter | null>(), AsyncLocal<TextWriter | null>()

    type private Router(target: AsyncLocal<TextWriter | null>) =
        inherit TextWriter()

        /// What runs outside the tests prints nothing.
        member private _.Target = Option.ofObj target.Value |> Option.defaultValue TextWriter.Null
        override _.Encoding = Encoding.UTF8
        override this.Write(value: char) = this.Target.Write value
        override this.Write(value: string | null) = this.Target.Write value
        override this.Write(buffer: char array, index: int, count: int) = this.Target.Write(buffer, index, count)

    /// Has the program's streams lead to the tests, once: the streams of the tests themselves stay what they are.
    let route () =
        let output, errors = Console.Out, Console.Error
        AppContext.SetSwitch(Terminal.RedirectedSwitch, true)
        Console.SetOut(new Router(results))
        Console.SetError(new Router(messages))
        RuntimeHelpers.RunClassConstructor typeof<Terminal>.TypeHandle
        Console.SetOut output
        Console.SetError errors

/// Before the first test.
let prepare () = Streams.route ()

/// What the shell says of a process that ended by an exception that nothing caught.
let private aborted = 134

/// `imaml ARGUMENTS` within this process.
let run (arguments: string list) : Outcome =
    use output = new StringWriter()
    use errors = new StringWriter()
    let before = struct (Streams.results.Value, Streams.messages.Value)
    // Several threads of a command may print.
    Streams.results.Value <- TextWriter.Synchronized output
    Streams.messages.Value <- TextWriter.Synchronized errors

    try
        let code =
            try
                CommandLine.Run(List.toArray arguments, CancellationToken.None)
            with e ->
                errors.WriteLine $"Unhandled exception. {e}"
                aborted

        {
            ExitCode = code
            Output = output.ToString()
            Errors = errors.ToString()
        }
    finally
        let struct (results, messages) = before
        Streams.results.Value <- results
        Streams.messages.Value <- messages

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

/// `imaml ARGUMENTS` in a process of its own.
let runAlone (arguments: string list) : Outcome = runWith [] arguments
