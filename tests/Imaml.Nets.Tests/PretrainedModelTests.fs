/// The models that come with the library: they load, they are small, and what is said of them stands in the result files.
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

let private root =
    let rec up (folder: DirectoryInfo | null) =
        match folder with
        | null -> failtest "the repository's root is not above the tests"
        | folder when File.Exists(Path.Combine(folder.FullName, "Imaml.sln")) -> folder.FullName
        | folder -> up folder.Parent

    up (DirectoryInfo AppContext.BaseDirectory)

let private results (name: string) =
    [
        for path in Directory.GetFiles(Path.Combine(root, "results", "models", name), "evaluation-*.json") do
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

            // Five classes that the model was not trained on, 20 drawings each: one is the example.
            Needs.omniglot "omniglot-5way names drawings of five new characters, one example each, one at a time" (fun data ->
                use classifier = FewShotClassifier.Load "omniglot-5way"
                let struct (tasks, _) = classifier.Experiment.Open data
                let set = tasks.Images

                let picture index =
                    let pixels = set.Image(index).ToArray() |> Array.map (fun ink -> 255uy - ink)
                    Picture.FromPixels(ReadOnlySpan pixels, set.Height, set.Width, 1)

                let classes = tasks.Classes ClassPart.Test |> Seq.truncate 5 |> Seq.map set.Class |> Seq.toArray
                use adapted = classifier.Adapt [| for one in classes -> LabelledPicture(one.Name, picture one.First) |]

                let right =
                    [
                        for one in classes do
                            for i in 1 .. one.Count - 1 do
                                if adapted.Predict(picture (one.First + i)).Label = one.Name then
                                    1
                    ]
                    |> List.length

                // 95 pictures; a model that is right in 93 of 100 is below 75 once in 10⁶ times.
                right |> should be (greaterThan 75))
        ]
