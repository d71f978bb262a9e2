/// What the README and the documentation show of the program: its command lines parse, problem files are read, and printed lines are printed.
module Imaml.Cli.Tests.DocumentTests

open System
open System.IO
open System.Text
open System.Text.RegularExpressions
open System.Threading
open Expecto
open Imaml.Testing
open Imaml.Cli
open Imaml.Cli.Commands
open Imaml.Cli.Problems

let private documents =
    [
        yield "README.md"
        yield "src/Imaml.Cli/PACKAGE.md"

        for path in Directory.GetFiles(Path.Combine((Repository.root ()), "docs"), "*.md") |> Array.sort do
            yield "docs/" + Path.GetFileName path
    ]

let private read (document: string) = File.ReadAllText(Path.Combine((Repository.root ()), document))

/// The fenced blocks in this language.
let private blocks (language: string) (text: string) =
    [
        for m in Regex.Matches(text, $@"(?m)^ *```{language}\n((?:.*\n)*?) *```$") -> m.Groups[1].Value
    ]

/// The words after `imaml` of every command of a script: continued lines are joined, comments dropped; &&, | and > end a command.
let private commandLines (script: string) : string list list =
    [
        for line in script.Replace("\\\n", " ").Split '\n' do
            for command in Regex.Split(Regex.Replace(line, @"(^|\s)#.*$", ""), @"&&|\||>") do
                match List.ofArray (command.Split(' ', StringSplitOptions.RemoveEmptyEntries)) with
                | "imaml" :: words -> words
                | _ -> ()
    ]

let private mistake (words: string list) : string option =
    UsageError.Of(ImamlCommand.Create(CancellationToken.None).Parse words, words) |> Option.ofObj

/// Commands whose printed lines stand in a document, indented, after the command.
let private printed (document: string) =
    [
        for m in Regex.Matches(read document, @"imaml (solve samples/[^\n`]+)`?[^\n]*\n(?:[^\n]*\n){0,3}?\n((?:    [^\n]*\n)+)") ->
            List.ofArray (m.Groups[1].Value.Split ' '), m.Groups[2].Value.Split('\n', StringSplitOptions.RemoveEmptyEntries)
    ]

[<Tests>]
let tests =
    testList
        "Documents"
        [
            for document in documents do
                testCase $"{document}: every command line can be parsed" (fun () ->
                    for words in read document |> blocks "bash" |> List.collect commandLines do
                        match mistake words with
                        | None -> ()
                        | Some mistake ->
                            let line = String.Join(' ', words)
                            failtest $"imaml {line}: {mistake}")

                testCase $"{document}: every problem file can be read" (fun () ->
                    for block in read document |> blocks "json" do
                        ProblemFile.Parse(ReadOnlyMemory(Encoding.UTF8.GetBytes block)) |> ignore)

            for document in [ "README.md"; "docs/check-your-gradient.md" ] do
                testCase $"{document}: the program prints the lines that are shown" (fun () ->
                    let shown = printed document
                    Expect.isNonEmpty shown "no command with its printed lines"

                    for words, lines in shown do
                        let output =
                            Imaml.run (
                                words
                                |> List.map (fun word ->
                                    if word.StartsWith "samples/" then
                                        Path.Combine((Repository.root ()), word)
                                    else
                                        word)
                            )

                        for line in lines do
                            Expect.stringContains output.Output (line.Trim()) $"{document}")

            testCase "what is shown is found, and what is wrong in it" (fun () ->
                let all = documents |> List.collect (read >> blocks "bash" >> List.collect commandLines)
                Expect.isGreaterThan all.Length 40 "command lines"

                Expect.equal
                    (commandLines "imaml solve a.json \\\n  --json   # x\na && imaml demo > b")
                    [ [ "solve"; "a.json"; "--json" ]; [ "demo" ] ]
                    "words"

                Expect.isSome (mistake [ "solve"; "a.json"; "--inner-step"; "3" ]) "a misspelt option"
                Expect.isSome (mistake [ "train"; "--lambda"; "x"; "--out"; "r" ]) "a value that is no number"
                Expect.equal (blocks "json" "```json\n{}\n```\n").Length 1 "a block")
        ]
