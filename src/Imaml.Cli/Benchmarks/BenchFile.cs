// What `imaml bench` writes and prints.

using Imaml.Nets.Runs;

namespace Imaml.Cli.Benchmarks;

/// <summary>The options; null where each setting or method has its own number, which its rows contain.</summary>
internal sealed record BenchOptions(IReadOnlyList<string> Settings, IReadOnlyList<string> Methods, int? MetaBatch, int? InnerSteps, int Steps, int Filters, int Threads, string Device, bool Tf32);

/// <summary>How fast the device multiplies matrices; the processor on all cores.</summary>
/// <param name="BeforeGflops">10⁹ float32 operations per second before the first measurement.</param>
/// <param name="AfterGflops">The same after the last one.</param>
internal sealed record MatrixMultiplyRate(double BeforeGflops, double AfterGflops)
{
    /// <summary>The larger one, of which rows are given as a fraction.</summary>
    public double Gflops => double.Max(BeforeGflops, AfterGflops);
}

/// <summary>A measurement that failed, and why.</summary>
internal sealed record BenchGap(string Setting, string Method, int InnerSteps, string Reason);

/// <summary>The result file.</summary>
/// <param name="Options">The options.</param>
/// <param name="Provenance">The program and the machine.</param>
/// <param name="Seconds">Wall seconds in all.</param>
/// <param name="MatrixMultiply">The device's rate.</param>
/// <param name="Targets">The numbers compared with their targets; none on a GPU.</param>
/// <param name="Rows">The measurements.</param>
/// <param name="NotMeasured">Measurements that failed.</param>
internal sealed record BenchFile(
    BenchOptions Options,
    Provenance Provenance,
    double Seconds,
    MatrixMultiplyRate MatrixMultiply,
    IReadOnlyList<BenchTarget> Targets,
    IReadOnlyList<BenchRow> Rows,
    IReadOnlyList<BenchGap> NotMeasured);
