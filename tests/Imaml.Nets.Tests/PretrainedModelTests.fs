/// The models that come with the library: they load, they are small, and their stated accuracies are in the result files.
module Imaml.Nets.Tests.PretrainedModelTests

open System
open System.IO
open System.Text.Json
open Expecto
open FsUnit
open Imaml.Nets.Models
open Imaml.Nets.Prediction
open Imaml.Nets.Tasks
open Imaml.Testing

let private results (name: string) =
    [
        for path in Directory.GetFiles(Path.Combine((Repository.root ()), "results", "models", name), "evaluation-*.json") do
            use document = JsonDocument.Parse(File.ReadAllText path)
            let number (field: string) = document.RootElement.GetProperty(field)

            MeasuredAccuracy(
                number("ways").GetInt32(),
                number("shots").GetInt32(),
                string (number("batchNormalization").GetString()),
                number("accuracy").GetDouble(),
                number("halfWidth95").GetDouble(),
                number("episodes").GetInt32()
            )
    ]

[<Tests>]
let tests =
    testList
        "Pretrained models"
        [
            testCase "what is said of a model is what its result files say" (fun () ->
                for model in PretrainedModel.All do
                    Collections.Generic.HashSet(model.Measured).SetEquals(results model.Name) |> should equal true)

            testCase "each loads, and is at most half a megabyte" (fun () ->
                PretrainedModel.All.Count |> should be (greaterThan 0)

                for model in PretrainedModel.All do
                    let struct (_, bytes) = PretrainedModel.Read model.Name
                    bytes.Length |> should be (lessThanOrEqualTo 500_000)
                    use classifier = FewShotClassifier.Load model.Name
                    classifier.Ways |> should be (greaterThanOrEqualTo 2))

            // Classes that the models were not trained on, 20 drawings each: one is the example. The limits are far below the measured accuracies.
            for model, ways, least in [ "omniglot-5way", 5, 75; "omniglot", 10, 160 ] do
                Needs.omniglot $"{model} names drawings of {ways} new characters, one example each, one at a time" (fun data ->
                    use classifier = FewShotClassifier.Load model
                    let struct (tasks, _) = classifier.Experiment.Open data
                    let set = tasks.Images

                    let picture index =
                        let pixels = set.Image(index).ToArray() |> Array.map (fun ink -> 255uy - ink)
                        Picture.FromPixels(ReadOnlySpan pixels, set.Height, set.Width, 1)

                    let classes = tasks.Classes ClassPart.Test |> Seq.truncate ways |> Seq.map set.Class |> Seq.toArray
                    use adapted = classifier.Adapt [| for one in classes -> LabelledPicture(one.Name, picture one.First) |]

                    let right =
                        [
                            for one in classes do
                                for i in 1 .. one.Count - 1 do
                                    if adapted.Predict(picture (one.First + i)).Label = one.Name then
                                        1
                        ]
                        |> List.length

                    right |> should be (greaterThan least))

            // Its training had none of the five varieties. Histograms of 8³ colours, by the smallest L1 distance to a variety's mean, are what a program without a network would do.
            testCase
                "grocery-5way tells apples apart better than their colours do: five examples each, ten new ones each, one at a time"
                (fun () ->
                    use classifier = FewShotClassifier.Load "grocery-5way"
                    let folder part = Path.Combine((Repository.root ()), "samples", "apples", part)

                    let pictures part =
                        [|
                            for variety in Directory.GetDirectories(folder part) |> Array.sort do
                                for file in Directory.GetFiles variety |> Array.sort do
                                    LabelledPicture(string (Path.GetFileName variety), Picture.FromFile file)
                        |]

                    let examples, news = pictures "examples", pictures "new"
                    (examples.Length, news.Length) |> should equal (25, 50)

                    let colours (one: LabelledPicture) =
                        let pixels = one.Picture.Read classifier.Form |> Array.chunkBySize 3
                        let counts = Array.zeroCreate 512

                        for pixel in pixels do
                            let at = pixel |> Array.fold (fun at value -> 8 * at + int value / 32) 0
                            counts[at] <- counts[at] + 1.0 / float pixels.Length

                        counts

                    let means =
                        examples
                        |> Array.groupBy _.Label
                        |> Array.map (fun (label, ones) -> label, ones |> Array.map colours |> Array.transpose |> Array.map Array.average)

                    let byColours (one: LabelledPicture) =
                        let own = colours one

                        means
                        |> Array.minBy (fun (_, mean) -> Array.map2 (fun a b -> abs (a - b)) own mean |> Array.sum)
                        |> fst

                    use adapted = classifier.Adapt examples
                    let right classify = news |> Array.filter (fun one -> classify one = one.Label) |> Array.length
                    let network, histogram = right (fun one -> adapted.Predict(one.Picture).Label), right byColours
                    printfn "apples: %d of 50 right, by colours %d" network histogram
                    network |> should be (greaterThanOrEqualTo (histogram + 3)))
        ]
