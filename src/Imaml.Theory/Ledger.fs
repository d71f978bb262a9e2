// All claims that are checked, in the order of the paper.

namespace Imaml.Theory

open System

[<RequireQualifiedAccess>]
module Ledger =

    /// Checks every claim. Deterministic: each instance has a seed of its own.
    let check () : Claim list =
        [
            yield! Lemma1.claims ()
            yield! Theorem1.claims ()
            yield! AccuracyPrice.claims ()
            yield! Corollary1.claims ()
            yield! ConjugateGradientRate.claims ()
        ]

    /// The claims as an aligned table: claim, statement, instances, smallest and median margin, verdict.
    let table (claims: Claim list) =
        let rows =
            [|
                "claim"
                "statement"
                "instances"
                "smallest margin"
                "median margin"
                "verdict"
            |]
            :: [
                for claim in claims ->
                    [|
                        claim.Number
                        claim.Statement
                        string claim.Instances
                        $"%.4f{claim.SmallestMargin}"
                        $"%.4f{claim.MedianMargin}"
                        (if claim.Holds then "holds" else "FAILS")
                    |]
            ]

        let widths = Array.init 6 (fun column -> rows |> List.map (fun row -> row[column].Length) |> List.max)

        let line (row: string[]) =
            let cell column (text: string) =
                if column >= 2 && column <= 4 then
                    text.PadLeft widths[column]
                else
                    text.PadRight widths[column]

            (row |> Array.mapi cell |> String.concat "  ").TrimEnd()

        let rule = widths |> Array.map (fun width -> String('─', width)) |> String.concat "  "
        String.concat "\n" [ line rows.Head; rule; yield! rows.Tail |> List.map line ]
