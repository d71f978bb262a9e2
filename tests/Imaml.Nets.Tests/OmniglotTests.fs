/// Omniglot is read from archives and folders alike, and its cache mends itself.
module Imaml.Nets.Tests.OmniglotTests

open System
open System.Diagnostics
open System.IO
open Expecto
open FsUnit
open Imaml.Nets.Data
open Imaml.Testing
open Imaml.Nets.Tests.DataFixtures

let private load data cache = Omniglot.Load(data, cache, requireComplete = false)

/// A small Omniglot in archives; the body gets the data folder and the cache folder.
let private withZips change body =
    inFolder (fun folder ->
        let data, cache = Path.Combine(folder, "data"), Path.Combine(folder, "cache")
        writeZips data change
        body data cache)

/// Changes the one drawing of this path.
let private changing (path: string) (change: byte array -> byte array) name bytes = if name = path then change bytes else bytes

let private aDrawing = "images_evaluation/First1/character02/0002_03.png"

/// The first image of a one-drawing Omniglot with this ink.
let private reduced ink =
    withZips (changing "images_background/First0/character01/0001_01.png" (fun _ -> png 105 ink)) (fun data cache ->
        (load data cache).Set.Image(0).ToArray())

let private cacheFile cache = Directory.GetFiles cache |> Array.exactlyOne

[<Tests>]
let reading =
    testList
        "Omniglot"
        [
            testCase "classes and drawings are in ordinal order, whatever the archive's" (fun () ->
                withZips unchanged (fun data cache ->
                    let set = (load data cache).Set

                    [ for one in set.Classes -> one.Name, one.First, one.Count ]
                    |> should
                        equal
                        [
                            for i, name in
                                List.indexed
                                    [
                                        for a in [ "First0"; "First1"; "Second0"; "Second1" ] do
                                            for c in [ 1; 2 ] -> $"{a}/character{c:D2}"
                                    ] -> name, 3 * i, 3
                        ]

                    // The drawings' bars are 2·(2 + drawing) − 1 pixels wide: ink grows with the drawing's number.
                    for one in set.Classes do
                        let ink = [ for d in 0..2 -> set.Image(one.First + d).ToArray() |> Array.sumBy int ]
                        ink |> should equal (List.sort ink)
                        ink |> List.distinct |> should haveLength 3))

            testCase "folders and archives give the same set to the last bit" (fun () ->
                withZips unchanged (fun data cache ->
                    inFolder (fun folder ->
                        writeFolders folder
                        let folders, zips = load folder cache, load data cache
                        folders.Set.ContentHash |> should equal zips.Set.ContentHash
                        (folders.FromCache, zips.FromCache) |> should equal (false, false)
                        (load folder cache).FromCache |> should equal true)))

            testCase "the parts may lie in DATA itself, one as archive and one as folder" (fun () ->
                withZips unchanged (fun data cache ->
                    inFolder (fun folder ->
                        writeFolders folder
                        let move name = Directory.Move(Path.Combine(folder, "omniglot", name), Path.Combine(folder, name))
                        move "images_background"
                        Directory.Delete(Path.Combine(folder, "omniglot"), true)
                        File.Copy(Path.Combine(data, "omniglot", "images_evaluation.zip"), Path.Combine(folder, "images_evaluation.zip"))
                        (load folder cache).Set.ContentHash |> should equal (load data cache).Set.ContentHash)))

            testCase "ink is 255, paper is 0, and a pixel of ink weighs 16/225 of a reduced pixel" (fun () ->
                reduced (fun _ _ -> true) |> Array.distinct |> should equal [| 255uy |]
                reduced (fun _ _ -> false) |> Array.distinct |> should equal [| 0uy |]
                // A file's pixel is 4/15 of a reduced pixel long: area 16/225, and 255·16/225 = 18.1. Pixel 3 is split 3 : 1 between two.
                reduced (fun x y -> x = 0 && y = 0)
                |> Array.indexed
                |> Array.filter (fun (_, v) -> v > 0uy)
                |> should equal [| 0, 18uy |]

                reduced (fun x y -> x = 3 && y = 0)
                |> Array.indexed
                |> Array.filter (fun (_, v) -> v > 0uy)
                |> should equal [| 0, 14uy; 1, 5uy |])

            testCase "reducing keeps the total ink" (fun () ->
                let ink x y = (x * x + 3 * y) % 11 < 3

                let files =
                    Seq.allPairs [ 0..104 ] [ 0..104 ]
                    |> Seq.sumBy (fun (x, y) -> if ink x y then 255.0 * 16.0 / 225.0 else 0.0)
                // Each of the 784 reduced pixels is rounded by at most ½.
                reduced ink |> Array.sumBy float |> should (equalWithin 392.0) files)

            testCase "progress ends at 1" (fun () ->
                withZips unchanged (fun data cache ->
                    let seen = Collections.Concurrent.ConcurrentQueue<float>()

                    let progress =
                        { new IProgress<float> with
                            member _.Report value = seen.Enqueue value
                        }

                    Omniglot.Load(data, cache, progress, false) |> ignore
                    Seq.last seen |> should equal 1.0))

            Needs.omniglot
                "the real data set has 1,623 characters of 20 drawings, and comes from the cache in less than a second"
                (fun root ->
                    inFolder (fun cache ->
                        let first = Omniglot.Load(root, cache)
                        (first.Set.Classes.Count, first.Set.Count, first.FromCache) |> should equal (1623, 32460, false)
                        let watch = Stopwatch.StartNew()
                        let second = Omniglot.Load(root, cache)
                        let seconds = watch.Elapsed.TotalSeconds
                        second.FromCache |> should equal true
                        second.Set.ContentHash |> should equal first.Set.ContentHash
                        seconds |> should be (lessThan 1.0)

                        // Every character of the published split is in the set, and the split uses all of it.
                        let split = VinyalsSplit.Create(RotationMode.Augment)

                        Set.ofSeq (Seq.concat [ split.Train; split.Validation; split.Test ])
                        |> should equal (Set.ofArray (classNames first.Set))))
        ]

[<Tests>]
let caching =
    testList
        "Omniglot's cache"
        [
            testCase "is used the second time, holds the same set, and leaves no drafts" (fun () ->
                withZips unchanged (fun data cache ->
                    let first, second = load data cache, load data cache
                    (first.FromCache, second.FromCache) |> should equal (false, true)
                    second.Set.ContentHash |> should equal first.Set.ContentHash
                    second.Set.Name |> should equal first.Set.Name
                    Directory.GetFiles cache |> should haveLength 1))

            for damage, change in
                [
                    "a changed byte",
                    (fun (bytes: byte array) -> bytes |> Array.mapi (fun i b -> if i = bytes.Length / 2 then b ^^^ 1uy else b))
                    "a changed hash", (fun bytes -> bytes |> Array.mapi (fun i b -> if i = bytes.Length - 1 then b ^^^ 1uy else b))
                    "a missing end", (fun bytes -> Array.truncate (bytes.Length - 1000) bytes)
                    "nothing in it", (fun _ -> [||])
                ] do
                testCase $"is made anew where it has {damage}" (fun () ->
                    withZips unchanged (fun data cache ->
                        let first = load data cache
                        let file = cacheFile cache
                        let sound = File.ReadAllBytes file
                        File.WriteAllBytes(file, change sound)
                        let again = load data cache
                        (again.FromCache, again.Warning) |> should equal (false, null)
                        again.Set.ContentHash |> should equal first.Set.ContentHash
                        File.ReadAllBytes file |> should equal sound))

            testCase "is keyed by content: another drawing in the archive is not taken for the old one" (fun () ->
                withZips unchanged (fun data cache ->
                    let first = load data cache
                    Directory.Delete(Path.Combine(data, "omniglot"), true)
                    writeZips data (changing aDrawing (fun _ -> png 105 (fun x _ -> x > 50)))
                    let second = load data cache
                    second.FromCache |> should equal false
                    second.Set.ContentHash |> should not' (equal first.Set.ContentHash)))

            testCase "is done without where its folder cannot be written, with a warning" (fun () ->
                withZips unchanged (fun data cache ->
                    // Below a file there can be no folder, for any user.
                    File.WriteAllText(cache, "")
                    let loaded = load data (Path.Combine(cache, "below"))
                    loaded.Set.Count |> should equal 24

                    match loaded.Warning with
                    | null -> failtest "no warning"
                    | warning -> warning |> says [ cache; "XDG_CACHE_HOME" ]))
        ]

[<Tests>]
let refusing =
    testList
        "Damaged Omniglot"
        [
            testCase "a missing archive is named, with the places looked in and the cure" (fun () ->
                withZips unchanged (fun data cache ->
                    File.Delete(Path.Combine(data, "omniglot", "images_evaluation.zip"))
                    let message = dataError (fun () -> load data cache)

                    message
                    |> says
                        [
                            "images_evaluation.zip"
                            Path.Combine(data, "omniglot")
                            "imaml data get omniglot"
                        ]

                    message.Contains "images_background" |> should equal false))

            for share in [ 0.0; 0.3; 0.9; 0.999 ] do
                testCase $"an archive cut off at {share} of its length is named" (fun () ->
                    withZips unchanged (fun data cache ->
                        let path = Path.Combine(data, "omniglot", "images_background.zip")
                        let bytes = File.ReadAllBytes path
                        File.WriteAllBytes(path, Array.truncate (int (share * float bytes.Length)) bytes)

                        dataError (fun () -> load data cache)
                        |> says [ path; "cut off or damaged"; "imaml data get omniglot" ]

                        Directory.Exists cache |> should equal false))

            testCase "a file that is no archive is named" (fun () ->
                withZips unchanged (fun data cache ->
                    let path = Path.Combine(data, "omniglot", "images_background.zip")
                    File.WriteAllText(path, String.replicate 1000 "<html>not found</html>")
                    dataError (fun () -> load data cache) |> says [ path; "not a whole zip archive" ]))

            for fault, change in
                [
                    "is no image", (fun _ -> "this is no picture"B)
                    "is empty", (fun _ -> [||])
                    "is cut off", (fun (bytes: byte array) -> Array.truncate (bytes.Length / 2) bytes)
                    "has other pixels", (fun _ -> png 104 (fun _ _ -> true))
                ] do
                testCase $"a drawing that {fault} is named, with its archive" (fun () ->
                    withZips (changing aDrawing change) (fun data cache ->
                        dataError (fun () -> load data cache)
                        |> says [ aDrawing; Path.Combine(data, "omniglot", "images_evaluation.zip") ]

                        Directory.Exists cache |> should equal false))

            testCase "an archive of other things is refused" (fun () ->
                inFolder (fun folder ->
                    for part in parts do
                        writeZip (Path.Combine(folder, part + ".zip")) [ "other/file.txt", [| 1uy |] ]

                    dataError (fun () -> load folder folder) |> says [ "hold no drawings"; "images_background.zip" ]))

            testCase "a data set that is not whole is refused unless asked for" (fun () ->
                withZips unchanged (fun data cache ->
                    dataError (fun () -> Omniglot.Load(data, cache))
                    |> says [ "8 characters"; "1623 × 20"; "imaml data check" ]
                    // The cache does not change that.
                    dataError (fun () -> Omniglot.Load(data, cache)) |> says [ "8 characters" ]))
        ]
