// What a meta-learned accuracy is compared with: classifiers of the same episodes that have not been meta-trained.

using Imaml.Nets.Tasks;

namespace Imaml.Nets.Runs;

/// <summary>Another classifier's accuracy on the same episodes, and how much better the meta-learner is, episode by episode.</summary>
/// <param name="Name">Which classifier.</param>
/// <param name="Accuracy">Its mean over the episodes; not a number where an adapted network is not finite.</param>
/// <param name="HalfWidth95">Half its 95 % interval over the episodes, as <see cref="Evaluation.HalfWidth95"/> has it.</param>
/// <param name="Difference">The meta-learner's accuracy minus this one's.</param>
/// <param name="AccuracyPerEpisode">In the order of the episodes' numbers.</param>
public sealed record Baseline(string Name, double Accuracy, double HalfWidth95, PairedDifference Difference, IReadOnlyList<double> AccuracyPerEpisode)
{
    /// <summary>The same network with the initial parameters of the experiment's seed, adapted in the same way.</summary>
    public const string Untrained = "untrained network";

    /// <summary>The class whose support images' mean is nearest to the query image, pixel by pixel.</summary>
    public const string Centroid = "nearest centroid of pixels";

    /// <summary>Compares the accuracies of a meta-learner with those of another classifier on the same episodes.</summary>
    internal static Baseline Compare(string name, IReadOnlyList<double> metaLearner, IReadOnlyList<double> other)
    {
        var (mean, halfWidth) = Evaluation.Interval(other);
        return new Baseline(name, mean, halfWidth, PairedDifference.Of(metaLearner, other), other);
    }

    /// <summary>The accuracies of <see cref="Centroid"/> on episodes 0, 1, 2, … of a part.</summary>
    internal static double[] OfCentroids(ImageTasks tasks, EvaluationRequest request, CancellationToken cancel)
    {
        var accuracies = new double[request.Episodes];
        Parallel.For(0, request.Episodes, new ParallelOptions { CancellationToken = cancel }, i =>
            accuracies[i] = NearestCentroid.Accuracy(tasks.Take(new TaskRange(request.Part, request.Seed, i, 1))));
        return accuracies;
    }
}
