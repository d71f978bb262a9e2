/// Properties check the same instances on every run.
module Imaml.Math.Tests.DrawsTests

open System.Collections.Generic
open Expecto
open FsCheck
open FsUnit
open Imaml.Testing

let private drawn (config: FsCheckConfig) =
    let draws = List<int>()

    let replay =
        config.replay |> Option.map (fun (seed, gamma, _) -> { Rnd = Rnd(seed, gamma); Size = None })

    Check.One(Config.QuickThrowOnFailure.WithMaxTest(config.maxTest).WithReplay(replay), (fun (n: int) -> draws.Add n))
    List.ofSeq draws

[<Tests>]
let tests =
    testList
        "Draws"
        [
            testCase "two runs draw the same instances" (fun () ->
                if Option.isSome Draws.usual.replay then
                    drawn Draws.usual |> should equal (drawn Draws.usual))

            testCase "the number of draws is the one asked for" (fun () ->
                let config = Draws.times 7
                drawn config |> List.length |> should equal config.maxTest)
        ]
