// The tasks of an experiment as a value: few-shot episodes of a named data set, or tasks that a program of the user's own has.

using System.Text.Json.Serialization;
using Imaml.Nets.Storage;

namespace Imaml.Nets.Tasks;

/// <summary>Which tasks are learned.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "kind")]
[JsonDerivedType(typeof(ImageEpisodes), "images")]
[JsonDerivedType(typeof(PhotographEpisodes), "photographs")]
[JsonDerivedType(typeof(RandomImages), "random-images")]
[JsonDerivedType(typeof(OwnTasks), "own")]
public abstract record TaskSpec
{
    /// <summary>All that is wrong with them.</summary>
    public abstract IEnumerable<Complaint> Complaints();

    /// <summary>Whether there are tasks to choose options by.</summary>
    [JsonIgnore]
    public virtual bool HasValidation => true;
}

/// <summary>Tasks of the user's own, which the program that has them gives by an <see cref="ITaskSource{TTasks}"/>.</summary>
/// <param name="Name">What result files call them.</param>
public sealed record OwnTasks(string Name) : TaskSpec
{
    /// <inheritdoc/>
    public override IEnumerable<Complaint> Complaints() => Rule.Named(Name);
}

/// <summary>N-way K-shot episodes of drawn characters, which are rotated.</summary>
/// <param name="Dataset">omniglot, or glyphs (built in).</param>
/// <param name="Split">The division into training, validation and test classes: seeded, or for omniglot vinyals.</param>
/// <param name="ValidationClasses">Training characters set aside for validation.</param>
/// <param name="Ways">N, classes of an episode.</param>
/// <param name="Shots">K, support images per class.</param>
/// <param name="Queries">Q, query images per class.</param>
/// <param name="TrainingShots">Support images per class of the training episodes, or null for K.</param>
public sealed record ImageEpisodes(string Dataset, string Split, int ValidationClasses, int Ways, int Shots, int Queries, int? TrainingShots = null)
    : EpisodeSpec(Ways, Shots, Queries, TrainingShots)
{
    /// <summary>The data sets.</summary>
    public const string Omniglot = "omniglot", Glyphs = "glyphs";

    /// <summary>The division by seeded shuffle, 1,200/423 characters for Omniglot; and that of Vinyals et al. 2016.</summary>
    public const string SeededSplit = "seeded", VinyalsSplit = "vinyals";

    internal const int VinyalsValidation = 172;

    // The division is the same whatever a run's seed: options that were chosen on its validation classes do not depend on its test classes.
    private const ulong SplitSeed = 1, GlyphsSeed = 1;
    private const int GlyphsTrain = 1000, GlyphsTest = 200;

    // 19 MB, drawn once in a process.
    private static readonly Lazy<ImageSet> DrawnGlyphs = new(() => Tasks.Glyphs.Create(Tasks.Glyphs.DefaultClasses, Tasks.Glyphs.DefaultDrawings, GlyphsSeed));

    /// <inheritdoc/>
    [JsonPropertyOrder(-1)]
    public override string Dataset { get; init; } = Dataset;

    /// <inheritdoc/>
    [JsonIgnore]
    public override ImageForm Form => ImageForm.Drawing;

    /// <inheritdoc/>
    [JsonIgnore]
    public override bool HasValidation => ValidationClasses > 0;

    /// <summary>How many training characters a division sets aside for validation, where nothing else is asked for.</summary>
    public static int DefaultValidationClasses(string? split) => split == VinyalsSplit ? VinyalsValidation : ClassSplit.OmniglotValidation;

    /// <inheritdoc/>
    public override IEnumerable<Complaint> Complaints() =>
    [
        .. Dataset is Omniglot or Glyphs ? [] : new[] { Unknown("dataset", Dataset, $"{Omniglot}, {Glyphs}, and of photographs {PhotographEpisodes.MiniImageNet}, {PhotographEpisodes.Grocery} and {PhotographEpisodes.FolderPrefix}DIR") },
        .. Dataset switch
        {
            Glyphs when Split is not SeededSplit => [Unknown("split", Split, SeededSplit)],
            Omniglot when Split is not (SeededSplit or VinyalsSplit) => [Unknown("split", Split, $"{SeededSplit} and {VinyalsSplit}")],
            Omniglot when Split == VinyalsSplit && ValidationClasses is not (0 or VinyalsValidation) =>
                [new Complaint("validationClasses", $"must be {VinyalsValidation}, or 0 to train on them too, in the split of Vinyals, not {ValidationClasses}")],
            Glyphs => OfTraining(GlyphsTrain),
            Omniglot when Split == SeededSplit => OfTraining(ClassSplit.OmniglotTrain),
            _ => Array.Empty<Complaint>(),
        },
        .. Rule.AtLeast(0, ValidationClasses, "validationClasses"),
        .. NumberComplaints(),
    ];

    private Complaint[] OfTraining(int classes) =>
        ValidationClasses < classes ? [] : [new Complaint("validationClasses", $"must be less than the {classes} classes of training, not {ValidationClasses}")];

    internal override (ImageSet Images, ClassSplit Split) Open(string? dataFolder, IProgress<double>? progress, Action<string>? warn, CancellationToken cancel)
    {
        if (Dataset == Glyphs)
        {
            var glyphs = DrawnGlyphs.Value;
            return (glyphs, ClassSplit.Seeded(glyphs, SplitSeed, RotationMode.Augment, GlyphsTrain, ValidationClasses, GlyphsTest));
        }

        var loaded = Tasks.Omniglot.Load(DataRoot.Resolve(dataFolder).Folder, progress: progress);
        if (loaded.Warning is { } warning)
        {
            warn?.Invoke(warning);
        }

        return (loaded.Set, Split == VinyalsSplit
            ? ClassSplit.Vinyals(validation: ValidationClasses > 0)
            : ClassSplit.Seeded(loaded.Set, SplitSeed, RotationMode.Augment, ClassSplit.OmniglotTrain, ValidationClasses, ClassSplit.OmniglotTest));
    }
}
