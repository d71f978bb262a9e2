/// Episodes are what N-way K-shot learning asks for, uniformly drawn and reproducible.
module Imaml.Nets.Tests.EpisodesTests

open Expecto
open FsCheck
open FsUnit
open Imaml.Nets.Data
open Imaml.Nets.Episodes
open Imaml.Testing
open Imaml.Nets.Tests.DataFixtures

let private glyphs = lazy Glyphs.Create(60, 20, 1UL)

let private sampler rotations ways shots queries seed =
    EpisodeSampler(glyphs.Value, classNames glyphs.Value, rotations, ways, shots, queries, seed)

let private content (one: Episode) =
    one.Number, List.ofSeq one.Classes, List.ofSeq one.QuarterTurns, List.ofSeq one.SupportImages, List.ofSeq one.QueryImages

/// |count − n·p| ≤ 6·√(n·p·(1−p)): a normal deviate exceeds 6 with probability 2e-9, so over some hundred counts a fair sampler never fails.
let private expectShare (n: int) (p: float) (count: int) (what: string) =
    let bound = 6.0 * sqrt (float n * p * (1.0 - p))
    Expect.isLessThanOrEqual (abs (float count - float n * p)) bound $"{what}: {count} of {n}, expected {float n * p}"

[<Tests>]
let reproducible =
    testList
        "Episodes"
        [
            testCase "two samplers of one seed draw the same episodes, in any order" (fun () ->
                let a, b = sampler RotationMode.Augment 5 1 5 7UL, sampler RotationMode.Augment 5 1 5 7UL
                let forwards = [ for n in 0L .. 50L -> content (a.Sample n) ]
                let backwards = [ for n in List.rev [ 0L .. 50L ] -> content (b.Sample n) ]
                forwards |> should equal (List.rev backwards))

            testCase "any number of threads draws the same episodes" (fun () ->
                let one = sampler RotationMode.Augment 5 1 5 7UL
                let side = Array.Parallel.init 400 (fun n -> content (one.Sample(int64 n)))
                side |> should equal (Array.init 400 (fun n -> content (one.Sample(int64 n)))))

            testCase "other seeds and other numbers draw other episodes" (fun () ->
                let drawn =
                    [
                        for seed in 1UL .. 20UL do
                            for n in 0L .. 20L ->
                                let (_, c, t, s, q) = content ((sampler RotationMode.None 5 1 5 seed).Sample n) in c, t, s, q
                    ]

                drawn |> List.distinct |> should haveLength drawn.Length)

            testCase "an episode is the same in every release and on every machine" (fun () ->
                // Pinned: result files name their episodes by seed and number only.
                let one = (sampler RotationMode.Augment 3 1 2 2024UL).Sample 17L

                (List.ofSeq one.Classes, List.ofSeq one.QuarterTurns, List.ofSeq one.SupportImages, List.ofSeq one.QueryImages)
                |> should
                    equal
                    ([ "glyph0034"; "glyph0043"; "glyph0035" ], [ 3; 1; 1 ], [ 672; 856; 698 ], [ 679; 665; 845; 850; 696; 680 ]))
        ]

[<Tests>]
let lawful =
    testList
        "Episodes"
        [
            testPropertyWithConfig
                (Draws.times 100)
                "N distinct classes, K and Q distinct images of each, support and query disjoint"
                (fun (draw: int) (PositiveInt a) (PositiveInt b) (PositiveInt c) ->
                    let ways, shots = 1 + a % 60, 1 + b % 19
                    let queries = 1 + c % (20 - shots)

                    let one =
                        (sampler RotationMode.Augment ways shots queries (uint64 (abs (int64 draw)))).Sample(int64 draw)

                    let owner image = glyphs.Value.Classes[image / 20].Name
                    one.Classes |> Seq.distinct |> Seq.length |> should equal ways
                    let images = Seq.append one.SupportImages one.QueryImages |> Array.ofSeq
                    images |> Array.distinct |> should haveLength (ways * (shots + queries))

                    Seq.map2 (fun (label: int64) image -> one.Classes[int label] = owner image) one.SupportLabels one.SupportImages
                    |> should not' (contain false)

                    Seq.map2 (fun (label: int64) image -> one.Classes[int label] = owner image) one.QueryLabels one.QueryImages
                    |> should not' (contain false)

                    one.SupportLabels
                    |> Seq.countBy id
                    |> Seq.toList
                    |> should equal [ for label in 0L .. int64 ways - 1L -> label, shots ]

                    one.QueryLabels
                    |> Seq.countBy id
                    |> Seq.toList
                    |> should equal [ for label in 0L .. int64 ways - 1L -> label, queries ])

            testCase "every class is drawn equally often, under every label" (fun () ->
                let n = 6000
                let one = sampler RotationMode.None 5 1 1 3UL
                let drawn = Array.init n (fun k -> one.Sample(int64 k).Classes |> Array.ofSeq)

                for name in classNames glyphs.Value do
                    expectShare n (5.0 / 60.0) (drawn |> Array.sumBy (fun episode -> if Array.contains name episode then 1 else 0)) name

                    for label in 0..4 do
                        expectShare
                            n
                            (1.0 / 60.0)
                            (drawn |> Array.sumBy (fun episode -> if episode[label] = name then 1 else 0))
                            $"{name} as {label}")

            testCase "every drawing is equally often support, and equally often query" (fun () ->
                let n = 4000
                let one = EpisodeSampler(glyphs.Value, [| "glyph0001"; "glyph0002" |], RotationMode.None, 2, 1, 3, 5UL)
                let drawn = Array.init n (fun k -> one.Sample(int64 k))

                for image in 0..39 do
                    expectShare
                        n
                        (1.0 / 20.0)
                        (drawn |> Array.sumBy (fun e -> if e.SupportImages.Contains image then 1 else 0))
                        $"support {image}"

                    expectShare
                        n
                        (3.0 / 20.0)
                        (drawn |> Array.sumBy (fun e -> if e.QueryImages.Contains image then 1 else 0))
                        $"query {image}")

            testCase "rotations are drawn equally often, one per class, and only where asked for" (fun () ->
                let n = 4000
                let turns rotations = Array.init n (fun k -> (sampler rotations 5 1 1 3UL).Sample(int64 k).QuarterTurns[2])

                for quarter in 0..3 do
                    expectShare
                        n
                        0.25
                        (turns RotationMode.Augment |> Array.sumBy (fun t -> if t = quarter then 1 else 0))
                        $"{quarter} quarter turns"

                turns RotationMode.None |> Array.distinct |> should equal [| 0 |])

            testCase "with rotations as classes, a class is turned as its name says, and a character can occur twice" (fun () ->
                let classes = [| for turn in [ "000"; "090"; "180"; "270" ] -> $"glyph0007/rot{turn}" |]
                let one = EpisodeSampler(glyphs.Value, classes, RotationMode.AsClasses, 4, 1, 1, 1UL).Sample 0L

                Seq.zip one.Classes one.QuarterTurns
                |> Seq.sort
                |> List.ofSeq
                |> should equal [ for t in 0..3 -> classes[t], t ]

                one.SupportImages |> Seq.forall (fun image -> image / 20 = 6) |> should equal true)

            testCase "what the data cannot give is refused with the numbers" (fun () ->
                dataError (fun () -> sampler RotationMode.None 61 1 1 1UL) |> says [ "61"; "60"; "choose at most" ]

                dataError (fun () -> sampler RotationMode.None 5 15 6 1UL)
                |> says [ "15"; "6"; "21"; "20"; "fewer" ]

                dataError (fun () -> sampler RotationMode.None 5 1 System.Int32.MaxValue 1UL)
                |> says [ "2147483648"; "20" ]

                dataError (fun () -> sampler RotationMode.None 5 0 1 1UL) |> says [ "0-shot"; "at least 1" ]
                dataError (fun () -> sampler RotationMode.AsClasses 5 1 1 1UL) |> says [ "names no rotation" ]

                dataError (fun () -> EpisodeSampler(glyphs.Value, [| "glyph0001"; "nothing" |], RotationMode.None, 2, 1, 1, 1UL))
                |> says [ "nothing" ]

                dataError (fun () -> EpisodeSampler(glyphs.Value, [| "glyph0001"; "glyph0001" |], RotationMode.None, 2, 1, 1, 1UL))
                |> says [ "twice" ])
        ]

/// Row r, column c after a counter-clockwise quarter turn of a square image is what was in row c, column size − 1 − r.
let private turnedOnce size (pixel: int -> int -> int -> float32) = fun r c k -> pixel c (size - 1 - r) k

[<Tests>]
let packing =
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
                |> should throw typeof<System.ArgumentException>)
        ]
