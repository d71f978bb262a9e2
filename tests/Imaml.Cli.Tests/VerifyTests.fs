/// `imaml verify`: what it prints and writes, and that a claim that fails is heard of.
module Imaml.Cli.Tests.VerifyTests

open System
open System.IO
open System.Text.Json
open System.Threading
open Expecto
open FsUnit
open Imaml.Testing
open Imaml.Theory
open Imaml.Cli.Commands
open Imaml.Cli.Tests

let private instances (margins: float list) =
    Func<Extent, Instance seq>(fun extent ->
        margins
        |> List.mapi (fun i margin ->
            {
                Name = $"{extent} {i}"
                Margin = margin
            })
        |> List.toSeq)

let private claim statement margins violations : Claim =
    {
        Source = "Theorem 0"
        Statement = statement
        Hypotheses = "none"
        Families = "numbers"
        Measured = "a|b"
        Bound = "1"
        Instances = instances margins
        Violations = violations
    }

let private violation expectation margins : Violation =
    {
        Hypothesis = "without it"
        Expectation = expectation
        Instances = instances margins
    }

let private holding = claim "it holds" [ 0.5; 0.25 ] [| violation Expectation.Breaks [ -1.0; 0.5 ] |]

let private verify (claims: Claim list) (folder: string | null) =
    VerifyCommand.Run(List.toArray claims, Extent.Full, folder, false, CancellationToken.None)

[<Tests>]
let tests =
    testList
        "imaml verify"
        [
            testCase "exits with 0 where every claim holds, and with 1 where one does not" (fun () ->
                verify [ holding ] null |> should equal 0
                verify [ holding; claim "it fails" [ 0.5; -0.1 ] [||] ] null |> should equal 1)

            testCase "a claim without instances fails, and one whose margin is no number" (fun () ->
                verify [ claim "nothing" [] [||] ] null |> should equal 1
                verify [ claim "not a number" [ 0.5; nan ] [||] ] null |> should equal 1)

            testCase
                "a hypothesis that is broken without consequence fails, where a consequence was expected; and the other way round"
                (fun () ->
                    verify [ claim "needed?" [ 0.5 ] [| violation Expectation.Breaks [ 0.5 ] |] ] null |> should equal 1

                    verify
                        [
                            claim "not needed?" [ 0.5 ] [| violation Expectation.Survives [ 0.5; -0.5 ] |]
                        ]
                        null
                    |> should equal 1

                    verify [ claim "not needed" [ 0.5 ] [| violation Expectation.Survives [ 0.5 ] |] ] null
                    |> should equal 0)

            testCase "writes the ledger as JSON and as Markdown, failures included" (fun () ->
                inFolder (fun folder ->
                    verify [ holding; claim "it fails" [ -0.5 ] [||] ] folder |> should equal 1
                    let json = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "ledger.json"))).RootElement
                    json.GetProperty("holds").GetBoolean() |> should equal false
                    json.GetProperty("extent").ToString() |> should equal "full"
                    let first = json.GetProperty("claims")[0]
                    first.GetProperty("smallestMargin").GetDouble() |> should equal 0.25
                    first.GetProperty("nearest").ToString() |> should equal "Full 1"
                    (first.GetProperty("violations")[0]).GetProperty("broken").GetInt32() |> should equal 1
                    let markdown = File.ReadAllText(Path.Combine(folder, "ledger.md"))

                    for text in [ "it holds"; "FAILS"; "a\\|b"; "without it"; "checked on" ] do
                        Expect.stringContains markdown text "the Markdown ledger"

                    Expect.isFalse (markdown.Contains "proved") "it is checked, never proved"
                    Directory.GetFiles folder |> should haveLength 2))

            testCase "stops between claims when asked to, and leaves nothing behind" (fun () ->
                inFolder (fun folder ->
                    use stop = new CancellationTokenSource()

                    let stopping =
                        { holding with
                            Instances =
                                Func<_, _>(fun _ ->
                                    stop.Cancel()
                                    Seq.empty)
                        }

                    let never =
                        { holding with
                            Instances = Func<_, _>(fun _ -> failtest "a claim was checked after the stop")
                        }

                    let outer = Path.Combine(folder, "new")
                    let target = Path.Combine(outer, "ledger")

                    (fun () -> VerifyCommand.Run([| stopping; never |], Extent.Quick, target, false, stop.Token) |> ignore)
                    |> should throw typeof<OperationCanceledException>

                    Directory.Exists outer |> should equal false))

            testCase "stops between the instances of a claim, too" (fun () ->
                use stop = new CancellationTokenSource()

                let endless =
                    { holding with
                        Instances =
                            Func<_, _>(fun _ ->
                                Seq.initInfinite (fun i ->
                                    if i = 2 then
                                        stop.Cancel()

                                    { Name = $"{i}"; Margin = 0.5 }))
                    }

                (fun () -> VerifyCommand.Run([| endless |], Extent.Quick, null, false, stop.Token) |> ignore)
                |> should throw typeof<OperationCanceledException>)

            testCase "an exception of a check is a fault of the program, not the user's mistake" (fun () ->
                let broken =
                    { holding with
                        Instances = Func<_, _>(fun _ -> invalidArg "lambda" "λ must be positive")
                    }

                (fun () -> verify [ broken ] null |> ignore) |> should throw typeof<InvalidOperationException>)

            testCase "--quick and --full together are one line and exit code 2" (fun () ->
                let outcome = Imaml.run [ "verify"; "--quick"; "--full" ]
                outcome.ExitCode |> should equal 2

                outcome.Line
                |> should equal "imaml: --quick and --full cannot be used together; see `imaml verify --help`")

            testCase "a folder that is a file is one line and exit code 2, before anything is checked" (fun () ->
                inFolder (fun folder ->
                    let file = Path.Combine(folder, "file")
                    File.WriteAllText(file, "")
                    let outcome = Imaml.run [ "verify"; "--out"; Path.Combine(file, "ledger") ]
                    outcome.ExitCode |> should equal 2
                    Expect.stringContains outcome.Line "--out" "the line"))

            testCase "help names the options" (fun () ->
                let outcome = Imaml.run [ "verify"; "--help" ]
                outcome.ExitCode |> should equal 0

                for option in [ "--quick"; "--full"; "--out"; "--json" ] do
                    Expect.stringContains outcome.Output option "the help")
        ]
