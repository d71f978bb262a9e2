// Few-shot episodes as tasks: an image set, a division of its classes, and N, K, Q.

using System.Collections.Concurrent;
using Imaml.Nets.Storage;

namespace Imaml.Nets.Tasks;

/// <summary>N-way K-shot episodes with Q query images per class.</summary>
public sealed class ImageTasks : ITaskSource<EpisodeBatch>
{
    /// <summary>Episodes for validation and test are the same in every run that does not ask for others.</summary>
    public const ulong EvaluationSeed = 20191208;

    private readonly ConcurrentDictionary<(ClassPart, ulong), EpisodeSampler> _samplers = new();

    /// <summary>Episodes of any images.</summary>
    /// <exception cref="DataException">A part has too few classes, or its classes too few images.</exception>
    /// <param name="images">The images.</param>
    /// <param name="split">Their classes.</param>
    /// <param name="ways">N.</param>
    /// <param name="shots">K.</param>
    /// <param name="queries">Q.</param>
    /// <param name="trainingShots">Support images per class of the training episodes, or null for K.</param>
    public ImageTasks(ImageSet images, ClassSplit split, int ways, int shots, int queries, int? trainingShots = null)
    {
        (Images, Split, Ways, Shots, Queries, TrainingShots) = (images, split, ways, shots, queries, trainingShots ?? shots);
        foreach (var part in Enum.GetValues<ClassPart>().Where(Has))
        {
            // Now, not when the part is needed: every part must allow these episodes.
            Sampler(part, EvaluationSeed);
        }
    }

    /// <summary>The images.</summary>
    public ImageSet Images { get; }

    /// <summary>The classes.</summary>
    public ClassSplit Split { get; }

    /// <summary>N.</summary>
    public int Ways { get; }

    /// <summary>K.</summary>
    public int Shots { get; }

    /// <summary>Q.</summary>
    public int Queries { get; }

    /// <summary>Support images per class of the training episodes.</summary>
    public int TrainingShots { get; }

    /// <inheritdoc/>
    public string Identity => $"{Ways}-way {Shots}-shot{(TrainingShots == Shots ? "" : $" (training {TrainingShots}-shot)")} with {Queries} query images of {Images.Name}{(Images.Preparation is { } how ? $" at {how}" : "")} (images {Images.ContentHash[..16]}, classes {Split.Hash[..16]})";

    /// <inheritdoc/>
    public int SupportExamples => Ways * TrainingShots;

    /// <summary>Opens the data set and the division that an experiment names.</summary>
    /// <param name="spec">The tasks.</param>
    /// <param name="dataFolder">The folder with the data sets, or null for the one that the environment variable IMAML_DATA names; the built-in glyphs and a folder of one's own need none.</param>
    /// <param name="progress">How far the first reading of the images is, from 0 to 1.</param>
    /// <param name="warn">Receives what was skipped, which equal images make accuracies wrong, and why nothing could be kept for the next time.</param>
    /// <param name="cancel">Stops the first reading.</param>
    /// <exception cref="DataException">The data set is missing or damaged, or does not allow these episodes.</exception>
    public static ImageTasks Open(EpisodeSpec spec, string? dataFolder = null, IProgress<double>? progress = null, Action<string>? warn = null, CancellationToken cancel = default)
    {
        if (spec.Complaints().ToArray() is { Length: > 0 } complaints)
        {
            throw new ExperimentException([.. complaints.Select(one => one.In("tasks"))]);
        }

        var (images, split) = spec.Open(dataFolder, progress, warn, cancel);
        return new ImageTasks(images, split, spec.Ways, spec.Shots, spec.Queries, spec.TrainingShots);
    }

    /// <inheritdoc/>
    public bool Has(ClassPart part) => part != ClassPart.Validation || Split.Validation.Count > 0;

    /// <summary>The classes of a part.</summary>
    public IReadOnlyList<string> Classes(ClassPart part) => part switch
    {
        ClassPart.Train => Split.Train,
        ClassPart.Validation => Split.Validation,
        ClassPart.Test => Split.Test,
        _ => throw new ArgumentOutOfRangeException(nameof(part), part, "not a part"),
    };

    /// <summary>The episodes of a part.</summary>
    internal EpisodeSampler Sampler(ClassPart part, ulong seed) =>
        _samplers.GetOrAdd((part, seed), _ => new EpisodeSampler(Images, Classes(part), Split.Rotations, Ways, part == ClassPart.Train ? TrainingShots : Shots, Queries, seed));

    /// <summary>Episodes of another form from the same classes.</summary>
    /// <exception cref="DataException">A part has too few classes, or its classes too few images.</exception>
    public ImageTasks With(int ways, int shots, int queries) => new(Images, Split, ways, shots, queries);

    /// <inheritdoc/>
    public EpisodeBatch Take(TaskRange range)
    {
        ArgumentNullException.ThrowIfNull(range);
        return Sampler(range.Part, range.Seed).Batch(range.First, range.Count);
    }
}
