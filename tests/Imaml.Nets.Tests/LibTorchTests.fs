/// libtorch is found and loaded on this system, patched or not.
module Imaml.Nets.Tests.LibTorchTests

open Expecto
open FsUnit
open Imaml.Nets.LibTorch
open TorchSharp

[<Tests>]
let tests =
    testList
        "LibTorch"
        [
            testCase "loads, and a second derivative is right" (fun () ->
                LibTorchLoader.EnsureLoaded() |> ignore
                use scope = torch.NewDisposeScope()
                let x = torch.tensor (3.0, requires_grad = true)
                let y = x * x * x
                let first = torch.autograd.grad([| y |], [| x |], retain_graph = true, create_graph = true)[0]
                let second = torch.autograd.grad([| first |], [| x |])[0]
                first.ToDouble() |> should equal 27.0
                second.ToDouble() |> should equal 18.0)
        ]
