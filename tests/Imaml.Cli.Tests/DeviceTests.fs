/// --device and --tf32: a device that is not there is refused in one line, before anything is written.
module Imaml.Cli.Tests.DeviceTests

open System.IO
open System.Text.Json
open Expecto
open Imaml.Testing
open FsUnit

let private hasCuda =
    lazy
        let outcome = Imaml.run [ "doctor"; "--threads"; "1"; "--json" ]
        use document = JsonDocument.Parse outcome.Output
        document.RootElement.GetProperty("libTorch").GetProperty("cuda").GetBoolean()

/// The commands that compute with tensors, with the run or the folder that they need.
let private commands (folder: string) =
    [
        [ "demo"; "--quick"; "--out"; folder ]
        [ "evaluate"; folder ]
        [
            "train"
            "--dataset"
            "glyphs"
            "--ways"
            "5"
            "--shots"
            "1"
            "--algorithm"
            "reptile"
            "--no-proximal"
            "--inner-step-size"
            "0.1"
            "--inner-steps"
            "1"
            "--meta-steps"
            "1"
            "--meta-batch"
            "1"
            "--seed"
            "1"
            "--out"
            folder
        ]
    ]

let private refused (arguments: string list) (parts: string list) =
    inFolder (fun folder ->
        let out = Path.Combine(folder, "run")

        for command in commands out do
            let outcome = Imaml.run (command @ arguments)
            outcome.ExitCode |> should equal 2

            for part in parts do
                outcome.Line |> should haveSubstring part

            Directory.Exists out |> should equal false)

[<Tests>]
let tests =
    testList
        "Device"
        [
            testCase "a name that is none is refused with those that are" (fun () ->
                for name in [ "gpu"; "cuda:"; "cuda:-1"; "cuda:0:1"; "CPU" ] do
                    refused [ "--device"; name ] [ $"device {name} is not known"; "cpu, cuda or cuda:N" ])

            testCase "TF32 is refused on the processor" (fun () -> refused [ "--tf32" ] [ "TF32"; "name cuda" ])

            testCase "without CUDA the line says how to come by it, with CUDA which GPUs there are" (fun () ->
                if hasCuda.Value then
                    refused [ "--device"; "cuda:4096" ] [ "device cuda:4096 does not exist"; "cuda:0" ]
                else
                    for name in [ "cuda"; "cuda:1" ] do
                        refused [ "--device"; name ] [ $"device {name}: "; "-p:Cuda=true"; "IMAML_LIBTORCH" ])

            testCase "a result says which device computed it" (fun () ->
                inFolder (fun folder ->
                    let out = Path.Combine(folder, "run")
                    let train = List.last (commands out)
                    let outcome = Imaml.run (train @ [ "--device"; "cpu"; "--threads"; "1"; "--validation-classes"; "0" ])
                    Expect.equal outcome.ExitCode 0 outcome.Errors
                    use document = JsonDocument.Parse(File.ReadAllText(Path.Combine(out, "training.json")))

                    document.RootElement.GetProperty("provenance").GetProperty("device").ValueEquals "cpu"
                    |> should equal true))
        ]
