// Photographs as an experiment's tasks: mini-ImageNet, a data set in its layout, or a folder of the user's own.

using System.Text.Json.Serialization;
using Imaml.Nets.Storage;

namespace Imaml.Nets.Tasks;

/// <summary>N-way K-shot episodes of photographs in class folders, or divided by csv files; not rotated.</summary>
/// <param name="Dataset">mini-imagenet or grocery_84 in the data folder, or folder:DIR for a folder or zip archive anywhere.</param>
/// <param name="Ways">N, classes of an episode.</param>
/// <param name="Shots">K, support images per class.</param>
/// <param name="Queries">Q, query images per class.</param>
/// <param name="Size">Rows and columns that pictures are brought to.</param>
/// <param name="Channels">3 for colour, 1 for grey.</param>
/// <param name="Fit">How a picture that is not square becomes one.</param>
/// <param name="Split">given: as folders or csv files divide the classes, and mini-ImageNet without them by Ravi and Larochelle's lists; seeded: by a shuffle; auto: given where there is a division, else seeded.</param>
/// <param name="ValidationClasses">Classes set aside for validation by a seeded split; null for 16 % of them. With a given one 0 makes no use of them.</param>
/// <param name="TestClasses">Classes held back for testing by a seeded split; null for 20 % of them.</param>
/// <param name="SkipDamaged">True skips damaged pictures and lists them.</param>
/// <param name="TrainingShots">Support images per class of the training episodes, or null for K.</param>
public sealed record PhotographEpisodes(
    string Dataset,
    int Ways,
    int Shots,
    int Queries,
    int Size = PhotographEpisodes.UsualSize,
    int Channels = 3,
    ImageFit Fit = ImageFit.Crop,
    string Split = PhotographEpisodes.AutoSplit,
    int? ValidationClasses = null,
    int? TestClasses = null,
    bool SkipDamaged = false,
    int? TrainingShots = null) : EpisodeSpec(Ways, Shots, Queries, TrainingShots)
{
    /// <summary>The data sets that are looked for in the data folder; and how a folder's name begins.</summary>
    public const string MiniImageNet = "mini-imagenet", Grocery = "grocery_84", FolderPrefix = "folder:";

    /// <summary>The divisions.</summary>
    public const string AutoSplit = "auto", GivenSplit = "given", SeededSplit = "seeded";

    /// <summary>mini-ImageNet's size.</summary>
    public const int UsualSize = 84;

    private const ulong SplitSeed = 1;
    private const double ValidationShare = 0.16, TestShare = 0.2;

    /// <summary>Whether these are photographs, by the name of the data set.</summary>
    public static bool Names(string? dataset) => dataset is MiniImageNet or Grocery || dataset?.StartsWith(FolderPrefix, StringComparison.Ordinal) == true;

    /// <inheritdoc/>
    [JsonIgnore]
    public override ImageForm Form => new(Size, Channels, Fit);

    /// <inheritdoc/>
    [JsonPropertyOrder(-1)]
    public override string Dataset { get; init; } = Dataset;

    /// <inheritdoc/>
    [JsonIgnore]
    public override bool HasValidation => ValidationClasses is not 0;

    /// <inheritdoc/>
    public override IEnumerable<Complaint> Complaints() =>
    [
        .. Names(Dataset) && Dataset != FolderPrefix ? [] : new[] { Unknown("dataset", Dataset, $"{MiniImageNet}, {Grocery} and {FolderPrefix}DIR") },
        .. Split is AutoSplit or GivenSplit or SeededSplit ? [] : new[] { Unknown("split", Split, $"{AutoSplit}, {GivenSplit} and {SeededSplit}") },
        .. Size is >= 8 and <= 1024 ? [] : new[] { new Complaint("size", $"must be from 8 to 1024, not {Size}") },
        .. Channels is 1 or 3 ? [] : new[] { new Complaint("channels", $"must be 1 or 3, not {Channels}") },
        .. Rule.Defined(Fit, "fit"),
        .. Rule.AtLeast(0, ValidationClasses ?? 0, "validationClasses"),
        .. Rule.AtLeast(1, TestClasses ?? 1, "testClasses"),
        .. Split == GivenSplit && TestClasses is not null ? [new Complaint("testClasses", $"is for split {SeededSplit}; with {GivenSplit} the data set has its own")] : Array.Empty<Complaint>(),
        .. Split == GivenSplit && ValidationClasses is > 0 ? [new Complaint("validationClasses", $"must be 0 or left out with split {GivenSplit}, where the data set has its own")] : Array.Empty<Complaint>(),
        .. NumberComplaints(),
    ];

    /// <summary>Whether the folder of a run may be looked for in the data folder: its images are compared with those that it was trained on.</summary>
    [JsonIgnore]
    internal bool MayHaveMoved { get; init; }

    /// <summary>The same with the full path of a folder, which does not depend on the working directory.</summary>
    internal PhotographEpisodes Rooted() => Dataset.StartsWith(FolderPrefix, StringComparison.Ordinal) ? this with { Dataset = FolderPrefix + Locate(null).Path } : this;

    /// <summary>The data set's folder or archive, and its name in results.</summary>
    /// <exception cref="DataException">There is none.</exception>
    internal (string Path, string Name) Locate(string? dataFolder)
    {
        if (Dataset.StartsWith(FolderPrefix, StringComparison.Ordinal))
        {
            var path = System.IO.Path.TrimEndingDirectorySeparator(Dataset[FolderPrefix.Length..]);
            path = System.IO.Path.GetFullPath(path is "~" || path.StartsWith("~/", StringComparison.Ordinal) ? Environment.GetFolderPath(Environment.SpecialFolder.UserProfile) + path[1..] : path);
            var name = System.IO.Path.GetFileNameWithoutExtension(path) is { Length: > 0 } own ? own : "folder";
            // Where it was moved: into the data folder, or to it, for a run whose images are compared with these.
            return (Exists(path) || dataFolder is null || !MayHaveMoved ? path : System.IO.Path.Combine(dataFolder, System.IO.Path.GetFileName(path)) is var inside && Exists(inside) ? inside : System.IO.Path.GetFullPath(dataFolder), name);
        }

        static bool Exists(string path) => Directory.Exists(path) || File.Exists(path);

        var root = DataRoot.Resolve(dataFolder).Folder;
        return (Find(root, Dataset) ?? throw new DataException(Dataset == MiniImageNet
            ? $"mini-ImageNet is missing: no folder or zip archive {MiniImageNet} in {root}; its images are ImageNet's and cannot be downloaded here: put them there as images/ or images.zip with train.csv, val.csv and test.csv, or as class folders"
            : $"{Dataset} is missing: no folder or zip archive {Dataset} in {root}"), Dataset);
    }

    /// <summary>Where a data set of this name lies in a data folder: mini-ImageNet is written in many ways. Null where it does not.</summary>
    internal static string? Find(string dataFolder, string dataset)
    {
        static string Plain(string name) => new([.. name.Where(char.IsAsciiLetterOrDigit).Select(char.ToLowerInvariant)]);
        return Entries()
            .Where(path => Directory.Exists(path) || path.EndsWith(".zip", StringComparison.OrdinalIgnoreCase))
            .Where(path => Plain(Directory.Exists(path) ? System.IO.Path.GetFileName(path) : System.IO.Path.GetFileNameWithoutExtension(path)) == Plain(dataset))
            .OrderBy(path => System.IO.Path.GetFileName(path) != dataset).ThenBy(path => path, StringComparer.Ordinal)
            .FirstOrDefault();

        string[] Entries()
        {
            try
            {
                return Directory.GetFileSystemEntries(dataFolder);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new DataException($"{dataFolder} cannot be read ({e.Message.TrimEnd('.')}); check its permissions", e);
            }
        }
    }

    /// <summary>How its folder is read.</summary>
    internal FolderReading Reading => new(Form, SkipDamaged, Pool: Split == SeededSplit) { Published = Dataset == MiniImageNet ? ("ravi", RaviSplit.Parts) : null };

    internal override (ImageSet Images, ClassSplit Split) Open(string? dataFolder, IProgress<double>? progress, Action<string>? warn, CancellationToken cancel)
    {
        var (path, name) = Locate(dataFolder);
        return Divided(ImageFolder.Open(path, name, Reading with { IsNamed = !MayHaveMoved || dataFolder is not null }, progress, cancel), path, warn);
    }

    /// <summary>The images with their division.</summary>
    /// <exception cref="DataException">There is no division, or too few classes for one.</exception>
    internal (ImageSet Images, ClassSplit Split) Divided(OpenedImages opened, string path, Action<string>? warn)
    {
        foreach (var note in opened.Notes)
        {
            warn?.Invoke($"{opened.Set.Name}: {note}");
        }

        if (opened.Division is { } division)
        {
            if (Split == AutoSplit && (TestClasses is not null || ValidationClasses is > 0))
            {
                throw new DataException($"{path} has its own division ({division}); leave --test-classes and --validation-classes out, or take --split {SeededSplit}") { IsOfRequest = true };
            }

            IEnumerable<string> Of(ClassPart part) => opened.Parts.Where(one => one.Value == part).Select(one => one.Key).Order(StringComparer.Ordinal);
            return (opened.Set, new ClassSplit(division, RotationMode.None, Of(ClassPart.Train), ValidationClasses is 0 ? [] : Of(ClassPart.Validation), Of(ClassPart.Test)));
        }

        if (Split == GivenSplit)
        {
            throw new DataException($"{path} has no division of its classes: no train, val and test folders, and no csv files that say it; take --split {SeededSplit}") { IsOfRequest = true };
        }

        var classes = opened.Set.Classes.Count;
        int Share(double share) => int.Max(Ways, (int)System.Math.Round(share * classes));
        var (test, validation) = (TestClasses ?? Share(TestShare), ValidationClasses ?? Share(ValidationShare));
        if ((long)test + validation + Ways > classes)
        {
            throw new DataException(
                $"{path} has {classes} classes, too few for {test} to test, {validation} to validate and at least {Ways} to train {Ways}-way; take fewer --ways, --test-classes or --validation-classes (0 for none)")
            { IsOfRequest = true };
        }

        return (opened.Set, ClassSplit.Seeded(opened.Set, SplitSeed, RotationMode.None, classes - test, validation, test));
    }
}

/// <summary>The division of mini-ImageNet's classes by Ravi and Larochelle 2017, built in: 64 + 16 + 20.</summary>
internal static class RaviSplit
{
    /// <summary>The part of each class.</summary>
    public static IReadOnlyDictionary<string, ClassPart> Parts { get; } = Omniglot.Table("miniimagenet_ravi.txt")
        .Select(line => line.Split(' '))
        .SelectMany(words => words.Skip(1).Select(name => (Name: name, Part: LabelTable.PartNamed(words[0])!.Value)))
        .ToDictionary(one => one.Name, one => one.Part, StringComparer.Ordinal);
}
