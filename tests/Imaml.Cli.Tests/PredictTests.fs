/// imaml predict and imaml models as a user runs them, with a tiny network trained on glyphs.
module Imaml.Cli.Tests.PredictTests

open System.IO
open System.Text.Json
open Expecto
open Imaml.Testing
open Imaml.Nets.Tests.DataFixtures
open Imaml.Nets.Tests.ImageBytes
open FsUnit

let private write (file: string) (bytes: byte array) =
    Directory.CreateDirectory(Path.GetDirectoryName file |> string) |> ignore
    File.WriteAllBytes(file, bytes)

let private train (out: string) =
    [
        "train"
        "--dataset"
        "glyphs"
        "--ways"
        "3"
        "--shots"
        "1"
        "--queries"
        "3"
    ]
    @ [
        "--algorithm"
        "fomaml"
        "--no-proximal"
        "--inner-steps"
        "1"
        "--inner-step-size"
        "0.1"
    ]
    @ [
        "--filters"
        "2"
        "--meta-steps"
        "2"
        "--meta-batch"
        "1"
        "--validate-every"
        "2"
    ]
    @ [ "--validation-episodes"; "2"; "--seed"; "1"; "--threads"; "1"; "--out"; out ]

/// A folder with a trained run, `examples` of three classes and `new` pictures of two of them, and a program that runs in it.
let private with' (body: (string -> string) -> (string list -> Imaml.Outcome) -> unit) =
    inFolder (fun folder ->
        let at (path: string) = Path.Combine(folder, path)

        for c, name in Seq.indexed [ "apple"; "[red]"; "a,\"b\"" ] do
            for i in 1..2 do
                write (at $"examples/{name}/{i}.png") (numbered 10 (10 * c + i))

            if c < 2 then
                write (at $"new/{name}/3.png") (numbered 10 (10 * c + 3))

        (Imaml.run (train (at "run"))).ExitCode |> should equal 0
        body at Imaml.run)

let private predict (at: string -> string) more = [ "predict"; at "run"; "--examples"; at "examples" ] @ more

[<Tests>]
let tests =
    testList
        "Predict"
        [
            testCase "table, CSV and JSON name the pictures, their classes and how many are right" (fun () ->
                with' (fun at run ->
                    let table = run (predict at [ at "new" ])
                    table.ExitCode |> should equal 0
                    table.Errors |> should be EmptyString
                    table.Output |> says [ "[red]"; " of 2 right ("; "adapted to 6 pictures of 3 classes in " ]

                    let csv = (run (predict at [ at "new"; "--csv" ])).Output.Split '\n'
                    csv[0] |> should equal "picture,label,probability,entropy,truth,[red],\"a,\"\"b\"\"\",apple"
                    csv[1] |> should startWith (at "new/[red]/3.png,")
                    csv.Length |> should equal 4

                    use json = JsonDocument.Parse (Imaml.runAlone (predict at [ at "new"; "--json" ])).Output
                    json.RootElement.GetProperty("judged").GetInt32() |> should equal 2

                    for one in json.RootElement.GetProperty("predictions").EnumerateArray() do
                        [
                            for p in one.GetProperty("probabilities").EnumerateObject() -> p.Value.GetDouble()
                        ]
                        |> List.sum
                        |> should (equalWithin 1e-12) 1.0))

            testCase "what cannot be used is refused in one line, and nothing is written" (fun () ->
                with' (fun at run ->
                    let before = set (Directory.GetFileSystemEntries(at "", "*", SearchOption.AllDirectories))

                    let refused (code: int) (line: string) arguments =
                        let outcome = run arguments
                        outcome.Line.Replace(at "" + "/", "") |> should equal $"imaml: {line}"
                        outcome.ExitCode |> should equal code
                        outcome.Output |> should be EmptyString

                        set (Directory.GetFileSystemEntries(at "", "*", SearchOption.AllDirectories)) |> should equal before

                    let examples folder = [ "predict"; at "run"; "--examples"; at folder; at "new" ]
                    let new' = predict at [ at "new" ]

                    refused 2 "--examples is missing; see `imaml predict --help`" [ "predict"; at "run"; at "new" ]

                    refused 2 "MODEL, IMAGES, --examples are missing; see `imaml predict --help`" [ "predict" ]

                    refused 2 "--json and --csv contradict each other; give one" (new' @ [ "--json"; "--csv" ])
                    refused 2 "there is no folder or file nothing; name pictures, or a folder or zip archive of them" (examples "nothing")

                    refused
                        2
                        "there is no folder or file nothing.png; name pictures, or a folder or zip archive of them"
                        (predict at [ at "nothing.png" ])

                    refused 1 "run/run.json is damaged, or no image" (predict at [ at "run/run.json" ])
                    refused 1 "run has no pictures; PNG, JPEG, WebP, BMP and GIF are read" (predict at [ at "run" ])

                    refused 1 "run has no folder with pictures; it needs one for each class, for example run/apple/1.jpg" (examples "run")

                    refused 2 "examples is a folder; name a file with --picture" (new' @ [ "--picture"; at "examples" ])
                    refused 2 "x/ is a folder; name a file with --save" (new' @ [ "--save"; at "x/" ])
                    refused 2 "--picture and --save name the same file" (new' @ [ "--picture"; at "x"; "--save"; at "./x" ])

                    // Where --save cannot be written, neither is the picture.
                    (run (new' @ [ "--picture"; at "x.png"; "--save"; "/proc/nothing/x" ])).Line
                    |> should startWith "imaml: /proc cannot be written ("

                    File.Exists(at "x.png") |> should equal false))

            testCase "two folders of one name, too many classes, and one class are refused with the numbers" (fun () ->
                with' (fun at run ->
                    let refused (code: int) (line: string) =
                        let outcome = run [ "predict"; at "run"; "--examples"; at "more"; at "new" ]
                        outcome.Line.Replace(at "" + "/", "") |> should equal $"imaml: {line}"
                        outcome.ExitCode |> should equal code

                    write (at "more/a/x/1.png") (numbered 10 1)
                    refused 2 "a task needs at least 2 classes, not 1"
                    write (at "more/b/x/1.png") (numbered 10 2)
                    refused 1 "more has two folders of the name x (a/x, b/x); it needs one for each class"
                    Directory.Delete(at "more/b", true)

                    for c in 1..3 do
                        write (at $"more/a/c{c}/1.png") (numbered 10 (10 + c))

                    refused
                        2
                        "4 classes are more than the network has outputs: it was trained on 3-way tasks; take at most 3, or a model of the algorithm head without --learn-start, which takes any number"))

            testCase "a class without pictures, or within another, is refused: no class is lost or made up" (fun () ->
                with' (fun at run ->
                    let refused (line: string) =
                        let outcome = run [ "predict"; at "run"; "--examples"; at "more"; at "new" ]
                        outcome.Line.Replace(at "" + "/", "") |> should equal $"imaml: {line}"
                        outcome.ExitCode |> should equal 1

                    write (at "more/a/1.png") (numbered 10 1)
                    write (at "more/b/1.png") (numbered 10 2)
                    write (at "more/c/1.heic") "a picture that is not read"B
                    refused "more: class c has no picture that can be read; PNG, JPEG, WebP, BMP and GIF are read"
                    File.Delete(at "more/c/1.heic")
                    refused "more: class c has no picture that can be read; PNG, JPEG, WebP, BMP and GIF are read"
                    Directory.Delete(at "more/c")
                    write (at "more/b/old/1.png") (numbered 10 3)
                    refused "more has pictures in a and in b/old: a class folder must not hold another, and all must be equally deep"))

            testCase "pictures that are examples are a warning; formats that are not read are called that" (fun () ->
                with' (fun at run ->
                    write (at "others/1.heic") "\000\000\000\024ftypheic\000\000\000\000"B
                    let same = run (predict at [ at "examples"; at "new"; "--csv" ])
                    same.ExitCode |> should equal 0
                    same.Errors |> should haveSubstring "warning: "

                    same.Errors
                    |> should
                        haveSubstring
                        "of the pictures are among the examples, so that their prediction says nothing of new pictures"

                    let heic = run (predict at [ at "others/1.heic" ])

                    heic.Line
                    |> should equal $"""imaml: {at "others/1.heic"} is HEIC; PNG, JPEG, WebP, BMP and GIF are read"""

                    heic.ExitCode |> should equal 1))

            testCase "damaged pictures are refused by name; with --skip-damaged they are listed, unless no other is left" (fun () ->
                with' (fun at run ->
                    write (at "examples/apple/bad.png") "no picture"B
                    write (at "bad/1.png") "no picture"B
                    write (at "bad/Thumbs.db") "left behind"B
                    let refused = run (predict at [ at "new" ])
                    refused.Line |> should equal $"""imaml: {at "examples/apple/bad.png"} is damaged, or no image"""
                    refused.ExitCode |> should equal 1
                    let taken = run (predict at [ at "new"; at "bad"; "--skip-damaged"; "--csv" ])
                    taken.ExitCode |> should equal 0
                    taken.Output.Split('\n').Length |> should equal 4

                    taken.Errors.Split '\n'
                    |> should
                        equal
                        [|
                            $"""skipped: {at "examples/apple/bad.png"} is damaged, or no image"""
                            $"""skipped: {at "bad/1.png"} is damaged, or no image"""
                            "skipped 1 file, hidden or of other programs: Thumbs.db"
                            ""
                        |]

                    let none = run (predict at [ at "bad"; "--skip-damaged"; "--picture"; at "x.png" ])

                    none.Line
                    |> should equal $"""imaml: no picture can be read; {at "bad/1.png"} is damaged, or no image"""

                    none.ExitCode |> should equal 1
                    File.Exists(at "x.png") |> should equal false))

            testCase "pipes among the pictures and the examples are listed as skipped" (fun () ->
                with' (fun at run ->
                    let pipes = [ at "examples/apple/f.jpg"; at "new/apple/f.jpg" ]

                    for pipe in pipes do
                        use made = System.Diagnostics.Process.Start("mkfifo", pipe)
                        made.WaitForExit()

                    let outcome = run (predict at [ at "new" ])
                    outcome.ExitCode |> should equal 0

                    outcome.Errors.Split('\n', System.StringSplitOptions.RemoveEmptyEntries)
                    |> should
                        equal
                        [|
                            for pipe in pipes -> $"skipped: {pipe} is a pipe, a socket or a device, not a file"
                        |]))

            testCase "a run in a folder with the name of a model is neither silently" (fun () ->
                with' (fun at run ->
                    let folder = at ""

                    let beside (arguments: string list) =
                        Imaml.runByShell [] $"cd '{folder}' && rm -rf omniglot && cp -r run omniglot && \"$@\"" arguments

                    let both = beside [ "predict"; "omniglot"; "--examples"; "examples"; "new"; "--csv" ]

                    both.Line
                    |> should
                        equal
                        "imaml: omniglot is a model of the program and also the folder of a run: write ./omniglot for the run, or work in another folder"

                    both.ExitCode |> should equal 1
                    let csv = beside [ "predict"; "./omniglot"; "--examples"; "examples"; "new"; "--csv" ]
                    let expected = beside [ "predict"; "run"; "--examples"; "examples"; "new"; "--csv" ]
                    csv.Output |> should equal expected.Output))

            testCase "an exported model predicts as its run; what is cut off or empty, or no model, is refused" (fun () ->
                with' (fun at run ->
                    let exported = run [ "models"; "export"; at "run"; at "model.bin" ]
                    exported.ExitCode |> should equal 0

                    let csv model = (run [ "predict"; model; "--examples"; at "examples"; at "new"; "--csv" ])
                    (csv (at "model.bin")).Output |> should equal (csv (at "run")).Output

                    let refusedWith (code: int) (line: string) (outcome: Imaml.Outcome) =
                        outcome.Line.Replace(at "" + "/", "") |> should startWith $"imaml: {line}"
                        outcome.ExitCode |> should equal code

                    let refused, mistaken = refusedWith 1, refusedWith 2
                    let whole = File.ReadAllBytes(at "model.bin")
                    write (at "cut.bin") whole[.. whole.Length / 2]
                    write (at "empty.bin") [||]
                    refused "cut.bin is cut off or damaged; " (csv (at "cut.bin"))
                    refused "empty.bin is not a checkpoint of this program; " (csv (at "empty.bin"))
                    mistaken "there is no model nothing; give a folder that `imaml train` made, a model file, or " (csv "nothing")
                    mistaken "there is no model nothing; " (run [ "models"; "export"; "nothing"; at "x.bin" ])
                    let folder = run [ "models"; "export"; at "run"; at "examples" ]
                    folder.Line |> should endWith "examples is a folder; name a file"
                    folder.ExitCode |> should equal 2
                    File.Exists(at "x.bin") |> should equal false

                    write (at "other.safetensors") [||]

                    for command in [ [ "evaluate" ]; [ "predict"; "--examples"; at "examples"; at "new" ] ] do
                        refused
                            "other.safetensors is not a checkpoint of this program; `imaml models import` makes a model of it"
                            (run (command.Head :: at "other.safetensors" :: command.Tail))

                    write (at "other.bin") (System.Text.Encoding.UTF8.GetBytes "x")
                    refused "other.bin is not a checkpoint of this program; " (run [ "evaluate"; at "other.bin" ])
                    mistaken "there is no model nothing; " (run [ "evaluate"; "nothing" ])

                    let state = run [ "evaluate"; at "model.bin"; "--state"; "last" ]
                    state.ExitCode |> should equal 2

                    state.Line
                    |> should haveSubstring "model.bin is a model and not a run: it has one state, so --state does not apply"

                    File.Delete(at "run/checkpoint-best.bin")

                    mistaken
                        "run has no state of the best validation; take --state last"
                        (run [ "evaluate"; at "run"; "--episodes"; "2"; "--state"; "best" ])))

            testCase
                "a model goes out as safetensors and comes back the same; adapted, as ONNX; what cannot be is refused in one line"
                (fun () ->
                    with' (fun at run ->
                        let done' (says': string list) arguments =
                            let outcome = run arguments
                            outcome.Errors |> should be EmptyString
                            outcome.ExitCode |> should equal 0
                            outcome.Output |> says says'

                        let export more = [ "models"; "export"; at "run" ] @ more
                        let csv model = (run [ "predict"; model; "--examples"; at "examples"; at "new"; "--csv" ]).Output
                        done' [ at "theta.safetensors: "; "(safetensors)" ] (export [ at "theta.safetensors" ])

                        done'
                            [ "(model, at most 3 classes, pictures at 28×28 ink, squeezed)" ]
                            [ "models"; "import"; at "theta.safetensors"; at "model.bin" ]

                        csv (at "model.bin") |> should equal (csv (at "run"))

                        done'
                            [ "(model, at most 3 classes" ]
                            [
                                "models"
                                "import"
                                at "theta.safetensors"
                                at "other.bin"
                                "--experiment"
                                at "run/run.json"
                            ]

                        csv (at "other.bin") |> should equal (csv (at "run"))

                        done'
                            [ "(ONNX, 3 classes: [red], a,\"b\", apple; pictures at 28×28 ink, squeezed)" ]
                            (export [ at "adapted"; "--format"; "onnx"; "--examples"; at "examples" ])

                        run (predict at [ at "new"; "--save"; at "saved.bin" ]) |> ignore
                        done' [ "(ONNX, 3 classes" ] [ "models"; "export"; at "saved.bin"; at "saved.onnx" ]
                        File.ReadAllBytes(at "saved.onnx") |> should equal (File.ReadAllBytes(at "adapted"))

                        let refused (code: int) (line: string) arguments =
                            let outcome = run arguments
                            outcome.Line.Replace(at "" + "/", "") |> should equal $"imaml: {line}"
                            outcome.ExitCode |> should equal code

                        refused
                            2
                            "--examples is missing: an ONNX file is a classifier that has been adapted to examples; or name a file that `imaml predict --save` wrote"
                            (export [ at "x.onnx" ])

                        refused
                            2
                            "x.foo ends in .foo, which is not one of .bin, .safetensors, .onnx; use one of these, or name the format with --format"
                            (export [ at "x.foo" ])

                        File.Exists(at "x.foo") |> should equal false
                        done' [ "(model)" ] (export [ at "theta.foo"; "--format"; "model" ])
                        refused 1 "model.bin is not an adapted classifier" [ "models"; "export"; at "model.bin"; at "x.onnx" ]

                        refused
                            2
                            "--examples is for --format onnx, not safetensors"
                            (export [ at "x.safetensors"; "--examples"; at "examples" ])

                        refused 2 "there is no file nothing; name a safetensors file" [ "models"; "import"; at "nothing"; at "x.bin" ]

                        refused
                            1
                            "model.bin is not a safetensors file, or its header of 3,696,121,914,180,324,681 bytes exceeds the upper limit of 1,048,576"
                            [ "models"; "import"; at "model.bin"; at "x.bin" ]

                        refused
                            1
                            "theta.safetensors does not hold the parameters of the network: conv1.weight is F32 [2, 1, 3, 3], not F32 [64, 1, 3, 3]; conv1.bias is F32 [2], not F32 [64]; norm1.weight is F32 [2], not F32 [64]; and 15 more"
                            [
                                "models"
                                "import"
                                at "theta.safetensors"
                                at "x.bin"
                                "--experiment"
                                "omniglot-5way"
                            ]

                        refused
                            2
                            "there is no model nonsense; give a folder that `imaml train` made, a model file, or one of grocery, grocery-5way, omniglot, omniglot-5way"
                            [
                                "models"
                                "import"
                                at "theta.safetensors"
                                at "x.bin"
                                "--experiment"
                                "nonsense"
                            ]

                        Directory.GetFiles(at "", "x.*") |> should be Empty))

            testCase "evaluate measures a model file as the run that it was exported from, and writes only where it is told to" (fun () ->
                with' (fun at run ->
                    run [ "models"; "export"; at "run"; at "model.bin" ] |> ignore
                    let evaluate options = run ([ "evaluate"; "--episodes"; "4" ] @ options)
                    let ofModel = evaluate [ at "model.bin" ]
                    ofModel.ExitCode |> should equal 0
                    ofModel.Output |> should haveSubstring "--out keeps it in a file"
                    evaluate [ at "run" ] |> ignore
                    evaluate [ at "model.bin"; "--out"; at "results" ] |> ignore

                    let accuracies path =
                        use document = JsonDocument.Parse(File.ReadAllText(at path))

                        [
                            for one in document.RootElement.GetProperty("accuracyPerEpisode").EnumerateArray() -> one.GetDouble()
                        ]

                    accuracies "results/model-evaluation-test-episodes4.json"
                    |> should equal (accuracies "run/evaluation-test-episodes4-best.json")

                    // Another model's result is neither replaced, nor shown as a run's.
                    let other = evaluate [ at "model.bin"; "--out"; at "run" ]
                    other.ExitCode |> should equal 2

                    other.Line
                    |> should
                        equal
                        $"""imaml: --out {at "run"} is the folder of another run, whose evaluations are in it; name another folder"""

                    let file = at "results/model-evaluation-test-episodes4.json"
                    let text = File.ReadAllText file
                    let changed = text.Replace("\"metaStep\": ", "\"metaStep\": 1")
                    changed |> should not' (equal text)
                    File.WriteAllText(file, changed)
                    let kept = evaluate [ at "model.bin"; "--out"; at "results" ]
                    kept.ExitCode |> should equal 1
                    kept.Errors |> should haveSubstring "it holds the evaluation of another model"
                    File.ReadAllText file |> should equal changed))

            testCase "a damaged state of the best validation: the last state can be used, and every command names it" (fun () ->
                with' (fun at run ->
                    write (at "run/checkpoint-best.bin") "damaged"B

                    for arguments in
                        [
                            [ "predict"; at "run"; "--examples"; at "examples"; at "new" ]
                            [ "models"; "export"; at "run"; at "x.bin" ]
                        ] do
                        let outcome = run arguments

                        outcome.Line
                        |> should haveSubstring $"""{at "run/checkpoint.bin"} can be used, which holds the last state"""

                        outcome.ExitCode |> should equal 1

                    (run [ "models"; "export"; at "run/checkpoint.bin"; at "x.bin" ]).ExitCode |> should equal 0))

            testCase "what a run does not have, or its data cannot give, is a mistake of the request" (fun () ->
                with' (fun at run ->
                    for more in
                        [
                            [ "--ways"; "900000" ]
                            [ "--shots"; "100" ]
                            [ "--state"; "average" ]
                            [ "--ensemble"; "5" ]
                        ] do
                        let outcome = run ([ "evaluate"; at "run"; "--episodes"; "2" ] @ more)
                        Expect.equal outcome.ExitCode 2 outcome.Errors))

            testCase "a hidden class folder is named" (fun () ->
                with' (fun at run ->
                    Directory.Move(at "examples/apple", at "examples/.apple")
                    let outcome = run (predict at [ at "new" ])
                    outcome.ExitCode |> should equal 0
                    outcome.Line |> should equal "skipped 2 files, hidden or of other programs: .apple"))

            testCase "an export does not replace its examples, nor an import its experiment" (fun () ->
                with' (fun at run ->
                    let refused (path: string) arguments =
                        let before = File.ReadAllBytes path
                        let outcome = run arguments
                        outcome.Line |> should haveSubstring $"{path} would overwrite what is read"
                        outcome.ExitCode |> should equal 2
                        File.ReadAllBytes path |> should equal before

                    let onnx examples output =
                        [
                            "models"
                            "export"
                            at "run"
                            output
                            "--format"
                            "onnx"
                            "--examples"
                            examples
                        ]

                    refused (at "examples/apple/1.png") (onnx (at "examples") (at "examples/apple/1.png"))
                    System.IO.Compression.ZipFile.CreateFromDirectory(at "examples", at "ex.zip")
                    refused (at "ex.zip") (onnx (at "ex.zip") (at "ex.zip"))
                    run [ "models"; "export"; at "run"; at "theta.safetensors" ] |> ignore
                    File.Copy(at "run/run.json", at "exp.json")

                    refused
                        (at "exp.json")
                        [
                            "models"
                            "import"
                            at "theta.safetensors"
                            at "exp.json"
                            "--experiment"
                            at "exp.json"
                        ]))

            testCase "what is read, and a run's files, are not overwritten" (fun () ->
                with' (fun at run ->
                    let refused (line: string) arguments =
                        let before = File.ReadAllBytes(at "run/checkpoint.bin"), File.ReadAllBytes(at "examples/apple/1.png")
                        let outcome = run arguments
                        outcome.Line.Replace(at "" + "/", "") |> should equal $"imaml: {line}"
                        outcome.ExitCode |> should equal 2

                        (File.ReadAllBytes(at "run/checkpoint.bin"), File.ReadAllBytes(at "examples/apple/1.png"))
                        |> should equal before

                    let example = at "examples/apple/1.png"
                    File.CreateSymbolicLink(at "link.png", example) |> ignore

                    for option in [ "--picture"; "--save" ] do
                        refused
                            $"{option} examples/apple/1.png would overwrite what is read; name another file"
                            (predict at [ example; option; example ])

                        refused
                            $"{option} examples/apple/1.png would overwrite what is read; name another file"
                            (predict at [ at "new"; option; example ])

                        refused
                            $"{option} link.png would overwrite examples/apple/1.png; name another file"
                            (predict at [ at "new"; option; at "link.png" ])

                    refused
                        "run/checkpoint.bin is a file of the run in run; name another file"
                        [ "models"; "export"; at "run"; at "run/checkpoint.bin" ]

                    refused
                        "run/run.json is a file of the run in run; name another file with --out"
                        [ "report"; at "run"; "--out"; at "run/run.json" ]

                    run [ "models"; "export"; at "run"; at "theta.safetensors" ] |> ignore

                    refused
                        "MODEL theta.safetensors would overwrite what is read; name another file"
                        [ "models"; "import"; at "theta.safetensors"; at "theta.safetensors" ]))
        ]
