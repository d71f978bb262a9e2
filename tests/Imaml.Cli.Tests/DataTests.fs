/// imaml data lists, fetches and checks; what goes wrong is one line, and nothing half-written bears a final name.
module Imaml.Cli.Tests.DataTests

open System.IO
open System.Text.Json
open System.Threading
open Expecto
open Imaml.Testing
open Imaml.Nets.Tests.DataFixtures
open Imaml.Nets.Tests.DownloadServer
open FsUnit // last: it and the server both have a startWith

let private nowhere = [ "IMAML_DATA", "" ]

let private refusedBy run (exitCode: int) (arguments: string list) (texts: string list) =
    let outcome: Imaml.Outcome = run arguments
    outcome.Line |> says ("imaml: " :: texts)
    outcome.ExitCode |> should equal exitCode
    outcome.Output |> should be EmptyString

let private refused = refusedBy Imaml.run

let private getFrom (server: Server) (data: string) = [ "data"; "get"; "omniglot"; "--data"; data; "--url"; server.Url.ToString() ]

let private check (data: string) = [ "data"; "check"; "--data"; data ]

/// Names of the files in DATA/omniglot.
let private files (data: string) =
    let folder = Path.Combine(data, "omniglot")

    if Directory.Exists folder then
        Directory.GetFiles folder |> Array.map Path.GetFileName |> Array.sort
    else
        [||]

[<Tests>]
let tests =
    testList
        "Data"
        [
            testCase "list shows what is built in where no folder is named" (fun () ->
                let outcome = Imaml.runWith nowhere [ "data"; "list" ]
                outcome.ExitCode |> should equal 0
                outcome.Output.Trim() |> should startWith "glyphs"
                outcome.Output |> should not' (haveSubstring "omniglot"))

            testCase "list shows what lies in the folder, and what it lacks" (fun () ->
                inFolder (fun data ->
                    File.WriteAllBytes(Path.Combine(data, "images_background.zip"), [||])
                    let outcome = Imaml.run [ "data"; "list"; "--data"; data ]
                    outcome.ExitCode |> should equal 0
                    outcome.Output |> says [ "glyphs"; "omniglot"; "images_evaluation missing" ]))

            testCase "a folder that does not exist is named, and how to fill it" (fun () ->
                inFolder (fun folder ->
                    let absent = Path.Combine(folder, "absent")

                    for what in [ "list"; "check" ] do
                        refused 2 [ "data"; what; "--data"; absent ] [ absent; "does not exist"; "imaml data get omniglot" ]))

            testCase "no folder named at all: get and check say how to name one" (fun () ->
                for what in [ [ "get"; "omniglot" ]; [ "check" ] ] do
                    refusedBy (Imaml.runWith nowhere) 1 ("data" :: what) [ "no data folder is named"; "--data DIR"; "IMAML_DATA" ])

            testCase "another data set than Omniglot, and an address that is none, are refused" (fun () ->
                refused 2 [ "data"; "get"; "omnglot" ] [ "omnglot is not a data set"; "omniglot"; "imaml data get --help" ]
                refused 2 [ "data"; "get"; "omniglot"; "--url"; "here" ] [ "--url: here is not an address" ]
                refused 2 [ "data"; "get"; "omniglot"; "--url"; "file:///etc" ] [ "--url: file:///etc is not an address" ])

            testCase "what an address says of a user, and control characters, are not shown" (fun () ->
                let line url = (Imaml.run [ "data"; "get"; "omniglot"; "--url"; url ]).Line
                line "ftp://me:secret@server/x" |> should haveSubstring "--url: ftp://server/x is not an address"
                line "a\x1b[31mb\x07" |> should haveSubstring "--url: a\\x1b[31mb\\x07 is not an address")

            testCase "get from a server without the archive leaves nothing" (fun () ->
                inFolder (fun data ->
                    use server = new Server(fun context -> send context 404 [||])
                    let made = Path.Combine(data, "new", "folder")
                    refused 1 (getFrom server made) [ "images_background.zip answered 404"; "--url" ]
                    Directory.GetFileSystemEntries data |> should be Empty))

            testCase "get that breaks off keeps what arrived, and a second run asks for the rest only" (fun () ->
                inFolder (fun data ->
                    let calls = ref 0

                    use server =
                        new Server(fun context ->
                            context.Response.AddHeader("ETag", "\"v1\"")

                            if Interlocked.Increment(&calls.contents) = 1 then
                                breakOff context content 150_000
                            else
                                sendRange context content)

                    refused 1 (getFrom server data) [ "broke off"; "of 300000 bytes"; "run again to go on from there" ]

                    files data |> should equal [| "images_background.zip.part"; "images_background.zip.part.etag" |]

                    let have = FileInfo(Path.Combine(data, "omniglot", "images_background.zip.part")).Length
                    have |> should be (greaterThan 0L)

                    // The official archives are not at hand here: the file that the two runs put together is identified by its MD5.
                    refused 1 (getFrom server data) [ $"a file of MD5 {md5 content}"; "run again" ]

                    server.Requests[1]
                    |> should
                        equal
                        {
                            Range = $"bytes={have}-"
                            IfRange = "\"v1\""
                        }))

            testCase "get of a wrong file removes it, and it never has the archive's name" (fun () ->
                inFolder (fun folder ->
                    let data = Path.Combine(folder, "new")
                    use server = new Server(fun context -> sendRange context content)

                    refused 1 (getFrom server data) [ md5 content; "68d2efa1b9178cc56df9314c21c6e718"; "it has been removed" ]
                    files data |> should be Empty))

            testCase "get into a place that cannot be a folder says so" (fun () ->
                inFolder (fun folder ->
                    let file = Path.Combine(folder, "file")
                    File.WriteAllText(file, "mine")
                    use server = new Server(fun context -> sendRange context content)
                    refused 2 (getFrom server file) [ $"--data {file}: this is a file, not a folder" ]
                    server.Requests |> should be Empty
                    File.ReadAllText file |> should equal "mine"))

            testCase "get leaves a cut-off archive of the user's alone and names it" (fun () ->
                inFolder (fun data ->
                    writeZips data unchanged
                    let archive = Path.Combine(data, "omniglot", "images_evaluation.zip")
                    File.WriteAllBytes(archive, File.ReadAllBytes archive |> Array.truncate 1000)
                    use server = new Server(fun context -> sendRange context content)
                    refused 1 (getFrom server data) [ archive; "not a whole zip archive" ]
                    server.Requests |> should be Empty
                    FileInfo(archive).Length |> should equal 1000L))

            testCase "check names a missing archive" (fun () ->
                inFolder (fun data ->
                    writeZips data unchanged
                    File.Delete(Path.Combine(data, "omniglot", "images_evaluation.zip"))
                    refused 1 (check data) [ "no images_evaluation.zip"; data; "imaml data get omniglot" ]))

            testCase "check names a truncated archive" (fun () ->
                inFolder (fun data ->
                    writeZips data unchanged
                    let archive = Path.Combine(data, "omniglot", "images_background.zip")
                    File.WriteAllBytes(archive, File.ReadAllBytes archive |> Array.truncate 1000)
                    refused 1 (check data) [ archive; "not a whole zip archive"; "imaml data get omniglot" ]))

            testCase "check lists every difference, a PNG that does not decode too, and sums them up in one line" (fun () ->
                inFolder (fun data ->
                    writeZips data (changing aDrawing (fun _ -> "no picture"B))
                    let outcome = Imaml.run (check data)
                    outcome.ExitCode |> should equal 1

                    outcome.Line
                    |> says
                        [
                            "not complete: 1623 characters missing, 24 files too many, 1 drawing damaged"
                            "imaml data get omniglot"
                        ]

                    outcome.Output
                    |> says
                        [
                            "images_background: 0 alphabets, 0 characters, 0 drawings"
                            "missing character: images_background/Korean/character01"
                            $"not part of Omniglot: {aDrawing}"
                            $"damaged: {aDrawing} of "
                        ]))

            testCase "check prints the same as JSON" (fun () ->
                inFolder (fun data ->
                    writeZips data (changing aDrawing (fun _ -> "no picture"B))
                    let outcome = Imaml.run [ "data"; "check"; "omniglot"; "--json"; "--data"; data ]
                    outcome.ExitCode |> should equal 1
                    use document = JsonDocument.Parse outcome.Output
                    document.RootElement.GetProperty("isComplete").GetBoolean() |> should equal false
                    document.RootElement.GetProperty("damaged").GetArrayLength() |> should equal 1
                    document.RootElement.GetProperty("missingCharacters").GetArrayLength() |> should equal 1623))

            Needs.omniglot "check finds the real Omniglot complete, and get finds it there" (fun root ->
                let checked' = Imaml.run (check root)
                checked'.Errors |> should be EmptyString
                checked'.ExitCode |> should equal 0

                checked'.Output
                |> says
                    [
                        "images_background: 30 alphabets"
                        "complete: 1623 characters, 32460 drawings"
                    ]

                use server = new Server(fun context -> send context 500 [||])
                let got = Imaml.run (getFrom server root)
                got.ExitCode |> should equal 0

                got.Output
                |> says
                    [
                        "images_background.zip: already there"
                        "images_evaluation.zip: already there"
                    ]

                server.Requests |> should be Empty)
        ]
