/// What the program says to a command line that it cannot run.
module Imaml.Cli.Tests.ProgramTests

open System
open System.CommandLine
open System.IO
open System.Threading
open Expecto
open FsUnit
open Imaml.Cli
open Imaml.Cli.Commands
open Imaml.Testing

let private refused (arguments: string list) (line: string) =
    let outcome = Imaml.runAlone arguments
    outcome.ExitCode |> should equal 2
    outcome.Output |> should be EmptyString
    outcome.Line |> should equal line

/// A command line's words before its options: arguments that are there, so that only an option can be wrong.
let private words folder (command: Command) =
    match command.Name with
    | "solve" -> [ Path.Combine(folder, "p.json") ]
    | "evaluate"
    | "diagnose"
    | "show"
    | "redraw"
    | "report" -> [ folder ]
    | "get" -> [ "omniglot" ]
    | "train" -> [ "--preset"; "glyphs-5w1s/imaml-gd"; "--out"; Path.Combine(folder, "run") ]
    | _ -> []

/// Every command that can be run, with the words that lead to it.
let rec private commands (path: string list) (command: Command) : (string list * Command) list =
    match List.ofSeq command.Subcommands with
    | [] -> if command.Hidden then [] else [ path, command ]
    | below -> below |> List.collect (fun one -> commands (path @ [ one.Name ]) one)

/// What the program says of a command line and the exit code.
let private said (arguments: string list) =
    let outcome = Imaml.run arguments
    let line = outcome.Errors.TrimEnd '\n'

    (if line.StartsWith "imaml: " then
         line["imaml: ".Length ..]
     else
         $"{line}, and ended with {outcome.ExitCode}"),
    outcome.ExitCode

let private isNumber (kind: Type) =
    List.contains
        kind
        [
            typeof<int>
            typeof<Nullable<int>>
            typeof<int[]>
            typeof<uint64>
            typeof<Nullable<uint64>>
        ]

let private isDecimal (kind: Type) = kind = typeof<Nullable<double>>

/// Every option of every command that this holds of, with bad values, each refused in one line that names it.
let private refuses (isMeant: Option -> bool) (values: string -> string list) =
    inFolder (fun folder ->
        let options =
            [
                for path, command in commands [] (ImamlCommand.Create CancellationToken.None) do
                    for option in command.Options do
                        if isMeant option then
                            path, command, option
            ]

        options |> should not' (be Empty)

        for path, command, option in options do
            let before =
                match words folder command with
                | [ preset; name; out; _ ] when option.Name = "--out" -> [ preset; name ]
                // Of no use without the option that learns λ.
                | usual when option.Name = "--lambda-rate" -> usual @ [ "--learn-lambda"; "one" ]
                | usual -> usual

            for value in values folder do
                let message, code = said (path @ before @ [ option.Name; value ])
                let what = $"{path} {option.Name} '{value}': {message}"
                Expect.equal code ExitCode.Usage what
                Expect.stringContains message option.Name what
                Expect.isFalse (message.Contains '\n') what

        Directory.GetFileSystemEntries folder |> Array.map Path.GetFileName |> should equal [| "file" |])

[<Tests>]
let tests =
    testList
        "Program"
        [
            testCase "--version prints the version and nothing else" (fun () ->
                let outcome = Imaml.runAlone [ "--version" ]
                outcome.ExitCode |> should equal 0
                outcome.Output.Trim() |> should startWith "0."
                outcome.Errors |> should be EmptyString)

            testCase "without arguments it shows its commands" (fun () ->
                let outcome = Imaml.runAlone []
                outcome.ExitCode |> should equal 0
                outcome.Output |> should haveSubstring "doctor")

            testCase "an unknown option is named, with the nearest that exists" (fun () ->
                refused
                    [ "doctor"; "--thraeds"; "2" ]
                    "imaml: unknown option --thraeds (did you mean --threads?); see `imaml doctor --help`")

            testCase "an unknown command is named, with the nearest that exists" (fun () ->
                refused [ "docter" ] "imaml: unknown command docter (did you mean doctor?); see `imaml --help`")

            testCase "asking for help of a command that is not there is the same mistake as the command" (fun () ->
                for words in [ [ "nosuch" ]; [ "export" ]; [ "models"; "nosuch" ]; [ "data"; "lst" ] ] do
                    let alone = Imaml.run words
                    alone.ExitCode |> should equal ExitCode.Usage
                    alone.Line |> should haveSubstring $"unknown command {List.last words}"

                    for help in [ "--help"; "-h"; "-?" ] do
                        Imaml.run (words @ [ help ]) |> should equal alone)

            testCase "an option before its command is told where it belongs" (fun () ->
                refused [ "--json"; "runs" ] "imaml: --json belongs after the command: imaml runs --json; see `imaml runs --help`"

                refused
                    [ "--examples"; "DIR"; "predict"; "grocery"; "x.png" ]
                    "imaml: --examples belongs after the command: imaml predict --examples; see `imaml predict --help`"

                refused
                    [ "data"; "--data=DIR"; "list" ]
                    "imaml: --data=DIR belongs after the command: imaml data list --data=DIR; see `imaml data list --help`")

            testCase "every option that has one value refuses a second" (fun () ->
                for path, command in commands [] (ImamlCommand.Create CancellationToken.None) do
                    for option in command.Options do
                        if option.Arity.MaximumNumberOfValues = 1 && option.ValueType <> typeof<bool> then
                            let twice = [ option.Name; "1"; option.Name; "1" ]

                            for given, times in [ twice, "twice"; twice @ [ option.Name; "1" ], "3 times" ] do
                                let message, code = said (path @ given)
                                Expect.equal code ExitCode.Usage message
                                Expect.stringContains message $"{option.Name} is given {times}" $"{path}")

            testCase "an option unlike any other is named alone" (fun () ->
                refused [ "doctor"; "--zzzzzzzz" ] "imaml: unknown option --zzzzzzzz; see `imaml doctor --help`")

            testCase "a value of the wrong kind is named" (fun () ->
                refused [ "doctor"; "--threads"; "two" ] "imaml: --threads must be a whole number, not two; see `imaml doctor --help`")

            testCase "all that is wrong is named in one line: unknown words, values, what is missing" (fun () ->
                refused
                    [ "train"; "--ways"; "x"; "--shots"; "0"; "--lambda"; "1,5"; "--out"; "q" ]
                    "imaml: --ways must be a whole number, not x; --lambda must be a finite number, not 1,5; --shots must be at least 1, not 0; see `imaml train --help`"

                refused
                    [ "evaluate"; "run"; "--episodes"; "1"; "--ways"; "0"; "--seed"; "-1" ]
                    "imaml: --episodes must be at least 2, not 1; --seed must be at least 0, not -1; --ways must be at least 2, not 0; see `imaml evaluate --help`"

                refused
                    [ "predict"; "grocery"; "--exmaples"; "a"; "--inner-steps"; "x" ]
                    "imaml: unknown option --exmaples (did you mean --examples?); --inner-steps must be a whole number, not x; --examples is missing; see `imaml predict --help`"

                refused
                    [ "predict"; "grocery"; "--inner-steps"; "x" ]
                    "imaml: --inner-steps must be a whole number, not x; IMAGES, --examples are missing; see `imaml predict --help`"

                refused
                    [ "show"; ""; "--width"; "1" ]
                    "imaml: RUN must not be empty; --width must be at least 20, not 1; see `imaml show --help`"

                let line, code = said [ "bench"; "--settings"; "zz"; "--methods"; "yy"; "--steps"; "0" ]
                code |> should equal ExitCode.Usage

                for part in
                    [
                        "--settings: zz is not one of "
                        "--methods: yy is not one of "
                        "--steps must be at least 1, not 0"
                    ] do
                    line |> should haveSubstring part)

            testCase "a value out of range is named" (fun () ->
                refused [ "doctor"; "--threads"; "0" ] "imaml: --threads must be at least 1, not 0; see `imaml doctor --help`")

            testCase "a value of an option that has none is named, and a directive without a position" (fun () ->
                refused [ "runs"; "--json=maybe" ] "imaml: --json takes no value; see `imaml runs --help`"
                refused [ "[suggest:x]"; "imaml t" ] "imaml: [suggest:x] must name a position in the command line, as in [suggest:12]")

            testCase "words after a leading -- are the same, hidden commands have no help, and @name is a name" (fun () ->
                (Imaml.run [ "--"; "presets" ]).Output |> should equal (Imaml.run [ "presets" ]).Output
                (Imaml.run [ "help"; "bench-one" ]).Line |> should startWith "imaml: there is no command bench-one"
                (Imaml.run [ "show"; "@run" ]).Line |> should haveSubstring "@run")

            testCase "in a working directory that is gone every command ends in one line" (fun () ->
                let gone = Directory.CreateTempSubdirectory("imaml-test-").FullName

                let outcome = Imaml.runByShell [] $"cd {gone} && rmdir {gone} && exec \"$@\"" [ "show"; "run" ]

                outcome.ExitCode |> should equal 1
                outcome.Line |> should startWith "imaml: the working directory does not exist any more")

            testCase "every whole number: what is none, negative or too large is refused in one line that names the option" (fun () ->
                refuses (fun option -> isNumber option.ValueType) (fun folder ->
                    File.WriteAllText(Path.Combine(folder, "file"), "x")

                    [
                        ""
                        "x"
                        "NaN"
                        "1e400"
                        "1.5"
                        "0x10"
                        "-1"
                        "-2147483649"
                        "99999999999999999999"
                    ]))

            testCase "every other number: what is none, negative or not finite is refused in one line that names the option" (fun () ->
                refuses (fun option -> isDecimal option.ValueType) (fun folder ->
                    File.WriteAllText(Path.Combine(folder, "file"), "x")
                    [ ""; "x"; "1,5"; "NaN"; "Infinity"; "1e400"; "-1e400"; "-1" ]))

            testCase "every option that takes a word or a path refuses an empty one" (fun () ->
                refuses (fun option -> option.Arity.MaximumNumberOfValues > 0 && option.ValueType <> typeof<bool>) (fun folder ->
                    File.WriteAllText(Path.Combine(folder, "file"), "x")
                    [ "" ]))

            testCase "every folder that is a file, or lies in one, is refused" (fun () ->
                // The page of `imaml report` is a file.
                refuses (fun option -> List.contains option.Name [ "--out"; "--data" ] && option.HelpName <> "FILE.html") (fun folder ->
                    let file = Path.Combine(folder, "file")
                    File.WriteAllText(file, "x")
                    [ file; Path.Combine(file, "below"); Path.Combine(file, "below", "it") ]))

            testCase "a run that is a file, and an experiment that is a folder or missing, are refused" (fun () ->
                inFolder (fun folder ->
                    let file = Path.Combine(folder, "file")
                    File.WriteAllText(file, "x")

                    for arguments, line in
                        [
                            [ "diagnose"; file ], $"RUN {file}: this is a file, not a folder"
                            [ "evaluate"; "" ], "MODEL must not be empty"
                            [ "train"; ""; "--out"; "run" ], "FILE must not be empty"
                            [ "presets"; "" ], "NAME must not be empty"
                            [ "solve"; "" ], "PROBLEM.json must not be empty"
                            [ "train"; folder; "--out"; "run" ], $"{folder} is a folder, not a file"
                            [ "train"; file + "s"; "--out"; "run" ], $"there is no file {file}s"
                        ] do
                        let message, code = said arguments
                        message |> should haveSubstring line
                        code |> should equal ExitCode.Usage))
        ]
