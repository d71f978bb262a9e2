using System.Globalization;
using Imaml.Nets.Cost;

namespace Imaml.Cli.Benchmarks;

/// <summary>The benchmark for a reader, at the terminal and as Markdown.</summary>
internal static class BenchReport
{
    private const double Mebi = 1 << 20;

    // "Of multiply": the rate over that of matrix multiplication, the column before it.
    private static readonly string[] RowHeadings =
        ["setting", "method", "B", "inner steps", "s a task", "CPU s", "faults", "GFLOP", "GFLOP/s", "multiply", "of multiply", "tensors MiB", "peak MiB", "not finite"];

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
        The built-in glyphs, in {BenchSetting.MiniImageNet} random images of 84×84 pixels in colour; as many query images as support images. Seconds are the median of {file.Options.Steps} meta-steps (with other inner steps
        than the setting's, of one) after a warm-up that ends when the time of a step has settled (by {WarmUp.Tolerance:P0}, over two windows of at least {WarmUp.Window} s) or after {WarmUp.Limit} s; of a gradient and a
        Hessian–vector product, measured in one process, the chunks' seconds over the threads. CPU seconds, page faults and GFLOP are a task's. The rate of matrix multiplication was
        measured right after each row, in its process. Tensors are the most bytes that live tensors held at once, for each thread, counted. The peak is the process's minus its memory before the first meta-step:
        it includes what the libraries allocate at their first use and what allocator and runtime keep; on a GPU it is the GPU's.

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
            .Concat(file.Rows.Where(row => !row.Finite).Select(row => $"not finite: {row.Setting} {row.Method}, inner steps {row.InnerSteps}: {SolveWords.Both(row.Statuses!, row.Experiment.Method)}; this is not the cost of training"))
            .Concat(file.Rows.Where(row => row.WarmUp is { Settled: false }).Select(row => $"not settled: {row.Setting} {row.Method}, inner steps {row.InnerSteps}: {row.WarmUp!.Steps} steps of warm-up"))
            .Append(string.Create(
                CultureInfo.InvariantCulture,
                $"{file.Provenance.Device} multiplies matrices at {file.MatrixMultiply.LowestGflops:F0} to {file.MatrixMultiply.HighestGflops:F0} GFLOP/s (float32, {file.Options.Threads} {(file.Options.Threads == 1 ? "thread" : "threads")}); {file.Provenance.Machine}; {file.Rows.Count} rows in {file.Seconds:F0} s."));

    private static string[] Cells(BenchRow row) =>
    [
        row.Setting, row.Method, $"{row.Experiment.Budget.MetaBatch}", row.Method is BenchRow.Gradient or BenchRow.HessianProduct ? "" : $"{row.InnerSteps}",
        Number(row.SecondsPerTask, "F4"), Number(row.Use?.CpuSeconds, "F4"), Number(row.Use?.PageFaults, "F0"), Number(row.FlopsPerTask / 1e9, "G3"),
        Number(row.Gflops, "F1"), Number(row.MatrixMultiplyGflops, "F1"), Number(row.FractionOfMatrixMultiply, "P1"), Number(row.TensorBytes / Mebi, "F1"), Number(row.PeakBytes / Mebi, "F1"), row.Finite ? "" : $"{row.Statuses!.NotFinite} of {row.Statuses.Inner.Values.Sum()}",
    ];

    private static string[] Cells(BenchTarget target) =>
    [
        target.Quantity, target.Setting, Number(target.Measured, "G4"), $"{(target.AtMost ? "≤" : "≥")} {Number(target.Must, "G3")}", $"{(target.AtMost ? "≤" : "≥")} {Number(target.Aim, "G3")}", target.Verdict,
    ];

    private static string Number(double? value, string format) => value?.ToString(format, CultureInfo.InvariantCulture) ?? "";

    // Numbers, from this column on, are set to the right.
    private static void Print(string[] headings, IEnumerable<string[]> rows, int firstNumber)
    {
        var table = new TextTable(headings) { FirstNumber = firstNumber };
        foreach (var row in rows)
        {
            table.Add(row);
        }

        table.Print();
    }

    private static string Lines(string[] headings, IEnumerable<string[]> rows) =>
        string.Join('\n', rows.Prepend([.. headings.Select(_ => "---")]).Prepend(headings).Select(cells => $"| {string.Join(" | ", cells)} |"));
}
