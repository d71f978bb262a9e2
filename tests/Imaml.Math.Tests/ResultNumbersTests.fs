/// The measured numbers of the README, of docs/*.md and of results/README.md are those of the result files that they name.
///
/// A comment in the text names file and fields for the numbers right before it, in their order:
///
///     97.63 ± 0.32 % <!-- results/omniglot-5w1s/evaluation-test.json: accuracy*100, halfWidth95*100 -->
///
/// A field is a path (`rows[setting=5w1s].peakBytes`), `count` for the lines of a .jsonl file, or `"text"`, a line of a Markdown table that has
/// the number in a cell; `*number`, `/number` and `/field` follow it. `FILE: verbatim` says that the block after it stands in the file line by line,
/// and `elsewhere: why` that a number is not a result of this program. A number with ±, and a row of numbers in a table, must have a comment.
module Imaml.Math.Tests.ResultNumbersTests

open System
open System.Globalization
open System.IO
open System.Text.Json
open System.Text.RegularExpressions
open Expecto
open Imaml.Testing

let private number (text: string) =
    if text = "∞" then
        infinity
    else
        Double.Parse(text.Replace(",", "").Replace('−', '-'), NumberStyles.Float, CultureInfo.InvariantCulture)

/// Half a unit of the last digit that is written, and the rounding of a double.
let private tolerance (text: string) =
    let mantissa, exponent =
        match text.Split 'e' with
        | [| m; e |] -> m, number e
        | _ -> text, 0.0

    let decimals =
        match mantissa.IndexOf '.' with
        | -1 -> 0
        | at -> mantissa.Length - at - 1

    (0.5 + 1e-9) * 10.0 ** (exponent - float decimals)

let private numbers = Regex(@"(?<![\w.])[−-]?\d[\d,]*(?:\.\d+)?(?:e[−-]?\d+)?(?![\w])|∞")

let private read (path: string) =
    let text = File.ReadAllText path

    if path.EndsWith ".jsonl" then
        let lines = text.Split('\n', StringSplitOptions.RemoveEmptyEntries)
        JsonDocument.Parse("[" + String.Join(',', lines) + "]").RootElement
    else
        JsonDocument.Parse(text).RootElement

let private value (element: JsonElement) =
    match element.ValueKind with
    | JsonValueKind.Number -> element.GetDouble()
    | JsonValueKind.String -> Double.Parse(string element, CultureInfo.InvariantCulture)
    | kind -> failtest $"a field is {kind}, not a number"

let private step (element: JsonElement) (name: string) : JsonElement =
    match element.ValueKind, element.TryGetProperty name with
    | JsonValueKind.Object, (true, found) -> found
    | _ -> failtest $"there is no field {name}"

let rec private follow (element: JsonElement) (path: string) : JsonElement =
    let filter = Regex.Match(path, @"^\[(.+?)=(.+?)\]")

    if path = "" then
        element
    elif path[0] = '.' then
        follow element path[1..]
    elif filter.Success then
        let names, wanted = filter.Groups[1].Value.Split '.', filter.Groups[2].Value

        let chosen =
            [
                for one in element.EnumerateArray() do
                    let found = Array.fold step one names

                    let equal =
                        match found.ValueKind with
                        | JsonValueKind.Number -> found.GetDouble() = Double.Parse(wanted, CultureInfo.InvariantCulture)
                        | _ -> string found = wanted

                    if equal then
                        one
            ]

        let rest = path[filter.Length ..]

        match chosen with
        | [] -> failtest $"nothing has {names} = {wanted}"
        | [ one ] -> follow one rest
        | several when rest.StartsWith '[' -> follow (JsonSerializer.SerializeToElement several) rest
        | _ -> failtest $"several have {names} = {wanted}"
    else
        let name = Regex.Match(path, @"^[^.\[]+").Value
        follow (step element name) path[name.Length ..]

/// A field with its factors, against the number of the text.
let private evaluate (file: string) (field: string) (text: string) : float =
    let path = Path.Combine((Repository.root ()), file)

    if not (File.Exists path) then
        failtest $"{file} does not exist"

    let quoted = Regex.Match(field, "^\"(.+)\"$")

    if quoted.Success then
        let found =
            File.ReadLines path
            |> Seq.exists (fun line ->
                Regex.Replace(line, " +", " ").StartsWith quoted.Groups[1].Value
                && line.Split '|' |> Array.exists (fun cell -> cell.Trim() = text))

        if found then number text else nan
    else
        let document = read path
        let factors = Regex.Split(field, @"(?=[*/](?![^\[]*\]))")

        let one (part: string) =
            if part = "count" then
                float (document.GetArrayLength())
            else
                match Double.TryParse(part, NumberStyles.Float, CultureInfo.InvariantCulture) with
                | true, plain -> plain
                | _ -> value (follow document part)

        factors[1..]
        |> Array.fold
            (fun sum factor ->
                if factor[0] = '*' then
                    sum * one factor[1..]
                else
                    sum / one factor[1..])
            (one factors[0])

/// What a comment says: a file and a field for each number.
let private fields (comment: string) : (string * string) list =
    Regex.Split(comment, @", (?![^\[]*\])")
    |> Array.fold
        (fun (file, found) part ->
            let named = Regex.Match(part, @"^(results/[^:]+): (.+)$")

            if named.Success then
                named.Groups[1].Value, (named.Groups[1].Value, named.Groups[2].Value) :: found
            else
                file, (file, part) :: found)
        ("", [])
    |> snd
    |> List.rev

let private comments = Regex(@"<!--\s*(.*?)\s*-->", RegexOptions.Singleline)

/// Without what is not text: code, addresses, pictures.
let private plain (text: string) =
    let text = Regex.Replace(text, @"`[^`]*`", "")
    Regex.Replace(text, @"\]\([^)]*\)", "]")

/// Paragraphs, list items and table rows, without code blocks.
let private blocks (text: string) : string list =
    let text = Regex.Replace(text, @"(?ms)^\s*```.*?^\s*```", "")

    Regex.Split(text, @"\n\s*\n|\n(?=\s*[-|])")
    |> Array.filter (fun block -> not (Regex.IsMatch(block, @"^\n*    \S")) || block.TrimStart().StartsWith '|')
    |> Array.toList

let private stale (block: string) : string list =
    let mutable from = 0

    [
        for comment in comments.Matches block do
            let before = plain (block.Substring(from, comment.Index - from))
            from <- comment.Index + comment.Length
            let said = comment.Groups[1].Value

            if said.StartsWith "results/" && not (said.EndsWith ": verbatim") then
                let wanted = fields said
                let found = [ for m in numbers.Matches before -> m.Value ]

                if found.Length < wanted.Length then
                    $"{found.Length} numbers before a comment on {wanted.Length}: {said}"
                else
                    for text, (file, field) in List.zip (List.skip (found.Length - wanted.Length) found) wanted do
                        let actual =
                            try
                                Ok(evaluate file field text)
                            with e ->
                                Error e.Message

                        match actual with
                        | Error message -> $"{text}: {file}: {field}: {message}"
                        | Ok actual when abs (actual - number text) <= tolerance text || actual = number text -> ()
                        | Ok actual -> $"{text} is {actual} in {file}: {field}"
    ]

/// A block with measured numbers that no comment names.
let private unmarked (block: string) : string list =
    let bare = plain (comments.Replace(block, "\u0001"))

    [
        // ± and its number, with no comment before the next ±; one comment serves a row of a table.
        if not (block.TrimStart().StartsWith '|') then
            for m in Regex.Matches(bare, @"\d ± [\d.]+(?=([^\u0001±]*)(±|$))", RegexOptions.Singleline) do
                $"no comment names the file of {m.Value}"

        if block.TrimStart().StartsWith '|' && not (bare.Contains '\u0001') then
            let cells = (bare.Trim().Trim '|').Split '|' |> Array.map (fun cell -> cell.Trim().Trim '*')

            if cells |> Array.filter (fun cell -> Regex.IsMatch(cell, @"^[−-]?\d")) |> Array.length >= 2 then
                $"no comment names the file of the row {bare.Trim()}"
    ]

/// The blocks that must stand in a file line by line, which then need no comments.
let private verbatim = Regex(@"<!-- (results/[^:]+): verbatim -->\n\n((?:[ |].*\n)+)")

let private check (text: string) : string list =
    [
        for m in verbatim.Matches text do
            let file = m.Groups[1].Value

            let there =
                File.ReadLines(Path.Combine((Repository.root ()), file))
                |> Seq.map (fun line -> line.Trim())
                |> Set.ofSeq

            for line in m.Groups[2].Value.Split('\n', StringSplitOptions.RemoveEmptyEntries) do
                if not (there.Contains(line.Trim())) then
                    $"not in {file}: {line.Trim()}"

        let headings = Regex(@"(?m)^\s*\|.*\n(?=\s*\|[ :|-]+$)")

        for block in blocks (headings.Replace(verbatim.Replace(text, ""), "")) do
            yield! stale block
            yield! unmarked block
    ]

let private documents =
    [ "README.md"; "results/README.md" ]
    @ [
        for path in Directory.GetFiles(Path.Combine((Repository.root ()), "docs"), "*.md") -> "docs/" + Path.GetFileName path
    ]

let private one = "results/omniglot-5w1s/evaluation-test.json"

[<Tests>]
let tests =
    testList
        "Numbers of the results"
        [
            for document in documents do
                testCase $"{document}: every number is that of its file" (fun () ->
                    match check (File.ReadAllText(Path.Combine((Repository.root ()), document))) with
                    | [] -> ()
                    | wrong -> failtest (String.concat "\n" wrong))

            testCase "the README and the documentation have their measured numbers from files" (fun () ->
                let marked =
                    documents
                    |> Seq.collect (fun document -> comments.Matches(File.ReadAllText(Path.Combine((Repository.root ()), document))))
                    |> Seq.filter (fun m -> m.Groups[1].Value.StartsWith "results/")

                Expect.isGreaterThan (Seq.length marked) 40 "comments that name a file")

            testCase "a stale number, a missing field or file, and a number that no file is named for are found" (fun () ->
                let wrong text = check text |> List.length
                Expect.equal (wrong $"97.63 ± 0.32 %% <!-- {one}: accuracy*100, halfWidth95*100 --> here") 0 "as it is"
                Expect.equal (wrong $"97.64 ± 0.32 %% <!-- {one}: accuracy*100, halfWidth95*100 -->") 1 "stale"
                Expect.equal (wrong $"97.63 ± 0.33 %% <!-- {one}: accuracy*100, halfWidth95*100 -->") 1 "stale interval"
                Expect.equal (wrong $"97.6 <!-- {one}: precision*100 -->") 1 "no field"
                Expect.equal (wrong "97.6 <!-- results/none.json: accuracy*100 -->") 1 "no file"
                Expect.equal (wrong "97.63 ± 0.32 % on 600 episodes") 1 "no comment"
                Expect.equal (wrong $"97.63 ± 0.32 %% <!-- {one}: accuracy*100, halfWidth95*100 --> and 91.0 ± 0.5 %%") 1 "one of two"
                Expect.equal (wrong "| a | 1.5 | 2.5 |") 1 "a row"
                Expect.equal (wrong "| a | 1.5 | 2.5 <!-- elsewhere: another program's --> |") 0 "a row from elsewhere"
                Expect.equal (wrong "<!-- results/demo.txt: verbatim -->\n\n    │ chance  │ 30.0 % │\n") 1 "a line of another run")
        ]
