/// Checks every claim of the ledger and prints it; the exit code is 1 where one fails. With `--full` on ten times the instances.
module Imaml.ProofsChecks.Program

open System
open System.Text
open Imaml.Theory

[<EntryPoint>]
let main arguments =
    Console.OutputEncoding <- UTF8Encoding false

    match arguments with
    | [||]
    | [| "--full" |] ->
        let extent = if arguments.Length = 0 then Extent.Quick else Extent.Full
        let claims = Ledger.claims |> Seq.map (Claim.check extent) |> Seq.toArray
        let holding = claims |> Array.filter (fun claim -> claim.Holds)
        let failing = claims.Length - holding.Length
        printfn $"{Ledger.table claims}"
        printfn ""
        printfn $"proofs-checks: {holding.Length} passed, {failing} failed"
        if failing = 0 then 0 else 1
    | _ ->
        let given = String.concat " " arguments
        eprintfn $"proofs-checks: takes nothing or --full, not {given}"
        2
