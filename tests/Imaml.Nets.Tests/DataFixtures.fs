/// What the data tests share: folders that vanish, small image sets, and a small Omniglot of drawn PNG files.
module Imaml.Nets.Tests.DataFixtures

open System
open System.Collections.Immutable
open System.IO
open System.IO.Compression
open Expecto
open Imaml.Testing
open Imaml.Nets.Tasks
open SkiaSharp

/// The message of the DataException that the action must throw: one line.
let dataError (action: unit -> 'a) : string =
    let message =
        try
            action () |> ignore
            failtest "no DataException was thrown"
        with :? DataException as e ->
            e.Message

    Expect.isFalse (message.Contains '\n') $"the message is one line: {message}"
    message

/// Every text is in the message.
let says (texts: string list) (message: string) =
    for text in texts do
        Expect.stringContains message text "the message names what and how to mend it"

/// A set whose pixel k of image i is (31·i + 7·k) mod 256: all images differ, and so do an image's turns.
let patterned (size: int) (channels: int) (classes: int) (drawings: int) : ImageSet =
    let each = size * size * channels

    let pixels =
        Array.init (classes * drawings * each) (fun p -> byte ((31 * (p / each) + 7 * (p % each)) % 256))

    ImageSet(
        "patterned",
        size,
        size,
        channels,
        ImmutableArray.Create<byte> pixels,
        Seq.init classes (fun c -> struct ($"class{c:D3}", drawings))
    )

let classNames (set: ImageSet) : string array = set.Classes |> Seq.map _.Name |> Array.ofSeq

/// A grey PNG; `ink x y` says where it is black.
let png (size: int) (ink: int -> int -> bool) : byte array =
    use bitmap = new SKBitmap(size, size, SKColorType.Gray8, SKAlphaType.Opaque)

    for y in 0 .. size - 1 do
        for x in 0 .. size - 1 do
            bitmap.SetPixel(x, y, (if ink x y then SKColors.Black else SKColors.White))

    use data = bitmap.Encode(SKEncodedImageFormat.Png, 100)
    data.ToArray()

let parts = [ "images_background"; "images_evaluation" ]

/// A small Omniglot, by part: paths and bytes of 2 alphabets × 2 characters × 3 drawings each, not in order.
let smallOmniglot: Map<string, (string * byte array) list> =
    parts
    |> List.mapi (fun p part ->
        let files =
            [
                for alphabet in [ "Second"; "First" ] do
                    for character in [ 2; 1 ] do
                        for drawing in [ 3; 1; 2 ] do
                            let turn = 5 * p + 3 * alphabet.Length + 2 * character + drawing

                            $"{part}/{alphabet}{p}/character{character:D2}/{character:D4}_{drawing:D2}.png",
                            png 105 (fun x y -> abs (x - 52) < 2 + drawing && y > turn || abs (x + y - 4 * turn) < 3)
            ]

        part, files)
    |> Map.ofList

let writeZip (path: string) (files: (string * byte array) list) =
    Directory.CreateDirectory(Path.GetDirectoryName path |> string) |> ignore
    use zip = ZipFile.Open(path, ZipArchiveMode.Create)

    for name, bytes in files do
        use stream = zip.CreateEntry(name).Open()
        stream.Write(bytes, 0, bytes.Length)

/// Writes both parts as archives into DATA/omniglot, each drawing as `change path bytes` would have it.
let writeZips (data: string) (change: string -> byte array -> byte array) =
    for KeyValue(part, files) in smallOmniglot do
        writeZip (Path.Combine(data, "omniglot", part + ".zip")) [ for path, bytes in files -> path, change path bytes ]

/// Writes both parts as folders into DATA/omniglot.
let writeFolders (data: string) =
    for KeyValue(_, files) in smallOmniglot do
        for path, bytes in files do
            let file = Path.Combine(data, "omniglot", path)
            Directory.CreateDirectory(Path.GetDirectoryName file |> string) |> ignore
            File.WriteAllBytes(file, bytes)

let unchanged (_: string) (bytes: byte array) = bytes

/// Loads Omniglot, whole or not.
let loadOmniglot data cache = Omniglot.Load(data, cache, requireComplete = false)

/// A small Omniglot in archives; the body gets the data folder and the cache folder.
let withZips change body =
    inFolder (fun folder ->
        let data, cache = Path.Combine(folder, "data"), Path.Combine(folder, "cache")
        writeZips data change
        body data cache)

/// Changes the one drawing of this path.
let changing (path: string) (change: byte array -> byte array) name bytes = if name = path then change bytes else bytes

let aDrawing = "images_evaluation/First1/character02/0002_03.png"

/// Share of the queries of 5-way 1-shot episodes whose nearest support image, in pixels, has their label.
let nearestNeighbourAccuracy (set: ImageSet) (episodes: int) : float =
    let sampler = Imaml.Nets.Tasks.EpisodeSampler(set, classNames set, RotationMode.None, 5, 1, 5, 1UL)
    let size = set.ImageSize

    let right =
        Array.Parallel.init episodes (fun number ->
            let batch = sampler.Batch(int64 number, 1)

            Seq.init batch.QueryLabels.Length (fun q ->
                let squared s =
                    let mutable sum = 0.0f

                    for k in 0 .. size - 1 do
                        let difference = batch.Query[q * size + k] - batch.Support[s * size + k]
                        sum <- sum + difference * difference

                    sum

                let nearest = Seq.init batch.SupportLabels.Length id |> Seq.minBy squared

                if batch.SupportLabels[nearest] = batch.QueryLabels[q] then
                    1.0
                else
                    0.0)
            |> Seq.average)

    Array.average right
