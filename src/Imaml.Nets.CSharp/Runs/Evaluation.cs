// Few-shot accuracy as the literature reports it: the mean over fixed-seed episodes with its 95 % interval.

using Imaml.Math;
using Imaml.Nets.Learning;
using Imaml.Nets.Machines;
using Imaml.Nets.Tasks;
using Imaml.Nets.Tensors;
using MathNet.Numerics.Distributions;
using static TorchSharp.torch;

namespace Imaml.Nets.Runs;

/// <summary>What was measured of a meta-learner on tasks 0, 1, 2, … of a part, in their order.</summary>
/// <param name="Metric">What: <see cref="LearningProblem.Accuracy"/> or <see cref="LearningProblem.Loss"/>.</param>
/// <param name="PerTask">One number per task; not a number where the adapted network is not finite.</param>
/// <param name="Inner">How many tasks' inner solves ended how; empty where nothing was adapted.</param>
public sealed record Evaluation(string Metric, IReadOnlyList<double> PerTask, IReadOnlyDictionary<InnerStatus, int> Inner)
{
    // From so many numbers on, what the literature does, which for fewer would be too narrow: by 1.2 % here, by a factor of 6.5 for two.
    private const int ManyNumbers = 100;

    // Tasks of a rank between two looks at the progress and the cancellation.
    private const int BetweenLooks = 20;

    /// <summary>The mean; not a number where that of a task is not.</summary>
    public double Mean => Interval(PerTask).Mean;

    /// <summary>Tasks of which nothing could be measured, since what they were adapted to is not finite.</summary>
    public int NotFinite => PerTask.Count(one => !double.IsFinite(one));

    /// <summary>
    /// Half the 95 % interval of the mean over the tasks of one seed: 1.96·s/√n with s the sample standard deviation; for fewer than 100 tasks t·s/√n, Student's t of n − 1 degrees
    /// of freedom; infinite for one task.
    /// </summary>
    public double HalfWidth95 => Interval(PerTask).HalfWidth95;

    /// <summary>The mean of numbers, and half its 95 % interval.</summary>
    internal static (double Mean, double HalfWidth95) Interval(IReadOnlyList<double> values)
    {
        var mean = values.Average();
        if (values.Count < 2)
        {
            return (mean, double.PositiveInfinity);
        }

        var freedom = values.Count - 1;
        var deviation = double.Sqrt(values.Sum(value => (value - mean) * (value - mean)) / freedom / values.Count);
        return (mean, (values.Count < ManyNumbers ? StudentT.InvCDF(0, 1, freedom, 0.975) : 1.96) * deviation);
    }

    /// <summary>Measures a learner after adapting to each task's support set.</summary>
    public static Evaluation AfterAdapting(MetaLearner learner, ClassPart part, ulong seed, int tasks, CancellationToken cancel, IProgress<double>? progress = null) =>
        AfterAdapting([Given(learner)], [learner.Problem], new TaskRange(part, seed, 0, tasks), cancel, progress)[0];

    /// <summary>Measures what a learner adapts to under several problems of one inner problem, such as other normalisations of the query images; of several learners their ensemble, by the mean of their probabilities.</summary>
    internal static Evaluation[] AfterAdapting(IReadOnlyList<MetaLearner> learners, IReadOnlyList<LearningProblem> measured, TaskRange tasks, CancellationToken cancel, IProgress<double>? progress) =>
        Measure(learners, measured, tasks, cancel, progress, adapt: true);

    /// <summary>Measures θ itself, which has not seen the support set.</summary>
    public static Evaluation BeforeAdapting(MetaLearner learner, ClassPart part, ulong seed, int tasks, CancellationToken cancel) =>
        Measure([Given(learner)], [learner.Problem], new TaskRange(part, seed, 0, tasks), cancel, null, adapt: false)[0];

    private static MetaLearner Given(MetaLearner learner) => learner ?? throw new ArgumentNullException(nameof(learner));

    private static Evaluation[] Measure(IReadOnlyList<MetaLearner> learners, IReadOnlyList<LearningProblem> measured, TaskRange tasks, CancellationToken cancel, IProgress<double>? progress, bool adapt)
    {
        if (tasks.Count < 1)
        {
            throw new ArgumentOutOfRangeException(nameof(tasks), tasks.Count, "at least 1 task is needed");
        }

        if (measured.FirstOrDefault(one => !one.Has(tasks.Part)) is not null)
        {
            throw new ArgumentException($"the tasks have none for {tasks.Part.ToString().ToLowerInvariant()}", nameof(tasks));
        }

        List<double>[] values = [.. measured.Select(_ => new List<double>())];
        var statuses = new List<InnerStatus>();
        var ranks = learners[0].Processes;
        while (values[0].Count < tasks.Count)
        {
            // All ranks end together.
            if (ranks.Any(cancel.IsCancellationRequested))
            {
                throw new OperationCanceledException(cancel);
            }

            foreach (var (chunk, ended) in OfRanks(ranks, Chunks(learners[0], tasks, values[0].Count), range => OfChunk(learners, measured, range, adapt), learners[0]))
            {
                for (var i = 0; i < values.Length; i++)
                {
                    values[i].AddRange(chunk[i]);
                }

                statuses.AddRange(ended);
            }

            progress?.Report((double)values[0].Count / tasks.Count);
        }

        var counts = statuses.CountBy(status => status).ToDictionary();
        return [.. measured.Zip(values, (problem, each) => new Evaluation(problem.Metric, each, counts))];
    }

    // The chunks from a task on that are measured before the next look: each of these ranges has its own, so that they do not depend on the number of ranks.
    private static TaskRange[] Chunks(MetaLearner learner, TaskRange tasks, int first)
    {
        var chunks = new List<TaskRange>();
        for (var rank = 0; rank < learner.Processes.Size && first < tasks.Count; rank++)
        {
            var range = tasks.Slice(first, int.Min(BetweenLooks, tasks.Count - first));
            chunks.AddRange(learner.Batch.ChunksOf(range));
            first += range.Count;
        }

        return [.. chunks];
    }

    // Each rank measures its share; all have all.
    private static IEnumerable<(double[][] Values, InnerStatus[] Inner)> OfRanks(
        IRanks ranks, TaskRange[] chunks, Func<TaskRange, (double[][] Values, InnerStatus[] Inner)> work, MetaLearner learner)
    {
        if (ranks.Size == 1)
        {
            return learner.Batch.InChunks(chunks, work);
        }

        var (first, count) = ranks.Share(chunks.Length);
        return ranks.GatherAll(Bytes(learner.Batch.InChunks(chunks[first..(first + count)], work))).SelectMany(Read);
    }

    private static byte[] Bytes((double[][] Values, InnerStatus[] Inner)[] chunks)
    {
        using var stream = new MemoryStream();
        using var to = new BinaryWriter(stream);
        to.Write(chunks.Length);
        foreach (var (values, inner) in chunks)
        {
            to.Write(values.Length);
            to.Write(values[0].Length);
            to.Write(inner.Length);
            Array.ForEach(values, problem => Array.ForEach(problem, to.Write));
            Array.ForEach(inner, status => to.Write((int)status));
        }

        to.Flush();
        return stream.ToArray();
    }

    private static (double[][] Values, InnerStatus[] Inner)[] Read(byte[] bytes)
    {
        using var from = new BinaryReader(new MemoryStream(bytes));
        return Times(from.ReadInt32(), () =>
        {
            var (problems, tasks, statuses) = (from.ReadInt32(), from.ReadInt32(), from.ReadInt32());
            return (Times(problems, () => Times(tasks, from.ReadDouble)), Times(statuses, () => (InnerStatus)from.ReadInt32()));
        });
    }

    private static T[] Times<T>(int count, Func<T> make)
    {
        var made = new T[count];
        for (var i = 0; i < count; i++)
        {
            made[i] = make();
        }

        return made;
    }

    private static (double[][] Values, InnerStatus[] Inner) OfChunk(IReadOnlyList<MetaLearner> learners, IReadOnlyList<LearningProblem> measured, TaskRange range, bool adapt)
    {
        using var scope = NewDisposeScope();
        double[][] Values(params IReadOnlyList<Tensor> phis) => [.. measured.Select(one => Value(one.Problem(range, phis[0]), phis))];
        if (!adapt)
        {
            return (Values(learners[0].Theta.expand(range.Count, -1)), []);
        }

        var adapted = learners.Select(learner => learner.Adapt(learner.Problem.Problem(range, learner.Theta), range.Count)).ToArray();
        var statuses = adapted.SelectMany(one => one.Read(new TensorSpace(range.Count, learners[0].Theta)).Select(solve => solve.Status)).ToArray();
        // What diverged is not a network, though its last finite iterate may classify something.
        bool IsNetwork(int task) => Enumerable.Range(0, learners.Count).All(i => statuses[(i * range.Count) + task] != InnerStatus.NonFinite);
        return ([.. Values([.. adapted.Select(one => one.Phi)]).Select(values => values.Select((value, task) => IsNetwork(task) ? value : double.NaN).ToArray())], statuses);
    }

    private static double[] Value(IBilevelProblem<Tensor, Tensor> problem, IReadOnlyList<Tensor> phis) => phis is [var phi]
        ? LearningProblem.Measure(problem, phi)
        : problem is FewShotProblem classification ? classification.QueryAccuracy(phis) : throw new NotSupportedException("an ensemble needs the program's networks");
}
