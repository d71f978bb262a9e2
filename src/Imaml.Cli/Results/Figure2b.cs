// Figure 2(b): memory and time of a meta-step against the number of inner steps, and each method's slopes. Memory is that of the tensors, as they are counted: the
// process's peak depends on the memory that the allocator has not returned yet, and may fall where a method holds more.

using System.Text.Json.Serialization;
using Imaml.Nets.Cost;
using Imaml.Nets.Runs;
using MathNet.Numerics;

namespace Imaml.Cli.Results;

/// <summary>The options and the fixed parameters.</summary>
internal sealed record Figure2bOptions(
    string Setting, IReadOnlyList<string> Methods, IReadOnlyList<int> InnerSteps, int MetaBatch, int Steps, int Filters, int Threads, long MostMemoryMib);

/// <summary>One method with one number of inner steps.</summary>
/// <param name="Method">The method.</param>
/// <param name="InnerSteps">Its inner steps.</param>
/// <param name="Measured">The measurement, or null where there is none.</param>
/// <param name="Reason">Why there is none.</param>
/// <param name="Failed">Whether that is a failure, not the memory that was allowed.</param>
internal sealed record Figure2bPoint(string Method, int InnerSteps, Measurement? Measured, string? Reason = null, bool Failed = false)
{
    private const double Mebi = 1 << 20;

    /// <summary>Whether all networks stayed finite. Where some did not, the point is marked, and belongs to no curve and no slope.</summary>
    [JsonIgnore]
    public bool Finite => Measured is null or { NotFinite: 0 };

    /// <summary>Peak memory of live tensors, for each thread, by count; not a number where they cannot be counted.</summary>
    public double Mib => Measured?.TensorBytes / Mebi ?? double.NaN;

    /// <summary>Peak memory minus the process's memory before its first meta-step, which includes what allocator and runtime keep; not a number where unknown.</summary>
    public double ProcessMib => Measured?.PeakBytes / Mebi ?? double.NaN;

    /// <summary>Seconds a task; not a number where it was not measured.</summary>
    public double Seconds => Measured?.Task.Seconds ?? double.NaN;
}

/// <summary>The slopes of a method, of which at least two points are known.</summary>
/// <param name="Method">The method.</param>
/// <param name="FewestInnerSteps">The fewest inner steps that are known.</param>
/// <param name="MostInnerSteps">The largest number.</param>
/// <param name="MemoryRatio">Memory of the tensors with the largest number over that with the smallest.</param>
/// <param name="MibPerInnerStep">Slope of the straight line that is nearest to the points.</param>
/// <param name="SecondsPerInnerStep">The same of the seconds a task.</param>
internal sealed record Figure2bSummary(string Method, int FewestInnerSteps, int MostInnerSteps, double MemoryRatio, double MibPerInnerStep, double SecondsPerInnerStep)
{
    /// <summary>Of every method of which two points are known.</summary>
    public static IReadOnlyList<Figure2bSummary> Of(IEnumerable<Figure2bPoint> points) =>
    [
        .. points.Where(point => point.Finite && double.IsFinite(point.Mib)).GroupBy(point => point.Method)
            .Select(method => (method.Key, Points: method.OrderBy(point => point.InnerSteps).ToArray()))
            .Where(method => method.Points.Length > 1)
            .Select(method => Of(method.Key, method.Points)),
    ];

    private static Figure2bSummary Of(string method, Figure2bPoint[] points)
    {
        double[] steps = [.. points.Select(point => (double)point.InnerSteps)];
        double Slope(Func<Figure2bPoint, double> quantity) => Fit.Line(steps, [.. points.Select(quantity)]).B;
        return new Figure2bSummary(method, points[0].InnerSteps, points[^1].InnerSteps, points[^1].Mib / points[0].Mib, Slope(point => point.Mib), Slope(point => point.Seconds));
    }
}

/// <summary>The result file.</summary>
internal sealed record Figure2bFile(Figure2bOptions Options, Provenance Provenance, IReadOnlyList<Figure2bSummary> Summary, IReadOnlyList<Figure2bPoint> Points);
