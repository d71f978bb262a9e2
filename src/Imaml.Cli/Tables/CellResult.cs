// What has been measured of a cell, read from the files of its runs. Every file is checked: a table shows the results that belong to its cell, and reports the
// others.

using System.Text.Json.Serialization;
using System.Text.RegularExpressions;
using Imaml.Nets.Models;
using Imaml.Nets.Runs;
using Imaml.Nets.Storage;
using Imaml.Nets.Tasks;
using Imaml.Theory;

namespace Imaml.Cli.Tables;

/// <summary>How far a cell's run is.</summary>
internal enum CellState
{
    /// <summary>There is no run.</summary>
    NotBegun,

    /// <summary>The run has not used its budget.</summary>
    Running,

    /// <summary>Training has ended; the state that was chosen has not been tested.</summary>
    Trained,

    /// <summary>The budget is used, and the tests are made.</summary>
    Finished,

    /// <summary>Training ended because its numbers were not finite; where it had validated before, the best state is tested.</summary>
    Diverged,

    /// <summary>The folder holds a run of another experiment.</summary>
    OtherRun,

    /// <summary>A file that is needed cannot be used.</summary>
    Damaged,
}

/// <summary>The test of a cell under one normalisation.</summary>
internal sealed partial record CellTest(double Accuracy, double HalfWidth95, int Episodes, int NotFinite)
{
    /// <summary>In the order of the episodes' numbers, the same episodes for every method.</summary>
    [JsonIgnore]
    public IReadOnlyList<double> PerEpisode { get; init; } = [];

    /// <summary>What determines the episodes apart from their numbers: two methods are compared where it is equal.</summary>
    [JsonIgnore]
    public string Tasks { get; init; } = "";

    /// <summary>The test in an evaluation; null where that is of another state, part or number of episodes, or of other episodes than the experiment's own.</summary>
    /// <param name="result">The evaluation.</param>
    /// <param name="experiment">That of the cell.</param>
    /// <param name="tasks">What the run was trained on, or null where it is not known.</param>
    /// <param name="mode">Whose statistics normalise the query images.</param>
    /// <param name="episodes">Their number.</param>
    public static CellTest? Of(EvaluationResult result, Experiment experiment, string? tasks, BatchNormMode mode, int episodes)
    {
        if (result is not { Experiment: { } trained, Tasks: { } tested, Part: ClassPart.Test, EpisodeSeed: ImageTasks.EvaluationSeed, State: EvaluationResult.Best, Baselines: null, Ensemble: null, AccuracyPerEpisode: { } each }
            || experiment.Tasks is not EpisodeSpec own
            || result.BatchNormalization != mode
            || each.Count != episodes
            || !each.All(CurveLine.IsShare)
            || (result.Ways, result.Shots, result.Queries, result.InnerSteps) != (own.Ways, own.Shots, own.Queries, experiment.Method.EvaluationInnerSteps)
            || experiment.DifferencesFrom(trained).Count > 0
            || (tasks is not null && Episodic(tasks) != Episodic(tested)))
        {
            return null;
        }

        var (mean, halfWidth) = Evaluation.Interval(each);
        return new CellTest(mean, halfWidth, episodes, each.Count(one => !double.IsFinite(one))) { PerEpisode = each, Tasks = Episodic(tested) };
    }

    // Reptile trains on more shots than it is tested with.
    private static string Episodic(string tasks) => TrainingShots().Replace(tasks, "");

    [GeneratedRegex(@" \(training \d+-shot\)")]
    private static partial Regex TrainingShots();
}

/// <summary>A validation of a run: of the average of its last states where it has one.</summary>
/// <param name="Tasks">Tasks trained on.</param>
/// <param name="ComputeSeconds">Seconds of training, as the budget counts them.</param>
/// <param name="Accuracy">The accuracy.</param>
/// <param name="HalfWidth95">Half its 95 % interval over the episodes.</param>
internal sealed record CurvePoint(long Tasks, double ComputeSeconds, double Accuracy, double HalfWidth95);

/// <summary>One run of a cell.</summary>
/// <param name="Cell">SETTING/METHOD.</param>
/// <param name="Seed">Its seed.</param>
/// <param name="State">How far it is.</param>
/// <param name="MetaSteps">Meta-steps made.</param>
/// <param name="Tasks">Tasks trained on.</param>
/// <param name="Seconds">Wall seconds of training.</param>
/// <param name="ComputeSeconds">The same without what other programs took; the budget counts these.</param>
/// <param name="Gradients">Gradients of training.</param>
/// <param name="HessianProducts">Hessian–vector products of training.</param>
/// <param name="Validation">The best validation accuracy so far, by which the state is chosen.</param>
/// <param name="Transductive">The test with the query images' statistics, as published accuracies are made.</param>
/// <param name="Inductive">The test with the support images' statistics.</param>
/// <param name="Folder">The run's folder, below that of the table.</param>
/// <param name="BestState">The state that was chosen, below that of the table; null where it is not kept.</param>
/// <param name="Trouble">What is wrong with a run that is damaged or another one, or why it diverged.</param>
/// <param name="LogGap">What the log lacks: seconds, gradients and products are those of the rest.</param>
internal sealed record CellResult(
    string Cell, ulong Seed, CellState State, int MetaSteps, long Tasks, double Seconds, double ComputeSeconds, long Gradients, long HessianProducts, double? Validation, CellTest? Transductive, CellTest? Inductive, string Folder,
    string? BestState = null, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Trouble = null, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? LogGap = null)
{
    /// <summary>Its validations.</summary>
    public IReadOnlyList<CurvePoint> Curve { get; init; } = [];

    /// <summary>How its error on validation classes falls.</summary>
    [JsonIgnore]
    public FittedSlope? Law => ErrorLaw.OfSecondHalf([.. Curve.Select(point => ((double)point.Tasks, 1 - point.Accuracy))]);

    /// <summary>The folder of a run of a cell.</summary>
    public static string FolderOf(TableCell cell, Scale scale, ulong seed) =>
        Path.Combine(cell.Setting, cell.Method, scale == Scale.Cpu ? $"seed-{seed}" : $"paper-seed-{seed}");

    /// <summary>Reads what there is.</summary>
    /// <param name="cell">The cell.</param>
    /// <param name="scale">What it is trained with.</param>
    /// <param name="seed">The seed.</param>
    /// <param name="root">The table's folder.</param>
    /// <param name="budget">Seconds of training that finish it.</param>
    /// <param name="episodes">Episodes of its test.</param>
    public static CellResult Read(TableCell cell, Scale scale, ulong seed, string root, double budget, int episodes)
    {
        var nothing = new CellResult(cell.Name, seed, CellState.NotBegun, 0, 0, 0, 0, 0, 0, null, null, null, FolderOf(cell, scale, seed));
        var folder = new RunFolder(Path.Combine(root, nothing.Folder));
        if (!Directory.Exists(folder.FolderPath) || !new[] { folder.DescriptionPath, folder.CheckpointPath, folder.PreviousCheckpointPath, folder.BestCheckpointPath }.Any(File.Exists))
        {
            return nothing;
        }

        try
        {
            // A run that has ended may be kept without its checkpoint.
            var saved = folder.HasRun ? SavedState.Of(folder).Header : null;
            var experiment = cell.Experiment(scale, seed);
            return experiment.DifferencesFrom(saved?.Experiment ?? ExperimentFile.Read(folder.DescriptionPath)) is { Count: > 0 } differences
                ? nothing with { State = CellState.OtherRun, Trouble = $"{folder.FolderPath} holds a run of another experiment ({string.Join(", ", differences)}); name another --out, or move it away" }
                : nothing.Found(folder, experiment, saved, budget, episodes);
        }
        catch (Exception e) when (e is CheckpointException or ExperimentException or IOException or UnauthorizedAccessException)
        {
            return nothing with { State = CellState.Damaged, Trouble = e.Message };
        }
    }

    private CellResult Found(RunFolder folder, Experiment experiment, CheckpointHeader? saved, double budget, int episodes)
    {
        // The log may be ahead of the checkpoint that the run goes on from.
        var log = ProgressLog.Read(folder.ProgressPath);
        var best = BestOf(folder);
        var reached = saved?.MetaStep ?? (log is [.., var end] ? end.MetaStep : best?.MetaStep ?? 0);
        ProgressLine[] lines = [.. log.Where(line => line.MetaStep <= reached)];
        var (seconds, compute, upTo) = lines is [.., var last] ? (last.Seconds, last.ComputeSeconds ?? last.Seconds, last.MetaStep) : (0, 0, 0);
        if (saved is not null && upTo < reached)
        {
            // As training has it: what the log has lost took at most its wall time.
            (seconds, compute) = (double.Max(seconds, saved.Seconds), compute + double.Max(0, saved.Seconds - seconds));
        }

        var diverged = Divergence.Read(folder) is { } divergence && divergence.MetaStep == reached ? divergence : null;
        var trained = diverged is not null || compute >= budget || reached >= experiment.Budget.MetaSteps;
        var (measured, damaged) = Evaluations(folder);
        var (transductive, inductive) = (Test(BatchNormMode.Transductive), Test(BatchNormMode.Inductive));
        var tested = transductive is not null && inductive is not null;
        var state = !trained ? CellState.Running : diverged is not null && (tested || best is null) ? CellState.Diverged : tested ? CellState.Finished : CellState.Trained;
        return this with
        {
            State = state,
            MetaSteps = reached,
            Tasks = (long)reached * experiment.Budget.MetaBatch,
            Seconds = seconds,
            ComputeSeconds = compute,
            Gradients = lines.Sum(line => line.Step.Gradients ?? 0),
            HessianProducts = lines.Sum(line => line.Step.HessianProducts ?? 0),
            Validation = best?.Validation,
            // While a run continues, its test is of an earlier state.
            Transductive = trained && tested ? transductive : null,
            Inductive = trained && tested ? inductive : null,
            BestState = File.Exists(folder.BestCheckpointPath) ? Path.Combine(Folder, Path.GetFileName(folder.BestCheckpointPath)) : null,
            Trouble = diverged?.Message ?? damaged,
            LogGap = Imaml.Nets.Runs.LogGap.Of(lines, reached),
            Curve = [.. CurveOf(folder, lines)],
        };

        // Of the state that is the best now: a run that went on may have found a better one since.
        CellTest? Test(BatchNormMode mode) => best is not { } chosen ? null : measured.Where(result => result.MetaStep == chosen.MetaStep)
            .Select(result => CellTest.Of(result, experiment, chosen.Tasks, mode, episodes)).OfType<CellTest>().FirstOrDefault();
    }

    // The evaluations of a best state, in the order of their names, and what is wrong with files of the cell, or null.
    private static (IReadOnlyList<EvaluationResult> Sound, string? Damaged) Evaluations(RunFolder folder)
    {
        var (sound, damaged) = (new List<EvaluationResult>(), new List<string>());
        foreach (var path in Directory.EnumerateFiles(folder.FolderPath, $"evaluation-test*-{EvaluationResult.Best}.json").Order(StringComparer.Ordinal))
        {
            if (RunFolder.ReadJson<EvaluationResult>(path) is { Experiment: { } measured } result && ExperimentFile.IsSound(measured) && result.AccuracyPerEpisode?.All(CurveLine.IsShare) != false)
            {
                sound.Add(result);
                continue;
            }

            damaged.Add($"{path} is damaged; remove it, and the same command without --report makes the test anew");
        }

        if (File.Exists(folder.BestCheckpointPath) && !Validations(folder).Any())
        {
            damaged.Add($"{folder.CurvePath} has no validation, though one has a best state");
        }

        return (sound, damaged.Count == 0 ? null : string.Join("; ", damaged));
    }

    private static IEnumerable<CurvePoint> CurveOf(RunFolder folder, IReadOnlyList<ProgressLine> lines)
    {
        var (next, reached) = (0, 0);
        foreach (var line in Validations(folder))
        {
            while (next + 1 < lines.Count && lines[next + 1].MetaStep <= line.MetaStep)
            {
                next++;
            }

            if ((line.Averaged ?? line.Accuracy) is { } accuracy && double.IsFinite(accuracy) && lines is [.., var last] && line.MetaStep <= last.MetaStep && line.MetaStep > reached)
            {
                reached = line.MetaStep;
                yield return new CurvePoint(line.Tasks, lines[next].ComputeSeconds ?? lines[next].Seconds, accuracy, line.AveragedHalfWidth95 ?? line.HalfWidth95);
            }
        }
    }

    private static IEnumerable<CurveLine> Validations(RunFolder folder) => RunFolder.Read<CurveLine>(folder.CurvePath).Where(line => line.IsSound);

    /// <summary>The best validation: of the state that is kept of it, or where it is not kept, of the curve.</summary>
    private static (int MetaStep, double? Validation, string? Tasks)? BestOf(RunFolder folder)
    {
        try
        {
            if (File.Exists(folder.BestCheckpointPath))
            {
                var header = Checkpoint.ReadHeader(folder.BestCheckpointPath);
                return (header.MetaStep, header.Validation, header.Tasks);
            }
        }
        catch (CheckpointException)
        {
            // A test of it counts all the same.
        }

        (int MetaStep, double? Validation, string? Tasks)[] all =
        [
            .. Validations(folder).SelectMany(line => new[] { (line.MetaStep, line.Accuracy, default(string)), (line.MetaStep, line.Averaged, null) }).Where(one => one.Item2 is { } value && double.IsFinite(value)),
        ];
        return all.Length == 0 ? null : all.MaxBy(one => one.Validation);
    }
}
