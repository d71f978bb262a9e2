/// The picture of an episode shows its images and what became of each.
module Imaml.Cli.Tests.EpisodePictureTests

open System
open Expecto
open FsUnit
open Imaml.Nets.Tasks
open Imaml.Cli.Plots
open Imaml.Nets.Tests.DataFixtures
open Imaml.Nets.Tests.EpisodesFixtures
open SkiaSharp

let private episode ways shots queries = (sampler RotationMode.Augment ways shots queries 3UL).Sample 0L

let private allRight (one: Imaml.Nets.Tasks.Episode) = one.QueryLabels |> Seq.map int |> Array.ofSeq

let private drawn (predictions: int array) one = SKBitmap.Decode(EpisodePicture.Render(glyphs.Value, one, predictions))

let private count (colour: SKColor) (picture: SKBitmap) = picture.Pixels |> Seq.filter ((=) colour) |> Seq.length

let private green, private red = SKColor(0x2Auy, 0x91uy, 0x4Euy), SKColor(0xCBuy, 0x30uy, 0x2Buy)

[<Tests>]
let tests =
    testList
        "EpisodePicture"
        [
            testCase "grows by a row for each class, and by a column for each example or query image" (fun () ->
                let size ways shots queries =
                    let one = episode ways shots queries
                    use picture = drawn (allRight one) one
                    picture.Width, picture.Height

                // More than the title is wide.
                let width, height = size 5 5 5
                // 84 pixels of image, a frame of 4, the tab of 24 or the other frame, and a gap of 10.
                size 7 5 5 |> should equal (width, height + 2 * (84 + 4 + 24 + 10))
                size 5 8 5 |> should equal (width + 3 * (84 + 2 * 4 + 10), height)
                size 5 5 6 |> should equal (width + (84 + 2 * 4 + 10), height))

            testCase "is as wide as its title at least" (fun () ->
                let one = episode 2 1 1
                use small = drawn (allRight one) one
                let one = episode 2 1 2
                use wider = drawn (allRight one) one
                wider.Width |> should equal small.Width)

            testCase "frames a right answer green and a wrong one red" (fun () ->
                let one = episode 5 1 5
                let right = allRight one
                let wrong = Array.mapi (fun q label -> if q = 7 then (label + 1) % 5 else label) right
                use before = drawn right one
                use after = drawn wrong one
                // The legend has a little of both.
                let framed = 24 * 84
                count red before |> should be (lessThan framed)
                count red after - count red before |> should be (greaterThan framed)
                count green before - count green after |> should be (greaterThan framed))

            testCase "is the same to the last byte each time" (fun () ->
                let one = episode 5 1 5
                let render () = EpisodePicture.Render(glyphs.Value, one, allRight one)
                render () = render () |> should equal true)

            for channels in [ 1; 3 ] do
                testCase $"shows every pixel of an image, turned as the episode says ({channels} channels)" (fun () ->
                    let set = patterned 28 channels 6 8

                    let one =
                        Imaml.Nets.Tasks.EpisodeSampler(set, classNames set, RotationMode.Augment, 5, 1, 5, 4UL).Sample 2L

                    use picture = SKBitmap.Decode(EpisodePicture.Render(set, one, allRight one))
                    let query = Imaml.Nets.Tasks.EpisodeBatch.Pack(set, [| one |]).Query
                    one.QuarterTurns |> Seq.exists ((<>) 0) |> should equal true

                    let expected label queryImage row column =
                        let at = (((label * 5 + queryImage) * 28 + row) * 28 + column) * channels
                        let whole value = byte (MathF.Round(255.0f * value))

                        if channels = 3 then
                            SKColor(whole query[at], whole query[at + 1], whole query[at + 2])
                        else
                            let mix (ink: int) = byte (MathF.Round(255.0f + float32 (ink - 255) * query[at]))
                            SKColor(mix 0x22, mix 0x26, mix 0x2B)

                    // The first query image's corner: margin 24, badge 30, gap 10, frame 4, one example of 92, divider 48.
                    let left, top = 24 + 30 + 10 + 4 + 92 + 48, 24 + 15 + 24 + 10 + 16

                    for label in 0..4 do
                        for image in 0..4 do
                            for row in 0..27 do
                                for column in 0..27 do
                                    let x, y = left + image * 102 + 3 * column, top + label * 122 + 3 * row
                                    Expect.equal (picture.GetPixel(x, y)) (expected label image row column) "upper left"
                                    Expect.equal (picture.GetPixel(x + 2, y + 2)) (expected label image row column) "lower right")

            testCase "letters go on after Z" (fun () ->
                let one = episode 30 1 1
                use picture = drawn (allRight one) one
                picture.Height |> should be (greaterThan (30 * 122)))

            testCase "needs a label for each query image, and labels that exist" (fun () ->
                let one = episode 5 1 5

                let refused (predictions: int array) =
                    (fun () -> EpisodePicture.Render(glyphs.Value, one, predictions) |> ignore)
                    |> should throw typeof<ArgumentException>

                refused [||]
                refused (Array.truncate 24 (allRight one))
                refused (Array.append (allRight one) [| 0 |])
                refused (Array.replicate 25 5)
                refused (Array.replicate 25 -1))

            testCase "needs grey or RGB images" (fun () ->
                let set = patterned 28 2 5 4

                let one =
                    Imaml.Nets.Tasks.EpisodeSampler(set, classNames set, RotationMode.None, 5, 1, 1, 4UL).Sample 0L

                (fun () -> EpisodePicture.Render(set, one, allRight one) |> ignore)
                |> should throw typeof<ArgumentException>)
        ]
