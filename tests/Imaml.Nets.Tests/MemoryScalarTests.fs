/// Numbers reach libtorch by way of HeldScalars alone: a Scalar that nothing holds may be freed while libtorch reads it.
module Imaml.Nets.Tests.MemoryScalarTests

open System
open System.Threading
open Expecto
open FsUnit
open Mono.Cecil
open Mono.Cecil.Cil
open TorchSharp
open Imaml.Nets
open Imaml.Nets.Tests.Tensors

/// Whether a method makes or reads a Scalar that its caller cannot hold: those that take or return one, those of TorchSharp that are known to
/// make one inside, and the conversions of a tensor to a number.
let private unheld (method: MethodReference) =
    let isScalar (t: TypeReference) = t.FullName = "TorchSharp.Scalar"
    let ofTorch = method.DeclaringType.FullName.StartsWith("TorchSharp.", StringComparison.Ordinal)

    let silent =
        match method.Name with
        | "op_Addition"
        | "add"
        | "add_"
        | "ToDouble"
        | "ToSingle"
        | "ToInt64"
        | "ToInt32"
        | "ToBoolean"
        | "item" -> true
        | _ -> false

    ofTorch
    && (silent
        || isScalar method.ReturnType
        || isScalar method.DeclaringType
        || method.Parameters |> Seq.exists (fun p -> isScalar p.ParameterType))

let rec private nested (t: TypeDefinition) : TypeDefinition list = t :: (t.NestedTypes |> Seq.toList |> List.collect nested)

[<Tests>]
let tests =
    testList
        "Scalars"
        [
            testCase "no code but HeldScalars passes a number to libtorch or reads one from it" (fun () ->
                use assembly = AssemblyDefinition.ReadAssembly(typeof<TensorSpace>.Assembly.Location)

                let calls =
                    [
                        for t in assembly.MainModule.Types |> Seq.toList |> List.collect nested do
                            for m in t.Methods do
                                if m.HasBody then
                                    for instruction in m.Body.Instructions do
                                        match instruction.Operand with
                                        | :? MethodReference as called when unheld called ->
                                            t.Name, $"{m.FullName} calls {called.FullName}"
                                        | _ -> ()
                    ]

                calls |> List.exists (fun (owner, _) -> owner = nameof HeldScalars) |> should equal true

                calls
                |> List.filter (fun (owner, _) -> owner <> nameof HeldScalars)
                |> List.map snd
                |> should equal List.empty<string>)

            // Unheld, a sum fails about once in ten thousand calls here.
            testSequenced (
                testCase "numbers stay what they are while another thread makes the garbage collector run" (fun () ->
                    use stop = new CancellationTokenSource()

                    let collector =
                        Thread(fun () ->
                            while not stop.IsCancellationRequested do
                                GC.Collect 0
                                GC.WaitForPendingFinalizers())

                    collector.Start()

                    try
                        use _ = torch.NewDisposeScope()
                        let x, y = torch.full (4L, 2.0, dtype = torch.float64), torch.full (4L, 3.0, dtype = torch.float64)

                        for i in 1..50_000 do
                            use _ = torch.NewDisposeScope()
                            let a = float (i % 7)

                            let shifted = HeldScalars.Plus(HeldScalars.Plus(HeldScalars.PlusMultiple(x, a, y), y), a)
                            let bent = HeldScalars.PlusProduct(HeldScalars.Times(shifted, a), x, y)
                            let sum = HeldScalars.Number(HeldScalars.MinusProduct(bent, y, y).max())

                            if sum <> a * (5.0 + 4.0 * a) + 6.0 - 9.0 then
                                failtest $"{sum} at a = {a}"
                    finally
                        stop.Cancel()
                        collector.Join())
            )
        ]
