/// Photographs as tasks: where they are found, how their classes are divided, and what is refused.
module Imaml.Nets.Tests.PhotographTests

open System
open System.IO
open System.Text.Json
open Expecto
open FsUnit
open Imaml.Nets.Runs
open Imaml.Nets.Storage
open Imaml.Nets.Tasks
open Imaml.Testing
open Imaml.Nets.Tests.DataFixtures
open Imaml.Nets.Tests.ImageBytes

let private write (folder: string) (path: string) number =
    let file = Path.Combine(folder, path)
    Directory.CreateDirectory(Path.GetDirectoryName file |> string) |> ignore
    File.WriteAllBytes(file, numbered 8 number)

/// A data folder with class folders of three images each in one of its folders.
let private withClasses (folder: string) (classes: string list) body =
    inFolder (fun root ->
        for c, name in List.indexed classes do
            for i in 0..2 do
                write root $"{folder}/{name}/{i}.png" (10 * c + i)

        body root)

let private spec dataset = PhotographEpisodes(dataset, 2, 1, 1, Size = 8)

/// Opens without the user's cache.
let private opens (spec: PhotographEpisodes) (root: string) =
    let struct (path, name) = spec.Locate root

    let reading =
        FolderReading(spec.Form, spec.SkipDamaged, (spec.Split = "seeded"), CacheFolder = Path.Combine(root, "cache"))

    let published = spec.Reading.Published

    let opened =
        ImageFolder.Open(
            path,
            name,
            FolderReading(reading.Form, reading.SkipDamaged, reading.Pool, false, reading.CacheFolder, Published = published)
        )

    let struct (images, split) = spec.Divided(opened, path, null)
    ImageTasks(images, split, spec.Ways, spec.Shots, spec.Queries)

let private sizes (tasks: ImageTasks) = tasks.Split.Train.Count, tasks.Split.Validation.Count, tasks.Split.Test.Count
let private names prefix count = [ for i in 1..count -> $"{prefix}{i:D2}" ]

let private complaints (spec: TaskSpec) = [ for one in spec.Complaints() -> string one ]

[<Tests>]
let tests =
    testList
        "Photographs"
        [
            testCase "mini-ImageNet is found by the names that people give it" (fun () ->
                for folder in
                    [
                        "mini-imagenet"
                        "miniImagenet"
                        "mini_imagenet"
                        "miniImageNet"
                        "Mini-ImageNet"
                    ] do
                    withClasses folder (names "c" 12) (fun root ->
                        let tasks = opens (PhotographEpisodes("mini-imagenet", 2, 1, 1, Size = 8, Split = "seeded")) root
                        tasks.Images.Name |> should equal "mini-imagenet"
                        tasks.Images.Count |> should equal 36))

            testCase "mini-ImageNet's classes are divided by Ravi and Larochelle's lists where nothing else divides them" (fun () ->
                let lists = RaviSplit.Parts
                let count part = lists.Values |> Seq.filter ((=) part) |> Seq.length

                (count ClassPart.Train, count ClassPart.Validation, count ClassPart.Test)
                |> should equal (64, 16, 20)

                let all = List.ofSeq lists.Keys

                let pooled =
                    [
                        for name in all do
                            $"train/{name}"
                            $"val/{name}"
                    ]

                for classes in [ all; pooled; "more" :: all ] do
                    withClasses "mini-imagenet" classes (fun root ->
                        let tasks = opens (spec "mini-imagenet") root
                        sizes tasks |> should equal (64, 16, 20)
                        tasks.Split.Name |> should equal "ravi"
                        // Its test classes, as published.
                        tasks.Split.Test |> should contain "n01930112")

                withClasses "mini-imagenet" (List.tail all) (fun root ->
                    dataError (fun () -> opens (spec "mini-imagenet") root)
                    |> should equal $"{root}/mini-imagenet has no images of 1 class of the ravi split: {List.head all}"))

            testCase "a data set that is not there says where it was looked for" (fun () ->
                inFolder (fun root ->
                    dataError (fun () -> (spec "mini-imagenet").Locate root)
                    |> should
                        equal
                        $"mini-ImageNet is missing: no folder or zip archive mini-imagenet in {root}; its images are ImageNet's and cannot be downloaded here: put them there as images/ or images.zip with train.csv, val.csv and test.csv, or as class folders"

                    dataError (fun () -> (spec "grocery_84").Locate root)
                    |> should equal $"grocery_84 is missing: no folder or zip archive grocery_84 in {root}"))

            testCase "a seeded split is 20 % for testing, 16 % for validation, disjoint, and the same at every opening" (fun () ->
                withClasses "mine" (names "c" 25) (fun root ->
                    let mine = spec $"folder:{root}/mine"
                    let tasks = opens mine root
                    sizes tasks |> should equal (16, 4, 5)
                    tasks.Split.Name |> should equal "seeded-1-16-4-5"

                    Seq.concat [ tasks.Split.Train; tasks.Split.Validation; tasks.Split.Test ]
                    |> Seq.sort
                    |> List.ofSeq
                    |> should equal (names "c" 25)

                    (opens mine root).Identity |> should equal tasks.Identity

                    tasks.Identity
                    |> says [ "2-way 1-shot with 1 query images of mine at 8×8 colour, cropped (images " ]

                    sizes (opens (PhotographEpisodes(mine.Dataset, 2, 1, 1, Size = 8, ValidationClasses = 0, TestClasses = 10)) root)
                    |> should equal (15, 0, 10)))

            testCase "too few classes for a division are refused with the numbers" (fun () ->
                withClasses "mine" (names "c" 5) (fun root ->
                    dataError (fun () -> opens (spec $"folder:{root}/mine") root)
                    |> should
                        equal
                        $"{root}/mine has 5 classes, too few for 2 to test, 2 to validate and at least 2 to train 2-way; take fewer --ways, --test-classes or --validation-classes (0 for none)"))

            testCase "classes with too few images are named" (fun () ->
                withClasses "mine" (names "c" 12) (fun root ->
                    dataError (fun () -> opens (PhotographEpisodes($"folder:{root}/mine", 2, 2, 2, Size = 8)) root)
                    |> says
                        [
                            "2 support + 2 query images per class need 4, but in mine class c"
                            " has 3, c"
                            "; choose fewer shots or queries"
                        ]))

            testCase "given needs a division, and has its own numbers" (fun () ->
                withClasses "mine" (names "c" 8) (fun root ->
                    dataError (fun () -> opens (PhotographEpisodes($"folder:{root}/mine", 2, 1, 1, Size = 8, Split = "given")) root)
                    |> should
                        equal
                        $"{root}/mine has no division of its classes: no train, val and test folders, and no csv files that say it; take --split seeded")

                withClasses
                    "mine"
                    [
                        for part in [ "train"; "val"; "test" ] do
                            for c in 1..2 -> $"{part}/{part}{c}"
                    ]
                    (fun root ->
                        let mine = $"folder:{root}/mine"
                        sizes (opens (spec mine) root) |> should equal (2, 2, 2)

                        sizes (opens (PhotographEpisodes(mine, 2, 1, 1, Size = 8, ValidationClasses = 0)) root)
                        |> should equal (2, 0, 2)

                        sizes (opens (PhotographEpisodes(mine, 2, 1, 1, Size = 8, Split = "seeded")) root)
                        |> should equal (2, 2, 2)

                        dataError (fun () -> opens (PhotographEpisodes(mine, 2, 1, 1, Size = 8, TestClasses = 3)) root)
                        |> should
                            equal
                            $"{root}/mine has its own division (folders); leave --test-classes and --validation-classes out, or take --split seeded"))

            testCase "every wrong field is named" (fun () ->
                complaints (PhotographEpisodes("birds", 1, 0, 0, 4, 2, ImageFit.Crop, "vinyals", -1, 0))
                |> should
                    equal
                    [
                        "dataset birds is not known; this data set and version have mini-imagenet, grocery_84 and folder:DIR"
                        "split vinyals is not known; this data set and version have auto, given and seeded"
                        "size must be from 8 to 1024, not 4"
                        "channels must be 1 or 3, not 2"
                        "validationClasses must be at least 0, not -1"
                        "testClasses must be at least 1, not 0"
                        "ways must be at least 2, not 1"
                        "shots must be at least 1, not 0"
                        "queries must be at least 1, not 0"
                    ]

                complaints (PhotographEpisodes("folder:", 2, 1, 1)) |> should haveLength 1

                complaints (PhotographEpisodes("folder:x", 2, 1, 1, Split = "given", ValidationClasses = 3, TestClasses = 2))
                |> should
                    equal
                    [
                        "testClasses is for split seeded; with given the data set has its own"
                        "validationClasses must be 0 or left out with split given, where the data set has its own"
                    ])

            testCase "written as JSON and read again they are the same value; old fields have defaults" (fun () ->
                let spec =
                    PhotographEpisodes("folder:/a b", 5, 1, 15, 64, 1, ImageFit.Squeeze, "seeded", 3, Nullable(), true) :> TaskSpec

                let json = JsonSerializer.Serialize(spec, RunJson.Options)
                json |> should startWith """{"kind":"photographs","dataset":"folder:/a b","""
                json |> says [ "\"fit\":\"squeeze\""; "\"testClasses\":null" ]

                let reads (text: string) (expected: TaskSpec) =
                    expected.Equals(JsonSerializer.Deserialize<TaskSpec>(text, RunJson.Options)) |> should equal true

                reads json spec

                reads
                    """{"kind":"photographs","dataset":"grocery_84","ways":5,"shots":1,"queries":15}"""
                    (PhotographEpisodes("grocery_84", 5, 1, 15)))

            Needs.grocery
                "grocery_84 is read in mini-ImageNet's layout: 52, 13 and 16 classes of 5,421 images at their own size"
                (fun root ->
                    let spec = PhotographEpisodes("grocery_84", 5, 1, 15)
                    let notes = Collections.Generic.List<string>()
                    let tasks = ImageTasks.Open(spec, root, null, Action<string>(notes.Add))
                    sizes tasks |> should equal (52, 13, 16)
                    (tasks.Images.Count, tasks.Images.Height, tasks.Images.Channels) |> should equal (5421, 84, 3)
                    tasks.Split.Name |> should equal "csv"

                    List.ofSeq notes
                    |> should equal [ "grocery_84: skipped 2 files that are not images (*.txt 1, LICENSE 1)" ]

                    let batch = tasks.Take(TaskRange(ClassPart.Test, 1UL, 0L, 2))
                    batch.Support.Length |> should equal (2 * 5 * 84 * 84 * 3))
        ]
