/// Runs that lose nothing: damaged checkpoints and logs, headers that make no sense, and folders that cannot be written.
module Imaml.Cli.Tests.RecoveryTests

open System
open System.Collections.Generic
open System.IO
open System.Security.Cryptography
open System.Text
open System.Text.Json.Nodes
open System.Text.RegularExpressions
open System.Threading
open System.Threading.Tasks
open Expecto
open Imaml.Testing
open Imaml.Nets.Tests.DataFixtures
open Imaml.Nets.Runs
open Imaml.Cli.Tests.TrainRuns
open FsUnit

let private at (folder: string) (name: string) = Path.Combine(folder, name)

let private cutOff (path: string) =
    let bytes = File.ReadAllBytes path
    File.WriteAllBytes(path, bytes[.. bytes.Length / 2])

/// Writes a checkpoint's header and state anew, sealed with the right hash.
let private rewrite (path: string) (change: JsonNode -> JsonNode) (state: byte array -> byte array) =
    let bytes = File.ReadAllBytes path
    let length = BitConverter.ToInt32(bytes, 8)
    let header = nonNull (JsonNode.Parse(Encoding.UTF8.GetString(bytes, 12, length)))
    let text = Encoding.UTF8.GetBytes((change header).ToJsonString())

    let all =
        Array.concat
            [
                bytes[..7]
                BitConverter.GetBytes text.Length
                text
                state bytes[12 + length .. bytes.Length - 33]
            ]

    File.WriteAllBytes(path, Array.append all (SHA256.HashData all))

/// A log's lines without wall seconds and notes.
let private withoutNotes run log = numbers run log |> List.map (List.filter (fun (name, _) -> name <> "note"))

let private notes run log =
    numbers run log
    |> List.collect (List.choose (fun (name, value) -> if name = "note" then Some value else None))

let private sameNumbers (a: string) (b: string) =
    state a = state b |> should equal true
    withoutNotes a "progress.jsonl" |> should equal (withoutNotes b "progress.jsonl")
    withoutNotes a "curve.jsonl" |> should equal (withoutNotes b "curve.jsonl")

/// Options of runs that can be made longer, which look often.
let private constant = [ "--outer-schedule", "constant" ]

let private upTo (steps: int) more = options (("--meta-steps", string steps) :: constant @ more)

/// A run of six meta-steps, and one of `steps` to be damaged: it has the checkpoints after 2 and 3 meta-steps if it made 3.
let private beside (steps: int) more (body: string -> string -> unit) =
    inFolder (fun folder ->
        let whole, damaged = at folder "whole", at folder "damaged"
        succeed (upTo 6 more whole) |> ignore
        succeed (upTo steps more damaged) |> ignore
        body whole damaged)

[<Tests>]
let states =
    testList
        "Recovery of states"
        [
            testCase "a damaged checkpoint: the one before is used, said once, and the run ends as one that was not damaged" (fun () ->
                for damage in
                    [
                        cutOff
                        File.Delete
                        (fun path -> File.WriteAllText(path, "not a checkpoint at all"))
                    ] do
                    beside 3 [] (fun whole damaged ->
                        damage (at damaged "checkpoint.bin")
                        let outcome = succeed (upTo 6 [] damaged)
                        outcome.Errors |> should haveSubstring "the state before it is used, after 2 meta-steps"
                        outcome.Errors |> should haveSubstring "continuing at meta-step 2"
                        sameNumbers whole damaged
                        notes damaged "progress.jsonl" |> should haveLength 1
                        (succeed (upTo 7 [] damaged)).Errors |> should not' (haveSubstring "is used")))

            testCase "so is a whole checkpoint whose state is not finite, or not all there" (fun () ->
                for what, damage in
                    [
                        "not finite",
                        (fun (state: byte array) ->
                            BitConverter.GetBytes(nanf).CopyTo(state, 40)
                            state)
                        "bytes of state", (fun state -> state[.. state.Length - 5])
                    ] do
                    beside 3 [] (fun whole damaged ->
                        rewrite (at damaged "checkpoint.bin") id damage
                        let measured = Imaml.run [ "evaluate"; damaged; "--state"; "last"; "--episodes"; "4" ]
                        measured.Errors |> says [ what; "the state before it is used, after 2 meta-steps" ]
                        measured.ExitCode |> should equal 0
                        let outcome = succeed (upTo 6 [] damaged)
                        outcome.Errors |> says [ what; "continuing at meta-step 2" ]
                        sameNumbers whole damaged))

            testCase "what is damaged does not replace the state before it" (fun () ->
                beside 3 [] (fun whole damaged ->
                    cutOff (at damaged "checkpoint.bin")
                    let previous = File.ReadAllBytes(at damaged "checkpoint-previous.bin")
                    succeed (upTo 3 [ "--checkpoint-every", "100" ] damaged) |> ignore
                    File.ReadAllBytes(at damaged "checkpoint-previous.bin") |> should equal previous
                    succeed (upTo 6 [] damaged) |> ignore
                    sameNumbers whole damaged))

            testCase "evaluate and predict measure the state before, and evaluate says so" (fun () ->
                beside 3 [ "--validate-every", "0" ] (fun _ damaged ->
                    cutOff (at damaged "checkpoint.bin")
                    let outcome = succeed [ "evaluate"; damaged; "--episodes"; "4" ]
                    outcome.Errors |> should haveSubstring "the state before it is used, after 2 meta-steps"
                    outcome.Output |> should haveSubstring "the last state, 2 meta-steps"))

            testCase "both damaged: the last kept state is named, with what to do; without one, training anew is the last resort" (fun () ->
                beside 3 [ "--keep-every", "2" ] (fun whole damaged ->
                    cutOff (at damaged "checkpoint.bin")
                    cutOff (at damaged "checkpoint-previous.bin")

                    refused
                        "checkpoint.bin is cut off or damaged; checkpoint-000002.bin is sound: copy it to checkpoint.bin to go on after 2 meta-steps"
                        (upTo 6 [ "--keep-every", "2" ] damaged)

                    File.Copy(at damaged "checkpoint-000002.bin", at damaged "checkpoint.bin", true)
                    succeed (upTo 6 [ "--keep-every", "2" ] damaged) |> ignore
                    sameNumbers whole damaged
                    File.Delete(at damaged "checkpoint-000002.bin")

                    for name in
                        [
                            "checkpoint.bin"
                            "checkpoint-previous.bin"
                            "checkpoint-000004.bin"
                            "checkpoint-000006.bin"
                        ] do
                        cutOff (at damaged name)

                    refused "restore it from a copy, or delete the folder and train anew" (upTo 6 [] damaged)))
        ]

[<Tests>]
let logs =
    testList
        "Recovery of logs"
        [
            testCase "a log that was removed, when a validation is due: the gap is said once, and the run goes on" (fun () ->
                inFolder (fun folder ->
                    let run = at folder "run"
                    succeed (upTo 3 [] run) |> ignore
                    File.Delete(at run "progress.jsonl")
                    // So that the validation of step 3 is due again.
                    File.Delete(at run "curve.jsonl")
                    let outcome = succeed (upTo 6 [] run)

                    let line = "progress.jsonl lacks meta-steps 1 to 3: it was damaged or removed"
                    outcome.Errors |> should haveSubstring line
                    outcome.Output + outcome.Errors |> should haveSubstring "tasks that the log has)"
                    (Imaml.run [ "show"; run ]).Output |> should haveSubstring "the log has the solves of "
                    notes run "progress.jsonl" |> should equal [ $"\"{line}\"" ]
                    (numbers run "curve.jsonl").Length |> should equal 2
                    (succeed (upTo 7 [] run)).Errors |> should not' (haveSubstring "lacks")))

            testCase "another cadence of validations than the run's is refused, and nothing is lost" (fun () ->
                inFolder (fun folder ->
                    let run = at folder "run"
                    succeed (upTo 6 [] run) |> ignore
                    let files () = [ for file in Directory.GetFiles run -> file, File.ReadAllBytes file ]
                    let before = files ()

                    for change, asked in
                        [
                            [ "--validate-every", "2" ], "is validated every 2 meta-steps on 4 tasks"
                            [ "--validation-episodes", "5" ], "is validated every 3 meta-steps on 5 tasks"
                            [ "--validate-every", "0" ], "is not validated"
                        ] do
                        let outcome = Imaml.run (upTo 8 change run)
                        outcome.ExitCode |> should equal 1

                        outcome.Errors
                        |> should haveSubstring $"holds a run that is validated every 3 meta-steps on 4 tasks, not one that {asked}"

                        files () |> should equal before))

            testCase
                "damaged lines are cut out and said, of both logs; half a last line, or a last line without its end, is no gap"
                (fun () ->
                    beside 5 [] (fun whole damaged ->
                        let progress, curve = at damaged "progress.jsonl", at damaged "curve.jsonl"
                        // As a killed writer leaves it: whole but for the end of the line, and half a line.
                        File.WriteAllText(progress, (File.ReadAllText progress).TrimEnd '\n')
                        (succeed (upTo 5 [] damaged)).Errors |> should not' (haveSubstring "lacks")
                        File.AppendAllText(progress, "{\"metaStep\":6,\"sec")
                        let lines = File.ReadAllLines progress
                        lines[1] <- "5"
                        lines[2] <- lines[2] + lines[3]
                        File.WriteAllText(progress, String.Join('\n', lines))
                        File.WriteAllText(curve, "{\"metaStep\":3,\"")
                        let outcome = succeed (upTo 6 [] damaged)
                        outcome.Errors |> should haveSubstring "progress.jsonl lacks meta-steps 2 to 3"

                        outcome.Errors
                        |> should haveSubstring "curve.jsonl lacks validations after meta-steps 3: it was damaged or removed, or"

                        state whole = state damaged |> should equal true
                        notes damaged "curve.jsonl" |> should haveLength 1
                        (numbers damaged "progress.jsonl").Length |> should equal 4
                        let again = succeed (upTo 7 [] damaged)
                        again.Errors |> should not' (haveSubstring "lacks")))

            Needs.unlessLacking
                (Needs.lackOf "strace" "strace")
                "reach the disk before the checkpoint that counts on them, and a checkpoint before it has its name"
                (fun () ->
                    inFolder (fun folder ->
                        let calls = at folder "calls"

                        let traced =
                            Imaml.runByShell
                                []
                                $"exec strace -f -y -s 0 -e trace=pwrite64,write,fsync,fdatasync,rename,renameat,renameat2 -o {calls} \"$@\""
                                (upTo 6 [] (at folder "run"))

                        if traced.ExitCode <> 0 then
                            skiptest $"strace may not trace here: {traced.Errors}"

                        // Of each system call its name and the files of the run that it names.
                        let call =
                            Regex(
                                @"^\d+ +(?<call>\w+)\(.*?/run/(?<file>[^>""]+)[>""](?:.*/run/(?<target>[^>""]+)"")?",
                                RegexOptions.Compiled
                            )

                        let unsynced, named = HashSet<string>(), List<string>()

                        for found in File.ReadLines calls |> Seq.map call.Match |> Seq.filter _.Success do
                            let file, target = found.Groups["file"].Value, found.Groups["target"].Value

                            match found.Groups["call"].Value with
                            | "fsync"
                            | "fdatasync" -> unsynced.Remove file |> ignore
                            | "write"
                            | "pwrite64" -> unsynced.Add file |> ignore
                            | _ when target = "checkpoint.bin" ->
                                named.Add target
                                unsynced |> should be Empty
                            | _ -> unsynced.Contains file |> should equal false

                        named.Count |> should be (greaterThan 3)))
        ]

let rec private within (node: JsonNode) (path: string list) : JsonObject * string =
    match path with
    | [ field ] -> node.AsObject(), field
    | field :: rest -> within (nonNull node[field]) rest
    | [] -> failtest "no field"

let private set (path: string list) (value: JsonNode | null) (node: JsonNode) =
    let parent, field = within node path
    parent[field] <- value
    node

let private remove (path: string list) (node: JsonNode) =
    let parent, field = within node path
    parent.Remove(field) |> ignore
    node

let private number (value: float) : JsonNode | null = JsonValue.Create value
let private text (value: string) : JsonNode | null = JsonValue.Create value

[<Tests>]
let headers =
    testList
        "Headers"
        [
            testCase "that make no sense: one line, exit code 1, never an accuracy" (fun () ->
                inFolder (fun folder ->
                    let run = at folder "run"
                    succeed (options [ "--validate-every", "0" ] run) |> ignore
                    File.Delete(at run "checkpoint-previous.bin")
                    let path = at run "checkpoint.bin"
                    let sound = File.ReadAllBytes path

                    for what, line, change in
                        [
                            "an unknown algorithm", "experiment.method.kind", set [ "experiment"; "method"; "kind" ] (text "sgd")
                            "no algorithm", "experiment.method is missing", set [ "experiment"; "method" ] null
                            "no kind", "experiment.method.kind is missing", remove [ "experiment"; "method"; "kind" ]
                            "no experiment", "experiment is missing", remove [ "experiment" ]
                            "a null experiment", "experiment is missing", set [ "experiment" ] null
                            "no inner solver", "experiment.method.inner is missing", remove [ "experiment"; "method"; "inner" ]
                            "no outer memory", "outer is missing", remove [ "outer" ]
                            "a memory without names",
                            "memory has no name",
                            set [ "outer"; "vectors" ] (JsonArray([| (null: JsonNode | null) |]) :> JsonNode)
                            "no meta-step", "metaStep is missing", remove [ "metaStep" ]
                            "a negative meta-step", "metaStep must be from 0 to the", set [ "metaStep" ] (number -1.0)
                            "a meta-step that no run of this length has made", "not 2147483647", set [ "metaStep" ] (number 2147483647.0)
                            "a meta-step beyond numbers", "metaStep must be a whole number", set [ "metaStep" ] (number 1e20)
                            "filters that overflow",
                            "network.filters 2147483647 makes",
                            set [ "experiment"; "network"; "filters" ] (number 2147483647.0)
                            "classes that overflow", "tasks.ways", set [ "experiment"; "tasks"; "ways" ] (number 2147483647.0)
                            "too many inner steps",
                            "method.inner.steps must be at most 100000",
                            set [ "experiment"; "method"; "inner"; "steps" ] (number 2147483647.0)
                            "a negative λ", "method.lambda must be positive", set [ "experiment"; "method"; "lambda" ] (number -1.0)
                            "no tasks", "tasks is missing", remove [ "tasks" ]
                            "negative seconds", "seconds must be at least 0", set [ "seconds" ] (number -1.0)
                            "seconds of more than an age", "seconds must be at least 0", set [ "seconds" ] (number 1e308)
                            "a list", "no JSON object", (fun _ -> JsonArray() :> JsonNode)
                        ] do
                        File.WriteAllBytes(path, sound)
                        rewrite path change id

                        for arguments in
                            [
                                [ "evaluate"; run; "--episodes"; "4" ]
                                [ "predict"; run; "--examples"; folder; folder ]
                                [ "diagnose"; run ]
                                options [ "--validate-every", "0" ] run
                            ] do
                            let outcome = Imaml.run arguments
                            outcome.Line |> should haveSubstring line
                            (what, outcome.ExitCode, outcome.Output) |> should equal (what, 1, "")))

            testCase "a state of NaN: one line, exit code 1, never an accuracy" (fun () ->
                inFolder (fun folder ->
                    let run = at folder "run"
                    succeed (options [] run) |> ignore

                    for name in [ "checkpoint.bin"; "checkpoint-previous.bin"; "checkpoint-best.bin" ] do
                        rewrite (at run name) id (fun state ->
                            BitConverter.GetBytes(nanf).CopyTo(state, 40)
                            state)

                    for arguments in
                        [
                            [ "evaluate"; run; "--episodes"; "4" ]
                            [ "evaluate"; run; "--episodes"; "4"; "--state"; "last" ]
                            [ "predict"; run; "--examples"; folder; folder ]
                            options [] run
                        ] do
                        let outcome = Imaml.run arguments
                        outcome.Line |> should haveSubstring "holds parameters that are not finite"
                        (outcome.ExitCode, outcome.Output) |> should equal (1, "")))

            testCase "inner steps have an upper limit, at every command" (fun () ->
                inFolder (fun folder ->
                    let run = at folder "run"
                    refused "--inner-steps must be at most 100000, not 100001" (options [ "--inner-steps", "100001" ] run)
                    refused "--cg-steps must be at most 100000, not 100001" (options [ "--cg-steps", "100001" ] run)
                    refused "--inner-steps must be at most 100000, not 100001" [ "evaluate"; run; "--inner-steps"; "100001" ]

                    refused
                        "--inner-steps must be at most 100000, not 100001"
                        [ "predict"; run; "--examples"; folder; folder; "--inner-steps"; "100001" ]))
        ]

[<Tests>]
let results =
    testList
        "Results"
        [
            testCase "of a run that cannot be written are printed all the same, and it is said where they could not be written" (fun () ->
                inFolder (fun folder ->
                    let run = at folder "run"
                    succeed (options [ "--validate-every", "0" ] run) |> ignore
                    let evaluate = [ "evaluate"; run; "--episodes"; "4" ]
                    // The file's name is taken by a folder.
                    let file = at run "evaluation-test-episodes4.json"
                    Directory.CreateDirectory(at file "x") |> ignore
                    let failed = Imaml.run evaluate
                    failed.ExitCode |> should equal 1
                    failed.Output |> should haveSubstring "meta-steps; not written"
                    failed.Line |> should haveSubstring $"{file} cannot be written ("
                    Directory.Delete(file, true)

                    if OperatingSystem.IsLinux() && File.Exists "/usr/bin/setpriv" then
                        File.SetUnixFileMode(run, UnixFileMode.UserRead ||| UnixFileMode.UserExecute)

                        try
                            // Root may write everywhere, unless it has given that up.
                            let outcome =
                                Imaml.runByShell
                                    []
                                    "if [ $(id -u) = 0 ]; then exec setpriv --bounding-set=-dac_override --inh-caps=-dac_override \"$@\"; fi; exec \"$@\""
                                    evaluate

                            outcome.ExitCode |> should equal 0
                            outcome.Output |> should haveSubstring "--out keeps it in a file"

                            outcome.Errors
                            |> should haveSubstring $"{run} cannot be written (Access to the path '{run}' is denied"

                            outcome.Errors |> should haveSubstring "the result will only be printed"
                            File.Exists file |> should equal false
                        finally
                            File.SetUnixFileMode(run, UnixFileMode.UserRead ||| UnixFileMode.UserWrite ||| UnixFileMode.UserExecute)))

            testCase "a long text of a file is cut where a message quotes it, and stays in one line" (fun () ->
                inFolder (fun folder ->
                    let isShort (outcome: Imaml.Outcome) (text: string) =
                        outcome.ExitCode |> should not' (equal 0)
                        outcome.Line |> should haveSubstring text
                        outcome.Line.Length |> should be (lessThan 1000)

                    let long = String.replicate 100_000 "x\n"
                    let run, file = at folder "run", at folder "long.json"
                    succeed (options [] run) |> ignore

                    rewrite
                        (at run "checkpoint.bin")
                        (fun header ->
                            header["tasks"] <- JsonValue.Create long
                            header)
                        id

                    isShort (Imaml.run (options [] run)) "holds a run on other tasks (x?x?"
                    isShort (Imaml.run [ "evaluate"; run; "--state"; "last" ]) "was trained on other tasks (x?x?"

                    let described = File.ReadAllText(at run "run.json")
                    let quoted = Json.JsonSerializer.Serialize long

                    for before, after, text in
                        [
                            "\"glyphs\"", quoted, "tasks.dataset x?x?"
                            "\"seed\"", quoted + ": 1, \"seed\"", "is unknown"
                        ] do
                        File.WriteAllText(file, described.Replace(before, after))
                        isShort (Imaml.run [ "train"; file; "--out"; at folder "new" ]) text

                    (Imaml.run [ "show"; String.replicate 150_000 "x" ]).Line.Length |> should be (lessThan 20_000)))

            testCase "of a folder in which another process trains are its own; one that is about to end is waited for" (fun () ->
                inFolder (fun folder ->
                    let run = at folder "run"
                    succeed (upTo 2 [ "--validate-every", "0" ] run) |> ignore
                    let again = upTo 4 [ "--validate-every", "0" ] run
                    let held = new FileStream(at run "lock", FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None)
                    let outcome = Imaml.run again
                    (outcome.ExitCode, outcome.Output) |> should equal (1, "")

                    outcome.Line
                    |> should equal $"imaml: another run trains in {run}; name another folder, or wait until it has ended"

                    // By then the run below has asked for the folder.
                    use _ = new Timer((fun _ -> held.Dispose()), null, 2500, Timeout.Infinite)
                    succeed again |> ignore))

            testCase "of folders: one holder of the lock at a time, however many wait; and no file in a folder of something else" (fun () ->
                inFolder (fun folder ->
                    let run, holders, most = RunFolder(at folder "run"), [| 0 |], [| 0 |]

                    let take _ =
                        use _ = run.Lock()
                        most[0] <- max most[0] (Interlocked.Increment &holders[0])
                        Thread.SpinWait 1000
                        Interlocked.Decrement &holders[0] |> ignore

                    Parallel.For(0, 4, fun _ -> Seq.iter take [ 1..100 ]) |> ignore
                    most[0] |> should equal 1

                    let other = Directory.CreateDirectory(at folder "other").FullName
                    File.WriteAllText(at other "lock", "mine")
                    File.WriteAllText(at other "notes.txt", "mine")
                    File.WriteAllText(at other "old.1.part", "mine")
                    File.SetLastWriteTimeUtc(at other "old.1.part", DateTime.UtcNow.AddDays -9.0)
                    (fun () -> RunFolder(other).Lock() |> ignore) |> should throw typeof<CheckpointException>
                    Directory.GetFiles other |> Array.map File.ReadAllText |> should equal (Array.replicate 3 "mine")
                    File.Delete(at other "lock")
                    (fun () -> RunFolder(other).Lock() |> ignore) |> should throw typeof<CheckpointException>
                    File.Exists(at other "lock") |> should equal false))

            testCase "are written to a pipe as they are, and not in its place" (fun () ->
                inFolder (fun folder ->
                    let run, pipe, copy = at folder "run", at folder "pipe", at folder "copy"
                    succeed (options [] run) |> ignore

                    let script =
                        $"mkfifo '{pipe}' && (cat '{pipe}' > '{copy}' & \"$@\"; code=$?; wait; test -p '{pipe}' && exit $code)"

                    for arguments in
                        [
                            [ "report"; run; "--out"; pipe ]
                            [ "models"; "export"; run; pipe; "--format"; "model" ]
                        ] do
                        (Imaml.runByShell [] script arguments).ExitCode |> should equal 0
                        FileInfo(copy).Length |> should be (greaterThan 1000L)
                        File.Delete pipe

                    // As /dev/stdout is.
                    let output = at folder "output"
                    File.CreateSymbolicLink(output, "/proc/self/fd/1") |> ignore
                    let redirected = Imaml.runByShell [] $"\"$@\" > '{copy}'" [ "report"; run; "--out"; output ]
                    redirected.ExitCode |> should equal 0
                    (File.ReadAllText copy).ToLowerInvariant() |> should haveSubstring "<meta charset"
                    nonNull (FileInfo(output).LinkTarget) |> should equal "/proc/self/fd/1"))

            testCase "of a run that are pipes or folders: one line before anything is read or trained" (fun () ->
                inFolder (fun folder ->
                    let run = at folder "run"
                    let train steps = upTo steps [] run
                    succeed (train 2) |> ignore

                    let refused (what: string) (arguments: string list) =
                        let outcome = Imaml.run arguments
                        outcome.ExitCode |> should equal 1
                        outcome.Errors |> should haveSubstring what

                    for name in
                        [
                            "progress.jsonl"
                            "curve.jsonl"
                            "training.json"
                            "checkpoint-best.bin"
                            "run.json"
                        ] do
                        let place = at run name
                        let kept = at folder "kept"
                        let isThere = File.Exists place

                        if isThere then
                            File.Move(place, kept)

                        Directory.CreateDirectory place |> ignore
                        refused $"{place} is a folder, not a file" (train 4)
                        Directory.Delete place

                        if OperatingSystem.IsLinux() then
                            use made = Diagnostics.Process.Start("mkfifo", place)
                            made.WaitForExit()
                            refused $"{place} is a pipe, a socket or a device" (train 4)

                            if name.EndsWith(".jsonl", StringComparison.Ordinal) then
                                refused $"{place} is a pipe" [ "show"; run ]
                                refused $"{place} is a pipe" [ "report"; run ]
                                (Imaml.run [ "runs"; folder ]).Output |> should haveSubstring "is a pipe"

                            File.Delete place

                        if isThere then
                            File.Move(kept, place)

                    succeed (train 4) |> ignore))

            testCase "of a finished run that are damaged or of a shorter one are written anew by the same command" (fun () ->
                inFolder (fun folder ->
                    let run = at folder "run"
                    let train steps = upTo steps [ "--validate-every", "2" ] run
                    succeed (train 2) |> ignore
                    let older = File.ReadAllText(at run "training.json")
                    succeed (train 4) |> ignore
                    let described = File.ReadAllText(at run "run.json")
                    let tasks () = (nonNull (JsonNode.Parse(File.ReadAllText(at run "training.json")))).["tasks"] |> string
                    tasks () |> should equal "8"

                    for text in [ older; ""; "[]"; "null"; "{" ] do
                        File.WriteAllText(at run "training.json", text)
                        succeed (train 4) |> ignore
                        tasks () |> should equal "8"

                    for text in [ ""; "{"; "[]" ] do
                        File.WriteAllText(at run "run.json", text)
                        // The checkpoint has the experiment too.
                        (succeed [ "show"; run ]).Output.ReplaceLineEndings " " |> should haveSubstring "run.json"
                        succeed (train 4) |> ignore
                        File.ReadAllText(at run "run.json") |> should equal described

                    // As some editors write it.
                    File.WriteAllText(at run "run.json", "\uFEFF" + described)
                    (succeed [ "show"; run ]).Output |> should not' (haveSubstring "run.json")))

            testCase "of a run do not leave its folder by a symbolic link" (fun () ->
                for name in [ "lock"; "progress.jsonl"; "curve.jsonl" ] do
                    inFolder (fun folder ->
                        let run, outside = at folder "run", at folder "outside"
                        succeed (upTo 2 [] run) |> ignore

                        if File.Exists(at run name) then
                            File.Move(at run name, outside)
                        else
                            File.WriteAllText(outside, "")

                        let before = File.ReadAllBytes outside
                        File.CreateSymbolicLink(at run name, outside) |> ignore
                        let outcome = Imaml.run (upTo 4 [] run)
                        outcome.Line |> should haveSubstring $"{name} is a symbolic link"
                        outcome.ExitCode |> should equal 1
                        File.ReadAllBytes outside |> should equal before))

            testCase "that have no end are read no further than they can be used" (fun () ->
                for arguments, line, code in
                    [
                        [ "solve"; "/dev/zero" ], "/dev/zero: longer than a gigabyte", 2
                        [ "train"; "/dev/zero"; "--out"; "none" ], "/dev/zero: longer than 1048576 bytes", 1
                        [ "evaluate"; "/dev/zero" ], "/dev/zero is a pipe, a socket or a device, not a file", 2
                        [ "models"; "import"; "/dev/zero"; "none.bin"; "--experiment"; "grocery-5way" ],
                        "/dev/zero is a pipe, a socket or a device, not a file; name a safetensors file",
                        2
                    ] do
                    let outcome = Imaml.run arguments
                    outcome.Line |> should haveSubstring line
                    outcome.ExitCode |> should equal code)

            testCase "that the standard input should be: where it is closed that is said, and SIGTERM ends the wait for it" (fun () ->
                for arguments in [ [ "solve"; "-" ]; [ "train"; "-"; "--out"; "none" ] ] do
                    let closed = Imaml.runByShell [] "exec \"$@\" <&-" arguments
                    closed.Line |> should haveSubstring "the standard input is closed"
                    closed.ExitCode |> should equal 1

                    let waiting =
                        Imaml.runByShell
                            []
                            "\"$@\" < <(exec sleep 60 2>/dev/null) & p=$!; until (( 0x$(awk '/SigCgt/ { print $2 }' /proc/$p/status) & 0x4000 )); do sleep 0.1; done; sleep 3; kill -TERM $p; wait $p"
                            arguments

                    waiting.Line |> should haveSubstring "stopped")

            testCase "of validation classes that a run does not have: one line that says so" (fun () ->
                inFolder (fun folder ->
                    let run = at folder "run"
                    succeed (options [ "--validate-every", "0"; "--validation-classes", "0" ] run) |> ignore

                    refused
                        "--part validation: the run has no validation classes; take --part test"
                        [ "evaluate"; run; "--episodes"; "4"; "--part"; "validation" ]))
        ]
