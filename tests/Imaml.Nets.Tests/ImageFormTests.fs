/// One image in the form that a network takes: formats, colours, orientation, size; the same for files, streams and pixels.
module Imaml.Nets.Tests.ImageFormTests

open System
open System.IO
open Expecto
open FsUnit
open Imaml.Nets.Tasks
open Imaml.Testing
open Imaml.Nets.Tests.DataFixtures
open Imaml.Nets.Tests.ImageBytes
open SkiaSharp

let private colour = ImageForm(4, 3)
let private grey = ImageForm(4, 1)

let private read (form: ImageForm) (bytes: byte array) = form.Read(ReadOnlySpan bytes, "x")

/// The bytes of every pixel are these.
let private isAll (pixel: int list) (bytes: byte array) =
    bytes
    |> Array.map int
    |> should equal (Array.concat (Array.replicate (bytes.Length / pixel.Length) (Array.ofList pixel)))

/// The bytes of every pixel are these, up to one unit: JPEG rounds.
let private isNear (pixel: int list) (bytes: byte array) =
    for i in 0 .. bytes.Length - 1 do
        abs (int bytes[i] - pixel[i % pixel.Length]) |> should be (lessThanOrEqualTo 1)

/// The mean of the source over a target pixel's rectangle of a window, in double precision: the definition of area averaging.
let private exactMean (pixels: byte array) width channels (top: float, left: float) (window: float * float) size row column c =
    let height, wide = window
    let y0, y1 = top + float row * height / float size, top + float (row + 1) * height / float size
    let x0, x1 = left + float column * wide / float size, left + float (column + 1) * wide / float size
    let share (from: float) until (k: int) = max 0.0 (min until (float k + 1.0) - max from (float k))
    let mutable sum = 0.0

    for y in int y0 .. int (ceil y1) - 1 do
        for x in int x0 .. int (ceil x1) - 1 do
            sum <- sum + share y0 y1 y * share x0 x1 x * float pixels[(y * width + x) * channels + c]

    sum / ((y1 - y0) * (x1 - x0))

let private random (seed: int) length =
    let bytes = Array.zeroCreate<byte> length
    Random(seed).NextBytes bytes
    bytes

/// The pixel that is seen at (row, column) of a stored picture of this EXIF orientation (TIFF 6.0 and EXIF 2.3, tag 0x0112).
let private seen orientation height width row column =
    match orientation with
    | 2 -> row, width - 1 - column
    | 3 -> height - 1 - row, width - 1 - column
    | 4 -> height - 1 - row, column
    | 5 -> column, row
    | 6 -> height - 1 - column, row
    | 7 -> height - 1 - column, width - 1 - row
    | 8 -> column, width - 1 - row
    | _ -> row, column

/// Pixels of an encoded picture as the decoder has them: height, width, red green blue.
let private decoded (bytes: byte array) =
    use bitmap = SKBitmap.Decode bytes

    bitmap.Height,
    bitmap.Width,
    [|
        for y in 0 .. bitmap.Height - 1 do
            for x in 0 .. bitmap.Width - 1 do
                let pixel = bitmap.GetPixel(x, y)
                yield! [ pixel.Red; pixel.Green; pixel.Blue ]
    |]

[<Tests>]
let tests =
    testList
        "ImageForm"
        [
            for name, bytes, expected in
                [
                    "grey PNG", pngOf 4 4 8 0 (Array.create 4 77uy) [], [ 77; 77; 77 ]
                    "1-bit PNG", pngOf 4 4 1 0 [| 0xF0uy |] [], [ 255; 255; 255 ]
                    "colour PNG", pngOf 4 4 8 2 (Array.concat (Array.replicate 4 [| 9uy; 8uy; 7uy |])) [], [ 9; 8; 7 ]
                    "palette PNG", pngOf 4 4 8 3 (Array.create 4 1uy) [ "PLTE", [| 0uy; 0uy; 0uy; 30uy; 20uy; 10uy |] ], [ 30; 20; 10 ]
                    // 100/255 opaque over white: (c·100 + 255·155 + 127) div 255.
                    "palette PNG with transparency",
                    pngOf 4 4 8 3 (Array.create 4 1uy) [ "PLTE", [| 0uy; 0uy; 0uy; 30uy; 20uy; 10uy |]; "tRNS", [| 255uy; 100uy |] ],
                    [ 167; 163; 159 ]
                    "grey PNG with alpha", pngOf 4 4 8 4 (Array.concat (Array.replicate 4 [| 10uy; 128uy |])) [], [ 132; 132; 132 ]
                    "colour PNG with alpha", pngOf 4 4 8 6 (Array.concat (Array.replicate 4 [| 0uy; 0uy; 0uy; 0uy |])) [], [ 255; 255; 255 ]
                    "16-bit colour PNG",
                    pngOf 4 4 16 2 (Array.concat (Array.replicate 4 [| 0x80uy; 0xFFuy; 0x12uy; 0x34uy; 0xFFuy; 0xFEuy |])) [],
                    [ 0x80; 0x12; 0xFF ]
                    "16-bit grey PNG", pngOf 4 4 16 0 (Array.concat (Array.replicate 4 [| 0x40uy; 0x99uy |])) [], [ 0x40; 0x40; 0x40 ]
                    "BMP", bmp 5 (1, 2, 3), [ 1; 2; 3 ]
                    "GIF, its first frame", gif, [ 255; 0; 0 ]
                ] do
                testCase $"reads {name}" (fun () -> read colour bytes |> isAll expected)

            for name, bytes, expected in
                [
                    "JPEG", encoded SKEncodedImageFormat.Jpeg 9 9 (fun _ _ -> SKColor(200uy, 30uy, 40uy)), [ 200; 30; 40 ]
                    "WebP", encoded SKEncodedImageFormat.Webp 9 9 (fun _ _ -> SKColor(200uy, 30uy, 40uy)), [ 200; 30; 40 ]
                    "CMYK JPEG", cmykJpeg, [ 255; 0; 0 ]
                    // Y = 255, Cb = Cr = 0 give (75.5, 390, 28.2), clamped; CMY are what is missing of 255, and Adobe's files are inverted.
                    "YCCK JPEG", ycckJpeg, [ 179; 0; 227 ]
                ] do
                testCase $"reads {name}" (fun () -> read colour bytes |> isNear expected)

            testCase "grey of colour is BT.601's luma, grey of grey is itself" (fun () ->
                read grey (pngOf 4 4 8 2 (Array.concat (Array.replicate 4 [| 200uy; 30uy; 40uy |])) [])
                |> isAll [ 82 ]

                for value in 0..255 do
                    read grey (plain 4 (value, value, value)) |> isAll [ value ])

            testCase "a drawing's ink is 255 on transparent paper, in whatever colour, and paper is 0" (fun () ->
                for paper, ink in
                    [
                        SKColors.White, SKColors.Black
                        SKColors.Transparent, SKColors.Black
                        SKColor(0uy, 0uy, 0uy, 0uy), SKColors.Blue
                        SKColors.White, SKColors.Red
                        SKColors.White, SKColors.Yellow
                    ] do
                    let drawing =
                        ImageForm.Drawing.Read(ReadOnlySpan(picture 28 28 (fun x _ -> if x < 14 then ink else paper)), "x")

                    Array.init 784 (fun i -> if i % 28 < 14 then 255uy else 0uy) |> should equal drawing)

            testCase "file, stream, bytes and pixels give the same" (fun () ->
                inFolder (fun folder ->
                    let bytes = random 1 (11 * 7 * 3)

                    let png =
                        picture 11 7 (fun x y -> let at = 3 * (11 * y + x) in SKColor(bytes[at], bytes[at + 1], bytes[at + 2]))

                    let path = Path.Combine(folder, "a.png")
                    File.WriteAllBytes(path, png)
                    let expected = colour.FromPixels(ReadOnlySpan bytes, 7, 11, 3)
                    colour.Read path |> should equal expected
                    use stream = new MemoryStream(png)
                    colour.Read(stream, "x") |> should equal expected
                    read colour png |> should equal expected

                    let withAlpha =
                        Array.init (11 * 7 * 4) (fun i -> if i % 4 = 3 then 255uy else bytes[3 * (i / 4) + i % 4])

                    colour.FromPixels(ReadOnlySpan withAlpha, 7, 11, 4) |> should equal expected))

            testCase "an image of the size asked for keeps its bytes" (fun () ->
                let bytes = random 2 (84 * 84 * 3)

                for fit in [ ImageFit.Crop; ImageFit.Squeeze ] do
                    ImageForm(84, 3, fit).FromPixels(ReadOnlySpan bytes, 84, 84, 3) |> should equal bytes
                // Its middle columns, where it is one wider: not halves of two.
                let wider = random 3 (84 * 85)

                ImageForm(84, 1).FromPixels(ReadOnlySpan wider, 84, 85, 1)
                |> should equal (Array.init (84 * 84) (fun i -> wider[i / 84 * 85 + i % 84])))

            testCase "a smaller image is the mean over each pixel's area, rounded once" (fun () ->
                for seed in 1..60 do
                    let draw = Random seed
                    let size, channels = draw.Next(1, 9), (if seed % 2 = 0 then 1 else 3)
                    let height, width = draw.Next(size, 40), draw.Next(size, 40)
                    let pixels = random seed (height * width * channels)

                    for fit in [ ImageFit.Crop; ImageFit.Squeeze ] do
                        let form = ImageForm(size, channels, fit)
                        let reduced = form.FromPixels(ReadOnlySpan pixels, height, width, channels)
                        let side = min height width
                        let crop = fit = ImageFit.Crop

                        let corner =
                            if crop then
                                float ((height - side) / 2), float ((width - side) / 2)
                            else
                                0.0, 0.0

                        let window =
                            if crop then
                                float side, float side
                            else
                                float height, float width

                        for row in 0 .. size - 1 do
                            for column in 0 .. size - 1 do
                                for c in 0 .. channels - 1 do
                                    let exact = exactMean pixels width channels corner window size row column c
                                    // Half a unit by rounding to bytes; 1600 terms of at most 255 in double precision.
                                    abs (float reduced[(row * size + column) * channels + c] - exact)
                                    |> should be (lessThanOrEqualTo (0.5 + 1600.0 * 255.0 * 1e-15)))

            testCase "a larger image keeps what is constant, and a ramp between the outermost centres" (fun () ->
                ImageForm(9, 1).FromPixels(ReadOnlySpan(Array.create 4 123uy), 2, 2, 1) |> isAll [ 123 ]
                // 10 and 90 at centres 0.5 and 1.5 of two pixels; eight pixels have centres (j + ½)/4.
                ImageForm(8, 1).FromPixels(ReadOnlySpan [| 10uy; 90uy; 10uy; 90uy |], 2, 2, 1)
                |> Array.take 8
                |> should equal [| 10uy; 10uy; 20uy; 40uy; 60uy; 80uy; 90uy; 90uy |])

            testCase
                "EXIF orientations 1 to 8 are applied in JPEG, PNG and WebP, and the middle is that of the picture as it is seen"
                (fun () ->
                    for format, (width, height) in
                        List.allPairs
                            [
                                SKEncodedImageFormat.Jpeg
                                SKEncodedImageFormat.Png
                                SKEncodedImageFormat.Webp
                            ]
                            [ 20, 17; 17, 20; 16, 16; 6, 40 ] do
                        let noise = random (width + height) (width * height * 3)

                        let bytes =
                            encoded format width height (fun x y ->
                                let at = 3 * (width * y + x)
                                SKColor(noise[at], noise[at + 1], noise[at + 2]))

                        let height, width, stored = decoded bytes

                        for orientation in 1..8 do
                            let rows, columns = if orientation < 5 then height, width else width, height

                            let upright =
                                [|
                                    for row in 0 .. rows - 1 do
                                        for column in 0 .. columns - 1 do
                                            let y, x = seen orientation height width row column
                                            yield! stored[3 * (y * width + x) .. 3 * (y * width + x) + 2]
                                |]

                            for form in [ ImageForm(5, 3); ImageForm(5, 3, ImageFit.Squeeze); ImageForm(30, 3) ] do
                                form.Read(ReadOnlySpan(oriented format orientation bytes), "x")
                                |> should equal (form.FromPixels(ReadOnlySpan upright, rows, columns, 3)))

            testCase "a header that claims too much is refused before anything is decoded" (fun () ->
                dataError (fun () -> read colour (pngThatClaims 100_000 100_000))
                |> should equal "x claims 100000×100000 pixels; the upper limit is 134,217,728 pixels and 65,535 a side"

                dataError (fun () -> read colour (pngThatClaims 20_000 20_000))
                |> should equal "x claims 20000×20000 pixels; the upper limit is 134,217,728 pixels and 65,535 a side")

            testCase "a photograph of 6000×4000 pixels is read" (fun () ->
                let jpeg =
                    use bitmap = new SKBitmap(SKImageInfo(6000, 4000, SKColorType.Rgba8888, SKAlphaType.Opaque))
                    bitmap.Erase(SKColor(10uy, 200uy, 30uy))
                    use data = bitmap.Encode(SKEncodedImageFormat.Jpeg, 90)
                    data.ToArray()

                ImageForm(84, 3).Read(ReadOnlySpan jpeg, "x") |> isNear [ 10; 200; 30 ])

            for format in
                [
                    SKEncodedImageFormat.Png
                    SKEncodedImageFormat.Jpeg
                    SKEncodedImageFormat.Webp
                ] do
                testCase $"a {format} that is cut off is named as that" (fun () ->
                    let bytes = encoded format 40 40 (fun x y -> SKColor(byte (x * y % 256), byte (5 * x), byte (7 * y)))

                    dataError (fun () -> read colour (Array.truncate (bytes.Length * 3 / 5) bytes))
                    |> should equal "x is damaged (it is cut off)")

            testCase "what is no image is named, and a format that is not read" (fun () ->
                for bytes in [ [||]; "this is no picture"B; [| 0x89uy; 0x50uy; 0x4Euy; 0x47uy |] ] do
                    dataError (fun () -> read colour bytes) |> should equal "x is damaged, or no image"

                let png = plain 16 (1, 2, 3)

                let icon =
                    Array.concat
                        [
                            [| 0uy; 0uy; 1uy; 0uy; 1uy; 0uy; 16uy; 16uy; 0uy; 0uy; 1uy; 0uy; 32uy; 0uy |]
                            BitConverter.GetBytes png.Length
                            BitConverter.GetBytes 22
                            png
                        ]

                dataError (fun () -> read colour icon)
                |> should equal "x is ICO; PNG, JPEG, WebP, BMP and GIF are read"

                dataError (fun () -> colour.Read "/nowhere/a.png") |> says [ "/nowhere/a.png cannot be read (" ])

            testCase "pixels whose number does not fit are the caller's mistake" (fun () ->
                for height, width, channels in [ 2, 2, 3; 0, 4, 1; 1, 2, 2; -1, -4, 1 ] do
                    (fun () -> colour.FromPixels(ReadOnlySpan [| 1uy; 2uy; 3uy; 4uy |], height, width, channels) |> ignore)
                    |> should throw typeof<ArgumentException>)
        ]
