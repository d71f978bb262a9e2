/// Bytes of live tensors, counted at libtorch's allocator: exact for tensors of known size, linear in the inner steps for MAML, constant for iMAML.
module Imaml.Nets.Tests.TensorMemoryTests

open System
open System.Threading
open Expecto
open FsUnit
open TorchSharp
open Imaml.Nets.LibTorch
open Imaml.Nets.Methods
open Imaml.Nets.Tests.MetaLearnerFixtures

let private bytes (work: unit -> unit) : int64 =
    let struct (_, counted) =
        TensorMemory.During(fun () ->
            work ()
            0)

    if counted.HasValue then
        counted.Value
    else
        skiptest "this libtorch's tensors cannot be counted"

let private zeros (numbers: int) = torch.zeros (int64 numbers, device = torch.CPU)

[<Tests>]
let tests =
    testSequenced
    <| testList
        "Tensor memory"
        [
            testCase "n tensors of known size are the sum of their bytes, and what is freed in between is not added" (fun () ->
                bytes (fun () -> [ 1000; 24; 7 ] |> List.map zeros |> List.iter _.Dispose()) |> should equal 4124L

                bytes (fun () ->
                    for _ in 1..10 do
                        (zeros 1000).Dispose())
                |> should equal 4000L)

            testCase "a view has no bytes of its own, and one that outlives its tensor keeps all of them" (fun () ->
                bytes (fun () ->
                    let whole = zeros 1000
                    let part = whole.narrow (0, 0L, 10L)
                    whole.Dispose()
                    use _ = zeros 5
                    part.Dispose()
                    use _ = zeros 1000
                    ())
                |> should equal 4020L)

            testCase "what a graph keeps counts, without a handle of its own" (fun () ->
                let mib = 1 <<< 18
                use x = (zeros mib).requires_grad_()

                bytes (fun () ->
                    use _ = torch.enable_grad ()
                    // eˣ is saved for the derivative of its exponential, and its handle disposed.
                    let e = x.exp ()
                    let ee = e.exp ()
                    e.Dispose()
                    ee.Dispose())
                |> should equal (2L <<< 20))

            testCase "tensors of other threads count, and those made before and freed meanwhile do not" (fun () ->
                let before = zeros 5000

                bytes (fun () ->
                    before.Dispose()
                    use here = zeros 100
                    let thread = Thread(fun () -> (zeros 200).Dispose())
                    thread.Start()
                    thread.Join())
                |> should equal 1200L)

            testCase "a tensor that outlives the count is freed as any other, and is in no later count" (fun () ->
                let mutable kept = Array.empty<torch.Tensor>
                bytes (fun () -> kept <- [| zeros 1000; zeros 1000 |]) |> should equal 8000L

                bytes (fun () ->
                    kept[0].Dispose()
                    (zeros 10).Dispose())
                |> should equal 40L

                kept[1].Dispose()
                // Memory of all three counts is used again, by libtorch alone.
                use again = torch.ones (1000L, device = torch.CPU)
                again.sum().item<float32>() |> should equal 1000.0f)

            testCase "work that fails leaves libtorch's own allocator" (fun () ->
                (fun () -> bytes (fun () -> raise (TimeoutException())) |> ignore)
                |> should throw typeof<TimeoutException>

                bytes (fun () -> (zeros 10).Dispose()) |> should equal 40L)
        ]

/// The bytes of a meta-step of three tasks, each a chunk of its own, by one thread; and those of one parameter vector in float32.
let private metaStep (method: Method) =
    use learner = learnerOf (experimentOf method 1UL) 1
    let counted = bytes (fun () -> learner.Step(batch 0) |> ignore)
    counted, 4L * learner.Theta.shape[1]

[<Tests>]
let laws =
    testSequenced
    <| testList
        "Tensor memory of the methods"
        [
            testCase "iMAML, first-order MAML and Reptile hold as many bytes for 100 inner steps as for 4" (fun () ->
                let methods: (int -> Method) list =
                    [
                        fun steps -> ImplicitMaml(Inner.GradientDescent steps, 2.0, Adjoint.ConjugateGradients 2)
                        fun steps -> ImplicitMaml(Inner.Nesterov(steps, 0.03, 0.5), 2.0, Adjoint.ConjugateGradients 2)
                        fun steps -> FirstOrder(Inner.GradientDescent steps, 2.0)
                        fun steps -> Reptile(Inner.GradientDescent steps, 2.0)
                    ]

                for one in methods do
                    let few, vector = metaStep (one 4)
                    let many, _ = metaStep (one 100)
                    // Up to a few numbers of a task, of which one may be a copy at one end and shared at another.
                    Expect.isLessThan (abs (many - few)) 64L $"{one 100}"
                    Expect.isGreaterThan vector 256L "a vector would be seen")

            testCase "MAML holds the same number of bytes more for each inner step: one parameter vector" (fun () ->
                let held =
                    [ 4; 5; 6; 50; 100 ]
                    |> List.map (fun steps -> fst (metaStep (Maml(Inner.GradientDescent(steps, 0.03), 2.0))))

                let vector = snd (metaStep (Maml(Inner.GradientDescent(4, 0.03), 2.0)))

                held
                |> List.map (fun bytes -> bytes - held[0])
                |> should equal ([ 0L; 1L; 2L; 46L; 96L ] |> List.map ((*) vector)))

            testCase "MAML that computes iterates again holds no less for more steps, and far less than MAML" (fun () ->
                let held recompute steps = fst (metaStep (Maml(Inner.GradientDescent(steps, 0.03), 2.0, recompute)))

                let again = [ 25; 50; 75; 100 ] |> List.map (held true)
                again |> should equal (List.sort again)
                // About 2√n vectors: from 10 to 20, in place of 25 to 100.
                (again[3] - again[0]) * 5L |> should be (lessThan (held false 100 - held false 25)))
        ]
