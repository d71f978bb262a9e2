// A table as text: published and measured values, what it cost, and the comparisons.

using System.Globalization;
using Imaml.Nets.Models;

namespace Imaml.Cli.Tables;

/// <summary>The text of a table, from its result file alone.</summary>
internal static class TableReport
{
    // A heading, what it says, and a table below: none where it has no rows.
    private sealed record Section(string Title, string Words, string[] Headings, IReadOnlyList<string[]> Rows);

    /// <summary>For a document, or a pipe: the table with its comparisons as Markdown.</summary>
    public static string Markdown(TableFile file) =>
        "# " + string.Join("\n\n## ", Sections(file).Select(section => string.Join('\n', (string[])[section.Title, "", section.Words, .. section.Rows.Count == 0 ? [] : MarkdownTable(section)])));

    private static IEnumerable<string> MarkdownTable(Section section) => ["", Line(section.Headings), Line(section.Headings.Select(_ => "---")), .. section.Rows.Select(Line)];

    /// <summary>For a terminal of any width: the same, a cell named as <c>--cells</c> takes it.</summary>
    public static void Print(TableFile file)
    {
        foreach (var section in Sections(file))
        {
            string[] texts = [section.Title, .. section.Words.Split('\n'), ""];
            Array.ForEach(texts, text => Terminal.Line(Plain(text)));

            var table = new TextTable(["cell", .. section.Headings.Skip(2)]);
            foreach (var row in section.Rows)
            {
                table.Add([$"{row[0]}/{row[1]}", .. row.Skip(2).Select(Plain)]);
            }

            table.Print();
        }
    }

    private static string Plain(string markdown) => markdown.Replace("`", "", StringComparison.Ordinal).Replace("*", "", StringComparison.Ordinal);

    private static IEnumerable<Section> Sections(TableFile file)
    {
        yield return new(
            file.Title,
            $"""
            `imaml reproduce {file.Table}`: a budget of at least {Text($"{file.BudgetSeconds / 60:0.##}")} minutes of training for each run (the column *seconds*: processor time divided by threads) at scale {Word(file.Scale)}; the state is chosen on validation classes; {file.Episodes} test episodes, the same for all methods of a setting.
            Intervals are over the episodes of one run, or over seeds where there are several (Student's t). Program {file.Provenance.Version}.
            """,
            ["setting", "method", "published, %", "transductive, %", "inductive, %", "seconds", "of wall time", "tasks", "gradients", "products", "state", "checkpoint", "configuration"],
            [.. file.Cells.Select(Row)]);
        yield return Comparisons(file);
        if (Laws(file) is { Rows.Count: > 0 } missed)
        {
            yield return missed;
        }
    }

    // What several seeds cost is added up.
    private static string[] Row(CellSummary cell)
    {
        CellResult[] runs = [.. cell.Runs.Where(run => run.MetaSteps > 0)];
        string Sum(Func<CellResult, double> of, bool logged) => runs is [] ? "" : (logged && runs.Any(run => run.LogGap is not null) ? "≥ " : "") + Text($"{runs.Sum(of):N0}");
        var folder = runs is [var only] ? only.Folder : Path.Combine(cell.Setting, cell.Method);
        return
        [
            cell.Setting, cell.Method, cell.Published is { } published ? Text($"{published.Percent} ± {published.HalfWidth95}") : "", Accuracy(cell.Transductive), Accuracy(cell.Inductive),
            Sum(run => run.ComputeSeconds, true), Sum(run => run.Seconds, true), Sum(run => run.Tasks, false), Sum(run => run.Gradients, true), Sum(run => run.HessianProducts, true), State(cell.Runs),
            runs is [{ BestState: { } checkpoint }] ? Code(checkpoint) : runs.Length > 1 && runs.All(run => run.BestState is not null) ? Code($"{folder}/*/{Path.GetFileName(runs[0].BestState)}") : "",
            runs is [] ? cell.Preset : Code(runs.Length == 1 ? $"{folder}/run.json" : $"{folder}/*/run.json"),
        ];
    }

    private static string Code(string path) => $"`{path.Replace('\\', '/')}`";

    private static string State(IReadOnlyList<CellResult> runs)
    {
        var gap = runs.Any(run => run.LogGap is not null) ? ", its log incomplete" : "";
        if (runs is [var run])
        {
            return Word(run.State) + (run.State == CellState.Diverged ? $" after {run.MetaSteps} meta-steps" : "") + (run.State is CellState.Running or CellState.Trained && run.Validation is { } validation ? Text($", validation {100 * validation:F2} %") : "") + gap;
        }

        return string.Join(", ", runs.GroupBy(one => one.State).OrderByDescending(same => same.Key == CellState.Finished).Select(same => $"{same.Count()} of {runs.Count} {Word(same.Key)}")) + gap;
    }

    private static string Word(CellState state) => state switch
    {
        CellState.NotBegun => "not begun",
        CellState.Running => "running",
        CellState.Trained => "trained, not tested",
        CellState.Finished => "finished",
        CellState.Diverged => "diverged",
        CellState.OtherRun => "another experiment",
        _ => "damaged",
    };

    private static Section Comparisons(TableFile file) => new(
        "Methods on the same episodes",
        file.Comparisons.Count == 0 ? "No two methods of a setting are measured yet." : "The first one's accuracy minus the second one's, in points; better and worse count episodes; p of the exact sign test.",
        ["setting", "first", "second", "seed", "seconds of training", "normalisation", "difference", "better", "worse", "p"],
        [
            .. file.Comparisons.Select(one => (string[])
            [
                one.Setting, one.First, one.Second, Text($"{one.Seed}"), Text($"{one.FirstSeconds:N0}, {one.SecondSeconds:N0}"), one.BatchNormalization == BatchNormMode.Inductive ? "inductive" : "transductive",
                Text($"{100 * one.Difference.Mean:F2} ± {100 * one.Difference.HalfWidth95:F2}"), Text($"{one.Difference.Better}"), Text($"{one.Difference.Worse}"), Text($"{one.Difference.SignTest:0.0e-0}"),
            ]),
        ]);

    private static Section Laws(TableFile file) => new(
        "What the published figures would take",
        "Of runs whose validation has not reached them: c·n^(−b) fitted to the errors on validation classes after n tasks, in the second half of the curve, and the n at which it has the published error. An extrapolation, no measurement.",
        ["setting", "method", "seed", "published, %", "b", "tasks so far", "tasks by the fit"],
        [
            .. from cell in file.Cells
               let published = cell.Published
               where published is not null
               from run in cell.Runs
               let law = run.Law
               where law is not null && 100 * run.Validation < published.Percent
               let tasks = ErrorLaw.Reaches(law, 1 - (published.Percent / 100))
               select (string[])
               [
                   cell.Setting, cell.Method, Text($"{run.Seed}"), Text($"{published.Percent}"), Text($"{-law.Slope:F2} ({-law.High:F2} to {-law.Low:F2})"), Text($"{run.Tasks:N0}"),
                   tasks < 1e12 ? Text($"{tasks:0.0e+0}") : double.IsInfinity(tasks) ? "it does not fall" : "more than 10¹²",
               ],
        ]);

    private static string Accuracy(CellAccuracy? measured) => measured is not var (mean, half, seeds)
        ? ""
        : (double.IsFinite(mean) ? Text($"{100 * mean:F2} ± {100 * half:F2}") : "no accuracy") + (seeds > 1 ? $" ({seeds} seeds)" : "");

    private static string Word(Scale scale) => scale == Scale.Cpu ? "cpu" : "paper";

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private static string Line(IEnumerable<string> cells) => $"| {string.Join(" | ", cells)} |";
}
