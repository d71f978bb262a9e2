// All claims that are checked, in the order of the paper.

namespace Imaml.Theory

open System
open System.Collections.Generic
open System.Globalization

[<RequireQualifiedAccess>]
module Ledger =

    /// Every claim. Deterministic: each instance has a seed of its own.
    let claims: IReadOnlyList<Claim> =
        [|
            yield! ProximalTerm.claims
            yield! Lemma1.claims
            yield! Equation5.claims
            yield! Definitions.claims
            yield! APriori.claims
            yield! IterationCounts.claims
            yield! APosteriori.claims
            yield! RoundingDerivation.claims
            yield! AccuracyPrice.claims
            yield! AccuracyShares.claims
            yield! Corollary1Claims.claims
            yield! CurvatureJump.claims
            yield! ConjugateGradientRate.claims
            yield! Table1Claims.claims
            yield! ReportedCost.claims
            yield! Maml.claims
            yield! Truncation.claims
            yield! Limits.claims
            yield! Fomaml.claims
            yield! NudgedClaims.claims
            yield! HeadClaims.claims
            yield! SoftmaxClaims.claims
            yield! MoreauEnvelope.claims
            yield! LearnedRegularizer.claims
            yield! LowerLevelClaims.claims
        |]

    let private whole (count: int) = count.ToString("N0", CultureInfo.InvariantCulture)
    let private verdict holds = if holds then "holds" else "FAILS"

    /// A margin with four digits, and with the first two where those would be none.
    let margin (value: float) =
        if value <> 0.0 && abs value < 1e-3 then
            value.ToString("0.0e-0", CultureInfo.InvariantCulture)
        else
            $"%.4f{value}"

    /// A slack to three digits or, where it is a magnitude, to one.
    let slack (value: float) =
        if value < 1e3 then
            $"%.3g{value}"
        elif Double.IsFinite value then
            value.ToString("0e+0", CultureInfo.InvariantCulture)
        elif Double.IsNaN value then
            "NaN"
        else
            "∞"

    /// Rows of cells as aligned lines, under a rule where the first row is the heading; the columns named are set to the right.
    let private aligned (right: int list) (rows: string[][]) =
        let widths =
            Array.init rows[0].Length (fun column -> rows |> Array.map (fun row -> row[column].Length) |> Array.max)

        let line (row: string[]) =
            let cell column (text: string) =
                if List.contains column right then
                    text.PadLeft widths[column]
                else
                    text.PadRight widths[column]

            (row |> Array.mapi cell |> String.concat "  ").TrimEnd()

        let rule = widths |> Array.map (fun width -> String('─', width)) |> String.concat "  "
        String.concat "\n" [ line rows[0]; rule; yield! Array.tail rows |> Array.map line ]

    /// The claims as rows of cells, the first row the heading: source, statement, instances, smallest margin (1 − measured/bound), median slack
    /// (bound/measured: 1.00 is a bound that is attained, 100 one that says little more than an order of magnitude), verdict.
    let rows (claims: CheckedClaim seq) : string[][] =
        [|
            [|
                "source"
                "statement"
                "instances"
                "smallest margin"
                "median slack"
                "verdict"
            |]
            for c in claims do
                [|
                    c.Claim.Source
                    c.Claim.Statement
                    whole c.Instances
                    margin c.SmallestMargin
                    slack c.MedianSlack
                    verdict c.Holds
                |]
        |]

    /// The hypotheses that were broken on purpose as rows of cells, the first row the heading.
    let violationRows (claims: CheckedClaim seq) : string[][] =
        [|
            [|
                "source"
                "hypothesis broken on purpose"
                "instances"
                "bound fails on"
                "expected to"
                "verdict"
            |]
            for c in claims do
                for v in c.Violations do
                    [|
                        c.Claim.Source
                        v.Violation.Hypothesis
                        whole v.Instances
                        (whole v.Broken
                         + (if v.NotMeasured = 0 then
                                ""
                            else
                                $", no number on {whole v.NotMeasured}"))
                        (if v.Violation.Expectation = Expectation.Breaks then
                             "fail"
                         else
                             "hold")
                        (if v.AsExpected then "as expected" else "UNEXPECTED")
                    |]
        |]

    /// The claims as an aligned table; below it the hypotheses that were broken on purpose.
    let table (claims: CheckedClaim seq) =
        let claims = Seq.toArray claims
        let violations = violationRows claims

        aligned [ 2; 3; 4 ] (rows claims)
        + (if violations.Length = 1 then
               ""
           else
               "\n\n" + aligned [ 2; 3 ] violations)

    /// A Markdown table of rows, the first the heading; the columns named are set to the right.
    let private piped (right: int list) (rows: string[][]) =
        let line (cells: string seq) = "| " + (cells |> Seq.map (fun cell -> cell.Replace("|", "\\|")) |> String.concat " | ") + " |"

        let rule =
            "|"
            + (rows[0]
               |> Array.mapi (fun i _ -> if List.contains i right then "---:|" else "---|")
               |> String.concat "")

        String.concat "\n" [ line rows[0]; rule; yield! Array.tail rows |> Array.map line ]

    /// The same as Markdown, with what is supposed, what is measured, and the instance that came nearest to the bound.
    let markdown (claims: CheckedClaim seq) =
        let claims = Seq.toArray claims

        let checks =
            [|
                [|
                    "source"
                    "statement"
                    "supposes"
                    "measured"
                    "bound"
                    "checked on"
                    "instances"
                    "smallest margin"
                    "median slack"
                    "nearest"
                    "verdict"
                |]
                for c in claims do
                    [|
                        c.Claim.Source
                        c.Claim.Statement
                        c.Claim.Hypotheses
                        c.Claim.Measured
                        c.Claim.Bound
                        c.Claim.Families
                        whole c.Instances
                        margin c.SmallestMargin
                        slack c.MedianSlack
                        c.Nearest
                        verdict c.Holds
                    |]
            |]

        let violations = violationRows claims

        piped [ 6; 7; 8 ] checks
        + (if violations.Length = 1 then
               ""
           else
               "\n\nHypotheses broken on purpose:\n\n" + piped [ 2; 3 ] violations)
