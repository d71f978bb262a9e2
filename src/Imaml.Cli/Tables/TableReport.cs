// A table as text: published beside measured, what it cost, and the comparisons.

using System.Globalization;
using Imaml.Nets.Models;
using Imaml.Theory;

namespace Imaml.Cli.Tables;

/// <summary>The Markdown of a table, from its result file alone.</summary>
internal static class TableReport
{
    private static readonly string[] Headings =
        ["setting", "method", "published, %", "transductive, %", "inductive, %", "seconds", "of wall time", "tasks", "gradients", "products", "state", "checkpoint", "configuration"];

    /// <summary>The table with its comparisons.</summary>
    public static string Markdown(TableFile file) =>
        $"""
        # {file.Title}

        `imaml reproduce {file.Table}`: {Text($"{file.BudgetSeconds / 60:0.#}")} minutes of training a cell (processor time divided by threads) at scale {Word(file.Scale)}; the state is chosen on validation classes; {file.Episodes} test episodes, the same for all methods of a setting.
        Intervals are over the episodes of one run, or over seeds where there are several. Program {file.Provenance.Version}.

        {Line(Headings)}
        {Line(Headings.Select(_ => "---"))}
        {string.Join('\n', file.Cells.Select(cell => Line(Row(cell))))}

        {Comparisons(file)}{Laws(file)}
        """;

    private static string[] Row(CellSummary cell)
    {
        var last = cell.Runs.MaxBy(run => run.ComputeSeconds)!;
        var counts = last.State == CellState.NotBegun
            ? ["", "", "", "", ""]
            : new[] { Text($"{last.ComputeSeconds:F0}"), Text($"{last.Seconds:F0}"), Text($"{last.Tasks:N0}"), Text($"{last.Gradients:N0}"), Text($"{last.HessianProducts:N0}") };
        return
        [
            cell.Setting, cell.Method, cell.Published is { } published ? Text($"{published.Percent} ± {published.HalfWidth95}") : "", Accuracy(cell.Over(run => run.Transductive)), Accuracy(cell.Over(run => run.Inductive)),
            .. counts, State(cell.Runs), last.BestState is { } checkpoint ? $"`{checkpoint.Replace('\\', '/')}`" : "", last.State == CellState.NotBegun ? cell.Preset : $"`{last.Folder.Replace('\\', '/')}/run.json`",
        ];
    }

    private static string State(IReadOnlyList<CellResult> runs)
    {
        var (finished, running) = (runs.Count(run => run.State == CellState.Finished), runs.Count(run => run.State is CellState.Running or CellState.Trained));
        var reached = runs.Where(run => run.State == CellState.Running && run.Validation is not null).Select(run => Text($", validation {100 * run.Validation:F2} %")).FirstOrDefault();
        return (finished, running) switch
        {
            (0, 0) => "not begun",
            _ when finished == runs.Count => runs.Count == 1 ? "finished" : $"finished, {finished} seeds",
            _ => $"{finished} of {runs.Count} finished{(running > 0 ? $", {running} running" : "")}{reached}",
        };
    }

    private static string Comparisons(TableFile file) => file.Comparisons.Count == 0
        ? "No two methods of a setting are measured yet."
        : $"""
           ## Methods on the same episodes

           The first one's accuracy minus the second one's, in points; better and worse count episodes; p of the exact sign test.

           {Line(["setting", "first", "second", "seed", "normalisation", "difference", "better", "worse", "p"])}
           {Line(Enumerable.Repeat("---", 9))}
           {string.Join('\n', file.Comparisons.Select(one => Line(
               [
                   one.Setting, one.First, one.Second, Text($"{one.Seed}"), one.BatchNormalization == BatchNormMode.Inductive ? "inductive" : "transductive",
                   Text($"{100 * one.Difference.Mean:F2} ± {100 * one.Difference.HalfWidth95:F2}"), Text($"{one.Difference.Better}"), Text($"{one.Difference.Worse}"), Text($"{one.Difference.SignTest:0.0e-0}"),
               ])))}
           """;

    private static string Laws(TableFile file)
    {
        (CellSummary Cell, FittedSlope Law, PublishedAccuracy Published)[] missed =
        [
            .. from cell in file.Cells
               where cell.Published is not null
               from run in cell.Runs
               where run.Law is not null && 100 * run.Validation < cell.Published!.Percent
               select (cell, run.Law, cell.Published!),
        ];
        return missed is []
            ? ""
            : $"""


               ## What the published figures would take

               Of runs whose validation has not reached them: c·n^(−b) fitted to the errors on validation classes after n tasks, in the second half of the curve, and the n at which it has the published error. An extrapolation, no measurement.

               {Line(["setting", "method", "published, %", "b", "tasks so far", "tasks by the fit"])}
               {Line(Enumerable.Repeat("---", 6))}
               {string.Join('\n', missed.Select(one => Line(
                   [
                       one.Cell.Setting, one.Cell.Method, Text($"{one.Published.Percent}"), Text($"{-one.Law.Slope:F2} ({-one.Law.High:F2} to {-one.Law.Low:F2})"), Text($"{one.Cell.Runs.Max(run => run.Tasks):N0}"),
                       ErrorLaw.Reaches(one.Law, 1 - (one.Published.Percent / 100)) is var tasks && tasks < 1e12 ? Text($"{tasks:0.0e+0}") : "it does not fall",
                   ])))}
               """;
    }

    private static string Accuracy((double Mean, double HalfWidth95, int Seeds)? measured) => measured is not var (mean, half, seeds)
        ? ""
        : (double.IsFinite(mean) ? Text($"{100 * mean:F2} ± {100 * half:F2}") : "no accuracy") + (seeds > 1 ? $" ({seeds} seeds)" : "");

    private static string Word(Scale scale) => scale == Scale.Cpu ? "cpu" : "paper";

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private static string Line(IEnumerable<string> cells) => $"| {string.Join(" | ", cells)} |";
}
