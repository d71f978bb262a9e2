/// Random vectors are functions of their path alone, and no two paths share them.
module Imaml.Nets.Tests.RandomTests

open System
open Expecto
open FsUnit
open TorchSharp
open Imaml.Nets.Tensors
open Imaml.Nets.Tests.Tensors

[<Tests>]
let tests =
    testSequenced (
        testList
            "Random"
            [
                scoped "signs: no seed, task or call has another's vector, and every one comes again" (fun () ->
                    let like = torch.zeros ([| 4L; 128L |], torch.float64)

                    let drawn =
                        [
                            for seed in 0UL .. 15UL do
                                for first in [ 0UL; 4UL; 8UL ] do
                                    let probe = RandomSigns.Of(seed, first)

                                    for _ in 1..4 do
                                        yield! numbers (probe.Invoke like) |> Array.chunkBySize 128
                        ]

                    drawn |> List.forall (Array.forall (fun sign -> abs sign = 1.0)) |> should equal true
                    // 768 vectors of 128 signs: two agree, or are opposite, with a chance of 2·768²/2·2⁻¹²⁸.
                    drawn |> List.distinct |> List.length |> should equal drawn.Length

                    // Independent vectors have an inner product of 0 ± √128.
                    for a, b in List.pairwise drawn do
                        abs (Array.fold2 (fun sum x y -> sum + x * y) 0.0 a b) |> should be (lessThan (12.0 * sqrt 128.0))

                    // A row does not depend on the other rows.
                    let alone = (RandomSigns.Of(3UL, 6UL)).Invoke(like.narrow (0L, 0L, 1L))
                    same (((RandomSigns.Of(3UL, 4UL)).Invoke like).narrow(0L, 2L, 1L)) alone "task 6")

                testCase "normal numbers have the moments of the standard normal distribution" (fun () ->
                    let random = CounterRandom(1UL, RandomPurpose.LanczosStart, ReadOnlySpan [| 0UL |])
                    let n = 100_000
                    let drawn = Array.init n (fun _ -> random.NextNormal())
                    let moment power = Array.averageBy (fun x -> pown x power) drawn
                    // Variances of x, x² and x⁴: 1, 2, 96; five sigma.
                    let off variance = 5.0 * sqrt (variance / float n)
                    near (off 1.0) 0.0 (moment 1) "mean"
                    near (off 2.0) 1.0 (moment 2) "variance"
                    near (off 96.0) 3.0 (moment 4) "kurtosis")

                testCase "purposes and paths are streams of their own" (fun () ->
                    let first (purpose, path: uint64 list, seed) = CounterRandom(seed, purpose, ReadOnlySpan(List.toArray path)).NextBits()

                    let streams =
                        [
                            for purpose in
                                [
                                    RandomPurpose.Signs
                                    RandomPurpose.LanczosStart
                                    RandomPurpose.ChangeDirection
                                ] do
                                for path in [ []; [ 0UL ]; [ 1UL ]; [ 0UL; 0UL ]; [ 0UL; 1UL ]; [ 1UL; 0UL ] ] do
                                    for seed in 0UL .. 5UL -> purpose, path, seed
                        ]

                    streams |> List.map first |> List.distinct |> List.length |> should equal streams.Length)
            ]
    )
