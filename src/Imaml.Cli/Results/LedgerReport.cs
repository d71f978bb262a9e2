// The ledger of checked claims for a reader at the terminal, and as data. Claims are checked on instances, not proved.

using Imaml.Theory;

namespace Imaml.Cli.Results;

/// <summary>A hypothesis that was broken on purpose.</summary>
/// <param name="Hypothesis">Which, and how.</param>
/// <param name="Expectation">Whether the bound must fail.</param>
/// <param name="Instances">On how many problems.</param>
/// <param name="Broken">On how many of them the bound failed.</param>
/// <param name="NotMeasured">On how many there was nothing to compare, since numbers are not finite.</param>
/// <param name="AsExpected">Whether that is what was expected.</param>
internal sealed record LedgerViolation(string Hypothesis, Expectation Expectation, int Instances, int Broken, int NotMeasured, bool AsExpected);

/// <summary>A claim with what its check measured. A margin is 1 − measured/bound, a slack bound/measured.</summary>
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
    double MedianSlack,
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
        one.MedianSlack,
        one.Nearest,
        one.Holds,
        [.. one.Violations.Select(broken => new LedgerViolation(broken.Violation.Hypothesis, broken.Violation.Expectation, broken.Instances, broken.Broken, broken.NotMeasured, broken.AsExpected))]);
}

/// <summary>Prints checked claims.</summary>
internal static class LedgerReport
{
    /// <summary>The claims as a table, and below it the hypotheses that were broken on purpose.</summary>
    public static void Print(IReadOnlyList<CheckedClaim> claims)
    {
        Print(Ledger.rows(claims), [.. claims.Select(one => one.Holds)], 4);
        if (claims.Any(one => one.Violations.Length > 0))
        {
            Print(Ledger.violationRows(claims), [.. claims.SelectMany(one => one.Violations).Select(broken => broken.AsExpected)], 3);
        }
    }

    // The first row is the heading; the last cell of a row that fails is red.
    private static void Print(string[][] rows, IReadOnlyList<bool> good, int lastNumber)
    {
        var table = new TextTable(rows[0]) { FirstNumber = 2, LastNumber = lastNumber };
        foreach (var (row, asItShould) in rows.Skip(1).Zip(good))
        {
            if (asItShould)
            {
                table.Add(row);
            }
            else
            {
                table.AddStyled("red", row);
            }
        }

        table.Print();
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
            : $"{one.Claim.Source}, {one.Claim.Statement}: margin {Ledger.margin(one.SmallestMargin)} at {one.Nearest}";
}
