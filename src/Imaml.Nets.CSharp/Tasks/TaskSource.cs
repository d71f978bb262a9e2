// The images and the classes of a run: which data set, which division, and the episodes drawn from each part.


using Imaml.Nets.Models;
using Imaml.Nets.Runs;

namespace Imaml.Nets.Tasks;

/// <summary>A part of the division of classes.</summary>
public enum ClassPart
{
    /// <summary>Classes to train on.</summary>
    Train,

    /// <summary>Classes to choose options by.</summary>
    Validation,

    /// <summary>Classes to report on, and to look at once.</summary>
    Test,
}

/// <summary>Where the tasks of a run come from.</summary>
public sealed class TaskSource
{
    /// <summary>Omniglot's name on the command line.</summary>
    public const string OmniglotName = "omniglot";

    /// <summary>The built-in set's name on the command line.</summary>
    public const string GlyphsName = "glyphs";

    /// <summary>The division by seeded shuffle: 1,200/423 characters for Omniglot.</summary>
    public const string SeededSplit = "seeded";

    /// <summary>The division of Vinyals et al. 2016.</summary>
    public const string VinyalsSplit = "vinyals";

    /// <summary>Episodes for validation and test are the same in every run that does not ask for others.</summary>
    public const ulong EvaluationSeed = 20191208;

    // The division is the same whatever a run's seed: options chosen on its validation classes have never met its test classes.
    private const ulong SplitSeed = 1, GlyphsSeed = 1;
    private const int GlyphsTrain = 1000, GlyphsTest = 200, VinyalsValidation = 172;

    private TaskSource(ImageSet images, ClassSplit split) => (Images, Split) = (images, split);

    /// <summary>The images.</summary>
    public ImageSet Images { get; }

    /// <summary>The classes.</summary>
    public ClassSplit Split { get; }

    /// <summary>Opens the data set and the division that the options name.</summary>
    /// <param name="options">The run's options.</param>
    /// <param name="dataFolder">What <c>--data</c> said, or null; the built-in glyphs need no folder.</param>
    /// <param name="progress">How far the first reading of the archives is, from 0 to 1.</param>
    /// <param name="warn">Told where the data can be used but not kept ready for the next time.</param>
    /// <exception cref="DataException">The data set or the division is unknown, missing or damaged.</exception>
    public static TaskSource Open(TrainingOptions options, string? dataFolder, IProgress<double>? progress, Action<string> warn)
    {
        switch (options.Dataset)
        {
            case GlyphsName:
                {
                    var images = Glyphs.Create(Glyphs.DefaultClasses, Glyphs.DefaultDrawings, GlyphsSeed);
                    return options.Split == SeededSplit
                        ? new TaskSource(images, ClassSplit.Seeded(images, SplitSeed, RotationMode.Augment, GlyphsTrain, options.ValidationClasses, GlyphsTest))
                        : throw Unknown("--split", options.Split, SeededSplit);
                }

            case OmniglotName:
                {
                    var loaded = Omniglot.Load(DataRoot.Resolve(dataFolder).Folder, progress: progress);
                    if (loaded.Warning is { } warning)
                    {
                        warn(warning);
                    }

                    return new TaskSource(loaded.Set, options.Split switch
                    {
                        SeededSplit => ClassSplit.Seeded(loaded.Set, SplitSeed, RotationMode.Augment, ClassSplit.OmniglotTrain, options.ValidationClasses, ClassSplit.OmniglotTest),
                        VinyalsSplit when options.ValidationClasses is 0 or VinyalsValidation => Tasks.VinyalsSplit.Create(validation: options.ValidationClasses > 0),
                        VinyalsSplit => throw new DataException($"--validation-classes {options.ValidationClasses}: the split of Vinyals has {VinyalsValidation}, or 0 to train on them too"),
                        _ => throw Unknown("--split", options.Split, $"{SeededSplit} or {VinyalsSplit}"),
                    });
                }

            default:
                throw Unknown("--dataset", options.Dataset, $"{OmniglotName} or {GlyphsName}");
        }
    }

    /// <summary>How many training characters a division sets aside for validation, where nothing else is asked for.</summary>
    public static int DefaultValidationClasses(string split) => split == VinyalsSplit ? VinyalsValidation : ClassSplit.OmniglotValidation;

    /// <summary>The classes of a part.</summary>
    public IReadOnlyList<string> Classes(ClassPart part) => part switch
    {
        ClassPart.Train => Split.Train,
        ClassPart.Validation => Split.Validation,
        ClassPart.Test => Split.Test,
        _ => throw new ArgumentOutOfRangeException(nameof(part), part, "not a part"),
    };

    /// <summary>Episodes of a part.</summary>
    /// <exception cref="DataException">The part has too few classes, or its classes too few images.</exception>
    public EpisodeSampler Sampler(TrainingOptions options, ClassPart part, int queries, ulong seed) =>
        new(Images, Classes(part), Split.Rotations, options.Ways, options.Shots, queries, seed);

    /// <summary>The network for these options.</summary>
    public static Network Network(TrainingOptions options) =>
        ConvolutionalNetworks.Strided(new ImageShape(Glyphs.Size, Glyphs.Size, 1), options.Filters, options.Ways, options.Activation);

    private static DataException Unknown(string option, string value, string known) => new($"{option} {value} is not known here; this data set and version have {known}");
}
