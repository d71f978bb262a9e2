/// Numbers reach libtorch by way of HeldScalars alone: a Scalar that nothing holds may be freed while libtorch reads it.
module Imaml.Nets.Tests.MemoryScalarTests

open System
open Expecto
open FsUnit
open Mono.Cecil
open TorchSharp
open Imaml.Nets.Tensors
open Imaml.Nets.Tests.LibraryCode
open Imaml.Nets.Tests.Tensors

let private isScalar (t: TypeReference) = t.FullName = "TorchSharp.Scalar"

let private ofTorch (t: TypeReference) = t.FullName.StartsWith("TorchSharp.", StringComparison.Ordinal)

/// The methods of TorchSharp that make a Scalar inside, where no caller can hold it: themselves, or by way of others that do.
let private makers (torch: AssemblyDefinition) =
    let graph =
        [
            for m in methods torch do
                // One that returns a Scalar leaves it to its caller.
                if not (isScalar m.ReturnType) then
                    m.FullName, calls m
        ]

    let direct =
        graph
        |> List.filter (
            snd
            >> List.exists (fun called -> isScalar called.ReturnType || isScalar called.DeclaringType && called.Name = ".ctor")
        )
        |> List.map fst
        |> set

    let rec grow (known: Set<string>) =
        let larger =
            graph
            |> List.filter (snd >> List.exists (fun called -> known.Contains called.FullName))
            |> List.map fst
            |> set
            |> Set.union known

        if larger.Count = known.Count then known else grow larger

    grow direct

[<Tests>]
let tests =
    testList
        "Scalars"
        [
            testCase
                "HeldScalars alone passes numbers to libtorch or reads them from it, and nothing makes a Scalar out of reach"
                (fun () ->
                    use library = AssemblyDefinition.ReadAssembly(typeof<TensorSpace>.Assembly.Location)
                    use torch = AssemblyDefinition.ReadAssembly(typeof<TorchSharp.Scalar>.Assembly.Location)
                    let makers = makers torch

                    // x.add(y) passes a 1 in silence.
                    makers
                    |> Set.exists (fun name -> name.Contains "Tensor::add(TorchSharp.torch/Tensor)")
                    |> should equal true

                    let wrong =
                        [
                            for m in methods library do
                                for called in calls m do
                                    let scalar =
                                        ofTorch called.DeclaringType
                                        && (isScalar called.DeclaringType
                                            || isScalar called.ReturnType
                                            || called.Parameters |> Seq.exists (fun p -> isScalar p.ParameterType))

                                    if makers.Contains called.FullName || scalar && m.DeclaringType.Name <> nameof HeldScalars then
                                        $"{m.FullName} calls {called.FullName}"
                        ]

                    wrong |> should equal List.empty<string>)

            // Unheld, a sum fails about once in ten thousand calls here.
            testSequenced (
                testCase "numbers stay what they are while another thread makes the garbage collector run" (fun () ->
                    use _ = torch.NewDisposeScope()
                    let x, y = torch.tensor ([| 2.0; 2.0 |]), torch.tensor ([| 3.0; 3.0 |])

                    let collect () =
                        for _ in 1..10 do
                            GC.Collect 0
                            GC.WaitForPendingFinalizers()

                    besideCollections collect (fun () ->
                        for i in 1..50_000 do
                            use _ = torch.NewDisposeScope()
                            let a = float (i % 7)

                            let shifted = HeldScalars.Plus(HeldScalars.Plus(HeldScalars.PlusMultiple(x, a, y), y), a)
                            let bent = HeldScalars.PlusProduct(HeldScalars.Times(shifted, a), x, y)
                            let sum = HeldScalars.Number(HeldScalars.MinusProduct(bent, y, y).max())

                            if sum <> a * (5.0 + 4.0 * a) + 6.0 - 9.0 then
                                failtest $"{sum} at a = {a}"))
            )
        ]
