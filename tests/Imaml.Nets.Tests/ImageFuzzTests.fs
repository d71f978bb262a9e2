/// A thousand damaged images, tables and archives: each is read or refused in one line, in time, and nothing half-written is left.
module Imaml.Nets.Tests.ImageFuzzTests

open System
open System.IO
open Expecto
open FsUnit
open Imaml.Nets.Tasks
open Imaml.Testing
open Imaml.Testing.Fuzzing
open Imaml.Nets.Tests.DataFixtures
open Imaml.Nets.Tests.ImageBytes
open SkiaSharp

let private noise seed =
    let random = Random(seed: int)
    fun _ _ -> SKColor(byte (random.Next 256), byte (random.Next 256), byte (random.Next 256), byte (random.Next 256))

let private images =
    [|
        picture 13 9 (noise 1)
        encoded SKEncodedImageFormat.Jpeg 17 12 (noise 2)
        oriented SKEncodedImageFormat.Jpeg 6 (encoded SKEncodedImageFormat.Jpeg 16 16 (noise 3))
        oriented SKEncodedImageFormat.Png 6 (encoded SKEncodedImageFormat.Png 16 16 (noise 4))
        oriented SKEncodedImageFormat.Webp 6 (encoded SKEncodedImageFormat.Webp 16 16 (noise 5))
        encoded SKEncodedImageFormat.Webp 11 14 (noise 4)
        bmp 7 (1, 2, 3)
        gif
        cmykJpeg
        pngOf 4 4 8 3 (Array.create 4 1uy) [ "PLTE", [| 0uy; 0uy; 0uy; 30uy; 20uy; 10uy |]; "tRNS", [| 255uy; 100uy |] ]
    |]

/// A few changes of every kind: bytes, cuts, repetitions, insertions.
let private changed (random: Random) (bytes: byte array) =
    let mutable now = bytes

    for _ in 0 .. random.Next 4 do
        let at = random.Next(now.Length + 1)
        let length = random.Next(1, 20)

        now <-
            match random.Next 5 with
            | 0 -> now |> Array.mapi (fun i b -> if i = at then byte (random.Next 256) else b)
            | 1 ->
                now
                |> Array.mapi (fun i b ->
                    if i >= at && i < at + 4 then
                        (if random.Next 2 = 0 then 255uy else 0uy)
                    else
                        b)
            | 2 -> Array.truncate at now
            | 3 -> Array.append now[.. at - 1] now[at + length ..]
            | _ -> Array.concat [ now[.. at - 1]; now[max 0 (at - length) ..] ]

    now

/// Reads or refuses; true where it reads.
let private reads (what: string) (act: unit -> unit) =
    try
        act ()
        true
    with
    | :? DataException as e ->
        e.Message.Contains '\n' |> should equal false
        false
    | e -> failtest $"{what}: {e}"

let private isClean (cache: string) =
    if Directory.Exists cache then
        Directory.GetFiles(cache, "*.part") |> should be Empty

let private opens path cache =
    let opened = ImageFolder.Open(path, "mine", FolderReading(ImageForm(6, 3), CacheFolder = cache))

    for i in 0 .. opened.Set.Count - 1 do
        opened.Set.Image(i).Length |> should equal 108

[<Tests>]
let tests =
    testList
        "Damaged files"
        [
            testCase "images" (fun () ->
                let form = ImageForm(6, 3)

                let outcomes =
                    Array.init inputs (fun seed ->
                        let bytes = changed (Random seed) images[seed % images.Length]
                        reads $"image {seed}" (fun () -> form.Read(ReadOnlySpan bytes, "x").Length |> should equal 108))

                // Both happen, or nothing would have been tried.
                (Array.contains true outcomes, Array.contains false outcomes) |> should equal (true, true))

            testCase "tables" (fun () ->
                inFolder (fun folder ->
                    let data, cache = Path.Combine(folder, "data"), Path.Combine(folder, "cache")
                    Directory.CreateDirectory data |> ignore

                    for i in 1..6 do
                        File.WriteAllBytes(Path.Combine(data, $"{i}.png"), numbered 6 i)

                    let table =
                        Array.append
                            [| 0xEFuy; 0xBBuy; 0xBFuy |]
                            "filename,label,part\r\n1.png,a,train\n2.png,\"a\",train\n3.png,b,val\n4.png,b,val\n5.png,c,test\n6.png,c,test\n"B

                    let outcomes =
                        Array.init inputs (fun seed ->
                            File.WriteAllBytes(Path.Combine(data, "t.csv"), changed (Random seed) table)
                            let read = reads $"table {seed}" (fun () -> opens data cache)
                            isClean cache
                            read)

                    (Array.contains true outcomes, Array.contains false outcomes) |> should equal (true, true)))

            testCase "archives" (fun () ->
                inFolder (fun folder ->
                    let sound, data, cache =
                        Path.Combine(folder, "sound.zip"), Path.Combine(folder, "x.zip"), Path.Combine(folder, "cache")

                    writeZip
                        sound
                        [
                            for i in 1..6 do
                                $"images/{i}.png", numbered 6 i
                            "train.csv", "filename,label\n1.png,a\n2.png,a\n"B
                            "val.csv", "filename,label\n3.png,b\n4.png,b\n"B
                            "test.csv", "filename,label\n5.png,c\n6.png,c\n"B
                        ]

                    let bytes = File.ReadAllBytes sound

                    let outcomes =
                        Array.init inputs (fun seed ->
                            File.WriteAllBytes(data, changed (Random seed) bytes)
                            let read = reads $"archive {seed}" (fun () -> opens data cache)
                            isClean cache
                            read)

                    (Array.contains true outcomes, Array.contains false outcomes) |> should equal (true, true)))
        ]
