/// Omniglot's cache is keyed by content and mends itself.
module Imaml.Nets.Tests.OmniglotCacheTests

open System.IO
open Expecto
open FsUnit
open Imaml.Nets.Tasks
open Imaml.Nets.Tests.DataFixtures

let private cacheFile cache = Directory.GetFiles cache |> Array.exactlyOne

[<Tests>]
let tests =
    testList
        "Omniglot's cache"
        [
            testCase "is used the second time, holds the same set, and leaves no drafts" (fun () ->
                withZips unchanged (fun data cache ->
                    let first, second = loadOmniglot data cache, loadOmniglot data cache
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
                        let first = loadOmniglot data cache
                        let file = cacheFile cache
                        let sound = File.ReadAllBytes file
                        File.WriteAllBytes(file, change sound)
                        let again = loadOmniglot data cache
                        (again.FromCache, again.Warning) |> should equal (false, null)
                        again.Set.ContentHash |> should equal first.Set.ContentHash
                        File.ReadAllBytes file |> should equal sound))

            testCase "is keyed by content: another drawing in the archive is not taken for the old one" (fun () ->
                withZips unchanged (fun data cache ->
                    let first = loadOmniglot data cache
                    Directory.Delete(Path.Combine(data, "omniglot"), true)
                    writeZips data (changing aDrawing (fun _ -> png 105 (fun x _ -> x > 50)))
                    let second = loadOmniglot data cache
                    second.FromCache |> should equal false
                    second.Set.ContentHash |> should not' (equal first.Set.ContentHash)))

            testCase "is done without where its folder cannot be written, with a warning" (fun () ->
                withZips unchanged (fun data cache ->
                    // Below a file there can be no folder, for any user.
                    File.WriteAllText(cache, "")
                    let loaded = loadOmniglot data (Path.Combine(cache, "below"))
                    loaded.Set.Count |> should equal 24

                    match loaded.Warning with
                    | null -> failtest "no warning"
                    | warning -> warning |> says [ cache; "XDG_CACHE_HOME" ]))
        ]
