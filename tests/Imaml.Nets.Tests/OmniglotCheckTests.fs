/// The check names exactly what is missing, extra or damaged.
module Imaml.Nets.Tests.OmniglotCheckTests

open System.IO
open System.IO.Compression
open Expecto
open FsUnit
open Imaml.Nets.Tasks
open Imaml.Testing
open Imaml.Nets.Tests.DataFixtures

/// A copy of the real archives in which the body may change the one of the evaluation part.
let private withCopy (root: string) (change: ZipArchive -> unit) body =
    inFolder (fun folder ->
        for part in parts do
            File.Copy(Path.Combine(root, "omniglot", part + ".zip"), Path.Combine(folder, part + ".zip"))
            File.SetAttributes(Path.Combine(folder, part + ".zip"), FileAttributes.Normal)

        using (ZipFile.Open(Path.Combine(folder, "images_evaluation.zip"), ZipArchiveMode.Update)) change
        body folder)

[<Tests>]
let tests =
    testList
        "OmniglotCheck"
        [
            Needs.omniglot "finds 50 alphabets and 1,623 characters of 20 drawings in the real archives" (fun root ->
                let report = OmniglotCheck.Run(root, true)
                report.IsComplete |> should equal true

                [
                    for part in report.Parts -> part.Part, part.Alphabets, part.Characters, part.Drawings
                ]
                |> should equal [ "images_background", 30, 964, 19280; "images_evaluation", 20, 659, 13180 ]

                Seq.last (report.Lines()) |> should equal "complete: 1623 characters, 32460 drawings")

            Needs.omniglot "names exactly what is missing, extra and damaged" (fun root ->
                let inPart = sprintf "images_evaluation/%s"

                let change (zip: ZipArchive) =
                    let delete path =
                        match zip.GetEntry(inPart path) with
                        | null -> failtest $"no {path}"
                        | entry -> entry.Delete()

                    for drawer in 1..20 do
                        delete $"ULOG/character26/1623_{drawer:D2}.png"

                    delete "Angelic/character01/0965_07.png"
                    delete "Tengwar/character25/1555_20.png"

                    for path in [ "Angelic/character01/0965_21.png"; "Tengwar/character25/1555_20.png" ] do
                        use stream = zip.CreateEntry(inPart path).Open()
                        stream.Write("no picture"B, 0, 10)

                withCopy root change (fun folder ->
                    let report = OmniglotCheck.Run(folder, true)
                    report.IsComplete |> should equal false
                    List.ofSeq report.MissingCharacters |> should equal [ inPart "ULOG/character26" ]
                    List.ofSeq report.MissingDrawings |> should equal [ inPart "Angelic/character01/0965_07.png" ]
                    List.ofSeq report.Extra |> should equal [ inPart "Angelic/character01/0965_21.png" ]
                    report.Damaged.Count |> should equal 2
                    report.Parts[1].Characters |> should equal 658
                    report.Parts[1].Drawings |> should equal (13180 - 21)

                    report.Verdict
                    |> should startWith "not complete: 1 character missing, 1 drawing missing, 1 file too many, 2 drawings damaged; "

                    String.concat "\n" (report.Lines())
                    |> says
                        [
                            "missing character: images_evaluation/ULOG/character26"
                            "missing drawing: images_evaluation/Angelic/character01/0965_07.png"
                            "not part of Omniglot: images_evaluation/Angelic/character01/0965_21.png"
                            "damaged: images_evaluation/Tengwar/character25/1555_20.png of"
                            "imaml data get omniglot"
                        ]

                    dataError (fun () -> Omniglot.Load(folder, Path.Combine(folder, "cache"))) |> says [ "0965_21.png" ]))

            Needs.omniglot "accepts what training accepts: an archive with a name twice is refused by both, in one line" (fun root ->
                let twice (zip: ZipArchive) =
                    use stream = zip.CreateEntry("images_evaluation/Tengwar/character25/1555_20.png").Open()
                    stream.Write("no picture"B, 0, 10)

                withCopy root twice (fun folder ->
                    let line =
                        $"{folder}/images_evaluation.zip holds images_evaluation/Tengwar/character25/1555_20.png twice; make the archive again with one of them"

                    dataError (fun () -> OmniglotCheck.Run(folder, true)) |> should equal line

                    dataError (fun () -> Omniglot.Load(folder, Path.Combine(folder, "cache"))) |> should equal line))

            Needs.omniglot "accepts what training accepts: what notebooks and file managers leave is skipped by both" (fun root ->
                let clutter (zip: ZipArchive) =
                    for path in
                        [
                            "images_evaluation/Tengwar/character25/.ipynb_checkpoints/1555_20-checkpoint.png"
                            "images_evaluation/Tengwar/.ipynb_checkpoints/1555_20.png"
                            "__MACOSX/images_evaluation/Tengwar/character25/._1555_20.png"
                            "images_evaluation/Tengwar/character25/.DS_Store"
                        ] do
                        use stream = zip.CreateEntry(path).Open()
                        stream.Write("no picture"B, 0, 10)

                withCopy root clutter (fun folder ->
                    OmniglotCheck.Run(folder, false).IsComplete |> should equal true
                    Omniglot.Load(folder, Path.Combine(folder, "cache")).Set.Count |> should equal 32460))

            Needs.omniglot "accepts what training accepts: a file too many is refused by both" (fun root ->
                let extra (zip: ZipArchive) = zip.CreateEntry("images_evaluation/Tengwar/1555_20.png") |> ignore

                withCopy root extra (fun folder ->
                    OmniglotCheck.Run(folder, false).IsComplete |> should equal false

                    dataError (fun () -> Omniglot.Load(folder, Path.Combine(folder, "cache")))
                    |> says [ "(1 file too many)"; "imaml data check" ]))

            testCase "works on folders, and counts everything as missing where little is there" (fun () ->
                inFolder (fun folder ->
                    writeFolders folder
                    let report = OmniglotCheck.Run(folder, false)
                    report.MissingCharacters.Count |> should equal 1623
                    report.Extra.Count |> should equal 24
                    report.Damaged |> should be Empty
                    report.Parts[0].Path |> should equal (Path.Combine(folder, "omniglot", "images_background"))))

            testCase "a missing part is said before anything else" (fun () ->
                inFolder (fun folder ->
                    dataError (fun () -> OmniglotCheck.Run(folder, false))
                    |> says
                        [
                            "images_background.zip and no images_evaluation.zip"
                            "imaml data get omniglot"
                        ]))
        ]
