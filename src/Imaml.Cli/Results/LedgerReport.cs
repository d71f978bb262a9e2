// The ledger of checked claims for a reader at the terminal, and as data. The word is "checked": on instances, never proved.

using System.Globalization;
using Imaml.Theory;
using Spectre.Console;

namespace Imaml.Cli.Results;

/// <summary>A hypothesis that was broken on purpose.</summary>
/// <param name="Hypothesis">Which, and how.</param>
/// <param name="Expectation">Whether the bound must be seen to fail.</param>
/// <param name="Instances">On how many problems.</param>
/// <param name="Broken">On how many of them the bound failed.</param>
/// <param name="AsExpected">Whether that is what was expected.</param>
internal sealed record LedgerViolation(string Hypothesis, Expectation Expectation, int Instances, int Broken, bool AsExpected);

/// <summary>A claim with what its check measured. A margin is 1 − measured/bound.</summary>
internal sealed record LedgerEntry(
    string Source,
    string Statement,
    string Hypotheses,
    string Families,
    string Measured,
    string Bound,
    int Instances,
    double SmallestMargin,
    double MedianMargin,
    string Nearest,
    bool Holds,
    IReadOnlyList<LedgerViolation> Violations)
{
    /// <summary>The claim without its functions.</summary>
    public static LedgerEntry Of(CheckedClaim one) => new(
        one.Claim.Source,
        one.Claim.Statement,
        one.Claim.Hypotheses,
        one.Claim.Families,
        one.Claim.Measured,
        one.Claim.Bound,
        one.Instances,
        one.SmallestMargin,
        one.MedianMargin,
        one.Nearest,
        one.Holds,
        [.. one.Violations.Select(broken => new LedgerViolation(broken.Violation.Hypothesis, broken.Violation.Expectation, broken.Instances, broken.Broken, broken.AsExpected))]);
}

/// <summary>Prints checked claims.</summary>
internal static class LedgerReport
{
    /// <summary>The claims as a table, and below it the hypotheses that were broken on purpose.</summary>
    public static void Print(IReadOnlyList<CheckedClaim> claims)
    {
        var table = new Table { Border = TableBorder.Simple };
        table.AddColumns("source", "statement", "instances", "smallest margin", "median", "verdict");
        foreach (var right in table.Columns.Skip(2).Take(3))
        {
            right.Alignment = Justify.Right;
            right.NoWrap = true;
        }

        foreach (var one in claims)
        {
            table.AddRow(
                Markup.Escape(one.Claim.Source),
                Markup.Escape(one.Claim.Statement),
                Whole(one.Instances),
                Margin(one.SmallestMargin),
                Margin(one.MedianMargin),
                one.Holds ? "holds" : "[red]FAILS[/]");
        }

        Terminal.Out.Write(table);
        if (!claims.Any(one => one.Violations.Length > 0))
        {
            return;
        }

        var broken = new Table { Border = TableBorder.Simple };
        broken.AddColumns("source", "hypothesis broken on purpose", "instances", "bound fails on", "expected to", "verdict");
        broken.Columns[2].Alignment = broken.Columns[3].Alignment = Justify.Right;
        foreach (var (one, violation) in claims.SelectMany(one => one.Violations.Select(violation => (one, violation))))
        {
            broken.AddRow(
                Markup.Escape(one.Claim.Source),
                Markup.Escape(violation.Violation.Hypothesis),
                Whole(violation.Instances),
                Whole(violation.Broken),
                violation.Violation.Expectation == Expectation.Breaks ? "fail" : "hold",
                violation.AsExpected ? "as expected" : "[red]UNEXPECTED[/]");
        }

        Terminal.Out.Write(broken);
    }

    /// <summary>Success, or one line that names the claims that fail.</summary>
    public static int Verdict(IReadOnlyList<CheckedClaim> claims)
    {
        var failing = claims.Where(one => !one.Holds).ToArray();
        if (failing is [])
        {
            return ExitCode.Success;
        }

        Terminal.Fail($"{failing.Length} of {claims.Count} claims fail: {string.Join("; ", failing.Select(Describe))}");
        return ExitCode.Failed;
    }

    private static string Describe(CheckedClaim one) =>
        one.Instances > 0 && one.SmallestMargin >= 0
            ? $"{one.Claim.Source}, {one.Claim.Statement}: a hypothesis that was broken on purpose did not go as expected"
            : $"{one.Claim.Source}, {one.Claim.Statement}: margin {Margin(one.SmallestMargin)} at {one.Nearest}";

    /// <summary>A margin with four digits after the point.</summary>
    public static string Margin(double margin) => margin.ToString("F4", CultureInfo.InvariantCulture);

    private static string Whole(int number) => number.ToString("N0", CultureInfo.InvariantCulture);
}
