/// Every reader of a file answers hostile bytes with its own exception and one line, in bounded time; never with another exception.
///
/// Byte flips, cuts, repeated and moved pieces, and numbers and words of JSON and csv replaced by extreme ones. Sealed files (checkpoints) are also sealed
/// anew after a change of their header, so that the hash does not answer for the reader.
module Imaml.Nets.Tests.FuzzTests

open System
open System.IO
open System.IO.Compression
open System.Text
open Expecto
open FsUnit
open Imaml.Nets.Models
open Imaml.Nets.Prediction
open Imaml.Nets.Runs
open Imaml.Nets.Storage
open Imaml.Nets.Tasks
open Imaml.Nets.Tests.ImageBytes
open Imaml.Testing
open Imaml.Testing.Fuzzing

let private isData (e: exn) = e :? DataException

let private png = lazy (plain 12 (200, 30, 40))

let private archive () =
    use memory = new MemoryStream()

    do
        use zip = new ZipArchive(memory, ZipArchiveMode.Create, true)

        for name in [ "a/1.png"; "a/2.png"; "b/1.png"; "labels.csv" ] do
            use entry = zip.CreateEntry(name).Open()

            if name.EndsWith ".csv" then
                entry.Write(Encoding.UTF8.GetBytes "filename,label\na/1.png,x\nb/1.png,y\n")
            else
                entry.Write png.Value

    memory.ToArray()

let private magic = 8

/// A sealed file with another header, whole as it was written so.
let private resealed (bytes: byte[]) (change: byte[] -> byte[]) =
    let struct (header, body) = SealedFile.Open(bytes, magic).Value
    SealedFile.Bytes(ReadOnlySpan(bytes, 0, magic), ReadOnlySpan(change header), [ body ])

/// Files that a reader takes from a path: as they are changed, and with a changed header under a good hash.
let private sealedFile (good: byte[]) (read: string -> unit) =
    let path = Path.GetTempFileName()
    let isCheckpoint (e: exn) = e :? CheckpointException

    let readBytes (bytes: byte[]) =
        File.WriteAllBytes(path, bytes)
        read path

    try
        survives false good isCheckpoint readBytes
        let struct (header, _) = SealedFile.Open(good, magic).Value
        survives true header isCheckpoint (fun changed -> readBytes (resealed good (fun _ -> changed)))
    finally
        File.Delete path

/// A model of one filter: a change hits what is read and not only numbers, and reading is quick.
let private withModel (body: FewShotClassifier -> 'a) : 'a =
    inFolder (fun folder ->
        use model =
            FewShotClassifier.Load(InterchangeTests.trained (StridedConvolutions 1) InterchangeTests.fomaml folder)

        body model)

/// What is written to a file.
let private saved (save: string -> unit) =
    inFolder (fun folder ->
        let path = Path.Combine(folder, "saved")
        save path
        File.ReadAllBytes path)

[<Tests>]
let tests =
    testList
        "Fuzzing"
        [
            testCase "images" (fun () ->
                let form = ImageForm(28, 3)
                survives false png.Value isData (fun bytes -> form.Read(bytes, "x") |> ignore))

            testCase "archives" (fun () ->
                survives false (archive ()) isData (fun bytes ->
                    use tree = FileTree.OfArchive("x.zip", new MemoryStream(bytes), null)

                    for file in tree.Files do
                        tree.Read file |> ignore))

            testCase "csv lists" (fun () ->
                let rows =
                    String.concat
                        "\n"
                        [
                            "filename,label,part"
                            "a.png,cat,train"
                            "\"b,1.png\",dog,test"
                            "c.png,\"a \"\"b\"\"\",val"
                        ]

                survives true (Encoding.UTF8.GetBytes rows) isData (fun bytes -> LabelTable.Read(bytes, "x.csv", Nullable()) |> ignore))

            testCase "experiments" (fun () ->
                for name in
                    [
                        "omniglot-5w1s/imaml-gd"
                        "mini-imagenet-5w1s/maml"
                        "omniglot-5w1s/meta-sgd"
                    ] do
                    survives
                        true
                        (Encoding.UTF8.GetBytes(ExperimentFile.PresetText name))
                        (fun e -> e :? ExperimentException)
                        (fun bytes -> ExperimentFile.Parse(Encoding.UTF8.GetString bytes, "x.json") |> ignore))

            testCase "what an experiment has in place of a kind, and the names of its fields, are said on one line" (fun () ->
                let preset = ExperimentFile.PresetText "omniglot-5w1s/maml"

                for bad, line in
                    [
                        preset.Replace("\"kind\": \"maml\"", "\"kind\": { \"a\": 1,\n \"b\": 2 }"),
                        """method.kind {"a":1,"b":2} is not known"""
                        preset.Replace("\"inner\"", "\"in\\nner\""), "method.in?ner is unknown"
                    ] do
                    Expect.throwsC (fun () -> ExperimentFile.Parse(bad, "x.json") |> ignore) (fun e ->
                        e.Message |> should haveSubstring line
                        e.Message |> should not' (haveSubstring "\n")))

            testCase "models" (fun () ->
                withModel (fun model -> sealedFile (saved model.Save) (fun path -> (FewShotClassifier.Load path).Dispose())))

            testCase "safetensors" (fun () ->
                let path = Path.GetTempFileName()
                let isCheckpoint (e: exn) = e :? CheckpointException

                let read (bytes: byte[]) =
                    File.WriteAllBytes(path, bytes)
                    (FewShotClassifier.LoadSafeTensors path).Dispose()

                try
                    let good = withModel (fun model -> saved model.SaveSafeTensors)
                    survives false good isCheckpoint read

                    // The header alone, before the same data and under its own length.
                    let start = 8 + int (BitConverter.ToUInt64(good, 0))

                    survives true good[8 .. start - 1] isCheckpoint (fun header ->
                        read (Array.concat [ BitConverter.GetBytes(uint64 header.Length); header; good[start..] ]))
                finally
                    File.Delete path)

            testCase "adapted classifiers" (fun () ->
                withModel (fun model ->
                    use adapted =
                        model.Adapt(
                            [
                                for label, shade in [ "a", 10; "b", 200 ] ->
                                    LabelledPicture(label, Picture.FromBytes(plain 28 (shade, shade, shade), label))
                            ]
                        )

                    sealedFile (saved adapted.Save) (fun path -> (AdaptedClassifier.Load path).Dispose())))

            // Whatever is in it, the images are those of the folder: it is made anew.
            testCase "caches of images" (fun () ->
                inFolder (fun folder ->
                    let data, cache = Path.Combine(folder, "data"), Path.Combine(folder, "cache")

                    for name in [ "a"; "b" ] do
                        for i in 1..2 do
                            let file = Path.Combine(data, name, $"{i}.png")
                            Directory.CreateDirectory(Path.GetDirectoryName file |> string) |> ignore
                            File.WriteAllBytes(file, plain 12 (40 * i, 30, 60 * (int name[0] - 96)))

                    let images () =
                        let opened = ImageFolder.Open(data, "mine", FolderReading(ImageForm(6, 3), CacheFolder = cache))
                        [ for i in 0 .. opened.Set.Count - 1 -> opened.Set.Image(i).ToArray() ]

                    let expected = images ()
                    let known (_: exn) = false

                    let readAs (file: string) (bytes: byte[]) =
                        // In place of the mapped file, not into it.
                        File.Delete file
                        File.WriteAllBytes(file, bytes)
                        images () |> should equal expected

                    for file in Directory.GetFiles cache do
                        survives false (File.ReadAllBytes file) known (readAs file)

                    let isSet (file: string) = (File.ReadAllBytes file).AsSpan().StartsWith(ReadOnlySpan("imaml image set"B))

                    let file = Directory.GetFiles cache |> Array.find isSet
                    let good, read = File.ReadAllBytes file, readAs file

                    // The description alone, under a good hash.
                    let footer = 2 * sizeof<int64> + 32
                    let lengths = good[good.Length - footer .. good.Length - 33]
                    let digests, json = BitConverter.ToInt64(lengths, 0), BitConverter.ToInt64(lengths, 8)
                    let start = good.Length - footer - int json

                    survives true good[start .. start + int json - 1] known (fun description ->
                        let lengths =
                            Array.append (BitConverter.GetBytes digests) (BitConverter.GetBytes(int64 description.Length))

                        let trailer = Array.append good[start - int digests .. start - 1] description
                        let hash = ImageCache.HashOf(trailer, ReadOnlySpan lengths)
                        read (Array.concat [ good[.. start - int digests - 1]; trailer; lengths; hash ]))))

            testCase "logs" (fun () ->
                let path = Path.GetTempFileName()

                try
                    let line n = $"{{\"metaStep\":{n},\"seconds\":{n}.5,\"step\":null,\"steps\":1}}"
                    let good = Encoding.UTF8.GetBytes(String.concat "\n" [ for n in 1..5 -> line n ] + "\n")

                    survives true good (fun e -> e :? CheckpointException) (fun bytes ->
                        File.WriteAllBytes(path, bytes)
                        RunFolder.Cut<ProgressLine>(path, (fun line -> line.MetaStep <= 3)))
                finally
                    File.Delete path)
        ]
