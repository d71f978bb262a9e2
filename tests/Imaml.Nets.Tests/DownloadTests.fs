/// A download survives broken connections and servers without Range, and never leaves a wrong file under the right name.
module Imaml.Nets.Tests.DownloadTests

open System
open System.Collections.Concurrent
open System.IO
open System.Net
open System.Net.Http
open System.Net.Sockets
open System.Security.Cryptography
open System.Threading
open Expecto
open FsUnit
open Imaml.Nets.Data
open Imaml.Testing
open Imaml.Nets.Tests.DataFixtures

/// 300 kB, so that a transfer has many pieces.
let private content = Array.init 300_000 (fun i -> byte (i * i >>> 7))

let private md5 (bytes: byte array) = Convert.ToHexStringLower(MD5.HashData bytes)
let private archive = RemoteArchive("file.zip", md5 content)

type private Request = { Range: string; IfRange: string }

/// A server on this machine: every request is noted and answered by `answer`.
type private Server(answer: HttpListenerContext -> unit) =
    let port =
        use probe = new TcpListener(IPAddress.Loopback, 0)
        probe.Start()
        (probe.LocalEndpoint :?> IPEndPoint).Port

    let listener = new HttpListener()
    let requests = ConcurrentQueue<Request>()

    let serve () =
        while listener.IsListening do
            try
                let context = listener.GetContext()
                let header (name: string) = context.Request.Headers[name] |> Option.ofObj |> Option.defaultValue ""

                requests.Enqueue
                    {
                        Range = header "Range"
                        IfRange = header "If-Range"
                    }

                answer context
            with
            | :? HttpListenerException
            | :? ObjectDisposedException
            | :? InvalidOperationException
            | :? IOException -> () // the listener was closed, or the client has gone

    do
        listener.Prefixes.Add $"http://127.0.0.1:{port}/"
        listener.Start()
        Thread(serve, IsBackground = true).Start()

    member _.Url = Uri $"http://127.0.0.1:{port}/"
    member _.Requests = List.ofSeq requests

    interface IDisposable with
        member _.Dispose() = listener.Close()

let private send (context: HttpListenerContext) (status: int) (bytes: byte array) =
    context.Response.StatusCode <- status
    context.Response.ContentLength64 <- int64 bytes.Length
    context.Response.OutputStream.Write(bytes, 0, bytes.Length)
    context.Response.Close()

/// Announces all bytes, sends some, and breaks the connection.
let private breakOff (context: HttpListenerContext) (bytes: byte array) (count: int) =
    context.Response.ContentLength64 <- int64 bytes.Length
    context.Response.OutputStream.Write(bytes, 0, count)
    context.Response.OutputStream.Flush()
    Thread.Sleep 50
    context.Response.Abort()

/// What a proper server does with `Range: bytes=N-`.
let private sendRange (context: HttpListenerContext) (bytes: byte array) =
    match context.Request.Headers["Range"] |> Option.ofObj with
    | None -> send context 200 bytes
    | Some range ->
        let from = Int32.Parse(range.Replace("bytes=", "").TrimEnd '-')

        if from >= bytes.Length then
            context.Response.AddHeader("Content-Range", $"bytes */{bytes.Length}")
            send context 416 [||]
        else
            context.Response.AddHeader("Content-Range", $"bytes {from}-{bytes.Length - 1}/{bytes.Length}")
            send context 206 (Array.skip from bytes)

let private get (url: Uri) (folder: string) : DownloadedArchive =
    use client = new HttpClient()
    let downloaded = ArchiveDownload(client, TimeSpan.FromSeconds 10.0).GetAsync(url, [| archive |], folder)
    downloaded.GetAwaiter().GetResult() |> Seq.exactlyOne

let private target folder = Path.Combine(folder, "file.zip")
let private part folder = Path.Combine(folder, "file.zip.part")

let private expectWhole folder (outcome: DownloadOutcome) (downloaded: DownloadedArchive) =
    downloaded |> should equal (DownloadedArchive(target folder, outcome))
    File.ReadAllBytes(target folder) = content |> should equal true
    Directory.GetFiles folder |> should equal [| target folder |]

let private startWith folder (bytes: byte array) (tag: string option) =
    File.WriteAllBytes(part folder, bytes)
    tag |> Option.iter (fun tag -> File.WriteAllText(part folder + ".etag", tag))

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

            testCase "without a server says so" (fun () ->
                inFolder (fun folder ->
                    let url = using (new Server(ignore)) _.Url
                    dataError (fun () -> get url folder) |> says [ url.ToString(); "run again" ]
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
