/// The shell completes commands, options and values; `-` is the standard input.
module Imaml.Cli.Tests.CompletionTests

open System
open System.IO
open Expecto
open Imaml.Cli

let private lines (text: string) = text.Split('\n', StringSplitOptions.RemoveEmptyEntries) |> Array.toList

/// What completes a command line that the cursor stands at the end of.
let private suggested (line: string) =
    let outcome = Imaml.run [ $"[suggest:{line.Length}]"; line ]
    Expect.equal outcome.ExitCode 0 outcome.Errors
    lines outcome.Output

/// What bash offers, by the script that the program prints.
let private offered (line: string) =
    let words = line.Split ' '
    let quoted = words |> Array.map (fun word -> $"'{word}'") |> String.concat " "

    let script =
        $"""program=("$@")
imaml() {{ "${{program[@]}}" "$@"; }}
eval "$(imaml completion bash)"
COMP_LINE='{line}' COMP_POINT={line.Length} COMP_WORDS=({quoted}) COMP_CWORD={words.Length - 1}
_imaml
printf '%%s\n' "${{COMPREPLY[@]}}" """

    let outcome = Imaml.runByShell [] script []
    Expect.equal outcome.Errors "" "bash says nothing"
    lines outcome.Output

let private problem = Path.Combine(AppContext.BaseDirectory, "samples", "problems", "ridge.json")

[<Tests>]
let tests =
    testList
        "completion and the standard input"
        [
            for line, expected in
                [
                    "imaml tra", "train"
                    "imaml reproduce fig", "fig2a"
                    "imaml train --outer-r", "--outer-rate"
                    "imaml train --algorithm imaml-h", "imaml-hf"
                    "imaml train --preset omniglot-5w1s/f", "omniglot-5w1s/fomaml"
                    "imaml train --dataset omn", "omniglot"
                    "imaml train --linear-solver mi", "minres"
                    "imaml reproduce table2 --cells 20w1s/imaml-g", "20w1s/imaml-gd"
                    "imaml reproduce table2 --cells 5w1s/maml,20w1s/imaml-g", "5w1s/maml,20w1s/imaml-gd"
                    "imaml bench --methods imaml-gd,fo", "imaml-gd,fomaml"
                    "imaml solve --method ex", "exact"
                    "imaml evaluate omni", "omniglot-5way"
                    "imaml evaluate RUN --device cu", "cuda"
                    "imaml data check groc", "grocery_84"
                    "imaml presets omniglot-20w1s/imaml-h", "omniglot-20w1s/imaml-hf"
                    "imaml help eval", "evaluate"
                    "imaml completion fi", "fish"
                ] do
                testCase $"{line}…" (fun () -> Expect.contains (suggested line) expected "the word is offered")

            testCase "bash offers the words that begin as the last one does"
            <| fun () ->
                Expect.equal (offered "imaml train --algorithm imaml-ne") [ "imaml-nesterov" ] "one value"
                Expect.equal (offered "imaml solv") [ "solve" ] "one command"

            testCase "a shell that is not known is refused"
            <| fun () ->
                let outcome = Imaml.run [ "completion"; "csh" ]
                Expect.equal outcome.ExitCode 2 "usage"
                Expect.stringContains outcome.Line "SHELL: csh is not one of bash, zsh, fish" "the shells are named"

            testCase "solve - and train - read the standard input"
            <| fun () ->
                let fromFile = Imaml.run [ "solve"; problem; "--json" ]
                let piped = Imaml.runByShell [] $"\"$@\" < '{problem}'" [ "solve"; "-"; "--json" ]
                Expect.equal piped.Output fromFile.Output "the same answer"
                let nothing = Imaml.runByShell [] "\"$@\" < /dev/null" [ "solve"; "-" ]
                Expect.equal nothing.ExitCode 2 "no problem, no answer"
                Expect.stringStarts nothing.Line "imaml: -: " "the file's name is -"
                let experiment = Imaml.runByShell [] "echo '{\"seed\": -1}' | \"$@\"" [ "train"; "-"; "--out"; "RUN" ]
                Expect.equal experiment.ExitCode 2 experiment.Output
                Expect.stringContains experiment.Line "-" "one line"

            testCase "facts fit every width, but for words that are longer, which stay whole"
            <| fun () ->
                let path = "/" + String.replicate 60 "x"
                let facts = [ struct ("a name", "one two three four five six"); struct ("b", path) ]

                for width in [ 160; 80; 40; 20 ] do
                    let lines = TextTable.Facts(List.toArray facts, width) |> Seq.toList
                    Expect.containsAll (lines |> List.map _.Trim()) [ (if width > 70 then $"b      {path}" else path) ] "the path"

                    for line in lines do
                        Expect.isTrue (line.Length <= width || line.Contains path) line
                        Expect.equal line (line.TrimEnd()) "no blanks at the end"

                Expect.equal (TextTable.Facts(List.toArray facts, 80) |> Seq.head) "a name one two three four five six" "beside its name"

                Expect.equal
                    (TextTable.Facts(List.toArray facts, 20) |> Seq.take 3 |> Seq.toList)
                    [ "a name"; "  one two three four"; "  five six" ]
                    "below its name"
        ]
