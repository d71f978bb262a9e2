/// Encoded images made by hand, where no encoder at hand makes them, and pictures to encode.
module Imaml.Nets.Tests.ImageBytes

open System
open System.Buffers.Binary
open System.IO
open System.IO.Compression
open SkiaSharp

let private crcTable =
    Array.init 256 (fun n ->
        let mutable c = uint32 n

        for _ in 1..8 do
            c <- if c &&& 1u = 1u then 0xEDB88320u ^^^ (c >>> 1) else c >>> 1

        c)

let private crc (bytes: byte array) =
    let mutable c = 0xFFFFFFFFu

    for b in bytes do
        c <- crcTable[int ((c ^^^ uint32 b) &&& 0xFFu)] ^^^ (c >>> 8)

    c ^^^ 0xFFFFFFFFu

let private bigEndian (n: uint32) =
    let bytes = Array.zeroCreate 4
    BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(), n)
    bytes

let private chunk (kind: string) (data: byte array) =
    let body = Array.append (Text.Encoding.ASCII.GetBytes kind) data
    Array.concat [ bigEndian (uint32 data.Length); body; bigEndian (crc body) ]

let private header width height (depth: int) (colour: int) =
    chunk
        "IHDR"
        (Array.concat
            [
                bigEndian (uint32 width)
                bigEndian (uint32 height)
                [| byte depth; byte colour; 0uy; 0uy; 0uy |]
            ])

let private signature = [| 0x89uy; 0x50uy; 0x4Euy; 0x47uy; 0x0Duy; 0x0Auy; 0x1Auy; 0x0Auy |]

let private deflated (bytes: byte array) =
    use memory = new MemoryStream()

    (use zlib = new ZLibStream(memory, CompressionMode.Compress, true)
     zlib.Write(bytes, 0, bytes.Length))

    memory.ToArray()

/// A PNG of one bit depth and colour type whose rows are all the same bytes; `between` are chunks before the pixels.
let pngOf width height depth colour (row: byte array) (between: (string * byte array) list) =
    Array.concat
        [
            signature
            header width height depth colour
            for kind, data in between do
                chunk kind data
            chunk "IDAT" (deflated (Array.concat (Array.replicate height (Array.append [| 0uy |] row))))
            chunk "IEND" [||]
        ]

/// A PNG that says what size it is, and has no pixels to speak of.
let pngThatClaims width height =
    Array.concat
        [
            signature
            header width height 8 0
            chunk "IDAT" (deflated [| 0uy |])
            chunk "IEND" [||]
        ]

/// A picture of n pixels a side or of width × height, in one format, with a colour for each pixel.
let encoded (format: SKEncodedImageFormat) width height (colour: int -> int -> SKColor) =
    use bitmap = new SKBitmap(SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Unpremul))

    for y in 0 .. height - 1 do
        for x in 0 .. width - 1 do
            bitmap.SetPixel(x, y, colour x y)

    use data = bitmap.Encode(format, 100)
    data.ToArray()

/// A PNG with a colour for each pixel.
let picture width height colour = encoded SKEncodedImageFormat.Png width height colour

/// A PNG of one colour.
let plain size (red, green, blue) = picture size size (fun _ _ -> SKColor(byte red, byte green, byte blue))

/// A PNG that no other number gives.
let numbered size (number: int) =
    picture size size (fun x y -> SKColor(byte (number % 256), byte (number / 256 % 256), byte ((7 * x + 13 * y + number) % 256)))

/// A 24-bit BMP of one colour.
let bmp size (red, green, blue) =
    let stride = (3 * size + 3) / 4 * 4
    let bytes = Array.zeroCreate<byte>(54 + stride * size)
    let put at (n: int) = BinaryPrimitives.WriteInt32LittleEndian(Span(bytes, at, 4), n)
    bytes[0] <- byte 'B'
    bytes[1] <- byte 'M'
    put 2 bytes.Length
    put 10 54
    put 14 40
    put 18 size
    put 22 size
    bytes[26] <- 1uy
    bytes[28] <- 24uy

    for y in 0 .. size - 1 do
        for x in 0 .. size - 1 do
            let at = 54 + y * stride + 3 * x
            bytes[at] <- byte blue
            bytes[at + 1] <- byte green
            bytes[at + 2] <- byte red

    bytes

/// EXIF as TIFF with one entry: tag 0x0112, type SHORT, count 1; in either byte order.
let private exif (orientation: int) =
    if orientation % 2 = 0 then
        [|
            yield! "MM\000*\000\000\000\008"B
            yield!
                [|
                    0uy
                    1uy
                    0x01uy
                    0x12uy
                    0uy
                    3uy
                    0uy
                    0uy
                    0uy
                    1uy
                    0uy
                    byte orientation
                |]
            yield! Array.zeroCreate<byte> 6
        |]
    else
        [|
            yield! "II*\000\008\000\000\000"B
            yield!
                [|
                    1uy
                    0uy
                    0x12uy
                    0x01uy
                    3uy
                    0uy
                    1uy
                    0uy
                    0uy
                    0uy
                    byte orientation
                    0uy
                |]
            yield! Array.zeroCreate<byte> 6
        |]

let private littleEndian (n: int) =
    let bytes = Array.zeroCreate 4
    BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(), n)
    bytes

/// A JPEG, a PNG or a lossless WebP, as their encoders write it, with an EXIF orientation, 1 to 8.
let oriented (format: SKEncodedImageFormat) (orientation: int) (bytes: byte array) =
    let exif = exif orientation

    match format with
    | SKEncodedImageFormat.Jpeg ->
        let marked = Array.append "Exif\000\000"B exif
        let length = marked.Length + 2

        Array.concat
            [
                bytes[..1]
                [| 0xFFuy; 0xE1uy; byte (length / 256); byte (length % 256) |]
                marked
                bytes[2..]
            ]
    | SKEncodedImageFormat.Png ->
        // After the signature and IHDR.
        Array.concat [ bytes[..32]; chunk "eXIf" exif; bytes[33..] ]
    | SKEncodedImageFormat.Webp ->
        // The simple form, RIFF and one VP8L chunk, becomes the extended one: VP8X with the bit for EXIF and the canvas, VP8L, EXIF.
        let vp8l = bytes[12..]
        let size = BinaryPrimitives.ReadUInt32LittleEndian(ReadOnlySpan(vp8l, 9, 4))
        let width, height = int (size &&& 0x3FFFu), int ((size >>> 14) &&& 0x3FFFu)

        let extended =
            Array.concat
                [
                    [| 8uy; 0uy; 0uy; 0uy |]
                    (littleEndian width)[..2]
                    (littleEndian height)[..2]
                ]

        let part (name: string) (data: byte array) = Array.concat [ Text.Encoding.ASCII.GetBytes name; littleEndian data.Length; data ]
        let body = Array.concat [ "WEBP"B; part "VP8X" extended; vp8l; part "EXIF" exif ]
        Array.concat [ "RIFF"B; littleEndian body.Length; body ]
    | other -> invalidArg (nameof format) (string other)

/// Of Pillow 9.4: 8×8 CMYK JPEG with Adobe's marker, cyan 0, magenta 255, yellow 255, black 0: red.
let cmykJpeg =
    Convert.FromBase64String(
        "/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwACAQEBAQECAQEBAgICAgIEAwICAgIFBAQDBAYFBgYGBQYGBgcJCAYHCQcGBggLCAkKCgoKCgYICwwLCgwJCgoK/8AAFAgACAAIBEMRAE0RAFkRAEsRAP/EAB8AAAEFAQEBAQEBAAAAAAAAAAABAgMEBQYHCAkKC//EALUQAAIBAwMCBAMFBQQEAAABfQECAwAEEQUSITFBBhNRYQcicRQygZGhCCNCscEVUtHwJDNicoIJChYXGBkaJSYnKCkqNDU2Nzg5OkNERUZHSElKU1RVVldYWVpjZGVmZ2hpanN0dXZ3eHl6g4SFhoeIiYqSk5SVlpeYmZqio6Slpqeoqaqys7S1tre4ubrCw8TFxsfIycrS09TV1tfY2drh4uPk5ebn6Onq8fLz9PX29/j5+v/aAA4EQwBNAFkASwAAPwD9/K/n/r+f+v38r//Z"
    )

/// The same samples as YCCK: Adobe's marker says transform 2.
let ycckJpeg =
    let bytes = Array.copy cmykJpeg
    bytes[17] <- 2uy
    bytes

/// Of Pillow 9.4: a 6×6 GIF of two frames, red and then blue.
let gif =
    Convert.FromBase64String
        "R0lGODdhBgAGAIEAAP8AAAAAAAAAAAAAACwAAAAABgAGAAAIDAABCBxIsKDBgwgDAgAsAAAAAAYABgCBAAD/AAAAAAAAAAAACAwAAQgcSLCgwYMIAwIAOw=="
