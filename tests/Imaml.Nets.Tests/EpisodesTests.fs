/// Episodes are what N-way K-shot learning asks for, uniformly drawn and reproducible.
module Imaml.Nets.Tests.EpisodesTests

open Expecto
open FsCheck
open FsUnit
open Imaml.Nets.Storage
open Imaml.Nets.Tasks
open Imaml.Testing
open Imaml.Nets.Tests.DataFixtures
open Imaml.Nets.Tests.EpisodesFixtures

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

[<Tests>]
let trainingShots =
    testList
        "Episodes"
        [
            testCase "training may have other shots than evaluation, whose episodes do not change" (fun () ->
                let spec =
                    ImageEpisodes(ImageEpisodes.Glyphs, ImageEpisodes.SeededSplit, 100, 5, 1, 3, System.Nullable 8)

                let tasks, plain =
                    ImageTasks.Open spec, ImageTasks.Open(ImageEpisodes(ImageEpisodes.Glyphs, ImageEpisodes.SeededSplit, 100, 5, 1, 3))

                let take (source: ImageTasks) part = source.Take(TaskRange(part, 3UL, 0L, 2))
                (take tasks ClassPart.Train).Shots |> should equal 8
                (take tasks ClassPart.Train).Queries |> should equal 3
                tasks.SupportExamples |> should equal 40

                for part in [ ClassPart.Validation; ClassPart.Test ] do
                    Seq.map content (take tasks part).Episodes
                    |> List.ofSeq
                    |> should equal (Seq.map content (take plain part).Episodes |> List.ofSeq)

                tasks.Identity |> should not' (equal plain.Identity))

            testCase "their number must be at least 1, and the classes must have as many images" (fun () ->
                let spec shots = ImageEpisodes(ImageEpisodes.Glyphs, ImageEpisodes.SeededSplit, 100, 5, 1, 3, System.Nullable shots)

                (spec 0).Complaints() |> Seq.map string |> List.ofSeq |> should haveLength 1
                (fun () -> ImageTasks.Open(spec 18) |> ignore) |> should throw typeof<DataException>)
        ]
