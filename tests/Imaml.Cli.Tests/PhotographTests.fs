/// Folders of photographs at the command line: data check accepts exactly what training accepts, and says the same where it does not.
module Imaml.Cli.Tests.PhotographTests

open System.IO
open System.Text.Json
open Expecto
open Imaml.Testing
open Imaml.Nets.Tests.DataFixtures
open Imaml.Nets.Tests.ImageBytes
open FsUnit

let private write (folder: string) (path: string) (bytes: byte array) =
    let file = Path.Combine(folder, path)
    Directory.CreateDirectory(Path.GetDirectoryName file |> string) |> ignore
    File.WriteAllBytes(file, bytes)

/// Seven classes of three images, all different.
let private sevenClasses =
    [
        for c in 1..7 do
            for i in 1..3 -> $"c{c}/{i}.png", numbered 10 (10 * c + i)
    ]

let private with' (files: (string * byte array) list) (body: string -> (string list -> Imaml.Outcome) -> unit) =
    inFolder (fun folder ->
        let data = Path.Combine(folder, "pictures")

        for path, bytes in files do
            write data path bytes

        body data Imaml.run)

let private numbers = [ "--ways"; "2"; "--shots"; "1"; "--queries"; "2"; "--size"; "16" ]
let private check (data: string) more = [ "data"; "check"; $"folder:{data}" ] @ numbers @ more

let private train (data: string) more (out: string) =
    [ "train"; "--dataset"; $"folder:{data}" ]
    @ numbers
    @ [
        "--algorithm"
        "fomaml"
        "--no-proximal"
        "--inner-steps"
        "1"
        "--inner-step-size"
        "0.1"
        "--filters"
        "2"
        "--meta-steps"
        "1"
    ]
    @ [
        "--meta-batch"
        "1"
        "--validation-episodes"
        "2"
        "--seed"
        "1"
        "--threads"
        "1"
        "--out"
        out
    ]
    @ more

let private lastLine (text: string) = text.Split('\n', System.StringSplitOptions.RemoveEmptyEntries) |> Array.last

/// Both say the same line, with DATA in place of the folder, and training leaves no run.
let private bothRefuseWith (code: int) (data: string) (run: string list -> Imaml.Outcome) more (line: string) =
    let out = Path.Combine(data, "../run")

    for arguments in [ check data more; train data more out ] do
        let outcome = run arguments
        (lastLine outcome.Errors).Replace(data, "DATA") |> should equal $"imaml: {line}"
        outcome.ExitCode |> should equal code
        outcome.Output |> should be EmptyString

    Directory.Exists out |> should equal false

let private bothRefuse data run = bothRefuseWith 1 data run

[<Tests>]
let tests =
    testList
        "Photographs"
        [
            testCase "check says what a folder holds, training and evaluation take it, and their results name it" (fun () ->
                with' sevenClasses (fun data run ->
                    let checked' = run (check data [])
                    checked'.ExitCode |> should equal 0
                    let lines = checked'.Output.Split('\n')
                    lines[0] |> should equal $"pictures: {data}, 16×16 colour, cropped, split seeded-1-3-2-2"

                    checked'.Output
                    |> says
                        [
                            "train: 3 classes, 9 images, at least 3 of a class (c"
                            "validation: 2 classes, 6 images"
                            "test: 2 classes, 6 images"
                            "ready: 2-way 1-shot with 2 query images of pictures at 16×16 colour, cropped (images "
                        ]

                    let out = Path.Combine(data, "../run")
                    let trained = run (train data [] out)
                    trained.Errors |> should haveSubstring "validation accuracy"
                    trained.ExitCode |> should equal 0
                    let evaluated = run [ "evaluate"; out; "--episodes"; "4" ]
                    evaluated.ExitCode |> should equal 0
                    evaluated.Output |> should startWith "pictures 2-way 1-shot, test classes, transductive: "
                    let file = Directory.GetFiles(out, "evaluation-*.json") |> Array.exactlyOne
                    use result = JsonDocument.Parse(File.ReadAllText file)
                    let tasks = result.RootElement.GetProperty("experiment").GetProperty "tasks"

                    (tasks.GetProperty("kind").GetString(), tasks.GetProperty("fit").GetString())
                    |> should equal ("photographs", "crop")

                    result.RootElement.GetProperty("tasks").GetString()
                    |> string
                    |> says [ "of pictures at 16×16 colour, cropped" ]))

            testCase "check prints the same as JSON" (fun () ->
                with' sevenClasses (fun data run ->
                    let outcome = run (check data [ "--json" ])
                    outcome.ExitCode |> should equal 0
                    use document = JsonDocument.Parse outcome.Output
                    document.RootElement.GetProperty("parts").GetArrayLength() |> should equal 3))

            testCase "both refuse a damaged image; with --skip-damaged both take the others, and check lists it" (fun () ->
                with' (sevenClasses @ [ "c1/x.jpg", "no picture"B ]) (fun data run ->
                    bothRefuse data run [] "DATA/c1/x.jpg is damaged, or no image; mend or remove it, or take --skip-damaged"
                    let checked' = run (check data [ "--skip-damaged" ])
                    checked'.ExitCode |> should equal 0

                    checked'.Output
                    |> says
                        [
                            $"skipped 1 damaged image: {data}/c1/x.jpg is damaged, or no image"
                            $"damaged: {data}/c1/x.jpg is damaged, or no image"
                        ]

                    let trained = run (train data [ "--skip-damaged" ] (Path.Combine(data, "../run")))
                    trained.ExitCode |> should equal 0
                    trained.Errors.ReplaceLineEndings "" |> should haveSubstring "pictures: skipped 1 damaged image: "))

            testCase "both refuse too few classes, classes with too few images, and a class in two parts" (fun () ->
                with'
                    [
                        for path, bytes in sevenClasses do
                            if path < "c4" then
                                path, bytes
                    ]
                    (fun data run ->
                        bothRefuseWith
                            2
                            data
                            run
                            []
                            "DATA has 3 classes, too few for 2 to test, 2 to validate and at least 2 to train 2-way; take fewer --ways, --test-classes or --validation-classes (0 for none)")

                with'
                    [
                        for path, bytes in sevenClasses do
                            if path <> "c2/1.png" then
                                path, bytes
                    ]
                    (fun data run ->
                        bothRefuseWith
                            2
                            data
                            run
                            []
                            "1 support + 2 query images per class need 3, but in pictures class c2 has 2; choose fewer shots or queries")

                with'
                    [
                        for path, bytes in sevenClasses do
                            "train/" + path, bytes
                            "test/" + path, bytes
                    ]
                    (fun data run ->
                        bothRefuse
                            data
                            run
                            []
                            "DATA has 7 classes in two parts: c1 (test/c1, train/c1), …; parts must not share a class: add train.csv, val.csv and test.csv that divide the classes, or take --split seeded"))

            testCase "both refuse an archive with a name twice, and both skip what notebooks leave" (fun () ->
                inFolder (fun folder ->
                    let run = Imaml.run
                    let zip = Path.Combine(folder, "pictures.zip")

                    writeZip
                        zip
                        (sevenClasses
                         @ [
                             "c1/.ipynb_checkpoints/1-checkpoint.png", numbered 10 999
                             ".ipynb_checkpoints/c/1.png", numbered 10 999
                         ])

                    (run (check zip [])).ExitCode |> should equal 0
                    let out = Path.Combine(folder, "run")
                    (run (train zip [] out)).ExitCode |> should equal 0
                    Directory.Delete(out, true)
                    File.Delete zip
                    writeZip zip (sevenClasses @ [ "c1/1.png", numbered 10 999 ])
                    bothRefuse zip run [] "DATA holds c1/1.png twice; make the archive again with one of them"))

            testCase "equal images in different classes are a warning of both" (fun () ->
                with' (sevenClasses @ [ "c3/copy.png", numbered 10 11 ]) (fun data run ->
                    let note = "equal images in different classes, 1 time: c1/1.png (c1) = c3/copy.png (c3)"
                    (run (check data [])).Output |> says [ note ]

                    (run (train data [] (Path.Combine(data, "../run")))).Errors.ReplaceLineEndings ""
                    |> says [ "pictures: equal images in different classes, 1 time: " ]))

            testCase "a preset of drawings takes a folder of photographs by --dataset alone" (fun () ->
                with' sevenClasses (fun data run ->
                    let out = Path.Combine(data, "../run")

                    let outcome =
                        run (
                            [
                                "train"
                                "--preset"
                                "glyphs-5w1s/imaml-gd"
                                "--dataset"
                                $"folder:{data}"
                                "--out"
                                out
                                "--meta-steps"
                                "1"
                            ]
                            @ [
                                "--meta-batch"
                                "1"
                                "--filters"
                                "2"
                                "--validate-every"
                                "0"
                                "--threads"
                                "1"
                            ]
                            @ numbers
                        )

                    outcome.ExitCode |> should equal 0
                    use written = JsonDocument.Parse(File.ReadAllText(Path.Combine(out, "run.json")))
                    let tasks = written.RootElement.GetProperty "tasks"

                    (tasks.GetProperty("kind").GetString(), tasks.GetProperty("split").GetString())
                    |> should equal ("photographs", "auto")))

            testCase "unknown data sets, and options that drawings do not have, are refused" (fun () ->
                with' [] (fun data run ->
                    let usage arguments line =
                        let outcome = run arguments
                        outcome.Line |> says [ line ]
                        outcome.ExitCode |> should equal 2

                    usage
                        [ "data"; "check"; "birds" ]
                        "birds is not a data set with files; there are omniglot, mini-imagenet, grocery_84 and folder:DIR"

                    usage [ "data"; "check"; "omniglot"; "--ways"; "5" ] "unused option: --ways (with omniglot)"
                    usage [ "data"; "check"; "folder:x"; "--split"; "vinyals"; "--size"; "1" ] "--split vinyals is not known"

                    let glyphs more =
                        [
                            for one in train data more "run" -> if one.StartsWith "folder:" then "glyphs" else one
                        ]

                    usage (glyphs [ "--skip-damaged" ]) "unused options: --size, --skip-damaged (with glyphs)"))

            Needs.grocery "list and check find grocery_84, and training says its name" (fun root ->
                (Imaml.run [ "data"; "list"; "--data"; root ]).Output |> says [ "grocery_84" ]
                let checked' = Imaml.run [ "data"; "check"; "grocery_84"; "--data"; root ]
                checked'.ExitCode |> should equal 0

                checked'.Output
                |> says
                    [
                        "train: 52 classes, 3,373 images"
                        "validation: 13 classes, 707 images"
                        "test: 16 classes, 1,341 images"
                    ]

                inFolder (fun folder ->
                    let out = Path.Combine(folder, "run")

                    let trained =
                        Imaml.run
                            [
                                for one in train root [ "--data"; root ] out -> if one.StartsWith "folder:" then "grocery_84" else one
                            ]

                    trained.ExitCode |> should equal 0
                    let evaluated = Imaml.run [ "evaluate"; out; "--episodes"; "2"; "--data"; root ]
                    evaluated.Output |> should startWith "grocery_84 2-way 1-shot, test classes, transductive: "))
        ]
