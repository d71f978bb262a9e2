module Imaml.Nets.Tests.Program

open Imaml.Nets.LibTorch
open Imaml.Testing
open TorchSharp

[<EntryPoint>]
let main arguments =
    LibTorchLoader.EnsureLoaded() |> ignore
    // The tests' tensors are tiny, and on several threads they run many times slower; Expecto runs tests side by side instead.
    torch.set_num_threads 1
    Suite.run arguments
