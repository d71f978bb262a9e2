/// The data folder: who names it, and what is in it.
module Imaml.Nets.Tests.DataRootTests

open System
open System.IO
open Expecto
open Imaml.Testing
open FsUnit
open Imaml.Nets.Tasks
open Imaml.Nets.Tests.DataFixtures

[<Tests>]
let tests =
    testList
        "DataRoot"
        [
            testCase "the command line goes before the environment" (fun () ->
                inFolder (fun folder ->
                    let root = DataRoot.Resolve folder
                    (root.Folder, root.Origin) |> should equal (folder, "as given")))

            testCase "without the command line, the environment names it, or the message says how to" (fun () ->
                match Environment.GetEnvironmentVariable DataRoot.Variable with
                | null
                | "" -> dataError (fun () -> DataRoot.Resolve null) |> says [ "--data"; "IMAML_DATA"; "glyphs" ]
                | folder ->
                    (DataRoot.Resolve("", true).Folder, DataRoot.Resolve(null, true).Origin)
                    |> should equal (Path.GetFullPath folder, "IMAML_DATA"))

            testCase "a folder that does not exist is refused, unless it is to be downloaded into" (fun () ->
                inFolder (fun folder ->
                    let absent = Path.Combine(folder, "absent")

                    dataError (fun () -> DataRoot.Resolve absent)
                    |> says [ absent; "does not exist"; "imaml data get omniglot" ]

                    DataRoot.Resolve(absent, true).Folder |> should equal absent))

            testCase "tells which data sets it holds, and what is missing of them" (fun () ->
                inFolder (fun folder ->
                    let root = DataRoot.Resolve folder
                    root.Find() |> should be Empty
                    writeZips folder unchanged
                    let found = root.Find() |> Seq.exactlyOne
                    (found.Name, found.IsUsable) |> should equal ("omniglot", true)
                    File.Delete(Path.Combine(folder, "omniglot", "images_evaluation.zip"))
                    let half = root.Find() |> Seq.exactlyOne
                    half.IsUsable |> should equal false
                    half.Description |> says [ "images_background.zip"; "images_evaluation missing" ]))
        ]
