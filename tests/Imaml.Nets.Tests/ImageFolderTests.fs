/// Folders, archives and tables of images: layouts, what is skipped, and the exact line of everything that is refused.
module Imaml.Nets.Tests.ImageFolderTests

open System
open System.IO
open System.IO.Compression
open Expecto
open FsUnit
open Imaml.Nets.Tasks
open Imaml.Testing
open Imaml.Nets.Tests.DataFixtures
open Imaml.Nets.Tests.ImageBytes
open SkiaSharp

let private form = ImageForm(8, 3)

/// Images of 8×8, all different, by the number of their path.
let private numbers = Collections.Concurrent.ConcurrentDictionary<string, byte array>()
let private image (path: string) = numbers.GetOrAdd(path, (fun _ -> numbered 8 (numbers.Count + 1)))
let private images (paths: string list) = [ for path in paths -> path, image path ]
let private text (content: string) = Text.Encoding.UTF8.GetBytes content
let private table (rows: string list) = text (String.concat "\n" ("filename,label" :: rows) + "\n")

let private write (root: string) (files: (string * byte array) list) =
    for path, bytes in files do
        let file = Path.Combine(root, path)
        Directory.CreateDirectory(Path.GetDirectoryName file |> string) |> ignore
        File.WriteAllBytes(file, bytes)

let private reading cache = FolderReading(form, CacheFolder = cache)

/// Opens files laid out in a folder, or in an archive; the body gets the path and a way to open it.
let private withFiles (files: (string * byte array) list) body =
    inFolder (fun folder ->
        let data = Path.Combine(folder, "data")
        Directory.CreateDirectory data |> ignore
        write data files
        body data (reading (Path.Combine(folder, "cache"))))

let private opens (path: string) (how: FolderReading) = ImageFolder.Open(path, "mine", how)

/// Opens files in a folder and expects this line, with DATA in place of the folder's path.
let private refuses (line: string) (files: (string * byte array) list) =
    withFiles files (fun data how -> (dataError (fun () -> opens data how)).Replace(data, "DATA") |> should equal line)

/// Class names with the number of their images.
let private classes (opened: OpenedImages) = [ for one in opened.Set.Classes -> one.Name, one.Count ]

let private division (opened: OpenedImages) = Option.ofObj opened.Division |> Option.defaultValue "none"
let private cacheOf (how: FolderReading) = Option.ofObj how.CacheFolder |> Option.defaultValue ""

let private part (name: string) (opened: OpenedImages) =
    [
        for KeyValue(c, p) in opened.Parts do
            if string p = name then
                c
    ]
    |> List.sort

let private threeClasses = images [ "a/1.png"; "a/2.png"; "b/1.png"; "b/2.png"; "c/1.png"; "c/2.png" ]

let private byTables prefix =
    [
        yield!
            images
                [
                    for c in [ "a"; "b"; "c" ] do
                        for i in 1..2 -> $"{prefix}{c}{i}.png"
                ]
        "train.csv", table [ "a1.png,a"; "a2.png,a" ]
        "val.csv", table [ "b1.png,b"; "b2.png,b" ]
        "test.csv", table [ "c1.png,c"; "c2.png,c" ]
    ]

let private isDivided (opened: OpenedImages) =
    classes opened |> should equal [ "a", 2; "b", 2; "c", 2 ]
    division opened |> should equal "csv"

    (part "Train" opened, part "Validation" opened, part "Test" opened)
    |> should equal ([ "a" ], [ "b" ], [ "c" ])

let private bytesOf (opened: OpenedImages) index = opened.Set.Image(index).ToArray()

[<Tests>]
let layouts =
    testList
        "ImageFolder layouts"
        [
            testCase "class folders; the first folder that holds all of them is passed through" (fun () ->
                for prefix in [ ""; "images/"; "top/images/" ] do
                    withFiles [ for path, bytes in threeClasses -> prefix + path, bytes ] (fun data how ->
                        let opened = opens data how
                        classes opened |> should equal [ "a", 2; "b", 2; "c", 2 ]
                        division opened |> should equal "none"
                        opened.Notes |> should be Empty
                        bytesOf opened 3 |> should equal (form.Read(ReadOnlySpan(image "b/2.png"), ""))))

            testCase "class folders under train, val and test" (fun () ->
                for validation in [ "val"; "validation"; "valid" ] do
                    withFiles (images [ "train/a/1.png"; "train/d/1.png"; $"{validation}/b/1.png"; "test/c/1.png" ]) (fun data how ->
                        let opened = opens data how
                        classes opened |> should equal [ "a", 1; "b", 1; "c", 1; "d", 1 ]
                        division opened |> should equal "folders"

                        (part "Train" opened, part "Validation" opened, part "Test" opened)
                        |> should equal ([ "a"; "d" ], [ "b" ], [ "c" ])))

            testCase "mini-ImageNet's tables beside images, in a folder, an archive, or loose" (fun () ->
                for prefix in [ "images/"; ""; "jpg/" ] do
                    withFiles (byTables prefix) (fun data how -> opens data how |> isDivided)

                withFiles
                    [
                        for path, bytes in byTables "images/" do
                            if path.EndsWith ".csv" then
                                path, bytes
                    ]
                    (fun data how ->
                        writeZip
                            (Path.Combine(data, "images.zip"))
                            [
                                for path, bytes in byTables "images/" do
                                    if path.EndsWith ".png" then
                                        path, bytes
                            ]

                        opens data how |> isDivided))

            testCase "the same as one archive, with a folder above everything or without, and what a Mac adds" (fun () ->
                for above in [ ""; "mini/"; "a/b/" ] do
                    withFiles [] (fun data how ->
                        let zip = Path.Combine(data, "mini.zip")

                        writeZip
                            zip
                            [
                                for path, bytes in byTables "images/" do
                                    above + path, bytes
                                    "__MACOSX/" + above + "._" + Path.GetFileName path, [| 1uy |]
                                above + ".DS_Store", [| 1uy |]
                            ]

                        let opened = opens zip how
                        isDivided opened

                        List.ofSeq opened.Notes
                        |> should equal [ "skipped 10 files that are not images (.DS_Store 1, __MACOSX 9)" ]))

            testCase "class folders that the tables divide, by their labels, wherever they lie" (fun () ->
                let tables =
                    [
                        "train.csv", table [ "n1.jpg,a"; "n2.jpg,a" ]
                        "val.csv", table [ "n3.jpg,b" ]
                        "test.csv", table [ "n4.jpg,c" ]
                    ]

                for paths in
                    [
                        [ "a/1.png"; "a/2.png"; "b/1.png"; "b/2.png"; "c/1.png"; "c/2.png" ]
                        [
                            "train/a/1.png"
                            "val/a/2.png"
                            "train/b/1.png"
                            "val/b/2.png"
                            "train/c/1.png"
                            "val/c/2.png"
                        ]
                    ] do
                    withFiles (tables @ images paths) (fun data how -> opens data how |> isDivided))

            testCase "one table of one's own, with parts or without" (fun () ->
                let files = images [ "1.png"; "2.png"; "3.png" ]

                withFiles
                    (("labels.csv", text "filename,label,part\n1.png,a,train\n2.png,b,val\n3.png,c,test\n") :: files)
                    (fun data how ->
                        let opened = opens data how
                        division opened |> should equal "csv"
                        part "Test" opened |> should equal [ "c" ])

                withFiles (("labels.csv", text "filename,label\n1.png,a\n2.png,b\n3.png,a\n") :: files) (fun data how ->
                    let opened = opens data how
                    division opened |> should equal "none"
                    classes opened |> should equal [ "a", 2; "b", 1 ]))

            // Decoded as UTF-8 each would become the same replacement character.
            testCase "names that are not UTF-8: a table is refused, an archive of Windows is read by its code page" (fun () ->
                let table =
                    [|
                        yield! text "filename,label\n1.png,"
                        0xC4uy
                        yield! text "\n2.png,"
                        0xD6uy
                    |]

                refuses
                    "DATA/labels.csv is not text in UTF-8; save it again as \"CSV UTF-8\""
                    (("labels.csv", table) :: images [ "1.png"; "2.png" ])

                // UTF-16 without a byte order mark, and lines as old Macs end them.
                for table, fault in
                    [
                        Text.Encoding.Unicode.GetBytes "filename,label\n1.png,a\n2.png,b\n", "is not text in UTF-8"
                        text "filename,label\r1.png,a\r2.png,b\r", "has lines that end with a carriage return alone"
                    ] do
                    refuses
                        $"DATA/labels.csv {fault}; save it again as \"CSV UTF-8\""
                        (("labels.csv", table) :: images [ "1.png"; "2.png" ])

                inFolder (fun folder ->
                    let path = Path.Combine(folder, "set.zip")

                    using (File.Create path) (fun file ->
                        use zip =
                            new ZipArchive(file, ZipArchiveMode.Create, true, Text.CodePagesEncodingProvider.Instance.GetEncoding 437)

                        for name in [ "Äl/1.png"; "Öl/1.png" ] do
                            use entry = zip.CreateEntry(name).Open()
                            entry.Write(ReadOnlySpan(image name)))

                    opens path (reading (Path.Combine(folder, "cache"))) |> classes |> should equal [ "Äl", 1; "Öl", 1 ]))

            testCase "tables as spreadsheets write them" (fun () ->
                for content in
                    [
                        "\uFEFFfilename,label\r\n1.png,a\r\n2.png,\"b, c\"\r\n3.png,a\r\n"
                        "label,filename\na,1.png\n\"b, c\",2.png\na,3.png"
                        ",filename,label,note\n0,1.png,a,x\n1,2.png,\"b, c\",\"y\nz\"\n\n2,3.png,a,\n"
                        "FileName;Label\n1.png;a\n./2.png;b, c\n3.png;a\n"
                        "filename\tlabel\n\"1.png\"\ta\n2.png\tb, c\n3.png\ta\n"
                    ] do
                    withFiles (("my.csv", text content) :: images [ "1.png"; "2.png"; "3.png" ]) (fun data how ->
                        opens data how |> classes |> should equal [ "a", 2; "b, c", 1 ]))

            testCase "a file that a table names may have any ending; a path in a table finds its file" (fun () ->
                let table = text "filename,label\nx/1,a\ny/1.png,b\n"

                withFiles
                    [
                        "t.csv", table
                        "x/1", image "x/1"
                        "y/1.png", image "y/1.png"
                        "z/1.png", image "z"
                    ]
                    (fun data how ->
                        let opened = opens data how
                        classes opened |> should equal [ "a", 1; "b", 1 ]

                        List.ofSeq opened.Notes |> should equal [ "skipped 1 image that no csv file names: z/1.png" ]))

            testCase "seeded pools what the folders divide" (fun () ->
                withFiles (images [ "train/a/1.png"; "val/a/2.png"; "train/b/1.png"; "val/b/2.png" ]) (fun data how ->
                    let pooled = FolderReading(form, Pool = true, CacheFolder = how.CacheFolder)
                    let opened = opens data pooled
                    classes opened |> should equal [ "a", 2; "b", 2 ]
                    division opened |> should equal "none"))

            testCase "what is no image is skipped and counted, and pictures of formats that are not read" (fun () ->
                withFiles
                    (threeClasses
                     @ [
                         "Thumbs.db", [| 1uy |]
                         "a/Thumbs.db", [| 1uy |]
                         "a/.DS_Store", [| 1uy |]
                         "a/.ipynb_checkpoints/1-checkpoint.png", image "a/1.png"
                         "b/@eaDir/1.png@SynoEAStream", [| 1uy |]
                         "README", text "x"
                         "b/notes.txt", text "x"
                         "c/1.HEIC", [| 1uy |]
                         "c/2.tif", [| 1uy |]
                     ])
                    (fun data how ->
                        let opened = opens data how
                        classes opened |> should equal [ "a", 2; "b", 2; "c", 2 ]

                        List.ofSeq opened.Notes
                        |> should
                            equal
                            [
                                "skipped 2 images of formats that are not read (.heic 1, .tif 1); convert to PNG, JPEG, WebP, BMP or GIF"
                                "skipped 7 files that are not images (*.txt 1, .DS_Store 1, .ipynb_checkpoints 1, @eaDir 1, README 1, Thumbs.db 2)"
                            ]))

            testCase "class folders without an image, and images outside class folders, are named" (fun () ->
                withFiles (threeClasses @ [ "d/notes.txt", text "x"; "loose.png", image "loose" ]) (fun data how ->
                    Directory.CreateDirectory(Path.Combine(data, "e")) |> ignore
                    let notes = List.ofSeq (opens data how).Notes
                    notes |> should contain "no image in 2 folders: d, e"
                    notes |> should contain "skipped 1 image outside class folders: loose.png"))

            testCase "equal images in different classes are named, with their parts; in one class they are not" (fun () ->
                let same = image "same"

                withFiles
                    [
                        "train/a/1.png", same
                        "train/a/2.png", same
                        "test/b/1.png", image "b"
                        "val/c/1.png", image "c"
                    ]
                    (fun data how -> (opens data how).Notes |> should be Empty)

                withFiles
                    [
                        "train/a/1.png", same
                        "test/b/1.png", same
                        // The same picture in another file.
                        "val/c/1.png", pngOf 8 8 8 2 (Array.create 24 50uy) []
                        "val/d/1.png", pngOf 8 8 8 0 (Array.create 8 50uy) []
                    ]
                    (fun data how ->
                        List.ofSeq (opens data how).Notes
                        |> should
                            equal
                            [
                                "equal images in different classes, 2 times: train/a/1.png (a, train) = test/b/1.png (b, test); val/c/1.png (c, validation) = val/d/1.png (d, validation)"
                            ]))

            testCase "a damaged image is named; skipped where that is asked for, and listed" (fun () ->
                withFiles
                    (threeClasses @ [ "b/3.jpg", text "no picture"; "c/0.png", Array.truncate 60 (image "c/1.png") ])
                    (fun data how ->
                        let damaged = FolderReading(form, SkipDamaged = true, CacheFolder = how.CacheFolder)

                        dataError (fun () -> opens data how)
                        |> should
                            equal
                            $"2 images are damaged: {data}/b/3.jpg is damaged, or no image; {data}/c/0.png is damaged (it is cut off); mend or remove them, or take --skip-damaged"

                        Directory.GetFiles(cacheOf how) |> should be Empty

                        for fromCache in [ false; true ] do
                            let opened = opens data damaged
                            opened.FromCache |> should equal fromCache
                            classes opened |> should equal [ "a", 2; "b", 2; "c", 2 ]
                            bytesOf opened 4 |> should equal (form.Read(ReadOnlySpan(image "c/1.png"), ""))

                            List.ofSeq opened.Damaged
                            |> should
                                equal
                                [
                                    $"{data}/b/3.jpg is damaged, or no image"
                                    $"{data}/c/0.png is damaged (it is cut off)"
                                ]

                            Seq.exactlyOne opened.Notes
                            |> should
                                equal
                                $"skipped 2 damaged images: {data}/b/3.jpg is damaged, or no image; {data}/c/0.png is damaged (it is cut off)"

                        File.Delete(Path.Combine(data, "b/3.jpg"))

                        dataError (fun () -> opens data how)
                        |> should equal $"{data}/c/0.png is damaged (it is cut off); mend or remove it, or take --skip-damaged"

                        File.Delete(Path.Combine(data, "c/1.png"))
                        File.Delete(Path.Combine(data, "c/2.png"))

                        dataError (fun () -> opens data damaged)
                        |> should equal $"{data}: no image of c can be read; {data}/c/0.png is damaged (it is cut off)"))

            testCase "crop and squeeze, size and grey are other sets, and say so" (fun () ->
                withFiles
                    [
                        "a/1.png", picture 20 10 (fun x _ -> if x < 5 then SKColors.Black else SKColors.White)
                        "b/1.png", image "b"
                    ]
                    (fun data how ->
                        let named =
                            [
                                for form in
                                    [
                                        ImageForm(8, 3)
                                        ImageForm(8, 3, ImageFit.Squeeze)
                                        ImageForm(9, 3)
                                        ImageForm(8, 1)
                                    ] do
                                    let opened = opens data (FolderReading(form, CacheFolder = how.CacheFolder))
                                    (Option.ofObj opened.Set.Preparation |> Option.defaultValue "none"), opened.Set.ContentHash
                            ]

                        List.map fst named
                        |> should
                            equal
                            [
                                "8×8 colour, cropped"
                                "8×8 colour, squeezed"
                                "9×9 colour, cropped"
                                "8×8 grey, cropped"
                            ]

                        named |> List.map snd |> List.distinct |> should haveLength 4))
        ]

[<Tests>]
let surroundings =
    testList
        "ImageFolder, links and pipes"
        [
            testCase "links that lead back are not followed, others are" (fun () ->
                withFiles (threeClasses @ images [ "elsewhere/1.png"; "elsewhere/2.png" ]) (fun data how ->
                    let outside = data + "-outside"
                    Directory.Move(Path.Combine(data, "elsewhere"), outside)
                    Directory.CreateSymbolicLink(Path.Combine(data, "d"), outside) |> ignore

                    // Each of them alone would double the folders at every depth.
                    for name, target in
                        [
                            "a/l1", data
                            "a/l2", data
                            "a/l3", Path.Combine(data, "b")
                            "b/l4", Path.Combine(data, "a")
                        ] do
                        Directory.CreateSymbolicLink(Path.Combine(data, name), target) |> ignore

                    use cancel = new Threading.CancellationTokenSource(TimeSpan.FromMinutes 1.0)

                    // What a folder in a class folder means is another matter.
                    dataError (fun () -> ImageFolder.Open(data, "mine", how, null, cancel.Token))
                    |> should haveSubstring "a class folder must not hold another"

                    for name in [ "a/l3"; "b/l4" ] do
                        Directory.Delete(Path.Combine(data, name))

                    classes (opens data how) |> should equal [ "a", 2; "b", 2; "c", 2; "d", 2 ]))

            testCase "pipes are skipped and named, also where the images are prepared already" (fun () ->
                withFiles threeClasses (fun data how ->
                    (opens data how).Notes |> should be Empty
                    let pipe = Path.Combine(data, "a", "3.png")
                    use made = Diagnostics.Process.Start("mkfifo", pipe)
                    made.WaitForExit()
                    made.ExitCode |> should equal 0

                    for _ in 1..2 do
                        let images = opens data how
                        classes images |> should equal [ "a", 2; "b", 2; "c", 2 ]
                        Seq.exactlyOne images.Notes |> should equal $"skipped 1 pipe, socket or device: {pipe}"))

            testCase "a table of quotation marks is read in linear time" (fun () ->
                withFiles
                    [
                        yield! threeClasses
                        "t.csv", text ("filename,label\na/1.png,x" + String.replicate 2_000_000 "\"" + "\n")
                    ]
                    (fun data how ->
                        let watch = Diagnostics.Stopwatch.StartNew()
                        opens data how |> ignore
                        // Quadratic, it would take hours.
                        watch.Elapsed |> should be (lessThan (TimeSpan.FromMinutes 1.0))))
        ]

[<Tests>]
let refusals =
    let refused = refuses

    testList
        "ImageFolder refuses"
        [
            testCase "a path where nothing is" (fun () ->
                dataError (fun () -> opens "/nowhere/at/all" (reading "/nowhere"))
                |> should equal "there is no folder or zip archive /nowhere/at/all; where it was moved, --data names its place")

            testCase "a file that is no archive" (fun () ->
                withFiles [ "x", text "no archive" ] (fun data how ->
                    dataError (fun () -> opens (Path.Combine(data, "x")) how)
                    |> should equal $"{data}/x is not a whole zip archive (it is cut off or damaged); get it again"))

            testCase "nothing" (fun () ->
                refused "DATA holds no images (PNG, JPEG, WebP, BMP or GIF)" []
                refused "DATA holds no images (PNG, JPEG, WebP, BMP or GIF)" [ "a/x.txt", [| 1uy |] ])

            testCase "images without classes" (fun () ->
                refused
                    "DATA holds images but no class folders; put the images of each class into a folder of its own, or add a csv file with the columns filename and label"
                    (images [ "1.png"; "2.png" ]))

            testCase "a class folder in a class folder" (fun () ->
                refused
                    "DATA has images in a and in a/b, a folder in it; a class folder must not hold another"
                    (images [ "a/1.png"; "a/b/1.png"; "c/1.png" ])
                // In ordinal order a folder of another name lies between the two.
                refused
                    "DATA has images in a and in a/b, a folder in it; a class folder must not hold another"
                    (images [ "a/1.png"; "a/b/1.png"; "a-x/1.png" ]))

            testCase "what lies too deep, in a folder and in an archive" (fun () ->
                let deep = String.replicate 17 "s/"
                let files = threeClasses @ images [ $"a/{deep}1.png" ]

                withFiles files (fun data how ->
                    dataError (fun () -> opens data how)
                    |> should haveSubstring "lies more than 16 folders deep; move what it holds up, or remove it"

                    let zip = data + ".zip"
                    writeZip zip files
                    dataError (fun () -> opens zip how) |> should haveSubstring "lies more than 16 folders deep"
                    File.Delete zip
                    // Each entry would have thousands of folders.
                    writeZip zip (threeClasses @ [ for i in 1..6 -> String.replicate 15_000 "a/" + $"{i}.txt", [||] ])
                    dataError (fun () -> opens zip how) |> should haveSubstring "lies more than 16 folders deep"))

            testCase "an archive that is damaged where nothing but a checksum tells" (fun () ->
                withFiles [] (fun data how ->
                    let zip = data + ".zip"

                    (use archive = ZipFile.Open(zip, ZipArchiveMode.Create)

                     for path, bytes in threeClasses do
                         use stream = archive.CreateEntry(path, CompressionLevel.NoCompression).Open()
                         stream.Write bytes)

                    let bytes = File.ReadAllBytes zip
                    let picture = image "b/1.png"
                    let at = bytes.AsSpan().IndexOf(ReadOnlySpan picture)
                    // Within a picture, which is stored as it is.
                    bytes[at + picture.Length - 20] <- bytes[at + picture.Length - 20] ^^^ 255uy
                    File.WriteAllBytes(zip, bytes)
                    dataError (fun () -> opens zip how) |> should haveSubstring "b/1.png of "))

            testCase "class folders beside train and test" (fun () ->
                refused
                    "DATA has class folders outside train, val and test: other/c; move them into one of the parts"
                    (images [ "train/a/1.png"; "test/b/1.png"; "other/c/1.png" ]))

            testCase "a class in two parts, by folders" (fun () ->
                refused
                    "DATA has 1 class in two parts: a (test/a, train/a); parts must not share a class: add train.csv, val.csv and test.csv that divide the classes, or take --split seeded"
                    (images [ "train/a/1.png"; "test/a/2.png"; "train/b/1.png" ]))

            testCase "parts without train or test" (fun () ->
                refused "DATA has no test folder; add it, or take --split seeded" (images [ "train/a/1.png"; "val/b/1.png" ])

                refused
                    "DATA has train.csv, val.csv but no test.csv"
                    [
                        "train.csv", table [ "1.png,a" ]
                        "val.csv", table [ "2.png,b" ]
                        yield! images [ "1.png"; "2.png" ]
                    ])

            testCase "a label in two tables, or in two parts of one" (fun () ->
                refused
                    "DATA/test.csv line 2 puts a into test, DATA/train.csv line 2 into train; a class must be in one part"
                    [
                        "train.csv", table [ "1.png,a" ]
                        "test.csv", table [ "2.png,a" ]
                        yield! images [ "1.png"; "2.png" ]
                    ]

                refused
                    "DATA/t.csv line 3 puts a into test, DATA/t.csv line 2 into train; a class must be in one part"
                    [
                        "t.csv", text "filename,label,part\n1.png,a,train\n2.png,a,test\n"
                        yield! images [ "1.png"; "2.png" ]
                    ])

            testCase "files that a table names and that are not there" (fun () ->
                refused
                    "DATA lacks 2 files that csv files name: 2.png (DATA/t.csv line 3), …"
                    [
                        "t.csv", table [ "1.png,a"; "2.png,a"; "3.png,b" ]
                        yield! images [ "1.png" ]
                    ]

                refused
                    "DATA lacks 1 file that a csv file names: 2.png (DATA/t.csv line 3)"
                    [ "t.csv", table [ "1.png,a"; "2.png,a" ]; yield! images [ "1.png" ] ])

            testCase "labels without a class folder" (fun () ->
                refused
                    "DATA has no images of 2 classes of the csv files: x, y"
                    [
                        "train.csv", table [ "n1.jpg,a"; "n2.jpg,x" ]
                        "test.csv", table [ "n3.jpg,b"; "n4.jpg,y" ]
                        yield! images [ "a/1.png"; "b/1.png" ]
                    ])

            testCase "a file named twice" (fun () ->
                refused
                    "DATA/t.csv line 4 names 1.png again, after line 2"
                    [
                        "t.csv", table [ "1.png,a"; "2.png,b"; "1.png,b" ]
                        yield! images [ "1.png"; "2.png" ]
                    ]

                refused
                    "DATA/test.csv line 2 names 1.png again, after DATA/train.csv line 2"
                    [
                        "train.csv", table [ "images/1.png,a" ]
                        "test.csv", table [ "1.png,b" ]
                        yield! images [ "images/1.png" ]
                    ])

            testCase "a name that two files have" (fun () ->
                refused
                    "DATA/t.csv line 2 names 1.png, which is x/1.png or y/1.png; give its path"
                    [ "t.csv", table [ "1.png,a" ]; yield! images [ "x/1.png"; "y/1.png" ] ])

            testCase "tables whose columns, fields or parts are missing or unknown" (fun () ->
                let one content line = refused line (("t.csv", text content) :: images [ "1.png" ])
                one "" "DATA/t.csv is empty; its first line names the columns filename and label"
                one "1.png,a\n" "DATA/t.csv: line 1 must name the columns filename and label, not 1.png,a"
                one "filename,label\n" "DATA/t.csv names no files"
                one "filename,label\n1.png\n" "DATA/t.csv line 2 has no label"
                one "filename,label\n,a\n" "DATA/t.csv line 2 has no filename"
                one "filename,label,part\n1.png,a,best\n" "DATA/t.csv line 2 names the part best; there are train, val and test"
                one "filename,label\n\"1.png,a\n" "DATA/t.csv line 2: a quotation mark is not closed"
                one "filename,label\n1.png,\"a\nb\"\n" "DATA/t.csv line 2 has control characters in a name")

            testCase "names in a table that lead out of the folder" (fun () ->
                for name in [ "../secret.png"; "/etc/passwd"; "a/../../x.png"; "..\\x.png" ] do
                    let shown = name.Replace('\\', '/')

                    refused
                        $"DATA/t.csv line 2 names {shown}, which leads out of the data set's folder"
                        [ "t.csv", table [ $"{name},a" ]; yield! images [ "1.png" ] ])

            testCase "several tables of one's own, and two for one part" (fun () ->
                refused
                    "DATA has 2 csv files (a.csv, b.csv); name them train.csv, val.csv and test.csv, or keep one with the columns filename, label and part"
                    [
                        "a.csv", table [ "1.png,a" ]
                        "b.csv", table [ "1.png,a" ]
                        yield! images [ "1.png" ]
                    ]

                refused
                    "DATA has val.csv, validation.csv for one part; keep one of them"
                    [
                        for name in [ "train"; "val"; "validation"; "test" ] do
                            $"{name}.csv", table [ "1.png,a" ]
                        yield! images [ "1.png" ]
                    ])

            testCase "archives with a name twice, or one that leads out of them" (fun () ->
                let one name line =
                    withFiles [] (fun data how ->
                        let zip = Path.Combine(data, "x.zip")
                        writeZip zip [ yield! threeClasses; name, image "twice" ]
                        dataError (fun () -> opens zip how) |> should equal (line zip))

                one "a/1.png" (fun zip -> $"{zip} holds a/1.png twice; make the archive again with one of them")
                one "a\\1.png" (fun zip -> $"{zip} holds a/1.png twice; make the archive again with one of them")

                for name in [ "../x.png"; "/x.png"; "C:\\x.png"; "a/../../x.png"; "..\\x.png" ] do
                    one name (fun zip -> $"{zip} holds {name}, a name that leads out of the archive; make the archive again without it"))

            testCase "an archive that is cut off" (fun () ->
                withFiles [] (fun data how ->
                    let zip = Path.Combine(data, "x.zip")
                    writeZip zip threeClasses
                    let bytes = File.ReadAllBytes zip

                    for share in [ 0; 1; 50; 99 ] do
                        File.WriteAllBytes(zip, Array.truncate (bytes.Length * share / 100) bytes)

                        dataError (fun () -> opens zip how)
                        |> should equal $"{zip} is not a whole zip archive (it is cut off or damaged); get it again"))

            testCase "an entry of an archive that is damaged or claims more than it has" (fun () ->
                withFiles [] (fun data how ->
                    let zip = Path.Combine(data, "x.zip")
                    writeZip zip threeClasses
                    let bytes = File.ReadAllBytes zip
                    // The uncompressed length of the first entry in the central directory.
                    let at = Seq.initInfinite id |> Seq.find (fun i -> bytes[i .. i + 3] = "PK\001\002"B)
                    BitConverter.GetBytes(1_000_000).CopyTo(bytes, at + 24)
                    File.WriteAllBytes(zip, bytes)

                    dataError (fun () -> opens zip how)
                    |> should
                        equal
                        $"a/1.png of {zip} cannot be read; the archive is damaged there; mend or remove it, or take --skip-damaged"

                    BitConverter.GetBytes(2_000_000_000).CopyTo(bytes, at + 24)
                    File.WriteAllBytes(zip, bytes)

                    dataError (fun () -> opens zip how)
                    |> should
                        equal
                        $"a/1.png of {zip} has 2,000,000,000 bytes; the upper limit is 268,435,456; mend or remove it, or take --skip-damaged"))

            testCase "an entry of an archive that is compressed by another method than the usual one" (fun () ->
                withFiles [] (fun data how ->
                    let zip = Path.Combine(data, "x.zip")
                    writeZip zip threeClasses
                    let sound = File.ReadAllBytes zip

                    for method, name in [ 12uy, "BZip2"; 14uy, "LZMA" ] do
                        let bytes = Array.copy sound
                        let find sign = Seq.initInfinite id |> Seq.find (fun i -> bytes[i .. i + 3] = sign)
                        bytes[find "PK\001\002"B + 10] <- method
                        bytes[find "PK\003\004"B + 8] <- method
                        File.WriteAllBytes(zip, bytes)

                        dataError (fun () -> opens zip how)
                        |> should
                            equal
                            $"a/1.png of {zip} has an unsupported compression ({name}); make the archive again with Deflate, the usual one; mend or remove it, or take --skip-damaged"))

            testCase "a table of an archive that is larger than any table" (fun () ->
                withFiles [] (fun data how ->
                    let zip = Path.Combine(data, "x.zip")
                    writeZip zip [ yield! threeClasses; "labels.csv", Array.zeroCreate<byte>(65 <<< 20) ]

                    dataError (fun () -> opens zip how)
                    |> says [ "labels.csv"; "68,157,440 bytes; the upper limit is 67,108,864" ]))
        ]
