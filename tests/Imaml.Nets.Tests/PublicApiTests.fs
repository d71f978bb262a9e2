/// What others may call of the F# libraries is written down, so that every change of it is seen; Imaml.Nets has the compiler's own check
/// (PublicAPI.Shipped.txt).
module Imaml.Nets.Tests.PublicApiTests

open System
open System.IO
open Expecto
open PublicApiGenerator
open Imaml.Testing

/// `IMAML_API=write` writes the files anew.
let private rewrite = Environment.GetEnvironmentVariable "IMAML_API" = "write"

[<Tests>]
let tests =
    testList
        "Public surface"
        [
            for assembly, folder in
                [
                    typedefof<Imaml.Math.ScalarRegularizer<_, _>>.Assembly, "src/Imaml.Math.FSharp"
                    typeof<Imaml.Theory.Claim>.Assembly, "src/Imaml.Theory"
                ] do
                testCase folder (fun () ->
                    let file = Path.Combine((Repository.root ()), folder, "PublicAPI.txt")
                    let surface = assembly.GeneratePublicApi(ApiGeneratorOptions(IncludeAssemblyAttributes = false)) + "\n"

                    if rewrite then
                        File.WriteAllText(file, surface)

                    let listed = File.ReadAllLines file
                    let lines = surface.TrimEnd('\n').Split '\n' |> Array.map _.TrimEnd('\r')
                    let differing = Array.except lines listed |> Array.append (Array.except listed lines)

                    Expect.isEmpty differing $"{folder}/PublicAPI.txt lists what is public; IMAML_API=write writes it anew"
                    Expect.equal lines listed "in this order")
        ]
