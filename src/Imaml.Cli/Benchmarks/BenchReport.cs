using System.Globalization;
using Spectre.Console;

namespace Imaml.Cli.Benchmarks;

/// <summary>The benchmark for a reader, at the terminal and as Markdown.</summary>
internal static class BenchReport
{
    private const double Mebi = 1 << 20;

    private static readonly string[] RowHeadings =
        ["setting", "method", "B", "inner steps", "s a task", "GFLOP a task", "GFLOP/s", "of matrix multiply", "peak MiB", "over gradient", "not finite"];

    private static readonly string[] TargetHeadings = ["target", "setting", "measured", "must be", "aim", "met"];

    /// <summary>For the terminal.</summary>
    public static void Print(BenchFile file)
    {
        Print(RowHeadings, file.Rows.Select(Cells), 2);
        if (file.Targets.Count > 0)
        {
            Print(TargetHeadings, file.Targets.Select(Cells), 2);
        }

        foreach (var line in Notes(file))
        {
            Terminal.Line(line);
        }
    }

    /// <summary>For a document.</summary>
    public static string Markdown(BenchFile file) =>
        $"""
        # Speed and memory

        `imaml bench`, program {file.Provenance.Version}; {file.Provenance.Machine}, {file.Options.Threads} threads, libtorch {file.Provenance.LibTorch}; on {file.Provenance.Device}.
        The built-in glyphs, as many query images as support images. Seconds are the median of {file.Options.Steps} meta-steps (with other inner steps than the setting's, of
        one) after one that is not counted; of a gradient and a Hessian–vector product, measured in one process, the chunks' seconds over the threads. Memory is the peak of the process minus
        its memory before the first meta-step, including what the libraries allocate at their first use; on a GPU it is the GPU's.

        {string.Join("\n\n", Tables(file))}

        {string.Join("\n\n", Notes(file))}
        """;

    private static IEnumerable<string> Tables(BenchFile file)
    {
        yield return Lines(RowHeadings, file.Rows.Select(Cells));
        if (file.Targets.Count > 0)
        {
            yield return Lines(TargetHeadings, file.Targets.Select(Cells));
        }
    }

    private static IEnumerable<string> Notes(BenchFile file) =>
        file.NotMeasured.Select(gap => $"not measured: {gap.Setting} {gap.Method}, inner steps {gap.InnerSteps}: {gap.Reason}")
            .Concat(file.Rows.Where(row => !row.Finite).Select(row => $"not finite: {row.Setting} {row.Method}, inner steps {row.InnerSteps}: {Terminal.Statuses(row.Statuses!)}; this is not the cost of training"))
            .Append(string.Create(
                CultureInfo.InvariantCulture,
                $"{file.Provenance.Device} multiplies matrices at {file.MatrixMultiply.Gflops:F0} GFLOP/s (float32; the processor on all cores; {file.MatrixMultiply.BeforeGflops:F0} before, {file.MatrixMultiply.AfterGflops:F0} after); {file.Rows.Count} rows in {file.Seconds:F0} s."));

    private static string[] Cells(BenchRow row) =>
    [
        row.Setting, row.Method, $"{row.Experiment.Budget.MetaBatch}", row.Method is BenchRow.Gradient or BenchRow.HessianProduct ? "" : $"{row.InnerSteps}",
        Number(row.SecondsPerTask, "F4"), Number(row.FlopsPerTask / 1e9, "G3"), Number(row.Gflops, "F1"), Number(row.FractionOfMatrixMultiply, "P1"),
        Number(row.PeakBytes / Mebi, "F1"), Number(row.PeakOverGradient, "F2"), row.Finite ? "" : $"{row.Statuses!.NotFinite} of {row.Statuses.Inner.Values.Sum()}",
    ];

    private static string[] Cells(BenchTarget target) =>
    [
        target.Quantity, target.Setting, Number(target.Measured, "G4"), $"{(target.AtMost ? "≤" : "≥")} {Number(target.Must, "G3")}", $"{(target.AtMost ? "≤" : "≥")} {Number(target.Aim, "G3")}", target.Verdict,
    ];

    private static string Number(double? value, string format) => value?.ToString(format, CultureInfo.InvariantCulture) ?? "";

    // Numbers, from this column on, are set to the right.
    private static void Print(string[] headings, IEnumerable<string[]> rows, int firstNumber)
    {
        var table = new Table { Border = TableBorder.Simple };
        table.AddColumns(headings);
        foreach (var column in table.Columns.Skip(firstNumber))
        {
            column.Alignment = Justify.Right;
            column.NoWrap = true;
        }

        foreach (var row in rows)
        {
            table.AddRow([.. row.Select(Markup.Escape)]);
        }

        Terminal.Out.Write(table);
    }

    private static string Lines(string[] headings, IEnumerable<string[]> rows) =>
        string.Join('\n', rows.Prepend([.. headings.Select(_ => "---")]).Prepend(headings).Select(cells => $"| {string.Join(" | ", cells)} |"));
}
