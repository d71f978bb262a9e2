/// Omniglot is read from archives and folders alike, and reduced without losing ink.
module Imaml.Nets.Tests.OmniglotTests

open System
open System.Diagnostics
open System.IO
open Expecto
open FsUnit
open Imaml.Nets.Tasks
open Imaml.Testing
open Imaml.Nets.Tests.DataFixtures

/// The first image of a one-drawing Omniglot with this ink.
let private reduced ink =
    withZips (changing "images_background/First0/character01/0001_01.png" (fun _ -> png 105 ink)) (fun data cache ->
        (loadOmniglot data cache).Set.Image(0).ToArray())

[<Tests>]
let reading =
    testList
        "Omniglot"
        [
            testCase "classes and drawings are in ordinal order, whatever the archive's" (fun () ->
                withZips unchanged (fun data cache ->
                    let set = (loadOmniglot data cache).Set

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
                        let folders, zips = loadOmniglot folder cache, loadOmniglot data cache
                        folders.Set.ContentHash |> should equal zips.Set.ContentHash
                        (folders.FromCache, zips.FromCache) |> should equal (false, false)
                        (loadOmniglot folder cache).FromCache |> should equal true)))

            testCase "the parts may lie in DATA itself, one as archive and one as folder" (fun () ->
                withZips unchanged (fun data cache ->
                    inFolder (fun folder ->
                        writeFolders folder
                        let move name = Directory.Move(Path.Combine(folder, "omniglot", name), Path.Combine(folder, name))
                        move "images_background"
                        Directory.Delete(Path.Combine(folder, "omniglot"), true)
                        File.Copy(Path.Combine(data, "omniglot", "images_evaluation.zip"), Path.Combine(folder, "images_evaluation.zip"))

                        (loadOmniglot folder cache).Set.ContentHash
                        |> should equal (loadOmniglot data cache).Set.ContentHash)))

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
                        // Pinned, so that result files of different releases speak of the same pixels. It changes only with the way of reducing.
                        first.Set.ContentHash
                        |> should equal "62d2995ee5d8e888bb17172acb806cef4ee84c2c8e2dd3bfd1d6c0e35cd27df4"

                        let watch = Stopwatch.StartNew()
                        let second = Omniglot.Load(root, cache)
                        let seconds = watch.Elapsed.TotalSeconds
                        second.FromCache |> should equal true
                        second.Set.ContentHash |> should equal first.Set.ContentHash
                        seconds |> should be (lessThan 1.0)

                        // Every character of the published split is in the set, and the split uses all of it.
                        let split = ClassSplit.Vinyals(RotationMode.Augment)

                        Set.ofSeq (Seq.concat [ split.Train; split.Validation; split.Test ])
                        |> should equal (Set.ofArray (classNames first.Set))))
        ]
