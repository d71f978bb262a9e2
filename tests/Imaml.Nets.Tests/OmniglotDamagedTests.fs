/// What is wrong with Omniglot's files is named, with the cure.
module Imaml.Nets.Tests.OmniglotDamagedTests

open System.IO
open Expecto
open Imaml.Testing
open FsUnit
open Imaml.Nets.Tasks
open Imaml.Nets.Tests.DataFixtures

[<Tests>]
let tests =
    testList
        "Damaged Omniglot"
        [
            testCase "a missing archive is named, with the places looked in and the cure" (fun () ->
                withZips unchanged (fun data cache ->
                    File.Delete(Path.Combine(data, "omniglot", "images_evaluation.zip"))
                    let message = dataError (fun () -> loadOmniglot data cache)

                    message
                    |> says
                        [
                            "images_evaluation.zip"
                            Path.Combine(data, "omniglot")
                            "imaml data get omniglot"
                        ]

                    message.Contains "images_background" |> should equal false))

            for share in [ 0.0; 0.3; 0.9; 0.999 ] do
                testCase $"an archive cut off at {share} of its length is named" (fun () ->
                    withZips unchanged (fun data cache ->
                        let path = Path.Combine(data, "omniglot", "images_background.zip")
                        let bytes = File.ReadAllBytes path
                        File.WriteAllBytes(path, Array.truncate (int (share * float bytes.Length)) bytes)

                        dataError (fun () -> loadOmniglot data cache)
                        |> says [ path; "cut off or damaged"; "imaml data get omniglot" ]

                        Directory.Exists cache |> should equal false))

            testCase "a file that is no archive is named" (fun () ->
                withZips unchanged (fun data cache ->
                    let path = Path.Combine(data, "omniglot", "images_background.zip")
                    File.WriteAllText(path, String.replicate 1000 "<html>not found</html>")
                    dataError (fun () -> loadOmniglot data cache) |> says [ path; "not a whole zip archive" ]))

            testCase "drawings that would fill the memory are refused before they are unpacked" (fun () ->
                let refused (part: (string * byte array) list) (texts: string list) =
                    inFolder (fun folder ->
                        let zip = Path.Combine(folder, "omniglot", "images_background.zip")
                        writeZip zip part
                        writeZip (Path.Combine(folder, "omniglot", "images_evaluation.zip")) smallOmniglot["images_evaluation"]
                        let before = System.GC.GetTotalAllocatedBytes()
                        dataError (fun () -> loadOmniglot folder (Path.Combine(folder, "cache"))) |> says (zip :: texts)
                        System.GC.GetTotalAllocatedBytes() - before |> should be (lessThan 500_000_000L))

                let drawing i = $"images_background/A/character01/0001_{i:D2}.png"
                refused [ drawing 1, Array.zeroCreate (2 <<< 20) ] [ drawing 1; "2,097,152 bytes; the upper limit is 1,048,576" ]
                let one = Array.zeroCreate<byte>(1 <<< 20)
                refused [ for i in 1..300 -> drawing i, one ] [ "314,572,800 bytes"; "imaml data get omniglot" ])

            for fault, change in
                [
                    "is no image", (fun _ -> "this is no picture"B)
                    "is empty", (fun _ -> [||])
                    "is cut off", (fun (bytes: byte array) -> Array.truncate (bytes.Length / 2) bytes)
                    "has other pixels", (fun _ -> png 104 (fun _ _ -> true))
                ] do
                testCase $"a drawing that {fault} is named, with its archive" (fun () ->
                    withZips (changing aDrawing change) (fun data cache ->
                        dataError (fun () -> loadOmniglot data cache)
                        |> says [ aDrawing; Path.Combine(data, "omniglot", "images_evaluation.zip") ]

                        Directory.Exists cache |> should equal false))

            testCase "an archive of other things is refused" (fun () ->
                inFolder (fun folder ->
                    for part in parts do
                        writeZip (Path.Combine(folder, part + ".zip")) [ "other/file.txt", [| 1uy |] ]

                    dataError (fun () -> loadOmniglot folder folder)
                    |> says [ "hold no drawings"; "images_background.zip" ]))

            testCase "a data set that is not whole is refused unless asked for" (fun () ->
                withZips unchanged (fun data cache ->
                    dataError (fun () -> Omniglot.Load(data, cache))
                    |> says [ "8 characters"; "1623 × 20"; "imaml data check" ]
                    // The cache does not change that.
                    dataError (fun () -> Omniglot.Load(data, cache)) |> says [ "8 characters" ]))
        ]
