// What `imaml bench` writes and prints.

using Imaml.Nets.Runs;

namespace Imaml.Cli.Benchmarks;

/// <summary>The options; null where each setting or method has its own number, which its rows contain.</summary>
internal sealed record BenchOptions(IReadOnlyList<string> Settings, IReadOnlyList<string> Methods, int? MetaBatch, int? InnerSteps, int Steps, int? Filters, int Threads, string Device, bool Tf32);

/// <summary>The range of the device's matrix-multiplication rates. Each row has the rate that was measured right after it, and is given as a fraction of that rate.</summary>
/// <param name="LowestGflops">10⁹ float32 operations per second.</param>
/// <param name="HighestGflops">The same.</param>
internal sealed record MatrixMultiplyRange(double LowestGflops, double HighestGflops)
{
    /// <summary>The range of these rows; NaN where there are no rows.</summary>
    public static MatrixMultiplyRange Of(IReadOnlyCollection<BenchRow> rows) =>
        rows.Count == 0 ? new(double.NaN, double.NaN) : new(rows.Min(row => row.MatrixMultiplyGflops), rows.Max(row => row.MatrixMultiplyGflops));
}

/// <summary>A measurement that failed, and why.</summary>
internal sealed record BenchGap(string Setting, string Method, int InnerSteps, string Reason);

/// <summary>The result file.</summary>
/// <param name="Options">The options.</param>
/// <param name="Provenance">The program and the machine.</param>
/// <param name="Seconds">Wall seconds in all.</param>
/// <param name="MatrixMultiply">The device's rates.</param>
/// <param name="Targets">The numbers compared with their targets; none on a GPU.</param>
/// <param name="Rows">The measurements.</param>
/// <param name="NotMeasured">Measurements that failed.</param>
internal sealed record BenchFile(
    BenchOptions Options,
    Provenance Provenance,
    double Seconds,
    MatrixMultiplyRange MatrixMultiply,
    IReadOnlyList<BenchTarget> Targets,
    IReadOnlyList<BenchRow> Rows,
    IReadOnlyList<BenchGap> NotMeasured);
