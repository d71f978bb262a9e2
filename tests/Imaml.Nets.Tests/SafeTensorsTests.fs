/// The safetensors format: files that another implementation reads and writes, and invalid files.
module Imaml.Nets.Tests.SafeTensorsTests

open System
open System.Buffers.Binary
open System.Collections.Generic
open System.IO
open System.Text
open Expecto
open FsUnit
open TorchSharp
open TorchSharp.PyBridge
open Imaml.Nets.Storage
open Imaml.Nets.Tests.Tensors
open Imaml.Testing

let private sample =
    SafeTensors(
        [|
            StoredTensor.Of("learned", [| 2L |], ReadOnlySpan [| Math.PI; -0.0 |])
            StoredTensor.Of("conv1.weight", [| 2L; 3L |], ReadOnlySpan [| 1f; -2f; Single.Epsilon; 4f; 5f; Single.MaxValue |])
            StoredTensor.Of("nothing", [| 0L; 5L |], ReadOnlySpan<float32>.Empty)
            StoredTensor.Of("ünïcode \"name\"", Array.empty<int64>, ReadOnlySpan [| 7f |])
        |],
        Dictionary<string, string>(dict [ "format", "pt"; "text", "{\"a\": 1}\n" ])
    )

/// A file with this header and so many bytes of data.
let private file (header: string) (data: int) =
    let text = Encoding.UTF8.GetBytes header
    let length = Array.zeroCreate 8
    BinaryPrimitives.WriteUInt64LittleEndian(Span length, uint64 text.Length)
    Array.concat [ length; text; Array.create data 1uy ]

let private read (bytes: byte[]) = SafeTensors.Read(ReadOnlyMemory bytes)

let private refused (bytes: byte[]) (line: string) =
    Expect.throwsC (fun () -> read bytes |> ignore) (fun e ->
        e |> should be instanceOfType<InvalidDataException>
        e.Message |> should equal line)

let private entry name dtype shape place = $"\"%s{name}\":{{\"dtype\":\"%s{dtype}\",\"shape\":%s{shape},\"data_offsets\":%s{place}}}"

let private content (one: SafeTensors) =
    [
        for tensor in one.Tensors -> tensor.Name, tensor.Type, List.ofSeq tensor.Shape, tensor.Data.ToArray()
    ]

[<Tests>]
let tests =
    testSequenced
    <| testList
        "Safetensors"
        [
            testCase "what is written is read, to the last bit, and the data begin at a multiple of 8" (fun () ->
                let bytes = sample.Bytes()
                let back = read bytes
                content back |> should equal (content sample)
                Seq.toList back.Metadata |> should equal (Seq.toList sample.Metadata)
                BinaryPrimitives.ReadUInt64LittleEndian(ReadOnlySpan bytes) % 8UL |> should equal 0UL)

            scoped "TorchSharp.PyBridge reads what is written here, and its files are read here" (fun () ->
                inFolder (fun folder ->
                    let path = Path.Combine(folder, "one.safetensors")
                    File.WriteAllBytes(path, sample.Bytes())
                    let theirs = Safetensors.LoadStateDict path
                    theirs.Count |> should equal 4

                    theirs["conv1.weight"].data<float32>().ToArray()
                    |> should equal (sample.Tensors[1].Singles.ToArray())

                    theirs["conv1.weight"].shape |> should equal [| 2L; 3L |]
                    theirs["learned"].data<float>().ToArray() |> should equal (sample.Tensors[0].Doubles.ToArray())

                    let weight = normal 1 [ 3; 2; 4 ]
                    let path = Path.Combine(folder, "two.safetensors")

                    Safetensors.SaveStateDict(
                        path,
                        Dictionary<string, Tensor>(dict [ "a", weight; "b", torch.ones (5L, dtype = torch.int64) ])
                    )

                    let ours = (read (File.ReadAllBytes path)).Tensors |> Seq.map (fun one -> one.Name, one) |> dict
                    string ours["a"] |> should equal "F64 [3, 2, 4]"
                    ours["a"].Doubles.ToArray() |> should equal (numbers weight)
                    string ours["b"] |> should equal "I64 [5]"))

            testCase "every damage is said in one line" (fun () ->
                let whole = sample.Bytes()
                let one entry data = file ("{" + entry + "}") data
                let two first second = one $"{first},{second}" 8

                let needs =
                    "is damaged: a needs dtype, shape and two data_offsets, each once, of whole numbers from 0 on"

                refused [||] "is not a safetensors file: it is shorter than 8 bytes"

                refused
                    (Array.create 100 255uy)
                    "is not a safetensors file, or its header of 18,446,744,073,709,551,615 bytes exceeds the upper limit of 1,048,576"

                refused (Array.append [| 100uy |] (Array.create 20 0uy)) "is cut off: its header has 100 bytes, and 13 are there"
                refused (Array.create 8 0uy) "is not a safetensors file: its header is not a JSON object"
                refused (file "[1]" 0) "is not a safetensors file: its header is not a JSON object"
                refused (file "{\"a\":" 0) "is damaged: its header is not JSON (byte 5 of line 1)"
                refused (file (String.replicate 100 "{\"a\":") 0) "is damaged: its header is not JSON (byte 40 of line 1)"
                refused (file "{\"\\ud800\":1}" 0) "is damaged: a text of its header is not Unicode"
                refused (file "{\"a\":1}" 0) needs
                refused (file "{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}" 4) needs
                refused (file "{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}" 4) needs
                refused (one (entry "a" "F32" "[-1]" "[0,4]") 4) needs
                refused (one (entry "a" "F32" "[1.5]" "[0,4]") 4) needs
                refused (one (entry "a" "F32" "[1e99]" "[0,4]") 4) needs
                refused (one (entry "a" "F32" "[1]" "[0,4,4]") 4) needs
                refused (one (entry "a" "F32" "[99999999999999999999]" "[0,4]") 4) needs
                refused (one (entry "a" "F31" "[1]" "[0,4]") 4) "has a tensor a of the unknown type F31"

                refused (one (entry "a" "F32" "[1]" "[4,0]") 4) "is damaged: a is F32 [1], which is not what bytes 4 to 0 hold"

                refused
                    (one (entry "a" "F32" "[4294967296,4294967296]" "[0,0]") 0)
                    "is damaged: a is F32 [4294967296, 4294967296], which is not what bytes 0 to 0 hold"

                let a, b = entry "a" "F32" "[1]", entry "b" "F32" "[1]"
                refused (two (a "[0,4]") (a "[4,8]")) "is damaged: a is there twice"
                refused (two (a "[0,4]") (b "[0,4]")) "is damaged: b overlaps the tensor before it"
                refused (two (a "[0,4]") (b "[5,9]")) "is damaged: 1 bytes before b belong to no tensor"
                refused (two (a "[0,4]") (b "[8,12]")) "is damaged: 4 bytes before b belong to no tensor"
                refused (one (a "[0,4]") 8) "is damaged: 4 bytes after its last tensor belong to none"
                refused whole[.. whole.Length - 2] "is cut off: its tensors have 44 bytes, and 43 are there"
                refused (file "{\"__metadata__\":[1]}" 0) "is damaged: __metadata__ must be an object of texts, each name once"
                refused (file "{\"__metadata__\":{\"a\":1}}" 0) "is damaged: __metadata__ must be an object of texts, each name once"

                refused
                    (file "{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}" 0)
                    "is damaged: __metadata__ must be an object of texts, each name once"

                // A name from a file neither fills nor steers a terminal.
                let long = one ("\"\\u001b[31m" + String('x', 500) + "\":1") 0

                Expect.throwsC (fun () -> read long |> ignore) (fun e ->
                    e.Message.Length |> should be (lessThan 200)
                    e.Message |> Seq.exists Char.IsControl |> should equal false))
        ]
