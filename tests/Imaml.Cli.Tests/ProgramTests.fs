/// What the program says to a command line that it cannot run.
module Imaml.Cli.Tests.ProgramTests

open Expecto
open FsUnit

let private refused (arguments: string list) (line: string) =
    let outcome = Imaml.run arguments
    outcome.ExitCode |> should equal 2
    outcome.Output |> should be EmptyString
    outcome.Line |> should equal line

[<Tests>]
let tests =
    testList
        "Program"
        [
            testCase "--version prints the version and nothing else" (fun () ->
                let outcome = Imaml.run [ "--version" ]
                outcome.ExitCode |> should equal 0
                outcome.Output.Trim() |> should startWith "0."
                outcome.Errors |> should be EmptyString)

            testCase "without arguments it shows its commands" (fun () ->
                let outcome = Imaml.run []
                outcome.ExitCode |> should equal 0
                outcome.Output |> should haveSubstring "doctor")

            testCase "an unknown option is named, with the nearest that exists" (fun () ->
                refused
                    [ "doctor"; "--thraeds"; "2" ]
                    "imaml: unknown option --thraeds (did you mean --threads?); see `imaml doctor --help`")

            testCase "an unknown command is named, with the nearest that exists" (fun () ->
                refused [ "docter" ] "imaml: unknown command docter (did you mean doctor?); see `imaml --help`")

            testCase "an option unlike any other is named alone" (fun () ->
                refused [ "doctor"; "--zzzzzzzz" ] "imaml: unknown option --zzzzzzzz; see `imaml doctor --help`")

            testCase "a value of the wrong kind is named" (fun () ->
                refused [ "doctor"; "--threads"; "two" ] "imaml: --threads: two is no whole number; see `imaml doctor --help`")

            testCase "a value out of range is named" (fun () ->
                refused [ "doctor"; "--threads"; "0" ] "imaml: --threads: 0 is less than 1; see `imaml doctor --help`")
        ]
