// What a meta-learned accuracy is compared with: classifiers of the same episodes that have not been meta-trained.

using Imaml.Nets.Learning;
using Imaml.Nets.Tasks;

namespace Imaml.Nets.Runs;

/// <summary>Another classifier's accuracy on the same episodes, and how much better the meta-learner is, episode by episode.</summary>
/// <param name="Name">Which classifier.</param>
/// <param name="Accuracy">Its mean over the episodes; not a number where an adapted network is not finite.</param>
/// <param name="HalfWidth95">1.96·s/√n over the episodes.</param>
/// <param name="Difference">Mean of the meta-learner's accuracy minus this one's.</param>
/// <param name="DifferenceHalfWidth95">1.96·s/√n of the differences (a paired interval).</param>
/// <param name="AccuracyPerEpisode">In the order of the episodes' numbers.</param>
public sealed record Baseline(string Name, double Accuracy, double HalfWidth95, double Difference, double DifferenceHalfWidth95, IReadOnlyList<double> AccuracyPerEpisode)
{
    /// <summary>The same network with the initial parameters of the experiment's seed, adapted in the same way.</summary>
    public const string Untrained = "untrained network";

    /// <summary>The class whose support images' mean is nearest to the query image, pixel by pixel.</summary>
    public const string Centroid = "nearest centroid of pixels";

    /// <summary>Compares the accuracies of a meta-learner with those of another classifier on the same episodes.</summary>
    internal static Baseline Compare(string name, IReadOnlyList<double> metaLearner, IReadOnlyList<double> other)
    {
        var itself = Of(other);
        var difference = Of([.. metaLearner.Zip(other, (ours, theirs) => ours - theirs)]);
        return new Baseline(name, itself.Mean, itself.HalfWidth95, difference.Mean, difference.HalfWidth95, other);

        static Evaluation Of(IReadOnlyList<double> accuracies) => new(LearningProblem.Accuracy, accuracies, new Dictionary<Math.InnerStatus, int>());
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
