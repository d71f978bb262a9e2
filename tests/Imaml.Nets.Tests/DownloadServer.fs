/// A server on this machine that breaks off, ignores Range, or sends the wrong bytes, for the download tests.
module Imaml.Nets.Tests.DownloadServer

open System
open System.Collections.Concurrent
open System.IO
open System.Net
open System.Net.Http
open System.Net.Sockets
open System.Security.Cryptography
open System.Threading
open FsUnit
open Imaml.Nets.Tasks

/// 300 kB, so that a transfer has many pieces.
let content = Array.init 300_000 (fun i -> byte (i * i >>> 7))

let md5 (bytes: byte array) = Convert.ToHexStringLower(MD5.HashData bytes)
let archive = RemoteArchive("file.zip", md5 content, 1_000_000L)

type Request = { Range: string; IfRange: string }

/// A server on this machine: every request is noted and answered by `answer`.
type Server(answer: HttpListenerContext -> unit) =
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

let send (context: HttpListenerContext) (status: int) (bytes: byte array) =
    context.Response.StatusCode <- status
    context.Response.ContentLength64 <- int64 bytes.Length
    context.Response.OutputStream.Write(bytes, 0, bytes.Length)
    context.Response.Close()

/// Announces all bytes, sends some, and breaks the connection.
let breakOff (context: HttpListenerContext) (bytes: byte array) (count: int) =
    context.Response.ContentLength64 <- int64 bytes.Length
    context.Response.OutputStream.Write(bytes, 0, count)
    context.Response.OutputStream.Flush()
    Thread.Sleep 50
    context.Response.Abort()

/// What a proper server does with `Range: bytes=N-`.
let sendRange (context: HttpListenerContext) (bytes: byte array) =
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

let get (url: Uri) (folder: string) : DownloadedArchive =
    use client = new HttpClient()
    let downloaded = ArchiveDownload(client, TimeSpan.FromSeconds 10.0).GetAsync(url, [| archive |], folder)
    downloaded.GetAwaiter().GetResult() |> Seq.exactlyOne

let target folder = Path.Combine(folder, "file.zip")
let part folder = Path.Combine(folder, "file.zip.part")

let expectWhole folder (outcome: DownloadOutcome) (downloaded: DownloadedArchive) =
    downloaded |> should equal (DownloadedArchive(target folder, outcome))
    File.ReadAllBytes(target folder) = content |> should equal true
    Directory.GetFiles folder |> should equal [| target folder |]

let startWith folder (bytes: byte array) (tag: string option) =
    File.WriteAllBytes(part folder, bytes)
    tag |> Option.iter (fun tag -> File.WriteAllText(part folder + ".etag", tag))
