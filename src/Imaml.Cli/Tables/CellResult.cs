// What has been measured of a cell, read from the files of its runs.

using System.Text.Json;
using System.Text.Json.Serialization;
using Imaml.Nets.Models;
using Imaml.Nets.Runs;
using Imaml.Theory;

namespace Imaml.Cli.Tables;

/// <summary>How far a cell's run is.</summary>
internal enum CellState
{
    /// <summary>There is no run.</summary>
    NotBegun,

    /// <summary>The run has not used its budget.</summary>
    Running,

    /// <summary>The budget is used; the state that was chosen has not been tested.</summary>
    Trained,

    /// <summary>The budget is used, and the tests are made.</summary>
    Finished,
}

/// <summary>The test of a cell under one normalisation.</summary>
internal sealed record CellTest(double Accuracy, double HalfWidth95, int Episodes, int NotFinite)
{
    /// <summary>In the order of the episodes' numbers, the same episodes for every method.</summary>
    [JsonIgnore]
    public IReadOnlyList<double> PerEpisode { get; init; } = [];
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
internal sealed record CellResult(
    string Cell, ulong Seed, CellState State, int MetaSteps, long Tasks, double Seconds, double ComputeSeconds, long Gradients, long HessianProducts, double? Validation, CellTest? Transductive, CellTest? Inductive, string Folder,
    string? BestState = null)
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
        var relative = FolderOf(cell, scale, seed);
        var folder = new RunFolder(Path.Combine(root, relative));
        var log = ProgressLog.Read(folder.ProgressPath);
        if (log.Count == 0)
        {
            return new CellResult(cell.Name, seed, CellState.NotBegun, 0, 0, 0, 0, 0, 0, null, null, null, relative);
        }

        // The log may be ahead of the checkpoint that the run goes on from, which need not be kept of a run that has ended.
        var reached = folder.HasRun ? SavedState.Of(folder).Header.MetaStep : log[^1].MetaStep;
        ProgressLine[] lines = [.. log.Where(line => line.MetaStep <= reached)];
        var (seconds, compute) = lines is [.., var last] ? (last.Seconds, last.ComputeSeconds ?? last.Seconds) : (0, 0);
        var whole = cell.Experiment(scale, seed).Budget;
        var trained = compute >= budget || reached >= whole.MetaSteps;
        var best = BestOf(folder);
        var (transductive, transductiveStep) = Test(folder, BatchNormMode.Transductive, episodes);
        var (inductive, inductiveStep) = Test(folder, BatchNormMode.Inductive, episodes);
        // Of the state that is the best now: a run that went on may have found a better one since.
        var tested = best is not null && transductiveStep == best.Value.MetaStep && inductiveStep == best.Value.MetaStep;
        return new CellResult(
            cell.Name,
            seed,
            !trained ? CellState.Running : tested ? CellState.Finished : CellState.Trained,
            reached,
            (long)reached * whole.MetaBatch,
            seconds,
            compute,
            lines.Sum(line => line.Step.Gradients ?? 0),
            lines.Sum(line => line.Step.HessianProducts ?? 0),
            best?.Validation,
            transductive,
            inductive,
            relative,
            File.Exists(folder.BestCheckpointPath) ? Path.Combine(relative, Path.GetFileName(folder.BestCheckpointPath)) : null)
        {
            Curve = [.. CurveOf(folder, lines)],
        };
    }

    private static IEnumerable<CurvePoint> CurveOf(RunFolder folder, IReadOnlyList<ProgressLine> lines)
    {
        var next = 0;
        foreach (var line in RunFolder.Read<CurveLine>(folder.CurvePath))
        {
            while (next + 1 < lines.Count && lines[next + 1].MetaStep <= line.MetaStep)
            {
                next++;
            }

            if ((line.Averaged ?? line.Accuracy) is { } accuracy && double.IsFinite(accuracy) && lines is [.., var last] && line.MetaStep <= last.MetaStep)
            {
                yield return new CurvePoint(line.Tasks, lines[next].ComputeSeconds ?? lines[next].Seconds, accuracy, line.AveragedHalfWidth95 ?? line.HalfWidth95);
            }
        }
    }

    /// <summary>The best validation: of the state that is kept of it, or where it is not kept, of the curve.</summary>
    private static (int MetaStep, double? Validation)? BestOf(RunFolder folder)
    {
        if (File.Exists(folder.BestCheckpointPath))
        {
            var header = Checkpoint.ReadHeader(folder.BestCheckpointPath);
            return (header.MetaStep, header.Validation);
        }

        (int MetaStep, double? Validation)[] all =
        [
            .. RunFolder.Read<CurveLine>(folder.CurvePath).SelectMany(line => new[] { (line.MetaStep, line.Accuracy), (line.MetaStep, line.Averaged) }).Where(one => one.Item2 is { } value && double.IsFinite(value)),
        ];
        return all.Length == 0 ? null : all.MaxBy(one => one.Validation);
    }

    /// <summary>A test of a number of episodes, with the meta-step of the state that was tested.</summary>
    private static (CellTest? Test, int? MetaStep) Test(RunFolder folder, BatchNormMode mode, int episodes)
    {
        foreach (var path in Directory.EnumerateFiles(folder.FolderPath, $"evaluation-test*-{EvaluationResult.Best}.json").Order(StringComparer.Ordinal))
        {
            try
            {
                if (JsonSerializer.Deserialize<TestFile>(File.ReadAllBytes(path), RunJson.Options) is { AccuracyPerEpisode: { } each } file && file.BatchNormalization == mode && each.Count == episodes)
                {
                    return (new CellTest(file.Accuracy, file.HalfWidth95, episodes, file.NotFinite) { PerEpisode = each }, file.MetaStep);
                }
            }
            catch (JsonException e)
            {
                throw new CheckpointException($"{path} is damaged; delete it, and the cell is tested anew", e);
            }
        }

        return (null, null);
    }

    /// <summary>The fields of an evaluation's file that a table needs.</summary>
    private sealed record TestFile(double Accuracy, double HalfWidth95, int NotFinite, int MetaStep, BatchNormMode BatchNormalization, IReadOnlyList<double> AccuracyPerEpisode);
}
