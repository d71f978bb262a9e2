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
    public double Mean => Interval(PerTask).Mean;

    /// <summary>Tasks of which nothing could be measured, since what they were adapted to is not finite.</summary>
    public int NotFinite => PerTask.Count(one => !double.IsFinite(one));

    /// <summary>1.96·s/√n with s the sample standard deviation, over the tasks of one seed; infinite for one task.</summary>
    public double HalfWidth95 => Interval(PerTask).HalfWidth95;

    /// <summary>The mean of numbers and 1.96·s/√n with s the sample standard deviation; infinite for one number.</summary>
    internal static (double Mean, double HalfWidth95) Interval(IReadOnlyList<double> values)
    {
        var mean = values.Average();
        var variance = values.Sum(value => (value - mean) * (value - mean)) / (values.Count - 1);
        return (mean, values.Count > 1 ? 1.96 * double.Sqrt(variance / values.Count) : double.PositiveInfinity);
    }

    /// <summary>Measures a learner after adapting to each task's support set.</summary>
    public static Evaluation AfterAdapting(MetaLearner learner, ClassPart part, ulong seed, int tasks, CancellationToken cancel, IProgress<double>? progress = null) =>
        AfterAdapting([learner], [learner.Problem], new TaskRange(part, seed, 0, tasks), cancel, progress)[0];

    /// <summary>Measures what a learner adapts to under several problems of one inner problem, such as other normalisations of the query images; of several learners their ensemble, by the mean of their probabilities.</summary>
    internal static Evaluation[] AfterAdapting(IReadOnlyList<MetaLearner> learners, IReadOnlyList<LearningProblem> measured, TaskRange tasks, CancellationToken cancel, IProgress<double>? progress) =>
        Measure(learners, measured, tasks, cancel, progress, adapt: true);

    /// <summary>Measures θ itself, which has not seen the support set.</summary>
    public static Evaluation BeforeAdapting(MetaLearner learner, ClassPart part, ulong seed, int tasks, CancellationToken cancel) =>
        Measure([learner], [learner.Problem], new TaskRange(part, seed, 0, tasks), cancel, null, adapt: false)[0];

    private static Evaluation[] Measure(IReadOnlyList<MetaLearner> learners, IReadOnlyList<LearningProblem> measured, TaskRange tasks, CancellationToken cancel, IProgress<double>? progress, bool adapt)
    {
        List<double>[] values = [.. measured.Select(_ => new List<double>())];
        var statuses = new List<InnerStatus>();
        while (values[0].Count < tasks.Count)
        {
            cancel.ThrowIfCancellationRequested();
            var next = tasks.Slice(values[0].Count, int.Min(BetweenLooks, tasks.Count - values[0].Count));
            foreach (var (chunk, ended) in learners[0].InChunks(next, range => OfChunk(learners, measured, range, adapt)))
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
