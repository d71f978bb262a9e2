/// The parts of a split never share a character, and the built-in Omniglot split is the published one.
module Imaml.Nets.Tests.DataSplitTests

open System.IO
open Expecto
open FsUnit
open Imaml.Nets.Tasks
open Imaml.Testing
open Imaml.Nets.Tests.DataFixtures

let private parts (split: ClassSplit) = List.ofSeq split.Train, List.ofSeq split.Validation, List.ofSeq split.Test

let private seeded seed rotations train validation test = ClassSplit.Seeded(patterned 3 1 60 1, seed, rotations, train, validation, test)

[<Tests>]
let tests =
    testList
        "Splits"
        [
            testCase "two rotations of one character are never in different parts" (fun () ->
                dataError (fun () -> ClassSplit("s", RotationMode.AsClasses, [ "a/rot000" ], [], [ "a/rot090" ]))
                |> says [ "split s"; "a is in train and in test" ]

                dataError (fun () -> ClassSplit("s", RotationMode.None, [ "a" ], [ "b"; "a" ], []))
                |> says [ "train and in validation" ]

                dataError (fun () -> ClassSplit("s", RotationMode.Augment, [ "a" ], [ "b" ], [ "b" ]))
                |> says [ "validation and in test" ]

                ClassSplit("s", RotationMode.AsClasses, [ "a/rot000"; "a/rot090" ], [], [ "b/rot090" ]).Train
                |> should haveLength 2)

            testCase "a class listed twice, or without the rotation it should name, is refused" (fun () ->
                dataError (fun () -> ClassSplit("s", RotationMode.None, [ "a"; "a" ], [], []))
                |> says [ "a is listed twice in train" ]

                dataError (fun () -> ClassSplit("s", RotationMode.AsClasses, [ "a" ], [], []))
                |> says [ "a names no rotation" ])

            testCase "the hash changes with the name, the mode, every class and its part" (fun () ->
                let hash name mode (train: string list) validation test = ClassSplit(name, mode, train, validation, test).Hash

                let all =
                    [
                        hash "s" RotationMode.None [ "a"; "b" ] [ "c" ] [ "d" ]
                        hash "t" RotationMode.None [ "a"; "b" ] [ "c" ] [ "d" ]
                        hash "s" RotationMode.Augment [ "a"; "b" ] [ "c" ] [ "d" ]
                        hash "s" RotationMode.None [ "a" ] [ "b"; "c" ] [ "d" ]
                        hash "s" RotationMode.None [ "a"; "b" ] [] [ "c"; "d" ]
                        hash "s" RotationMode.None [ "a"; "e" ] [ "c" ] [ "d" ]
                    ]

                all |> List.distinct |> should haveLength all.Length
                hash "s" RotationMode.None [ "a"; "b" ] [ "c" ] [ "d" ] |> should equal all[0])

            testCase "a seeded split deals out every class once, reproducibly" (fun () ->
                let split = seeded 7UL RotationMode.Augment 45 5 15
                let train, validation, test = parts split
                (train.Length, validation.Length, test.Length) |> should equal (40, 5, 15)

                List.sort (train @ validation @ test)
                |> should equal (List.ofArray (classNames (patterned 3 1 60 1)))

                parts (seeded 7UL RotationMode.Augment 45 5 15) |> should equal (parts split)
                parts (seeded 8UL RotationMode.Augment 45 5 15) |> should not' (equal (parts split)))

            testCase "a seeded split is the same in every release and on every machine" (fun () ->
                List.ofSeq (seeded 1UL RotationMode.None 54 3 6).Test
                |> should equal [ "class005"; "class014"; "class022"; "class047"; "class052"; "class056" ])

            testCase "the test part does not depend on how much is set aside for validation" (fun () ->
                let _, validation, test = parts (seeded 7UL RotationMode.None 45 5 15)
                let train0, validation0, test0 = parts (seeded 7UL RotationMode.None 45 0 15)
                test0 |> should equal test
                validation0 |> should be Empty
                Set.isSubset (Set.ofList validation) (Set.ofList train0) |> should equal true)

            testCase "with rotations as classes, all four rotations of a character go to one part" (fun () ->
                let train, _, test = parts (seeded 7UL RotationMode.AsClasses 45 0 15)
                (train.Length, test.Length) |> should equal (180, 60))

            testCase "numbers that the set does not allow are refused" (fun () ->
                for train, validation, test in [ 46, 5, 15; 45, 45, 15; 45, -1, 15; 45, 5, 0; 0, 0, 15 ] do
                    dataError (fun () -> seeded 7UL RotationMode.None train validation test)
                    |> says [ "patterned has 60 classes"; $"train {train}"; $"test {test}" ])

            testCase "the Vinyals split has 1,028, 172 and 423 characters, each with four rotations" (fun () ->
                let count (split: ClassSplit) = split.Train.Count, split.Validation.Count, split.Test.Count
                count (ClassSplit.Vinyals()) |> should equal (4112, 688, 1692)
                count (ClassSplit.Vinyals(RotationMode.Augment)) |> should equal (1028, 172, 423)
                count (ClassSplit.Vinyals(RotationMode.Augment, false)) |> should equal (1200, 0, 423))

            Needs.omniglot "the Vinyals split is that of the published lists, line by line" (fun root ->
                let lists = Path.Combine(root, "splits", "omniglot_vinyals")

                if not (Directory.Exists lists) then
                    skiptest $"needs the published lists: {lists} is not there"

                let published name = File.ReadAllLines(Path.Combine(lists, name + ".txt")) |> Array.filter ((<>) "") |> Set.ofArray
                let split = ClassSplit.Vinyals()
                Set.ofSeq split.Train |> should equal (published "train")
                Set.ofSeq split.Validation |> should equal (published "val")
                Set.ofSeq split.Test |> should equal (published "test")
                Set.ofSeq (ClassSplit.Vinyals(validation = false)).Train |> should equal (published "trainval"))
        ]
