/// Checks every numbered claim on random instances and prints the ledger; the exit code is 1 where a claim fails.
module Imaml.ProofsChecks.Program

open System
open System.Text
open Imaml.Theory

[<EntryPoint>]
let main _ =
    Console.OutputEncoding <- UTF8Encoding false
    let claims = Ledger.check ()
    let holding = claims |> List.filter (fun claim -> claim.Holds)
    let failing = claims.Length - holding.Length
    printfn $"{Ledger.table claims}"
    printfn ""
    printfn $"proofs-checks: {holding.Length} passed, {failing} failed"
    if failing = 0 then 0 else 1
