/// Episodes become flat arrays of pixels, turned as they say.
module Imaml.Nets.Tests.EpisodesBatchTests

open System.Collections.Immutable
open Expecto
open FsUnit
open Imaml.Nets.Tasks
open Imaml.Nets.Tests.DataFixtures
open Imaml.Nets.Tests.EpisodesFixtures

/// Row r, column c after a counter-clockwise quarter turn of a square image is what was in row c, column size − 1 − r.
let private turnedOnce size (pixel: int -> int -> int -> float32) = fun r c k -> pixel c (size - 1 - r) k

[<Tests>]
let tests =
    testList
        "EpisodeBatch"
        [
            for channels in [ 1; 3 ] do
                testCase $"holds byte/255, turned counter-clockwise, in the order of episodes and labels ({channels} channels)" (fun () ->
                    let size = 5
                    let set = patterned size channels 7 6

                    let episodes =
                        Array.init 9 (fun n -> EpisodeSampler(set, classNames set, RotationMode.Augment, 3, 2, 1, 4UL).Sample(int64 n))

                    let batch = EpisodeBatch.Pack(set, episodes)
                    batch.Support |> should haveLength (9 * 3 * 2 * size * size * channels)
                    batch.Query |> should haveLength (9 * 3 * 1 * size * size * channels)

                    let check (packed: float32 array) (images: Episode -> seq<int>) each =
                        for b in 0..8 do
                            for i, image in Seq.indexed (images episodes[b]) do
                                let straight r c k = float32 (set.Image(image)[(r * size + c) * channels + k]) / 255.0f
                                let turns = episodes[b].QuarterTurns[i / each]
                                let expected = Seq.fold (fun pixel _ -> turnedOnce size pixel) straight (seq { 1..turns })

                                for r in 0 .. size - 1 do
                                    for c in 0 .. size - 1 do
                                        for k in 0 .. channels - 1 do
                                            let at = (((b * 3 * each + i) * size + r) * size + c) * channels + k

                                            Expect.equal
                                                packed[at]
                                                (expected r c k)
                                                $"episode {b}, image {i}, {turns} turns, row {r}, column {c}"

                    check batch.Support (fun e -> e.SupportImages) 2
                    check batch.Query (fun e -> e.QueryImages) 1

                    batch.SupportLabels
                    |> should
                        equal
                        [|
                            for _ in 0..8 do
                                yield! [ 0L; 0L; 1L; 1L; 2L; 2L ]
                        |]

                    batch.QueryLabels
                    |> should
                        equal
                        [|
                            for _ in 0..8 do
                                yield! [ 0L; 1L; 2L ]
                        |])

            testCase "of a sampler holds the episodes of these numbers" (fun () ->
                let one = sampler RotationMode.Augment 5 1 5 7UL
                let batch = one.Batch(24L, 8)
                [ for e in batch.Episodes -> e.Number ] |> should equal [ 24L .. 31L ]
                (batch.Count, batch.Ways, batch.Shots, batch.Queries) |> should equal (8, 5, 1, 5)

                batch.Support
                |> should equal (EpisodeBatch.Pack(glyphs.Value, [| for n in 24L .. 31L -> one.Sample n |])).Support)

            testCase "needs episodes, and of one kind" (fun () ->
                (fun () -> EpisodeBatch.Pack(glyphs.Value, [||]) |> ignore)
                |> should throw typeof<System.ArgumentException>

                let mixed =
                    [|
                        (sampler RotationMode.None 5 1 5 7UL).Sample 0L
                        (sampler RotationMode.None 5 2 5 7UL).Sample 0L
                    |]

                (fun () -> EpisodeBatch.Pack(glyphs.Value, mixed) |> ignore)
                |> should throw typeof<System.ArgumentException>

                let some = mixed[0]
                let none = ImmutableArray<int>.Empty

                for part in
                    [
                        Episode(0L, some.Classes, some.QuarterTurns, 0, 5, none, some.QueryImages)
                        Episode(0L, some.Classes, some.QuarterTurns, 1, 0, some.SupportImages, none)
                        Episode(0L, ImmutableArray<string>.Empty, none, 1, 5, none, none)
                    ] do
                    (fun () -> EpisodeBatch.Pack(glyphs.Value, [| part |]) |> ignore)
                    |> should throw typeof<System.ArgumentException>)
        ]
