/// Paths that were named: what is not there, or of another kind than is needed, is a mistake of the command line (2); what is there and cannot be used is not (1).
module Imaml.Cli.Tests.NamedPathTests

open System
open System.IO
open Expecto
open FsUnit
open Imaml.Cli
open Imaml.Cli.Tests.TrainRuns
open Imaml.Testing

let private said (code: int) (text: string) (arguments: string list) =
    let outcome = Imaml.run arguments
    let words = String.concat " " arguments
    Expect.equal outcome.ExitCode code $"{words}: {outcome.Errors}"
    Expect.stringContains outcome.Line text words

/// Commands that read PATH as a file or folder.
let private readers: (string -> string list) list =
    [
        fun path -> [ "solve"; path ]
        fun path -> [ "train"; path; "--out"; path + "-run" ]
        fun path -> [ "evaluate"; path; "--episodes"; "2" ]
        fun path -> [ "predict"; path; "--examples"; "."; "x.png" ]
        fun path -> [ "predict"; "grocery"; "--examples"; path; "x.png" ]
        fun path -> [ "models"; "export"; path; path + "-model" ]
        fun path -> [ "models"; "export"; path; path + ".onnx" ]
        fun path -> [ "models"; "import"; path; path + "-model" ]
        fun path -> [ "models"; "import"; "x"; path + "-model"; "--experiment"; path ]
        fun path -> [ "show"; path ]
        fun path -> [ "diagnose"; path ]
        fun path -> [ "report"; path ]
        fun path -> [ "runs"; path ]
        fun path -> [ "redraw"; path ]
        fun path -> [ "data"; "list"; "--data"; path ]
        fun path -> [ "data"; "check"; "omniglot"; "--data"; path ]
        fun path -> [ "data"; "check"; $"folder:{path}" ]
        fun path -> [ "doctor"; "--data"; path ]
        fun path -> [ "evaluate"; "omniglot-5way"; "--episodes"; "2"; "--data"; path ]
        fun path -> options [ "--data", path ] (path + "-run")
        fun path -> options [ "--dataset", $"folder:{path}" ] (path + "-run")
    ]

let private shell (script: string) =
    use running = Diagnostics.Process.Start("/bin/bash", [ "-c"; script ])
    running.WaitForExit()
    running.ExitCode |> should equal 0

let private user = "setpriv --reuid=65534 --regid=65534 --clear-groups"

let private canBeNobody = Environment.UserName = "root" && File.Exists "/usr/bin/setpriv"

[<Tests>]
let tests =
    testList
        "Named paths"
        [
            testCase "what is not there, a link that leads nowhere or to itself, and a socket are mistakes at every command" (fun () ->
                inFolder (fun folder ->
                    let at name = Path.Combine(folder, name)
                    File.CreateSymbolicLink(at "dangling", at "nothing") |> ignore
                    File.CreateSymbolicLink(at "loop", at "loop") |> ignore

                    use socket =
                        new Net.Sockets.Socket(
                            Net.Sockets.AddressFamily.Unix,
                            Net.Sockets.SocketType.Stream,
                            Net.Sockets.ProtocolType.Unspecified
                        )

                    socket.Bind(Net.Sockets.UnixDomainSocketEndPoint(at "socket"))

                    for name in [ "missing"; "dangling"; "loop"; "socket" ] do
                        for command in readers do
                            // Its parameters are read before the experiment.
                            let arguments = command (at name) |> List.map (fun word -> if word = "x" then at name else word)
                            said 2 (at name) arguments

                    Directory.GetFileSystemEntries folder |> Array.length |> should equal 3))

            testCase "a file in place of a folder, and a folder in place of a file, are mistakes too" (fun () ->
                inFolder (fun folder ->
                    let file = Path.Combine(folder, "file")
                    File.WriteAllText(file, "text")

                    for command in [ "show"; "diagnose"; "report"; "runs"; "redraw" ] do
                        said 2 "is a file, not a folder" [ command; file ]

                    for arguments in
                        [
                            [ "solve"; folder ]
                            [ "train"; folder; "--out"; file + "-run" ]
                            [ "models"; "import"; folder; file + "-model" ]
                        ] do
                        said 2 "is a folder, not a file" arguments

                    for arguments in
                        [
                            [ "models"; "export"; "grocery"; file + "/x" ]
                            [ "predict"; "grocery"; "--examples"; "."; "x"; "--save"; file + "/x" ]
                        ] do
                        said 2 $"{file} is a file, not a folder; name another file" arguments))

            testCase "what is there and damaged or of something else has failed" (fun () ->
                inFolder (fun folder ->
                    let file, empty =
                        Path.Combine(folder, "file"), Directory.CreateDirectory(Path.Combine(folder, "empty")).FullName

                    File.WriteAllText(file, "text")

                    for command in [ "evaluate"; "diagnose"; "show"; "report"; "redraw" ] do
                        said 1 empty [ command; empty ]

                    for arguments in
                        [
                            [ "evaluate"; file ]
                            [ "models"; "export"; file; file + "-model" ]
                            [ "models"; "import"; file; file + "-model" ]
                            [ "predict"; "grocery"; "--examples"; file; "x" ]
                            [ "data"; "check"; "omniglot"; "--data"; empty ]
                        ] do
                        said 1 folder arguments))

            testCase "the data folder that the environment names is no part of the command line" (fun () ->
                let outcome = Imaml.runWith [ "IMAML_DATA", "/nothing" ] [ "data"; "list" ]
                outcome.ExitCode |> should equal 1
                outcome.Line |> should haveSubstring "the data folder /nothing (IMAML_DATA) does not exist")

            testCase "what may not be read has failed, and the line says so" (fun () ->
                if not canBeNobody then
                    skiptest "setpriv, and root to run it"

                inFolder (fun folder ->
                    let at name = Path.Combine(folder, name)
                    Directory.CreateDirectory(at "closed") |> ignore
                    File.WriteAllText(at "closed/run.json", "{}")
                    File.WriteAllText(at "file", "{}")
                    Directory.CreateDirectory(at "home") |> ignore
                    shell $"cd '{folder}' && chmod 755 . && chmod 0 closed file && chmod 777 home"

                    let refused (path: string) (arguments: string list) =
                        let outcome =
                            Imaml.runByShell [ "HOME", at "home"; "XDG_CACHE_HOME", at "home" ] $"exec {user} \"$@\"" arguments

                        let words = String.concat " " arguments
                        Expect.equal outcome.ExitCode 1 $"{words}: {outcome.Errors}"
                        Expect.stringContains outcome.Line $"{path} cannot be read" words
                        Expect.stringContains outcome.Line "permissions" words

                    for command in [ "show"; "diagnose"; "report"; "runs"; "redraw"; "evaluate" ] do
                        refused (at "closed") [ command; at "closed" ]

                    refused (at "closed") [ "data"; "list"; "--data"; at "closed" ]
                    refused (at "closed") [ "models"; "export"; at "closed"; at "home/x" ]
                    refused (at "closed") [ "predict"; "grocery"; "--examples"; at "closed"; "x" ]

                    for arguments in
                        [
                            [ "solve" ]
                            [ "train"; "--out"; at "home/run" ]
                            [ "evaluate" ]
                            [ "models"; "export"; at "file"; at "home/x" ]
                        ] do
                        refused
                            (at "file")
                            (if arguments.Length > 2 && arguments[0] = "models" then
                                 arguments
                             else
                                 arguments @ [ at "file" ])))

            testCase "a pipe of text is waited for until a signal comes; other pipes are refused" (fun () ->
                inFolder (fun folder ->
                    let pipe = Path.Combine(folder, "pipe")
                    shell $"mkfifo '{pipe}'"

                    for arguments in
                        [
                            [ "evaluate"; pipe ]
                            [ "predict"; pipe; "--examples"; "."; "x" ]
                            [ "predict"; "grocery"; "--examples"; pipe; "x" ]
                            [ "models"; "export"; pipe; pipe + "-x" ]
                            [ "models"; "export"; pipe; pipe + "-x.onnx" ]
                            [ "models"; "import"; pipe; pipe + "-x" ]
                        ] do
                        said 2 pipe arguments

                    let waiting =
                        Imaml.runByShell
                            []
                            "\"$@\" & p=$!; until (( 0x$(awk '/SigCgt/ { print $2 }' /proc/$p/status) & 0x4000 )); do sleep 0.1; done; sleep 3; kill -TERM $p; wait $p"
                            [ "train"; pipe; "--out"; pipe + "-run" ]

                    waiting.Line |> should haveSubstring "stopped"
                    waiting.ExitCode |> should equal 130

                    // As the shell's <(…) is.
                    let read = Imaml.runByShell [] "exec \"$@\" <(echo '[]')" [ "train"; "--out"; pipe + "-run" ]

                    read.Line |> should haveSubstring "an experiment must be a JSON object"
                    read.ExitCode |> should equal 2))

            testCase "an experiment's file that the run would replace is refused, by whatever links" (fun () ->
                inFolder (fun folder ->
                    let at name = Path.Combine(folder, name)
                    succeed (options [ "--meta-steps", "1" ] (at "run")) |> ignore
                    let experiment = File.ReadAllText(at "run/run.json")
                    Directory.CreateDirectory(at "new") |> ignore

                    for name in [ "progress.jsonl"; "curve.jsonl"; "checkpoint-best.bin"; "lock" ] do
                        let file = at $"new/{name}"
                        File.WriteAllText(file, experiment)
                        File.CreateSymbolicLink(at "link", file) |> ignore

                        for path in [ file; at "link" ] do
                            said 2 $"{path} would be replaced" [ "train"; path; "--out"; at "new" ]

                        File.ReadAllText file |> should equal experiment
                        File.Delete file
                        File.Delete(at "link")

                    // Its own description is not.
                    succeed [ "train"; at "run/run.json"; "--out"; at "run"; "--threads"; "1" ] |> ignore))

            testCase "two outputs of one place are refused, by whatever links" (fun () ->
                inFolder (fun folder ->
                    let at name = Path.Combine(folder, name)
                    Directory.CreateDirectory(at "d") |> ignore
                    Directory.CreateSymbolicLink(at "dl", at "d") |> ignore

                    for name in [ "same"; "new/same" ] do
                        said
                            2
                            "--picture and --save name the same file"
                            [
                                "predict"
                                "grocery"
                                "--examples"
                                "."
                                "x"
                                "--picture"
                                at $"d/{name}"
                                "--save"
                                at $"dl/{name}"
                            ]))

            testCase "a file by way of /proc is replaced like any other; what the process has open is written in place" (fun () ->
                inFolder (fun folder ->
                    let big = Path.Combine(folder, "big")
                    File.WriteAllBytes(big, Array.zeroCreate 10_000_000)

                    let exported =
                        Imaml.runByShell [] $"cd '{folder}' && exec \"$@\"" [ "models"; "export"; "omniglot"; "/proc/self/cwd/big" ]

                    exported.ExitCode |> should equal 0
                    succeed [ "models"; "export"; "omniglot"; big + "2" ] |> ignore
                    FileInfo(big).Length |> should equal (FileInfo(big + "2").Length)

                    for output in [ "/dev/stdout"; "/dev/fd/1"; "/proc/self/fd/1" ] do
                        let direct =
                            Imaml.runByShell [] $"\"$@\" > '{big}'" [ "models"; "export"; "omniglot"; output; "--format"; "model" ]

                        direct.ExitCode |> should equal 0
                        FileInfo(big).Length |> should be (greaterThanOrEqualTo (FileInfo(big + "2").Length))))

            testCase "a full disk is said with what to do" (fun () ->
                let full = Imaml.run [ "models"; "export"; "omniglot"; "/dev/full"; "--format"; "model" ]
                full.ExitCode |> should equal 1
                full.Line |> should haveSubstring "make room"

                // A small disk, where this user may mount one.
                inFolder (fun folder ->
                    let model = Path.Combine(folder, "model.bin")
                    let mount = $"mount -t tmpfs -o size=64k none '{folder}' 2>/dev/null || exit 77"
                    let script = $"exec unshare -m bash -c \"{mount}; exec \\\"\\$@\\\"\" bash \"$@\""

                    let small =
                        Imaml.runByShell [] $"unshare -m true 2>/dev/null || exit 77; {script}" [ "models"; "export"; "omniglot"; model ]

                    if small.ExitCode <> 77 then
                        small.ExitCode |> should equal 1

                        small.Line
                        |> should equal $"imaml: No space left on device : '{model}'; make room, or write to another disk"))
        ]
