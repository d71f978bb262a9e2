/// Prepared images: keyed by content, opened by listing, mapped, checked, and made anew where they are not what they should be.
module Imaml.Nets.Tests.ImageFolderCacheTests

open System
open System.IO
open System.IO.Compression
open System.Security.Cryptography
open System.Text
open System.Text.Json.Nodes
open System.Threading
open Expecto
open FsUnit
open Imaml.Nets.Tasks
open Imaml.Testing
open Imaml.Nets.Tests.DataFixtures
open Imaml.Nets.Tests.ImageBytes

let private opens (data: string) (cache: string) = ImageFolder.Open(data, "mine", FolderReading(ImageForm(8, 3), CacheFolder = cache))

let private verified (data: string) (cache: string) =
    ImageFolder.Open(data, "mine", FolderReading(ImageForm(8, 3), Verify = true, CacheFolder = cache))

let private file (data: string) name = Path.Combine(data, name)

/// Two classes of two images; the body gets the folder and the cache's folder.
let private withImages body =
    inFolder (fun folder ->
        let data, cache = Path.Combine(folder, "data"), Path.Combine(folder, "cache")

        for i, name in List.indexed [ "a/1.png"; "a/2.png"; "b/1.png"; "b/2.png" ] do
            Directory.CreateDirectory(file data (name.Substring(0, 1))) |> ignore
            File.WriteAllBytes(file data name, plain 8 (10 * i, 20, 30))

        body data cache)

let private prepared (cache: string) = Directory.GetFiles(cache, "*.images") |> Array.exactlyOne

/// Puts other bytes in a file's place, as a new file: the old one may be mapped still.
let private replace (path: string) (bytes: byte array) =
    File.Delete path
    File.WriteAllBytes(path, bytes)

let private hash (opened: OpenedImages) = opened.Set.ContentHash

/// A cache file whose description is changed, with the hash that belongs to it.
let private described (change: JsonObject -> unit) (bytes: byte array) =
    let footer = bytes.Length - 48
    let digests, length = BitConverter.ToInt64(bytes, footer), BitConverter.ToInt64(bytes, footer + 8)
    let start = footer - int length
    let json = (nonNull (JsonNode.Parse(Encoding.UTF8.GetString(bytes, start, int length)))).AsObject()
    change json
    let text = Encoding.UTF8.GetBytes(json.ToJsonString())

    let hashed =
        Array.concat
            [
                bytes[start - int digests .. start - 1]
                text
                BitConverter.GetBytes digests
                BitConverter.GetBytes(int64 text.Length)
            ]

    Array.concat [ bytes[.. start - int digests - 1]; hashed; SHA256.HashData hashed ]

let private classAt (json: JsonObject) (index: int) = (json["Classes"] |> nonNull).AsArray().[index] |> nonNull |> _.AsObject()

/// Writes other bytes of the same length, and keeps the time.
let private changeUnnoticed (path: string) (bytes: byte array) =
    let time = File.GetLastWriteTimeUtc path
    FileInfo(path).Length |> should equal (int64 bytes.Length)
    File.WriteAllBytes(path, bytes)
    File.SetLastWriteTimeUtc(path, time)

[<Tests>]
let tests =
    testList
        "ImageFolder cache"
        [
            testCase "is used the second time, holds the same set, and leaves no drafts" (fun () ->
                withImages (fun data cache ->
                    let first, second = opens data cache, opens data cache
                    (first.FromCache, second.FromCache) |> should equal (false, true)
                    hash second |> should equal (hash first)
                    second.Set.Image(2).ToArray() |> should equal (first.Set.Image(2).ToArray())

                    Directory.GetFiles cache
                    |> Array.map Path.GetExtension
                    |> Array.sort
                    |> should equal [| ".images"; ".listing" |]))

            testCase "the hash of mapped images is that of the same images in memory" (fun () ->
                withImages (fun data cache ->
                    let opened = opens data cache

                    let pixels =
                        [|
                            for i in 0 .. opened.Set.Count - 1 do
                                yield! opened.Set.Image(i).ToArray()
                        |]

                    let inMemory =
                        ImageSet(
                            "mine",
                            8,
                            8,
                            3,
                            Collections.Immutable.ImmutableArray.Create<byte> pixels,
                            [ struct ("a", 2); struct ("b", 2) ]
                        )

                    inMemory.ContentHash |> should equal (hash opened)))

            testCase "files that were touched or moved are not decoded again" (fun () ->
                withImages (fun data cache ->
                    let first = opens data cache
                    let written = File.GetLastWriteTimeUtc(prepared cache)
                    File.SetLastWriteTimeUtc(file data "a/1.png", DateTime.UtcNow.AddDays -1.0)
                    (opens data cache).FromCache |> should equal true
                    Directory.Move(data, data + "2")
                    let moved = opens (data + "2") cache
                    (moved.FromCache, hash moved) |> should equal (true, hash first)
                    File.GetLastWriteTimeUtc(prepared cache) |> should equal written))

            testCase "a file of other content, a new one, one less, and one of another class are another set" (fun () ->
                for change in
                    [
                        (fun data -> File.WriteAllBytes(file data "a/1.png", plain 8 (99, 98, 97)))
                        (fun data -> File.WriteAllBytes(file data "a/3.png", plain 8 (99, 98, 97)))
                        (fun data -> File.Delete(file data "a/1.png"))
                        (fun data -> File.Move(file data "a/1.png", file data "b/3.png"))
                    ] do
                    withImages (fun data cache ->
                        let first = opens data cache
                        change data
                        let second = opens data cache
                        second.FromCache |> should equal false
                        hash second |> should not' (equal (hash first))))

            testCase "other content of the same length and time is seen by a verification, and after it by everyone" (fun () ->
                withImages (fun data cache ->
                    let first = opens data cache
                    let other = plain 8 (11, 20, 30)
                    changeUnnoticed (file data "a/1.png") other
                    // The listing does not show it.
                    hash (opens data cache) |> should equal (hash first)
                    let seen = verified data cache
                    hash seen |> should not' (equal (hash first))
                    let after = opens data cache
                    (after.FromCache, hash after) |> should equal (true, hash seen)))

            for damage, change in
                [
                    "a changed beginning", (fun (bytes: byte array) -> bytes |> Array.mapi (fun i b -> if i = 3 then b ^^^ 1uy else b))
                    "a changed pixel", (fun bytes -> bytes |> Array.mapi (fun i b -> if i = 300 then b ^^^ 1uy else b))
                    "a changed hash", (fun bytes -> bytes |> Array.mapi (fun i b -> if i = bytes.Length - 1 then b ^^^ 1uy else b))
                    "a changed index", (fun bytes -> bytes |> Array.mapi (fun i b -> if i = bytes.Length - 80 then b ^^^ 1uy else b))
                    "a changed length", (fun bytes -> bytes |> Array.mapi (fun i b -> if i = bytes.Length - 48 then b ^^^ 1uy else b))
                    "a missing end", (fun bytes -> Array.truncate (bytes.Length - 10) bytes)
                    "a missing middle", (fun bytes -> Array.append bytes[..99] bytes[200..])
                    "more at its end", (fun bytes -> Array.append bytes [| 1uy |])
                    "nothing in it", (fun _ -> [||])
                    "something else in it", (fun _ -> Array.create 10_000 65uy)
                ] do
                testCase $"is made anew where it has {damage}" (fun () ->
                    withImages (fun data cache ->
                        let first = opens data cache
                        let path = prepared cache
                        let sound = File.ReadAllBytes path
                        replace path (change sound)
                        let again = opens data cache
                        (again.FromCache, hash again) |> should equal (false, hash first)
                        again.Notes |> should be Empty
                        File.ReadAllBytes path |> should equal sound))

            for damage, change in
                [
                    "no classes", (fun (json: JsonObject) -> json.Remove("Classes") |> ignore)
                    "null for its classes", (fun json -> json["Classes"] <- null)
                    "a class without a name", (fun json -> (classAt json 0)["Name"] <- null)
                    "a name twice", (fun json -> (classAt json 1)["Name"] <- JsonValue.Create "a")
                    "a class of no images", (fun json -> (classAt json 0)["Count"] <- JsonValue.Create 0)
                    "an unknown part", (fun json -> (classAt json 0)["Part"] <- JsonValue.Create 17)
                    "no hash", (fun json -> json["ContentHash"] <- null)
                    "no notes", (fun json -> json["Notes"] <- null)
                    "no name", (fun json -> json["Name"] <- null)
                    "images without rows", (fun json -> json["Height"] <- JsonValue.Create 0)
                    "images whose size overflows", (fun json -> json["Width"] <- JsonValue.Create 2147483647)
                ] do
                testCase $"is made anew where it has the right hash of a description with {damage}" (fun () ->
                    withImages (fun data cache ->
                        let first = opens data cache
                        let path = prepared cache
                        let sound = File.ReadAllBytes path
                        replace path (described change sound)
                        let again = opens data cache
                        (again.FromCache, hash again) |> should equal (false, hash first)
                        File.ReadAllBytes path |> should equal sound))

            testCase "a description that is written again unchanged is taken" (fun () ->
                withImages (fun data cache ->
                    opens data cache |> ignore
                    let path = prepared cache
                    replace path (described ignore (File.ReadAllBytes path))
                    (opens data cache).FromCache |> should equal true))

            testCase "another set's file under its name is not taken for it" (fun () ->
                withImages (fun data cache ->
                    let first = opens data cache
                    let own = prepared cache
                    let elsewhere = cache + "2"
                    File.WriteAllBytes(file data "a/3.png", plain 8 (99, 98, 97))
                    let other = opens data elsewhere
                    File.Delete(file data "a/3.png")
                    replace own (File.ReadAllBytes(prepared elsewhere))
                    let again = opens data cache
                    (again.FromCache, hash again) |> should equal (false, hash first)
                    hash again |> should not' (equal (hash other))))

            testCase "a note that leads elsewhere is not followed" (fun () ->
                withImages (fun data cache ->
                    let first = opens data cache
                    let note = Directory.GetFiles(cache, "*.listing") |> Array.exactlyOne
                    let sound = File.ReadAllBytes note

                    for bytes in [ [||]; Array.create 64 1uy; Array.rev sound; Array.truncate 63 sound ] do
                        File.WriteAllBytes(note, bytes)
                        hash (opens data cache) |> should equal (hash first)
                        File.ReadAllBytes note |> should equal sound))

            testCase "a damaged image of a large set is noticed when it is used, and the file removed" (fun () ->
                inFolder (fun folder ->
                    let data, cache = Path.Combine(folder, "data"), Path.Combine(folder, "cache")

                    for i in 0..21 do
                        let one = file data $"c{i % 2}"
                        Directory.CreateDirectory one |> ignore
                        File.WriteAllBytes(Path.Combine(one, $"{i}.png"), plain 8 (10 * i, 20, 30))

                    // 22 × 3 MiB, more than is checked when a set is opened.
                    let opens () = ImageFolder.Open(data, "mine", FolderReading(ImageForm(1024, 3), CacheFolder = cache))

                    let first = opens ()
                    let path = prepared cache

                    let bytes = File.ReadAllBytes path
                    bytes[18 + 5 * 1024 * 1024 * 3 + 77] <- 255uy
                    replace path bytes
                    let opened = opens ()
                    opened.FromCache |> should equal true
                    opened.Set.Image(4).Length |> should equal (1024 * 1024 * 3)

                    dataError (fun () -> opened.Set.Image(5).Length)
                    |> should
                        equal
                        $"the prepared images in {path} are damaged, and have been removed; run again to prepare the images anew"

                    let again = opens ()
                    again.FromCache |> should equal false
                    again.Set.Image(5).SequenceEqual(first.Set.Image(5)) |> should equal true))

            testCase "is done without where its folder cannot be written, with a note" (fun () ->
                withImages (fun data cache ->
                    let first = opens data (cache + "2")
                    // Below a file there can be no folder, for any user.
                    File.WriteAllText(cache, "")
                    let opened = opens data (Path.Combine(cache, "below"))
                    hash opened |> should equal (hash first)
                    opened.Set.Image(1).ToArray() |> should equal (first.Set.Image(1).ToArray())

                    Seq.exactlyOne opened.Notes
                    |> says
                        [
                            $"the prepared data could not be kept in {cache}/below ("
                            "set XDG_CACHE_HOME to a writable folder"
                        ]))

            testCase "several at once get the same set, and leave one file" (fun () ->
                withImages (fun data cache ->
                    let hashes = Array.Parallel.init 8 (fun _ -> hash (opens data cache))
                    Array.distinct hashes |> should haveLength 1

                    Directory.GetFiles cache
                    |> Array.map Path.GetExtension
                    |> Array.sort
                    |> should equal [| ".images"; ".listing" |]))

            testCase "a preparation that is stopped leaves nothing half-written" (fun () ->
                withImages (fun data cache ->
                    use source = new CancellationTokenSource()

                    let stopping =
                        { new IProgress<float> with
                            member _.Report value =
                                if value > 0.2 then
                                    source.Cancel()
                        }

                    (fun () ->
                        ImageFolder.Open(data, "mine", FolderReading(ImageForm(8, 3), CacheFolder = cache), stopping, source.Token)
                        |> ignore)
                    |> should throw typeof<OperationCanceledException>

                    Directory.GetFiles cache |> should be Empty))

            testCase "drafts that a killed process left are removed after a day, not before" (fun () ->
                withImages (fun data cache ->
                    Directory.CreateDirectory cache |> ignore
                    let old, recent = Path.Combine(cache, "x.images.1.part"), Path.Combine(cache, "x.images.2.part")
                    File.WriteAllText(old, "")
                    File.WriteAllText(recent, "")
                    File.SetLastWriteTimeUtc(old, DateTime.UtcNow.AddDays -2.0)
                    opens data cache |> ignore
                    (File.Exists old, File.Exists recent) |> should equal (false, true)))

            testCase "an archive of more entries than 16 bits count is read" (fun () ->
                inFolder (fun folder ->
                    let zip, cache = Path.Combine(folder, "x.zip"), Path.Combine(folder, "cache")

                    (use archive = ZipFile.Open(zip, ZipArchiveMode.Create)

                     for i in 0..65_600 do
                         use stream = archive.CreateEntry($"a/{i}.txt", CompressionLevel.NoCompression).Open()
                         stream.WriteByte 1uy

                     for name in [ "a/1.png"; "b/1.png" ] do
                         use stream = archive.CreateEntry(name).Open()
                         stream.Write(ReadOnlySpan(numbered 8 (int name[0]))))

                    let opened = opens zip cache
                    opened.Set.Count |> should equal 2
                    Seq.exactlyOne opened.Notes |> should equal "skipped 65,601 files that are not images (*.txt 65601)"
                    (opens zip cache).FromCache |> should equal true))
        ]
