/// Image sets: grouping, lookup and hash.
module Imaml.Nets.Tests.DataImageSetTests

open System
open System.Collections.Immutable
open Expecto
open FsUnit
open Imaml.Nets.Tasks
open Imaml.Nets.Tests.DataFixtures

let private set (pixels: byte array) (classes: (string * int) list) =
    ImageSet("small", 1, 2, 1, ImmutableArray.Create<byte> pixels, classes |> Seq.map (fun (name, count) -> struct (name, count)))

[<Tests>]
let tests =
    testList
        "ImageSet"
        [
            testCase "a class's images follow one another, and it is found by name" (fun () ->
                let one = set [| 1uy; 2uy; 3uy; 4uy; 5uy; 6uy |] [ "a", 2; "b", 1 ]
                one.Count |> should equal 3
                one.Class("b") |> should equal (ImageClass("b", 2, 1))
                one.Image(2).ToArray() |> should equal [| 5uy; 6uy |]
                isNull (one.Find "c") |> should equal true
                dataError (fun () -> one.Class "c") |> says [ "small"; "no class c" ])

            testCase "sizes that do not agree, empty classes and equal names are refused" (fun () ->
                for pixels, classes in [ 5, [ "a", 3 ]; 4, [ "a", 1; "a", 1 ]; 4, [ "a", 2; "b", 0 ] ] do
                    (fun () -> set (Array.zeroCreate pixels) classes |> ignore)
                    |> should throw typeof<ArgumentException>

                (fun () -> (set [| 1uy; 2uy |] [ "a", 1 ]).Image(1).ToArray() |> ignore)
                |> should throw typeof<ArgumentOutOfRangeException>)

            testCase "the content hash is that of pixels, names and counts" (fun () ->
                let hash pixels classes = (set pixels classes).ContentHash
                let one = hash [| 1uy; 2uy; 3uy; 4uy |] [ "a", 1; "b", 1 ]
                hash [| 1uy; 2uy; 3uy; 4uy |] [ "a", 1; "b", 1 ] |> should equal one
                hash [| 1uy; 2uy; 3uy; 5uy |] [ "a", 1; "b", 1 ] |> should not' (equal one)
                hash [| 1uy; 2uy; 3uy; 4uy |] [ "a", 1; "c", 1 ] |> should not' (equal one)
                hash [| 1uy; 2uy; 3uy; 4uy |] [ "a", 2 ] |> should not' (equal one))
        ]
