// Few-shot accuracy as the literature reports it: the mean over fixed-seed episodes with its 95 % interval.

using Imaml.Nets.Learning;
using Imaml.Nets.Tasks;
using static TorchSharp.torch;

namespace Imaml.Nets.Runs;

/// <summary>Accuracies of episodes, in the order of the episodes.</summary>
/// <param name="PerEpisode">The share of query images classified correctly, one number per episode.</param>
public sealed record Accuracy(IReadOnlyList<double> PerEpisode)
{
    /// <summary>The mean.</summary>
    public double Mean => PerEpisode.Average();

    /// <summary>1.96·s/√n with s the sample standard deviation; infinite for one episode.</summary>
    public double HalfWidth95
    {
        get
        {
            var mean = Mean;
            var variance = PerEpisode.Sum(value => (value - mean) * (value - mean)) / (PerEpisode.Count - 1);
            return PerEpisode.Count > 1 ? 1.96 * double.Sqrt(variance / PerEpisode.Count) : double.PositiveInfinity;
        }
    }
}

/// <summary>Measures a meta-learner on episodes 0, 1, 2, … of a sampler.</summary>
public static class Evaluator
{
    // Episodes between two looks at the progress and the cancellation.
    private const int BetweenLooks = 20;

    /// <summary>Accuracy after adapting to each episode's support set.</summary>
    public static Accuracy AfterAdapting(MetaLearner learner, EpisodeSampler sampler, int episodes, CancellationToken cancel, IProgress<double>? progress = null) =>
        Measure(learner, sampler, episodes, cancel, progress, (problem, tasks) => learner.Adapt(problem, tasks));

    /// <summary>Accuracy of θ itself, which has not seen the support set.</summary>
    public static Accuracy BeforeAdapting(MetaLearner learner, EpisodeSampler sampler, int episodes, CancellationToken cancel) =>
        Measure(learner, sampler, episodes, cancel, null, (_, tasks) => learner.Theta.expand(tasks, -1));

    private static Accuracy Measure(
        MetaLearner learner, EpisodeSampler sampler, int episodes, CancellationToken cancel, IProgress<double>? progress, Func<FewShotProblem, int, Tensor> parameters)
    {
        var accuracies = new List<double>();
        while (accuracies.Count < episodes)
        {
            cancel.ThrowIfCancellationRequested();
            var batch = sampler.Batch(accuracies.Count, int.Min(BetweenLooks, episodes - accuracies.Count));
            accuracies.AddRange(learner.InChunks(batch, (part, _) =>
            {
                using var scope = NewDisposeScope();
                var problem = new FewShotProblem(learner.Network, part, learner.Theta);
                return problem.QueryAccuracy(parameters(problem, part.Count));
            }).SelectMany(chunk => chunk));
            progress?.Report((double)accuracies.Count / episodes);
        }

        return new Accuracy(accuracies);
    }
}
