// A run in a few lines, for a terminal of any width.

using System.Globalization;

namespace Imaml.Cli.Reports;

/// <summary>The text of `imaml show` and `imaml runs`.</summary>
internal static class RunLines
{
    /// <summary>A run: its curve, the last validation, and how its solves ended.</summary>
    /// <param name="run">The run.</param>
    /// <param name="width">Columns.</param>
    public static IEnumerable<string> Show(RunContents run, int width)
    {
        var (title, points, percent) = Curve(run);
        List<string> text = [$"{run.Name}: {run.Method}, {run.Tasks}, {run.State}{(run.Finished || run.MetaSteps == 0 ? "" : $" of {run.MetaSteps}")}", title];
        var lines = text.SelectMany(one => Wrap(one, width)).ToList();
        if (points.Count > 0)
        {
            lines.AddRange(TerminalCurve.Draw(points, percent, width));
        }

        lines.AddRange(Facts(run).SelectMany(one => Wrap(one, width)));
        return lines;
    }

    /// <summary>Runs as a table, or where there is no room for one as blocks.</summary>
    /// <param name="rows">The runs.</param>
    /// <param name="width">Columns.</param>
    public static IEnumerable<string> List(IReadOnlyList<RunRow> rows, int width)
    {
        string[] heads = ["run", "method", "tasks", "meta-steps", "best validation", "state"];
        string[][] cells = [.. rows.Select(row => row.Fault is { } fault ? (string[])[row.Name, fault] : [row.Name, row.Method!, row.Tasks!, Steps(row), Best(row), row.State!])];
        int[] widths = [.. heads.Select((head, i) => cells.Where(line => line.Length == heads.Length).Select(line => line[i]).Append(head).Max(TextLines.Width))];
        if (widths.Sum() + (2 * (heads.Length - 1)) <= width)
        {
            return cells.Prepend(heads).SelectMany(line => line.Length == heads.Length
                ? [string.Join("  ", line.Select((cell, i) => TextLines.Pad(cell, widths[i]))).TrimEnd()]
                : Wrap($"{line[0]}  {line[1]}", width));
        }

        return cells.SelectMany(line => Wrap(line[0], width).Concat(line.Skip(1).SelectMany((cell, i) => Wrap(line.Length == heads.Length ? $"  {heads[i + 1]} {cell}" : $"  {cell}", width))));
    }

    private static IEnumerable<string> Wrap(string text, int width) => TextLines.Wrap(text, width, indent: "  ");

    private static string Steps(RunRow row) => row.MetaSteps > 0 ? $"{row.MetaStep} of {row.MetaSteps}" : $"{row.MetaStep}";

    private static string Best(RunRow row) => row.BestValidation is not { } best ? "none" : $"{Value(best.Value, best.HalfWidth95, row.Classifies)} at {best.MetaStep}{Averaged(best)}";

    private static string Averaged(BestValidation best) => best.Averaged ? ", averaged" : "";

    private static (string Title, IReadOnlyList<TerminalPoint> Points, bool Percent) Curve(RunContents run)
    {
        if (run.Curve.Count > 0)
        {
            return (
                $"validation {(run.Classifies ? "accuracy" : "loss")} by meta-steps, with 95 % intervals",
                [.. run.Curve.Select(line => new TerminalPoint(line.MetaStep, line.Accuracy ?? line.Loss ?? double.NaN, line.HalfWidth95))],
                run.Classifies);
        }

        return run.Log.Points.Count > 0
            ? ($"{(run.Experiment?.Budget.ValidateEvery == 0 ? "the run is not validated" : "no validation yet")}; query loss on training tasks by meta-steps", [.. run.Log.Points.Select(point => new TerminalPoint(point.MetaStep, point.Step.OuterLoss, 0))], false)
            : ("no validation and no log of meta-steps", [], false);
    }

    private static IEnumerable<string> Facts(RunContents run)
    {
        var method = run.Experiment?.Method;
        if (run.Divergence is { } divergence)
        {
            yield return $"diverged: {divergence}";
        }

        if (run.Curve is [.., var last])
        {
            yield return $"last: {Value(last.Accuracy ?? last.Loss ?? double.NaN, last.HalfWidth95, run.Classifies)} at {last.MetaStep}"
                + (last.Averaged is { } averaged ? $", averaged {Value(averaged, last.AveragedHalfWidth95 ?? double.NaN, run.Classifies)}" : "");
            if (run.Best is { } best)
            {
                yield return $"best: {Value(best.Value, best.HalfWidth95, run.Classifies)} at {best.MetaStep}{Averaged(best)}";
            }
        }

        if (run.Ended is { } ended)
        {
            yield return $"inner solves: {SolveWords.Inner(ended.Inner, method)}";
            yield return $"linear solves: {SolveWords.Linear(ended.Linear, method)}";
            if (run.Summary is { Tasks: var all } && ended.Inner.Values.Sum() is var logged && logged < all)
            {
                yield return $"the log has the solves of {logged} of {all} tasks";
            }
        }
        else if (run.Curve is [.., { Inner: { } inner }])
        {
            yield return $"inner solves of the last validation: {SolveWords.Evaluation(inner, method)}";
        }

        if (Worst(run) is { } worst)
        {
            yield return worst;
        }

        if (run.NotRead.Count > 0)
        {
            yield return $"{RunContents.NotReadText}: {string.Join(", ", run.NotRead)}";
        }

        if (run.Seconds > 0)
        {
            yield return $"training: {Terminal.Duration(TimeSpan.FromSeconds(run.Seconds))}";
        }

        foreach (var one in run.Evaluations)
        {
            yield return $"{one.Name}: {Value(one.Result.Accuracy ?? one.Result.Loss ?? double.NaN, one.Result.HalfWidth95, one.Result.Accuracy is not null)}, {one.Result.State} state after {one.Result.MetaStep} meta-steps";
        }
    }

    private static string? Worst(RunContents run) => run.Log.Points is [.., { Step: var step }]
        ? Trouble("last meta-steps", step.InnerGradientNorm, step.CgResidual, step.LargestCurvature)
        : run.Curve is [.., var line] ? Trouble("last meta-steps", line.InnerGradientNorm, line.CgResidual, line.LargestCurvature) : null;

    private static string Trouble(string when, double gradient, double residual, double curvature) => string.Join(
        ", ",
        new[] { ("‖∇G‖", gradient), ("residual", residual), ("h_max", curvature) }
            .Where(one => double.IsFinite(one.Item2))
            .Select(one => string.Create(CultureInfo.InvariantCulture, $"{one.Item1} {one.Item2:G4}"))) is { Length: > 0 } text ? $"{when}, largest: {text}" : $"{when}: nothing measured";

    private static string Value(double value, double halfWidth, bool percent) =>
        percent ? Terminal.Accuracy(value, halfWidth)
        : double.IsFinite(value) ? string.Create(CultureInfo.InvariantCulture, $"{value:G4}{(double.IsFinite(halfWidth) ? $" ± {halfWidth.ToString("G2", CultureInfo.InvariantCulture)}" : "")}")
        : "not finite";
}

/// <summary>A run in a list.</summary>
/// <param name="Name">Its path below the folder that is listed.</param>
/// <param name="Method">The method.</param>
/// <param name="Tasks">What is learned.</param>
/// <param name="MetaStep">Meta-steps made.</param>
/// <param name="MetaSteps">Meta-steps asked for; 0 where it is not known.</param>
/// <param name="BestValidation">The best validation, or null.</param>
/// <param name="Classifies">Whether validations are of accuracies.</param>
/// <param name="State">finished, running, or where it stopped.</param>
/// <param name="Fault">Why it cannot be read, or null.</param>
internal sealed record RunRow(string Name, string? Method, string? Tasks, int MetaStep, int MetaSteps, BestValidation? BestValidation, bool Classifies, string? State, string? Fault = null)
{
    /// <summary>The row of a run.</summary>
    public static RunRow Of(string name, RunContents run) => new(name, run.Method, run.Tasks, run.MetaStep, run.MetaSteps, run.Best, run.Classifies, run.State);

    /// <summary>The row of a run that cannot be read.</summary>
    public static RunRow Damaged(string name, string fault) => new(name, null, null, 0, 0, null, false, null, fault);
}
