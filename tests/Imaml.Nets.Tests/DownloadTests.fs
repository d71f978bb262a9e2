/// A download is completed after broken connections and from servers without Range, and never leaves a wrong file under the right name.
module Imaml.Nets.Tests.DownloadTests

open System
open System.Collections.Concurrent
open System.IO
open System.Net.Http
open System.Threading
open Expecto
open FsUnit
open Imaml.Nets.Tasks
open Imaml.Testing
open Imaml.Nets.Tests.DataFixtures
open Imaml.Nets.Tests.DownloadServer

[<Tests>]
let tests =
    testList
        "Download"
        [
            testCase "of a whole file in one go" (fun () ->
                inFolder (fun folder ->
                    use server = new Server(fun context -> sendRange context content)

                    get server.Url (Path.Combine(folder, "new"))
                    |> expectWhole (Path.Combine(folder, "new")) DownloadOutcome.Downloaded

                    server.Requests |> should equal [ { Range = ""; IfRange = "" } ]))

            testCase "that breaks half way says so, and running again goes on from there" (fun () ->
                inFolder (fun folder ->
                    let tag = "\"v1\""
                    let calls = ref 0

                    use server =
                        new Server(fun context ->
                            context.Response.AddHeader("ETag", tag)

                            if Interlocked.Increment(&calls.contents) = 1 then
                                breakOff context content 150_000
                            else
                                sendRange context content)

                    dataError (fun () -> get server.Url folder)
                    |> says [ server.Url.ToString(); "of 300000 bytes"; "run again" ]

                    let have = FileInfo(part folder).Length
                    have |> should be (greaterThan 0L)
                    File.Exists(target folder) |> should equal false
                    get server.Url folder |> expectWhole folder DownloadOutcome.Resumed

                    server.Requests[1]
                    |> should
                        equal
                        {
                            Range = $"bytes={have}-"
                            IfRange = tag
                        }))

            testCase "from a server that ignores Range begins anew" (fun () ->
                inFolder (fun folder ->
                    use server = new Server(fun context -> send context 200 content)
                    startWith folder (Array.replicate 400_000 1uy) None
                    get server.Url folder |> expectWhole folder DownloadOutcome.Downloaded))

            testCase "of a file that has changed meanwhile begins anew" (fun () ->
                inFolder (fun folder ->
                    // A server that honours If-Range sends the whole of a file whose tag is another.
                    use server =
                        new Server(fun context ->
                            if context.Request.Headers["If-Range"] = "\"new\"" then
                                sendRange context content
                            else
                                send context 200 content)

                    startWith folder (Array.replicate 1000 1uy) (Some "\"old\"")
                    get server.Url folder |> expectWhole folder DownloadOutcome.Downloaded

                    server.Requests
                    |> should
                        equal
                        [
                            {
                                Range = "bytes=1000-"
                                IfRange = "\"old\""
                            }
                        ]))

            testCase "with more bytes than the file has (416) begins anew" (fun () ->
                inFolder (fun folder ->
                    use server = new Server(fun context -> sendRange context content)
                    startWith folder (Array.replicate 400_000 1uy) None
                    get server.Url folder |> expectWhole folder DownloadOutcome.Downloaded
                    [ for request in server.Requests -> request.Range ] |> should equal [ "bytes=400000-"; "" ]))

            testCase "from a server that continues elsewhere than asked begins anew" (fun () ->
                inFolder (fun folder ->
                    use server =
                        new Server(fun context ->
                            if isNull context.Request.Headers["Range"] then
                                send context 200 content
                            else
                                context.Response.AddHeader("Content-Range", "bytes 5-299999/300000")
                                send context 206 (Array.skip 5 content))

                    startWith folder (Array.truncate 1000 content) None
                    get server.Url folder |> expectWhole folder DownloadOutcome.Downloaded))

            testCase "that only lacked its name asks for nothing" (fun () ->
                inFolder (fun folder ->
                    use server = new Server(fun context -> send context 500 [||])
                    startWith folder content None
                    get server.Url folder |> expectWhole folder DownloadOutcome.Resumed
                    server.Requests |> should be Empty))

            testCase "with a weak entity tag resumes without it" (fun () ->
                inFolder (fun folder ->
                    let calls = ref 0

                    use server =
                        new Server(fun context ->
                            context.Response.AddHeader("ETag", "W/\"v1\"")

                            if Interlocked.Increment(&calls.contents) = 1 then
                                breakOff context content 150_000
                            else
                                sendRange context content)

                    dataError (fun () -> get server.Url folder) |> says [ "run again" ]
                    get server.Url folder |> expectWhole folder DownloadOutcome.Resumed
                    server.Requests[1].IfRange |> should equal ""))

            testCase "of wrong bytes is removed, and the file does not appear" (fun () ->
                inFolder (fun folder ->
                    let wrong = Array.mapi (fun i b -> if i = 1234 then b ^^^ 1uy else b) content
                    use server = new Server(fun context -> sendRange context wrong)

                    dataError (fun () -> get server.Url folder)
                    |> says [ archive.Md5; md5 wrong; "removed"; "run again" ]

                    Directory.GetFiles folder |> should be Empty))

            testCase "of a file that the server lacks (404) says so and keeps what it had" (fun () ->
                inFolder (fun folder ->
                    use server = new Server(fun context -> send context 404 "not here"B)
                    startWith folder [| 1uy; 2uy |] None
                    dataError (fun () -> get server.Url folder) |> says [ "file.zip answered 404"; "--url" ]
                    File.ReadAllBytes(part folder) |> should equal [| 1uy; 2uy |]))

            testCase "from a server that stands still is given up" (fun () ->
                inFolder (fun folder ->
                    use over = new ManualResetEventSlim()

                    use server =
                        new Server(fun context ->
                            context.Response.ContentLength64 <- 300_000L
                            context.Response.OutputStream.Write(content, 0, 1000)
                            context.Response.OutputStream.Flush()
                            over.Wait 20_000 |> ignore)

                    use client = new HttpClient()
                    let download = ArchiveDownload(client, TimeSpan.FromMilliseconds 300.0)

                    dataError (fun () -> download.GetAsync(server.Url, [| archive |], folder).GetAwaiter().GetResult())
                    |> says [ "no answer in time"; "run again" ]

                    over.Set()))

            testCase "whose body has no end is given up at the upper limit, and removed" (fun () ->
                inFolder (fun folder ->
                    use server =
                        new Server(fun context ->
                            context.Response.SendChunked <- true

                            while true do
                                context.Response.OutputStream.Write(content, 0, content.Length))

                    dataError (fun () -> get server.Url folder)
                    |> says [ "more than 1,000,000 bytes"; "removed"; "--url" ]

                    Directory.GetFiles folder |> should be Empty))

            testCase "that is announced as longer than the upper limit is not begun" (fun () ->
                inFolder (fun folder ->
                    use server =
                        new Server(fun context ->
                            context.Response.ContentLength64 <- 1_000_001L
                            context.Response.OutputStream.Write(content, 0, 1)
                            context.Response.OutputStream.Flush())

                    dataError (fun () -> get server.Url folder) |> says [ "more than 1,000,000 bytes" ]
                    Directory.GetFiles folder |> should be Empty))

            testCase "that a server sends on to a file of this machine says so" (fun () ->
                inFolder (fun folder ->
                    use server =
                        new Server(fun context ->
                            context.Response.RedirectLocation <- "file:///etc/hostname"
                            send context 302 [||])

                    dataError (fun () -> get server.Url folder) |> says [ server.Url.ToString(); "--url" ]
                    Directory.GetFiles folder |> should be Empty))

            testCase "from a server that does not speak TLS says what is wrong, not that it is said elsewhere" (fun () ->
                inFolder (fun folder ->
                    use server = new Server(fun context -> sendRange context content)
                    let message = dataError (fun () -> get (Uri $"https://127.0.0.1:{server.Url.Port}/") folder)
                    message |> says [ "broke off after 0 bytes ("; "run again" ]
                    message |> should not' (haveSubstring "inner exception")
                    message |> should not' (haveSubstring "()")))

            testCase "never shows a user's name and password, nor what is behind a question mark" (fun () ->
                inFolder (fun folder ->
                    use server = new Server(fun context -> send context 404 [||])
                    let message = dataError (fun () -> get (Uri $"http://me:secret@127.0.0.1:{server.Url.Port}/") folder)
                    message |> says [ $"http://127.0.0.1:{server.Url.Port}/file.zip answered 404" ]
                    message |> should not' (haveSubstring "secret")))

            testCase "does not follow a part that is a symbolic link, whether its target is there or not" (fun () ->
                for name in [ "file.zip.part"; "file.zip.part.etag" ] do
                    for there in [ true; false ] do
                        inFolder (fun folder ->
                            let mine = Path.Combine(folder, "mine")

                            if there then
                                File.WriteAllText(mine, "mine")

                            let link = Path.Combine(folder, name)
                            File.CreateSymbolicLink(link, mine) |> ignore
                            use server = new Server(fun context -> sendRange context content)
                            dataError (fun () -> get server.Url folder) |> says [ $"{link} is a symbolic link to {mine}" ]
                            File.Exists mine |> should equal there
                            server.Requests |> should be Empty))

            testCase "without a server says that it cannot be reached, not that a download broke off" (fun () ->
                inFolder (fun folder ->
                    for url in [ using (new Server(ignore)) _.Url; Uri "http://me:secret@nosuch.invalid/" ] do
                        let message = dataError (fun () -> get url folder)
                        message |> says [ $"http://{url.Authority}/file.zip cannot be reached ("; "--url" ]
                        message |> should not' (haveSubstring "secret")

                    Directory.GetFiles folder |> should be Empty))

            testCase "into a folder that cannot be made says so" (fun () ->
                inFolder (fun folder ->
                    let file = Path.Combine(folder, "file")
                    File.WriteAllText(file, "")
                    use server = new Server(fun context -> send context 200 content)

                    dataError (fun () -> get server.Url (Path.Combine(file, "below")))
                    |> says [ file; "cannot be written" ]))

            testCase "leaves a file alone that is there already, whatever its bytes" (fun () ->
                inFolder (fun folder ->
                    use server = new Server(fun context -> send context 200 content)
                    File.WriteAllBytes(target folder, content)
                    (get server.Url folder).Outcome |> should equal DownloadOutcome.Kept
                    File.WriteAllText(target folder, "mine")
                    (get server.Url folder).Outcome |> should equal DownloadOutcome.KeptOther
                    File.ReadAllText(target folder) |> should equal "mine"
                    server.Requests |> should be Empty))

            testCase "reports its progress up to 1" (fun () ->
                inFolder (fun folder ->
                    let seen = ConcurrentQueue<float>()

                    let progress =
                        { new IProgress<float> with
                            member _.Report value = seen.Enqueue value
                        }

                    use server = new Server(fun context -> sendRange context content)
                    use client = new HttpClient()

                    ArchiveDownload(client, TimeSpan.FromSeconds 10.0)
                        .GetAsync(server.Url, [| archive |], folder, progress)
                        .GetAwaiter()
                        .GetResult()
                    |> ignore

                    let values = List.ofSeq seen
                    values |> should equal (List.sort values)
                    List.last values |> should equal 1.0))

            testCase "of Omniglot refuses other archives of these names that do not hold it" (fun () ->
                inFolder (fun folder ->
                    writeZips folder unchanged

                    dataError (fun () -> OmniglotDownload.RunAsync(folder, Uri "http://127.0.0.1:9/").GetAwaiter().GetResult())
                    |> says
                        [
                            "images_background.zip"
                            "do not hold the whole of Omniglot"
                            "imaml data check"
                        ]))

            Needs.omniglot "of Omniglot accepts archives that are there and hold it" (fun root ->
                // No server answers at this address: nothing may be asked for.
                let lines = OmniglotDownload.RunAsync(root, Uri "http://127.0.0.1:9/").GetAwaiter().GetResult()
                lines.Count |> should equal 2

                for line in lines do
                    line |> says [ "already there" ])
        ]
