// What is measured of a run or a model: one state, or several that were kept. Rank 0 alone reads them, as it alone needs the folder.

using Imaml.Nets.Machines;
using Imaml.Nets.Prediction;
using Imaml.Nets.Runs;

namespace Imaml.Cli.Commands;

/// <summary>The content of a checkpoint or a model file.</summary>
/// <param name="Name">Names it in messages.</param>
/// <param name="Bytes">The file's.</param>
/// <param name="MetaStep">Of a state that was kept.</param>
internal sealed record MeasuredState(string Name, byte[] Bytes, int MetaStep);

/// <summary>The states, the best first.</summary>
/// <param name="Kind">Which they are: <see cref="EvaluationResult.Best"/> and so on.</param>
/// <param name="All">At least one.</param>
internal sealed record MeasuredStates(string Kind, IReadOnlyList<MeasuredState> All)
{
    /// <summary>In words, for the model or run of this name.</summary>
    public string Describe(string model) => Kind switch
    {
        EvaluationResult.Best => "the state of the best validation",
        EvaluationResult.Last => "the last state",
        EvaluationResult.Average => "the average of the last states",
        EvaluationResult.Several => $"the {All.Count} kept states with the best validations together",
        _ => $"the model {model}",
    };

    /// <summary>Reads them on rank 0, for all ranks.</summary>
    /// <param name="model">The run's folder, the model's file, or its name.</param>
    /// <param name="asked">--state, or null for the best one where the run has validated, else the last.</param>
    /// <param name="ensemble">--ensemble: as many of the kept states, or null for one state.</param>
    /// <param name="ranks">The processes.</param>
    /// <exception cref="CheckpointException">There is no such state, or it is damaged.</exception>
    /// <exception cref="ArgumentException">A model has one state alone.</exception>
    public static MeasuredStates Read(string model, string? asked, int? ensemble, IRanks ranks)
    {
        using var from = new BinaryReader(new MemoryStream(ranks.FromFirst(() => Of(model, asked, ensemble).Packed())));
        var kind = from.ReadString();
        var all = new MeasuredState[from.ReadInt32()];
        for (var i = 0; i < all.Length; i++)
        {
            all[i] = new(from.ReadString(), from.ReadBytes(from.ReadInt32()), from.ReadInt32());
        }

        return new(kind, all);
    }

    /// <summary>Whether a folder is meant, not a model by its name or in a file.</summary>
    public static bool IsRun(string model) => !PretrainedModel.IsName(model) && Directory.Exists(model);

    private byte[] Packed()
    {
        using var stream = new MemoryStream();
        using var to = new BinaryWriter(stream);
        to.Write(Kind);
        to.Write(All.Count);
        foreach (var (name, bytes, metaStep) in All)
        {
            to.Write(name);
            to.Write(bytes.Length);
            to.Write(bytes);
            to.Write(metaStep);
        }

        to.Flush();
        return stream.ToArray();
    }

    private static MeasuredStates Of(string model, string? asked, int? ensemble)
    {
        var isRun = IsRun(model);
        if (ensemble is { } count)
        {
            return isRun
                ? new(EvaluationResult.Several, [.. BestKept(new RunFolder(model), count).Select(one => new MeasuredState(one.Path, Checkpoint.ReadFile(one.Path), one.MetaStep))])
                : throw new ArgumentException($"{model} is not a run: it has one state, so --ensemble does not apply");
        }

        if (!isRun)
        {
            var (name, bytes) = PretrainedModel.Read(model);
            return asked is null
                ? new(EvaluationResult.Model, [new(name, bytes, 0)])
                : throw new ArgumentException($"{model} is a model and not a run: it has one state, so --state does not apply");
        }

        var run = new RunFolder(model);
        var kind = asked ?? (File.Exists(run.BestCheckpointPath) ? EvaluationResult.Best : EvaluationResult.Last);
        return new(kind, [kind == EvaluationResult.Best ? Best(run) : Last(run)]);
    }

    private static MeasuredState Last(RunFolder run)
    {
        var state = SavedState.Of(run);
        if (state.Note is { } note)
        {
            Terminal.Progress(note);
        }

        return new(state.Path, state.Bytes, 0);
    }

    private static MeasuredState Best(RunFolder run)
    {
        if (!File.Exists(run.BestCheckpointPath) && run.HasRun)
        {
            throw new CheckpointException($"{run.FolderPath} has no state of the best validation; take --state last") { IsOfRequest = true };
        }

        try
        {
            var bytes = Checkpoint.ReadFile(run.BestCheckpointPath);
            Checkpoint.Open(bytes, run.BestCheckpointPath);
            return new(run.BestCheckpointPath, bytes, 0);
        }
        catch (CheckpointException e) when (run.HasRun)
        {
            throw new CheckpointException($"{SavedState.Fault(e)}; take --state last", e);
        }
    }

    /// <summary>The kept states with the best validations, the best first.</summary>
    private static (int MetaStep, string Path)[] BestKept(RunFolder run, int count)
    {
        var lines = RunFolder.Read<CurveLine>(run.CurvePath).Where(line => line.Accuracy is { } accuracy && double.IsFinite(accuracy)).ToArray();
        if (lines.GroupBy(line => line.MetaStep).FirstOrDefault(same => same.Count() > 1) is { } repeated)
        {
            throw new CheckpointException($"{run.CurvePath} is damaged: it has {repeated.Count()} lines of meta-step {repeated.Key}");
        }

        var accuracies = lines.ToDictionary(line => line.MetaStep, line => line.Accuracy!.Value);
        var kept = run.KeptCheckpoints().Where(one => accuracies.ContainsKey(one.MetaStep)).OrderByDescending(one => accuracies[one.MetaStep]).ThenByDescending(one => one.MetaStep).ToArray();
        return kept.Length >= count
            ? kept[..count]
            : throw new CheckpointException($"{run.FolderPath} has {kept.Length} states that were kept and validated, fewer than the {count} of --ensemble; train with --keep-every at the meta-steps of --validate-every") { IsOfRequest = true };
    }
}
