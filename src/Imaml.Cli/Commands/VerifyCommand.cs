// imaml verify: the paper's claims, checked on instances, with the smallest margin that each bound left.

using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Imaml.Cli.Results;
using Imaml.Nets.Runs;
using Imaml.Theory;
using Spectre.Console;

namespace Imaml.Cli.Commands;

/// <summary>The ledger as a result file.</summary>
/// <param name="Extent">How many instances were taken.</param>
/// <param name="Provenance">The program and the machine.</param>
/// <param name="Seconds">Wall seconds of the checks.</param>
/// <param name="Holds">Whether every claim holds.</param>
/// <param name="Claims">In the order of the paper.</param>
internal sealed record LedgerFile(Extent Extent, Provenance Provenance, double Seconds, bool Holds, IReadOnlyList<LedgerEntry> Claims);

internal static class VerifyCommand
{
    private const string Name = "ledger";

    public static Command Create(CancellationToken stop)
    {
        var quick = new Option<bool>("--quick") { Description = "Few instances of each claim: less than half a minute (default)" };
        var full = new Option<bool>("--full") { Description = "Many instances of each claim: minutes" };
        var output = SharedOptions.Folder(new Option<string?>("--out") { Description = $"Folder for {Name}.md and {Name}.json", HelpName = "DIR" });
        var json = new Option<bool>("--json") { Description = "Print JSON instead of the table" };
        var command = new Command("verify", "Check the paper's claims on random instances, and show their margins") { quick, full, output, json };
        command.Validators.Add(result =>
        {
            if (result.GetValue(quick) && result.GetValue(full))
            {
                result.AddError($"{quick.Name} and {full.Name} cannot be used together");
            }
        });
        command.SetAction(parsed => Run(Ledger.claims, parsed.GetValue(full) ? Extent.Full : Extent.Quick, parsed.GetValue(output), parsed.GetValue(json), stop));
        return command;
    }

    /// <summary>Checks these claims; the exit code says whether all hold.</summary>
    public static int Run(IReadOnlyList<Claim> claims, Extent extent, string? output, bool json, CancellationToken stop)
    {
        using var folder = output is null ? null : new ResultFolder(output);
        var watch = Stopwatch.StartNew();
        var found = new List<CheckedClaim>();
        foreach (var claim in claims)
        {
            stop.ThrowIfCancellationRequested();
            var start = watch.Elapsed;
            var one = Check(claim, extent, stop);
            found.Add(one);
            Terminal.Progress(string.Create(
                CultureInfo.InvariantCulture,
                $"{found.Count,3}/{claims.Count}  {(one.Holds ? "holds" : "FAILS")} on {one.Instances} instances  {(watch.Elapsed - start).TotalSeconds:F1} s  {claim.Source}: {claim.Statement}"));
        }

        stop.ThrowIfCancellationRequested();
        var file = new LedgerFile(extent, Provenance.WithoutLibTorch(), double.Round(watch.Elapsed.TotalSeconds, 1), found.All(one => one.Holds), [.. found.Select(LedgerEntry.Of)]);
        folder?.WriteJson($"{Name}.json", file);
        folder?.Write($"{Name}.md", Markdown(file, found));
        if (json)
        {
            Terminal.Document(JsonSerializer.Serialize(file, RunJson.Indented));
        }
        else
        {
            LedgerReport.Print(found);
            Terminal.Line(Summary(file));
        }

        return LedgerReport.Verdict(found);
    }

    // An exception of a check is a fault of the program, never the user's mistake that an ArgumentException elsewhere is.
    private static CheckedClaim Check(Claim claim, Extent extent, CancellationToken stop)
    {
        try
        {
            return ClaimModule.checkUntil(stop, extent, claim);
        }
        catch (ArgumentException e)
        {
            throw new InvalidOperationException($"{claim.Source}, {claim.Statement}: the check itself failed", e);
        }
    }

    private static string Summary(LedgerFile file) => string.Create(
        CultureInfo.InvariantCulture,
        $"{file.Claims.Count(one => one.Holds)} of {file.Claims.Count} claims hold, checked on {file.Claims.Sum(one => one.Instances):N0} instances in {file.Seconds:F0} s; a margin is 1 − measured/bound, a slack bound/measured");

    private static string Markdown(LedgerFile file, IReadOnlyList<CheckedClaim> claims) =>
        $"""
        # The claims, checked

        `imaml verify --{(file.Extent == Extent.Full ? "full" : "quick")}`: {Summary(file)}. Every instance has a seed of its own, so that a second run checks the same.
        Program {file.Provenance.Version}; {file.Provenance.Machine}.

        {Ledger.markdown(claims)}
        """;
}
