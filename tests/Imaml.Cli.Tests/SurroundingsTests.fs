/// What the system around the program may do to it: signals, streams that break, limits, folders that are missing.
module Imaml.Cli.Tests.SurroundingsTests

open System
open System.IO
open Expecto
open Imaml.Testing
open Imaml.Cli.Tests.TrainRuns
open Imaml.Nets.Tests.ImageBytes
open FsUnit

let private onLinux (name: string) (body: string -> unit) =
    testCase name (fun () ->
        if OperatingSystem.IsLinux() then
            inFolder body
        else
            skiptest "needs Linux")

let private at (folder: string) (name: string) = Path.Combine(folder, name)

let private long = [ "--meta-steps", "40"; "--validate-every", "0"; "--checkpoint-every", "1000" ]

/// How often a run is killed before it may end.
let private kills =
    match Environment.GetEnvironmentVariable "IMAML_KILLS" with
    | null
    | "" -> 6
    | text -> int text

/// `imaml data check` of a folder's photographs.
let private checking (data: string) others = [ "data"; "check"; $"folder:{data}"; "--ways"; "2"; "--queries"; "1" ] @ others

/// The process that started the tests may ignore SIGHUP.
let private listening = Imaml.startByShell [] "exec env --default-signal=HUP \"$@\""

let private send (signal: string) (running: Diagnostics.Process) =
    use kill = Diagnostics.Process.Start("kill", [ signal; string running.Id ])
    kill.WaitForExit()

/// The lines of a command on a terminal of so many columns, without the codes that move its cursor or colour it.
let private onTerminal (columns: int) (arguments: string list) : string list =
    let outcome =
        Imaml.runByShell [] $"exec script -qec \"stty cols {columns} rows 40; $(printf '%%q ' \"$@\")\" /dev/null < /dev/null" arguments

    Expect.equal outcome.ExitCode 0 outcome.Output

    [
        for line in outcome.Output.Split [| '\r'; '\n' |] do
            Text.RegularExpressions.Regex.Replace(line, "\x1b\\[[0-9;?]*[A-Za-z]", "")
    ]

[<Tests>]
let terminals =
    testList
        "Terminal"
        [
            testCase "no line is wider than the terminal, but for single long words" (fun () ->
                if not (File.Exists "/usr/bin/script") then
                    skiptest "script, which gives a command a terminal"

                inFolder (fun folder ->
                    let run = Path.Combine(folder, "run")
                    succeed (options [] run) |> ignore

                    for columns in [ 80; 40; 20 ] do
                        for arguments in
                            [
                                [ "evaluate"; run; "--episodes"; "2" ]
                                [ "models"; "export"; run; Path.Combine(folder, "model") ]
                                [ "models" ]
                                [ "data"; "list"; "--data"; folder ]
                                [ "doctor"; "--threads"; "1" ]
                                [ "show"; run ]
                                [ "train"; "--help" ]
                                options [] run

                                if columns = 40 then
                                    [ "verify"; "--quick" ]
                            ] do
                            for line in onTerminal columns arguments do
                                if line.Length > columns then
                                    // A command goes on after a backslash.
                                    Expect.isFalse (line.TrimEnd('\\').Trim().Contains ' ') $"{columns} columns: {line}"))
        ]

[<Tests>]
let tests =
    testList
        "Surroundings"
        [
            onLinux "a terminal that closes stops a run as Ctrl-C does: no meta-step is lost" (fun _ ->
                stoppedAndContinued options listening "-HUP" |> should equal 130)

            onLinux "after nohup a run outlives its terminal" (fun folder ->
                let run = at folder "run"
                use running = Imaml.startByShell [] "trap '' HUP; exec \"$@\"" (options long run)
                signalAt "-HUP" 1 running run |> should equal 0)

            onLinux "killed, stopped and hung up at any time, with torn logs: the run ends with the same bits and whole logs" (fun folder ->
                let whole, run = at folder "whole", at folder "run"

                let changes =
                    [
                        "--meta-steps", "120"
                        "--validate-every", "12"
                        "--validation-episodes", "4"
                        "--checkpoint-every", "7"
                        "--keep-every", "18"
                        "--log-every", "6"
                        "--outer-averaging", "8"
                        "--learn-lambda", "layer"
                        "--lambda-rate", "0.01"
                    ]

                succeed (options changes whole) |> ignore
                let random = Random 20260101
                let mutable ended = false
                let mutable times = 0

                while not ended && times < 30 do
                    times <- times + 1
                    use running = listening (options changes run)

                    if times > kills || running.WaitForExit(TimeSpan.FromMilliseconds(float (random.Next(300, 2000)))) then
                        running.WaitForExit()
                        running.ExitCode |> should equal 0
                        ended <- true
                    else
                        send [| "-KILL"; "-TERM"; "-HUP" |].[random.Next 3] running
                        running.WaitForExit()

                        if random.Next 2 = 0 then
                            for log in [ "progress.jsonl"; "curve.jsonl" ] do
                                if File.Exists(at run log) then
                                    File.AppendAllText(at run log, "{\"metaStep\":9,\"se")

                ended |> should equal true
                times |> should be (greaterThan 1)
                sameRun whole run

                for name in 18..18..108 do
                    let kept = $"checkpoint-{name:D6}.bin"

                    let bytes folder =
                        let all = File.ReadAllBytes(at folder kept)
                        all[12 + BitConverter.ToInt32(all, 8) .. all.Length - 33]

                    bytes run = bytes whole |> should equal true)

            onLinux "a full disk: one line, and once there is room the run goes on to the same bits" (fun folder ->
                let whole, run = at folder "whole", at folder "run"
                let changes = [ "--meta-steps", "60"; "--validate-every", "0"; "--filters", "1" ]
                succeed (options changes whole) |> ignore

                // Files may have so many blocks of 1,024 bytes, as if the disk ended there.
                let full =
                    Imaml.runByShell
                        [ "DOTNET_EnableWriteXorExecute", "0"; "DOTNET_EnableDiagnostics", "0" ]
                        "ulimit -f 16; exec \"$@\""
                        (options changes run)

                full.ExitCode |> should equal 1
                full.Errors |> should haveSubstring "imaml: a file cannot grow any further"

                full.Errors.Split('\n')
                |> Array.filter (fun line -> line.StartsWith "imaml: ")
                |> should haveLength 1

                full.Errors |> should not' (haveSubstring "   at ")
                let log = File.ReadAllText(at run "progress.jsonl")
                log.EndsWith '\n' |> should equal true
                succeed (options changes run) |> ignore
                sameRun whole run)

            onLinux "too little address space for libtorch: one line that says so" (fun _ ->
                let outcome =
                    Imaml.runByShell [] "ulimit -v 2000000; exec \"$@\"" [ "evaluate"; "omniglot-5way"; "--episodes"; "2" ]

                outcome.ExitCode |> should equal 1
                outcome.Line |> should startWith "imaml: libtorch does not load: "

                outcome.Line
                |> should haveSubstring "there is too little memory or address space (`ulimit -v` shows its limit)"

                outcome.Line |> should not' (haveSubstring "ldd"))

            onLinux "an error stream that takes nothing does not end a run" (fun folder ->
                let whole, run = at folder "whole", at folder "run"
                succeed (options [] whole) |> ignore
                let outcome = Imaml.runByShell [] "exec \"$@\" 2>/dev/full" (options [] run)
                (outcome.ExitCode, outcome.Errors) |> should equal (0, "")
                sameRun whole run)

            onLinux "results that cannot be printed are missed, but the run is whole" (fun folder ->
                let whole, run = at folder "whole", at folder "run"
                succeed (options [] whole) |> ignore
                let outcome = Imaml.runByShell [] "exec \"$@\" >/dev/full" (options [] run)
                outcome.ExitCode |> should equal 1
                outcome.Errors |> should haveSubstring "imaml: not all results could be printed ("
                sameRun whole run
                let solved = Imaml.runByShell [] "exec \"$@\" >/dev/full" [ "presets" ]
                solved.ExitCode |> should equal 1
                solved.Line |> should haveSubstring "not all results could be printed (")

            onLinux "few open files: one line" (fun folder ->
                for files in [ 64; 255 ] do
                    let outcome = Imaml.runByShell [] $"ulimit -n {files}; exec \"$@\"" (options [] (at folder "run"))

                    outcome.ExitCode |> should equal 1

                    outcome.Line
                    |> should
                        equal
                        $"imaml: only {files} files may be open at once, and 256 are needed; raise the limit with `ulimit -n 1024`"

                (Imaml.runByShell [] "ulimit -n 256; exec \"$@\"" (options [] (at folder "run"))).ExitCode
                |> should equal 0)

            onLinux
                "a home folder that is missing: nothing is kept below the working directory, and what is kept elsewhere is private"
                (fun folder ->
                    let work, temporary = at folder "work", at folder "temporary"
                    Directory.CreateDirectory work |> ignore
                    Directory.CreateDirectory temporary |> ignore

                    let outcome =
                        Imaml.runByShell
                            [ "HOME", at folder "absent"; "XDG_CACHE_HOME", ""; "TMPDIR", temporary ]
                            $"cd '{work}'; exec \"$@\""
                            (options [] (at folder "run"))

                    outcome.ExitCode |> should equal 0
                    Directory.GetFileSystemEntries work |> should be Empty
                    Directory.Exists(at folder "absent") |> should equal false

                    for made in Directory.GetDirectories(temporary, "imaml-*", SearchOption.AllDirectories) do
                        File.GetUnixFileMode made
                        |> should equal (UnixFileMode.UserRead ||| UnixFileMode.UserWrite ||| UnixFileMode.UserExecute))

            onLinux "what is kept in XDG_CACHE_HOME is private" (fun folder ->
                let cache, data = at folder "cache", at folder "data"

                for i in 0..3 do
                    Directory.CreateDirectory(at data $"{i}") |> ignore
                    File.WriteAllBytes(at data $"{i}/1.png", plain 8 (10 * i, 20, 30))

                let check = checking data [ "--shots"; "1"; "--test-classes"; "2"; "--validation-classes"; "0" ]

                Imaml.runWith [ "XDG_CACHE_HOME", cache ] check |> ignore

                for made in at cache "imaml" :: List.ofArray (Directory.GetDirectories(at cache "imaml")) do
                    File.GetUnixFileMode made
                    |> should equal (UnixFileMode.UserRead ||| UnixFileMode.UserWrite ||| UnixFileMode.UserExecute))

            onLinux "told to stop twice at once, a program leaves no draft" (fun folder ->
                let cache, data = at folder "cache", at folder "data"

                for i in 0..39 do
                    let one = at data $"{i % 4}"
                    Directory.CreateDirectory one |> ignore
                    // Large, so that it takes a while to decode them.
                    File.WriteAllBytes(at one $"{i}.png", pngOf 3000 3000 8 0 (Array.create 3000 (byte i)) [])

                let check = checking data [ "--size"; "1024" ]

                use running = Imaml.start [ "XDG_CACHE_HOME", cache ] check

                let drafts () =
                    if Directory.Exists cache then
                        Directory.GetFiles(cache, "*.part", SearchOption.AllDirectories)
                    else
                        [||]

                let deadline = DateTime.UtcNow.AddMinutes 2.0

                while drafts().Length = 0 && not running.HasExited && DateTime.UtcNow < deadline do
                    Threading.Thread.Sleep 5

                running.HasExited |> should equal false
                send "-TERM" running
                send "-TERM" running
                running.WaitForExit()
                drafts () |> should be Empty)
        ]
