// The files of a run, read for people. What is missing, in a run of another version or one that was moved, is null or empty; what is damaged is named,
// and the rest is shown. Only logs have to be sound, since a curve without some of its points would look whole.

using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Imaml.Cli.Commands;
using Imaml.Nets.Learning;
using Imaml.Nets.Runs;
using Imaml.Nets.Storage;
using Imaml.Nets.Tasks;

namespace Imaml.Cli.Reports;

/// <summary>An evaluation of a run, and the name of its file.</summary>
internal sealed record EvaluationFile(string Name, EvaluationResult Result);

/// <summary>The best validation of a run.</summary>
/// <param name="Value">The accuracy, or where there is none the loss.</param>
/// <param name="HalfWidth95">Half its 95 % interval.</param>
/// <param name="MetaStep">When.</param>
/// <param name="Averaged">Whether it is that of the average of the last iterates.</param>
internal sealed record BestValidation(double Value, double HalfWidth95, int MetaStep, bool Averaged);

/// <summary>A run, as read from its files.</summary>
/// <param name="Folder">The folder.</param>
/// <param name="Description">run.json.</param>
/// <param name="Experiment">The experiment in it; null where another version wrote it.</param>
/// <param name="Origin">provenance.json.</param>
/// <param name="Summary">training.json.</param>
/// <param name="Curve">curve.jsonl.</param>
/// <param name="Log">progress.jsonl.</param>
/// <param name="Evaluations">evaluation-*.json, those of this version.</param>
/// <param name="NotRead">Files that are damaged, of another version, or of another run.</param>
/// <param name="Running">Whether a process trains it now.</param>
internal sealed record RunContents(
    RunFolder Folder,
    JsonObject Description,
    Experiment? Experiment,
    RunOrigin? Origin,
    TrainingSummary? Summary,
    IReadOnlyList<CurveLine> Curve,
    TrainingLog Log,
    IReadOnlyList<EvaluationFile> Evaluations,
    IReadOnlyList<string> NotRead,
    bool Running)
{
    /// <summary>The folder's own name.</summary>
    public string Name => Terminal.Printable(Path.GetFileName(Folder.FolderPath));

    /// <summary>The method's name.</summary>
    public string Method => Experiment?.Method.Name ?? Word("options.algorithm") ?? Word("method.kind") ?? "unknown method";

    /// <summary>What is learned, in a few words.</summary>
    public string Tasks => Experiment?.Tasks switch
    {
        EpisodeSpec images => $"{images.Dataset} {images.Ways}-way {images.Shots}-shot",
        OwnTasks own => own.Name,
        _ => Word("options.dataset") is { } data ? $"{data} {Description.Find("options.ways")}-way {Description.Find("options.shots")}-shot" : "unknown tasks",
    };

    /// <summary>Meta-steps asked for; 0 where it is not known.</summary>
    public int MetaSteps => Experiment?.Budget.MetaSteps ?? (Description.Find("options.metaSteps") is JsonValue number && number.TryGetValue<int>(out var steps) ? steps : 0);

    /// <summary>Meta-steps made, as far as the files show.</summary>
    public int MetaStep => int.Max(
        int.Max(Log.Points is [.., var last] ? last.MetaStep : 0, Curve is [.., var point] ? point.MetaStep : 0),
        Summary is not { Tasks: var tasks } ? 0 : Experiment is { Budget.MetaBatch: var batch } ? (int)long.Min(MetaSteps, tasks / batch) : MetaSteps);

    /// <summary>Whether all meta-steps are made.</summary>
    public bool Finished => MetaSteps > 0 && MetaStep >= MetaSteps;

    /// <summary>finished, running, or where it stopped or diverged.</summary>
    public string State => Running ? "running" : Finished ? "finished" : Divergence is not null ? $"diverged at {MetaStep}" : $"stopped at {MetaStep}";

    /// <summary>Why there is no next meta-step, or null.</summary>
    public string? Divergence => Imaml.Nets.Runs.Divergence.Read(Folder) is { } end && end.MetaStep == MetaStep ? end.Message : null;

    /// <summary>How the solves of all meta-steps ended; null where no file has it.</summary>
    public TaskStatuses? Ended => Log.Ended ?? Summary?.Statuses;

    /// <summary>Wall seconds of training so far.</summary>
    public double Seconds => double.Max(Summary?.Seconds ?? 0, double.Max(Log.Points is [.., var last] ? last.Seconds : 0, Curve is [.., var point] ? point.Seconds : 0));

    /// <summary>The best validation, the first one of equal ones, as the kept state is chosen; null where there is none.</summary>
    public BestValidation? Best
    {
        get
        {
            BestValidation? best = null;
            foreach (var line in Curve)
            {
                var better = line.Accuracy is not null ? 1 : -1;
                foreach (var (value, halfWidth, averaged) in new[] { (line.Accuracy ?? line.Loss, line.HalfWidth95, false), (line.Averaged, line.AveragedHalfWidth95 ?? double.NaN, true) })
                {
                    if (value is { } one && double.IsFinite(one) && (best is null || better * one > better * best.Value))
                    {
                        best = new BestValidation(one, halfWidth, line.MetaStep, averaged);
                    }
                }
            }

            return best;
        }
    }

    /// <summary>Whether validations are of accuracies.</summary>
    public bool Classifies => Curve.Any(line => line.Accuracy is not null);

    /// <summary>What <see cref="NotRead"/> is called.</summary>
    public const string NotReadText = "damaged, or of another version or another run, shown as far as possible";

    /// <summary>The name of a file that makes a folder a run.</summary>
    public const string DescriptionName = "run.json";

    /// <summary>Reads a run.</summary>
    /// <param name="path">Its folder.</param>
    /// <exception cref="CheckpointException">There is no such folder, or it cannot be read.</exception>
    /// <exception cref="InvalidDataException">There is no run, or one of its logs is damaged; one line that names it.</exception>
    public static RunContents Read(string path)
    {
        var folder = new RunFolder(path);
        folder.RequireReadable();
        if (NamedPath.NotThere(folder.DescriptionPath, "file") is not null)
        {
            throw new InvalidDataException($"{folder.FolderPath} holds no run ({DescriptionName} is missing); name a folder that `imaml train` made, or see `imaml runs {path}`");
        }

        var notRead = new List<string>();
        T? Sound<T>(string file, Func<T, bool> isSound)
            where T : class
        {
            var found = RunFolder.ReadJson<T>(file);
            if (found is not null && isSound(found))
            {
                return found;
            }

            if (NamedPath.NotThere(file, "file") is null)
            {
                notRead.Add(Path.GetFileName(file));
            }

            return null;
        }

        var description = DescriptionOf(folder, notRead);
        var experiment = Experiments(description);
        if (experiment is null)
        {
            notRead.Add(DescriptionName);
        }

        var origin = Sound<RunOrigin>(folder.OriginPath, _ => true);
        var evaluations = new List<EvaluationFile>();
        foreach (var file in Directory.EnumerateFiles(folder.FolderPath, "evaluation-*.json").Order(StringComparer.Ordinal))
        {
            // A file of another run may have been copied here.
            if (Sound<EvaluationResult>(file, result => IsSound(result) && (experiment is null || result.Experiment.DifferencesFrom(experiment) is []) && (origin?.Tasks is null || Data(result.Tasks) == Data(origin.Tasks))) is { } result)
            {
                evaluations.Add(new EvaluationFile(Path.GetFileName(file), result));
            }
        }

        var summary = Sound<TrainingSummary>(folder.SummaryPath, summary => RunSeconds.AreSound(summary.Seconds));
        var reached = 0;
        return new RunContents(
            folder,
            description,
            experiment,
            origin,
            summary,
            [.. JsonLines.Read<CurveLine>(folder.CurvePath, line => line.IsSound && line.MetaStep > reached && (reached = line.MetaStep) > 0)],
            TrainingLog.Read(folder.ProgressPath),
            evaluations,
            notRead,
            IsLocked(folder));
    }

    private string? Word(string field) => Description.Find(field) is JsonValue value && value.TryGetValue<string>(out var word) ? word : null;

    // The process that trains holds the lock; one that was killed leaves a file that nobody holds.
    private static bool IsLocked(RunFolder folder)
    {
        if (Owner.IsSpecial(folder.LockPath))
        {
            return false;
        }

        try
        {
            using var held = new FileStream(folder.LockPath, FileMode.Open, FileAccess.Read, FileShare.Read);
            return false;
        }
        catch (Exception e) when (e is FileNotFoundException or UnauthorizedAccessException)
        {
            return false;
        }
        catch (IOException)
        {
            return true;
        }
    }

    private static bool IsSound(EvaluationResult result) =>
        result is { Experiment: { } measured, Tasks: not null, Inner: not null, Provenance: not null } && ExperimentFile.IsSound(measured)
        && !(result.HalfWidth95 < 0) && (result.Accuracy is not { } accuracy || CurveLine.IsShare(accuracy)) && result.Baselines?.All(one => one is { Name: not null, Difference: not null }) != false
        && StepReport.AreCounts(result.Inner.Values);

    // The end of an identity, "(images …, classes …)": evaluations may have other ways, shots and query images than the training.
    private static string Data(string tasks) => tasks[int.Max(0, tasks.LastIndexOf('('))..];

    private static Experiment? Experiments(JsonObject description)
    {
        try
        {
            // A copy: the tree of a file is shown as it is.
            return ExperimentFile.Of((JsonObject)description.DeepClone());
        }
        catch (Exception e) when (e is ExperimentException or JsonException)
        {
            return null;
        }
    }

    // Of run.json, which has a kilobyte.
    private const long LongestDescription = 1 << 24;

    // Where it is damaged, the experiment in the checkpoint.
    private static JsonObject DescriptionOf(RunFolder folder, List<string> notRead)
    {
        var path = folder.DescriptionPath;
        try
        {
            return ExperimentFile.Tree(Encoding.UTF8.GetString(StandardInput.ReadFile(path, LongestDescription, CancellationToken.None)), path);
        }
        catch (Exception e) when (e is ExperimentException or IOException)
        {
            if (folder.HasRun)
            {
                notRead.Add(DescriptionName);
                return ExperimentFile.Tree(ExperimentFile.Write(SavedState.Of(folder).Header.Experiment));
            }

            throw new InvalidDataException(e is ExperimentException damaged ? $"{path} is damaged ({string.Join("; ", damaged.Complaints)})" : e.Message, e);
        }
    }
}
