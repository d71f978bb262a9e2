// Few-shot accuracy as the literature reports it: the mean over fixed-seed episodes with its 95 % interval.

using Imaml.Math;
using Imaml.Nets.Learning;
using Imaml.Nets.Tasks;
using Imaml.Nets.Tensors;
using static TorchSharp.torch;

namespace Imaml.Nets.Runs;

/// <summary>What was measured of a meta-learner on tasks 0, 1, 2, … of a part, in their order.</summary>
/// <param name="Metric">What: <see cref="LearningProblem.Accuracy"/> or <see cref="LearningProblem.Loss"/>.</param>
/// <param name="PerTask">One number per task; not a number where the adapted network is not finite.</param>
/// <param name="Inner">How many tasks' inner solves ended how; empty where nothing was adapted.</param>
public sealed record Evaluation(string Metric, IReadOnlyList<double> PerTask, IReadOnlyDictionary<InnerStatus, int> Inner)
{
    // Tasks between two looks at the progress and the cancellation.
    private const int BetweenLooks = 20;

    /// <summary>The mean; not a number where that of a task is not.</summary>
    public double Mean => PerTask.Average();

    /// <summary>Tasks of which nothing could be measured, since what they were adapted to is not finite.</summary>
    public int NotFinite => PerTask.Count(one => !double.IsFinite(one));

    /// <summary>1.96·s/√n with s the sample standard deviation, over the tasks of one seed; infinite for one task.</summary>
    public double HalfWidth95
    {
        get
        {
            var mean = Mean;
            var variance = PerTask.Sum(value => (value - mean) * (value - mean)) / (PerTask.Count - 1);
            return PerTask.Count > 1 ? 1.96 * double.Sqrt(variance / PerTask.Count) : double.PositiveInfinity;
        }
    }

    /// <summary>Measures a learner after adapting to each task's support set.</summary>
    public static Evaluation AfterAdapting(MetaLearner learner, ClassPart part, ulong seed, int tasks, CancellationToken cancel, IProgress<double>? progress = null) =>
        Measure(learner, new TaskRange(part, seed, 0, tasks), cancel, progress, adapt: true);

    /// <summary>Measures θ itself, which has not seen the support set.</summary>
    public static Evaluation BeforeAdapting(MetaLearner learner, ClassPart part, ulong seed, int tasks, CancellationToken cancel) =>
        Measure(learner, new TaskRange(part, seed, 0, tasks), cancel, null, adapt: false);

    private static Evaluation Measure(MetaLearner learner, TaskRange tasks, CancellationToken cancel, IProgress<double>? progress, bool adapt)
    {
        var values = new List<double>();
        var statuses = new List<InnerStatus>();
        while (values.Count < tasks.Count)
        {
            cancel.ThrowIfCancellationRequested();
            var next = tasks.Slice(values.Count, int.Min(BetweenLooks, tasks.Count - values.Count));
            foreach (var (chunk, ended) in learner.InChunks(next, range => OfChunk(learner, range, adapt)))
            {
                values.AddRange(chunk);
                statuses.AddRange(ended);
            }

            progress?.Report((double)values.Count / tasks.Count);
        }

        return new Evaluation(learner.Problem.Metric, values, statuses.CountBy(status => status).ToDictionary());
    }

    private static (double[] Values, InnerStatus[] Inner) OfChunk(MetaLearner learner, TaskRange range, bool adapt)
    {
        using var scope = NewDisposeScope();
        var problem = learner.Problem.Problem(range, learner.Theta);
        if (!adapt)
        {
            return (LearningProblem.Measure(problem, learner.Theta.expand(range.Count, -1)), []);
        }

        var adapted = learner.Adapt(problem, range.Count);
        var statuses = adapted.Read(new TensorSpace(range.Count, learner.Theta)).Select(one => one.Status).ToArray();
        // What diverged is not a network, though its last finite iterate may classify something.
        var values = LearningProblem.Measure(problem, adapted.Phi).Zip(statuses, (value, status) => status == InnerStatus.NonFinite ? double.NaN : value);
        return ([.. values], statuses);
    }
}
