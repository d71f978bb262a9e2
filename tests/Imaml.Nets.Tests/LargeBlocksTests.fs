/// Large tensors whose memory is used again: whether it is another's is seen from the numbers that were written there.
module Imaml.Nets.Tests.LargeBlocksTests

open System
open System.Runtime.CompilerServices
open System.Threading
open Expecto
open FsUnit
open TorchSharp
open Imaml.Nets.LibTorch
open Imaml.Nets.Models
open Imaml.Nets.Prediction

// Twice the smallest size that is kept; no network of the tests has so many numbers.
let private length = 16_777_259L

let private first (x: torch.Tensor) =
    use start = x.flatten().narrow(0, 0L, 1L)
    start.item<float32>()

/// A block that nobody disposes, and that is gone once this returns.
[<MethodImpl(MethodImplOptions.NoInlining)>]
let private forget (shape: int64[]) = LargeBlocks.Make(shape).fill_ 3.0f |> ignore

[<Tests>]
let tests =
    testSequenced
    <| testList
        "Large blocks"
        [
            testCase "are used again once they are disposed, in another shape too, and never before" (fun () ->
                let x = LargeBlocks.Make(length).fill_ 7.0f
                use other = LargeBlocks.Make(length).fill_ 8.0f
                first x |> should equal 7.0f
                x.Dispose()
                use again = LargeBlocks.Make(1L, length)
                again.shape |> should equal [| 1L; length |]
                first again |> should equal 7.0f
                first other |> should equal 8.0f
                use shorter = LargeBlocks.Make(length - 1L)
                shorter.numel () |> should equal (length - 1L))

            testCase "serve shorter tensors, unless more than a quarter would be unused" (fun () ->
                LargeBlocks.Make(length).Dispose()
                let before = LargeBlocks.Bytes
                use shorter = LargeBlocks.Make(length - 1_000L, 1L)
                shorter.shape |> should equal [| length - 1_000L; 1L |]
                LargeBlocks.Bytes |> should equal before
                use half = LargeBlocks.Make(length / 2L + 1L)
                half.numel () |> should equal (length / 2L + 1L)
                LargeBlocks.Bytes |> should be (greaterThanOrEqualTo (4L * (length + length / 2L))))

            testCase "of ever other lengths are together no more than were in use at once" (fun () ->
                for i in 1L .. 100L do
                    use x = LargeBlocks.Make(length + 1_000_000L * (i % 37L))
                    use y = LargeBlocks.Make(length + 1_000_000L * (i % 41L))
                    x.numel () |> should be (greaterThanOrEqualTo length)
                    y.numel () |> should be (greaterThanOrEqualTo length)

                LargeBlocks.Bytes |> should be (lessThanOrEqualTo (4L * 2L * (length + 41_000_000L))))

            testCase "belong to the dispose scope that is open" (fun () ->
                let scope = torch.NewDisposeScope()
                let x = LargeBlocks.Make(length + 2L).fill_ 5.0f
                scope.Dispose()
                x.IsInvalid |> should equal true
                use again = LargeBlocks.Make(length + 2L)
                first again |> should equal 5.0f)

            testCase "that nobody disposes are the garbage collector's" (fun () ->
                let shape = [| length + 4L |]
                forget shape
                GC.Collect()
                GC.WaitForPendingFinalizers()
                use again = LargeBlocks.Make shape
                first again |> should equal 3.0f)

            testCase "that are not used are given back" (fun () ->
                let before = LargeBlocks.MostIdle
                LargeBlocks.MostIdle <- TimeSpan.FromMilliseconds 100.0

                try
                    let shape = [| length + 6L |]
                    LargeBlocks.Make(shape).fill_(9.0f).Dispose()

                    SpinWait.SpinUntil((fun () -> LargeBlocks.Bytes = 0L), TimeSpan.FromSeconds 20.0)
                    |> should equal true

                    use again = LargeBlocks.Make shape
                    // From the system, which gives zeros.
                    first again |> should equal 0.0f
                finally
                    LargeBlocks.MostIdle <- before)

            testCase "are not all that is given back: adapting returns what is free in the heaps of threads" (fun () ->
                use model = FewShotClassifier.Load "omniglot"
                let drawing (ink: byte) = Picture.FromPixels(ReadOnlySpan(Array.create (28 * 28) ink), 28, 28, 1, $"{ink}")
                let examples = [ 0uy; 200uy ] |> List.map (fun ink -> LabelledPicture($"{ink}", drawing ink))
                model.Adapt(ResizeArray examples).Dispose()

                // 512 MiB in tensors that are smaller than a block, free again.
                let thread =
                    Thread(fun () ->
                        let tensors = Array.init 512 (fun _ -> torch.ones (262_144L, device = torch.CPU))
                        tensors |> Array.iter _.Dispose())

                thread.Start()
                thread.Join()
                let held = Environment.WorkingSet
                let before = AllocatorSettings.BetweenTimes
                AllocatorSettings.BetweenTimes <- TimeSpan.Zero

                try
                    model.Adapt(ResizeArray examples).Dispose()
                    held - Environment.WorkingSet |> should be (greaterThan (256L <<< 20))
                finally
                    AllocatorSettings.BetweenTimes <- before)

            // Their patches are larger than the smallest block.
            testCase "of two problems of photographs at once are two" (fun () ->
                use _ = torch.NewDisposeScope()
                let network = PooledConvolutions(16).Build(ImageShape(84, 84, 3), 2)
                let photographs (seed: uint64) = torch.rand ([| 1L; 48L; 84L; 84L; 3L |], generator = new torch.Generator(seed))
                let one, other = photographs 1UL, photographs 2UL
                let theta = network.InitialParameters(new torch.Generator(1UL)).unsqueeze 0L
                let alone = network.Forward(theta, one).Logits
                let first = network.Arrange one
                let second = network.Arrange other
                network.Forward(theta, first).Logits.eq(alone).all().item<bool>() |> should equal true
                network.Forward(theta, second).Logits.eq(alone).all().item<bool>() |> should equal false)
        ]
