// The sum over the tasks of a meta-step, of Algorithm 1: in chunks that threads and processes share out. What a chunk is depends on neither, and
// sums are added up in one order, so that no number does.

using Imaml.Math;
using Imaml.Nets.Machines;
using Imaml.Nets.Methods;
using Imaml.Nets.Tasks;
using Imaml.Nets.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Imaml.Nets.Learning;

/// <summary>Computes on tasks at a θ.</summary>
/// <param name="problem">The tasks and the model.</param>
/// <param name="theta">θ, [1, d].</param>
/// <param name="method">The method, by the number of its first task in the run.</param>
/// <param name="threads">The learner's.</param>
/// <param name="ranks">The processes.</param>
internal sealed class MetaBatch(LearningProblem problem, Tensor theta, Func<long, BoundMethod> method, int threads, IRanks ranks)
{
    // Support examples of a chunk: enough that an operation's start costs less than the operation, few enough for the cache; and chunks of a
    // meta-batch, if it has so many tasks, for that many threads.
    private const int ExamplesAtOnce = 10, ChunksAtLeast = 8;

    // Tasks of a chunk on a device, which is faster with more tasks at once.
    private const int OnDeviceAtOnce = 16;

    private bool OnProcessor => theta.device_type == DeviceType.CPU;

    // On a device one thread starts all the work.
    private int Threads => OnProcessor ? threads : 1;

    /// <summary>The sum of the tasks' meta-gradients with their reports, and their accuracies on the query images. The tensor belongs to no scope.</summary>
    public (Contribution<Tensor, Tensor> Sum, double[] Accuracies) Sum(TaskRange tasks) => ranks.Size > 1
        ? SumOfRanks(ChunksOf(tasks))
        : TaskChunks.Sum(tasks.Count, AtOnce(tasks.Count), Threads, (first, count) => Contribution(tasks.Slice(first, count)), Added);

    /// <summary>Work on tasks in chunks; the results in their order.</summary>
    public T[] InChunks<T>(TaskRange tasks, Func<TaskRange, T> work) => InChunks(ChunksOf(tasks), work);

    /// <summary>Work on chunks; the results in their order.</summary>
    public T[] InChunks<T>(IReadOnlyList<TaskRange> chunks, Func<TaskRange, T> work) => TaskChunks.MapChunks(chunks.Count, Threads, chunk => work(chunks[chunk]));

    /// <summary>The chunks of tasks.</summary>
    public TaskRange[] ChunksOf(TaskRange tasks)
    {
        var atOnce = AtOnce(tasks.Count);
        return [.. Enumerable.Range(0, (tasks.Count + atOnce - 1) / atOnce).Select(i => tasks.Slice(i * atOnce, int.Min(atOnce, tasks.Count - i * atOnce)))];
    }

    /// <summary>A tensor's numbers.</summary>
    public static float[] OnHost(Tensor tensor) => tensor.cpu().data<float>().ToArray();

    private int AtOnce(int tasks) => OnProcessor ? int.Max(1, int.Min(ExamplesAtOnce / problem.SupportExamples, tasks / ChunksAtLeast)) : int.Min(tasks, OnDeviceAtOnce);

    // This rank computes its share of the chunks and has the sum over all, as if it had added them up itself.
    private (Contribution<Tensor, Tensor> Sum, double[] Accuracies) SumOfRanks(TaskRange[] chunks)
    {
        using var scope = NewDisposeScope();
        var (first, count) = ranks.Share(chunks.Length);
        var mine = TaskChunks.MapChunks(count, Threads, chunk => OnHost(Contribution(chunks[first + chunk])));
        var sum = ranks.OrderedSum([.. mine.Select(one => one.Sum)], Ranks.Shares(chunks.Length, ranks.Size), problem.ParameterCount);
        var tasks = ranks.GatherAll(TaskReports.Bytes([.. mine.SelectMany(one => one.Tasks)])).SelectMany(TaskReports.Read).ToArray();
        var total = tensor(sum, [1, problem.ParameterCount], ScalarType.Float32, theta.device);
        total.DetachFromDisposeScope();
        return (new Contribution<Tensor, Tensor>(total, [.. tasks.Select(task => task.Report)]), [.. tasks.Select(task => task.Accuracy)]);
    }

    private static (float[] Sum, MeasuredTask[] Tasks) OnHost((Contribution<Tensor, Tensor> Part, double[] Accuracies) chunk)
    {
        using var scope = NewDisposeScope();
        using var sum = chunk.Part.Sum;
        return (OnHost(sum), [.. chunk.Part.Tasks.Zip(chunk.Accuracies, (report, accuracy) => new MeasuredTask(report, accuracy))]);
    }

    private (Contribution<Tensor, Tensor> Part, double[] Accuracies) Added(
        (Contribution<Tensor, Tensor> Part, double[] Accuracies) sum, (Contribution<Tensor, Tensor> Part, double[] Accuracies) next)
    {
        using var first = sum.Part.Sum;
        using var second = next.Part.Sum;
        var part = MetaLearning.Add(new TensorSpace(1, theta), sum.Part, next.Part);
        part.Sum.DetachFromDisposeScope();
        return (part, [.. sum.Accuracies, .. next.Accuracies]);
    }

    private (Contribution<Tensor, Tensor> Part, double[] Accuracies) Contribution(TaskRange range)
    {
        using var scope = NewDisposeScope();
        var space = new TensorSpace(range.Count, theta);
        var tasks = problem.Problem(range, theta);
        var result = method(range.First).Compute(space, tasks, space.Spread(theta));
        double[] accuracies = tasks is IMeasuredProblem measured ? LearningProblem.AccuracyOf(measured, result.Phi) : [.. Enumerable.Repeat(double.NaN, range.Count)];
        var part = MetaLearning.ContributionOf(space, result);
        part.Sum.DetachFromDisposeScope();
        return (part, accuracies);
    }
}
