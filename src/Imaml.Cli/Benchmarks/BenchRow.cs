using System.Text.Json.Serialization;
using Imaml.Nets.Cost;
using Imaml.Nets.Learning;
using Imaml.Nets.LibTorch;
using Imaml.Nets.Runs;

namespace Imaml.Cli.Benchmarks;

/// <summary>One method in one setting.</summary>
/// <param name="Setting"><c>5w1s</c> and so on.</param>
/// <param name="Method">A method of the benchmarks, or one gradient or one Hessian–vector product of the whole meta-batch.</param>
/// <param name="ProcessId">The process that it was measured in.</param>
/// <param name="SecondsPerTask">Seconds of a meta-batch over its tasks, the median of its repetitions: wall seconds of a meta-step, the chunks' seconds over the threads of a gradient or product.</param>
/// <param name="FlopsPerTask">Floating-point operations of a task, by formula from <paramref name="Work"/>.</param>
/// <param name="Gflops">10⁹ of them per second.</param>
/// <param name="MatrixMultiplyGflops">10⁹ operations per second of matrix multiplication on as many threads, right after the row was measured and in its process.</param>
/// <param name="FractionOfMatrixMultiply"><paramref name="Gflops"/> over <paramref name="MatrixMultiplyGflops"/>.</param>
/// <param name="Use">Processor time and page faults of a task; null where the system does not report them.</param>
/// <param name="TensorBytes">Peak bytes of live tensors, for each thread: counted by chunks of tasks; null where they cannot be counted, and for a product.</param>
/// <param name="PeakBytes">Peak memory of the process minus its memory before the first meta-step; null where unknown.</param>
/// <param name="PeakOverGradient"><paramref name="PeakBytes"/> over the peak of one gradient of the same meta-batch.</param>
/// <param name="ResidentBytes">Memory of the process before the first meta-step.</param>
/// <param name="Work">The evaluations of a task.</param>
/// <param name="Statuses">How the tasks' solves ended; null for a gradient or product.</param>
/// <param name="WarmUp">The meta-steps of warm-up; null for a gradient or product.</param>
/// <param name="InnerSteps">Steps of the inner solver.</param>
/// <param name="Threads">Threads that shared out the tasks.</param>
/// <param name="Experiment">The run.</param>
internal sealed record BenchRow(
    string Setting,
    string Method,
    int ProcessId,
    double SecondsPerTask,
    double FlopsPerTask,
    double Gflops,
    double MatrixMultiplyGflops,
    double FractionOfMatrixMultiply,
    ProcessorUse? Use,
    long? TensorBytes,
    long? PeakBytes,
    double? PeakOverGradient,
    long ResidentBytes,
    TaskWork Work,
    TaskStatuses? Statuses,
    WarmUpReport? WarmUp,
    int InnerSteps,
    int Threads,
    Experiment Experiment)
{
    /// <summary>The rows without a method: one gradient, one product.</summary>
    public const string Gradient = "gradient", HessianProduct = "hessian-product";

    /// <summary>Whether all networks stayed finite. Where some did not, the row is not the cost of training, and is compared with no target.</summary>
    [JsonIgnore]
    public bool Finite => Statuses is null or { NotFinite: 0 };

    /// <summary>The rows of these measurements.</summary>
    public static IReadOnlyList<BenchRow> Of(IReadOnlyCollection<(BenchPlan Plan, Measurement Result)> measured)
    {
        long? GradientPeak(BenchSetting setting) => measured.FirstOrDefault(one => one.Plan.Setting == setting && one.Plan.Method == Gradient).Result?.PeakBytes;
        BenchRow Row(BenchPlan plan, Measurement result, string method, TaskCost task, long? peak, long? tensors)
        {
            var gflops = task.Flops / task.Seconds / 1e9;
            var overGradient = (double?)peak / GradientPeak(plan.Setting);
            return new BenchRow(
                plan.Setting.Name, method, result.ProcessId, task.Seconds, task.Flops, gflops, result.MatrixMultiplyGflops, gflops / result.MatrixMultiplyGflops, task.Use, tensors, peak, overGradient,
                result.ResidentBytes, task.Work, result.Statuses, result.WarmUp, plan.Request.Experiment.Method.InnerSteps!.Value, plan.Request.Threads, plan.Request.Experiment);
        }

        return [.. measured.SelectMany(one => Parts(one.Plan.Method, one.Result).Select(part => Row(one.Plan, one.Result, part.Method, part.Task, part.Peak, part.Tensors)))];
    }

    // A gradient's measurement is two rows: a product is timed in the same process, without a peak of its own.
    private static IEnumerable<(string Method, TaskCost Task, long? Peak, long? Tensors)> Parts(string method, Measurement result)
    {
        yield return (method, result.Task, result.PeakBytes, result.TensorBytes);
        if (result.HessianProduct is { } product)
        {
            yield return (HessianProduct, product, null, null);
        }
    }
}
