// A meta-training run on disk: begun or continued, logged at every meta-step, checkpointed, validated.

using System.Diagnostics;
using Imaml.Nets.Episodes;
using Imaml.Nets.Evaluation;
using Imaml.Nets.LibTorch;
using TorchSharp;

namespace Imaml.Nets.Training;

/// <summary>How often a run looks up from its work. None of it changes the numbers.</summary>
/// <param name="CheckpointEvery">Meta-steps between checkpoints.</param>
/// <param name="ValidateEvery">Meta-steps between validations; 0 for none.</param>
/// <param name="ValidationEpisodes">Episodes of one validation.</param>
public sealed record RunCadence(int CheckpointEvery, int ValidateEvery, int ValidationEpisodes);

/// <summary>A line of progress.jsonl.</summary>
public sealed record ProgressLine(int MetaStep, double Seconds, StepReport Step);

/// <summary>A line of curve.jsonl: validation accuracy, and the worst of the meta-steps since the line before.</summary>
/// <param name="MetaStep">Meta-steps made.</param>
/// <param name="Tasks">Tasks seen.</param>
/// <param name="Seconds">Wall seconds of training, without validation.</param>
/// <param name="Accuracy">Mean accuracy on the validation episodes.</param>
/// <param name="HalfWidth95">Of its 95 % interval.</param>
/// <param name="InnerGradientNorm">Largest ‖∇G(φ)‖.</param>
/// <param name="CgResidual">Largest relative CG residual.</param>
/// <param name="LargestCurvature">Largest estimate of ∇²L̂'s top eigenvalue.</param>
public sealed record CurveLine(
    int MetaStep, long Tasks, double Seconds, double Accuracy, double HalfWidth95, double InnerGradientNorm, double CgResidual, double LargestCurvature);

/// <summary>A run of meta-training, bound to its folder.</summary>
public sealed class TrainingRun : IDisposable
{
    private readonly TaskSource _source;
    private readonly EpisodeSampler _sampler;
    private readonly List<ProgressLine> _unwritten = [];
    private readonly List<CurveLine> _unwrittenCurve = [];
    private readonly List<StepReport> _sinceValidation = [];
    private double _seconds;

    private TrainingRun(RunFolder folder, TrainingOptions options, TaskSource source, MetaLearner learner, double seconds)
    {
        (Folder, Options, _source, Learner, _seconds) = (folder, options, source, learner, seconds);
        _sampler = source.Sampler(options, ClassPart.Train, options.Queries, options.Seed);
    }

    /// <summary>The run's files.</summary>
    public RunFolder Folder { get; }

    /// <summary>The run's options.</summary>
    public TrainingOptions Options { get; }

    /// <summary>The meta-parameters as they are now.</summary>
    public MetaLearner Learner { get; }

    /// <summary>Wall seconds of training so far, without validation.</summary>
    public double Seconds => _seconds;

    /// <summary>Begins a run in an empty or new folder, or continues the one that is there if its options are the same.</summary>
    /// <exception cref="CheckpointException">The folder holds a run of other options or data, a damaged one, or files of something else.</exception>
    /// <exception cref="Data.DataException">The options make no sense, or not with these data.</exception>
    public static TrainingRun Open(RunFolder folder, TrainingOptions options, TaskSource source)
    {
        options.Validate();
        LibTorchLoader.EnsureLoaded();
        torch.set_num_threads(options.Threads);
        if (!Directory.Exists(folder.FolderPath) || !Directory.EnumerateFileSystemEntries(folder.FolderPath).Any())
        {
            var fresh = new TrainingRun(folder, options, source, MetaLearner.Create(options, TaskSource.Network(options)), 0);
            folder.WriteJson("run.json", new RunDescription(options, source.Split.Manifest, Provenance.Current()));
            fresh.Save();
            return fresh;
        }

        if (!File.Exists(folder.CheckpointPath))
        {
            throw new CheckpointException($"{folder.FolderPath} is not empty and holds no run; name another folder with --out");
        }

        var header = Checkpoint.ReadHeader(folder.CheckpointPath);
        if (options.DifferencesFrom(header.Options) is { Count: > 0 } differences)
        {
            throw new CheckpointException($"{folder.FolderPath} holds a run of other options ({string.Join(", ", differences)}); repeat its options to continue it, or name another folder with --out");
        }

        if (header.ManifestHash != source.Split.Manifest.Hash)
        {
            throw new CheckpointException($"{folder.FolderPath} holds a run on other classes (manifest {header.ManifestHash[..12]}…, not {source.Split.Manifest.Hash[..12]}…); name another folder with --out");
        }

        var (_, learner) = Checkpoint.Read(folder.CheckpointPath, TaskSource.Network);
        RunFolder.Truncate(folder.ProgressPath, header.MetaStep);
        RunFolder.Truncate(folder.CurvePath, header.MetaStep);
        var run = new TrainingRun(folder, options, source, learner, header.Seconds);
        var lastValidation = RunFolder.Read<CurveLine>(folder.CurvePath).LastOrDefault()?.MetaStep ?? 0;
        run._sinceValidation.AddRange(RunFolder.Read<ProgressLine>(folder.ProgressPath).Select(line => line.Step).Where(step => step.MetaStep > lastValidation));
        return run;
    }

    /// <summary>Trains to the end, or until asked to stop; either way the folder then holds the state reached.</summary>
    /// <exception cref="TrainingDivergedException">No task of a meta-batch had a finite meta-gradient; the last finite state is saved.</exception>
    public void Run(RunCadence cadence, Action<ProgressLine> onStep, Action<CurveLine> onValidation, CancellationToken cancel)
    {
        var validation = cadence.ValidateEvery > 0 ? _source.Sampler(Options, ClassPart.Validation, Options.Queries, TaskSource.EvaluationSeed) : null;
        try
        {
            while (Learner.MetaStep < Options.MetaSteps && !cancel.IsCancellationRequested)
            {
                var line = Step();
                _sinceValidation.Add(line.Step);
                onStep(line);
                if (validation is not null && (Learner.MetaStep % cadence.ValidateEvery == 0 || Learner.MetaStep == Options.MetaSteps))
                {
                    var point = Validate(validation, cadence.ValidationEpisodes, line.Step, cancel);
                    _unwrittenCurve.Add(point);
                    onValidation(point);
                    _sinceValidation.Clear();
                }

                if (Learner.MetaStep % cadence.CheckpointEvery == 0)
                {
                    Save();
                }
            }
        }
        finally
        {
            Save();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Learner.Dispose();

    private ProgressLine Step()
    {
        var watch = Stopwatch.StartNew();
        var report = Learner.Step(_sampler.Batch((long)Learner.MetaStep * Options.MetaBatch, Options.MetaBatch));
        _seconds += watch.Elapsed.TotalSeconds;
        var line = new ProgressLine(Learner.MetaStep, _seconds, report);
        _unwritten.Add(line);
        // Handles of tensors are small managed objects. Left to itself the collector lets tens of megabytes of them gather before it first
        // looks, and resident memory would seem to grow with the number of inner steps.
        GC.Collect(0);
        return line;
    }

    private CurveLine Validate(EpisodeSampler validation, int episodes, StepReport last, CancellationToken cancel)
    {
        var accuracy = Evaluator.AfterAdapting(Learner, validation, episodes, cancel);
        return new CurveLine(
            last.MetaStep,
            last.Tasks,
            _seconds,
            accuracy.Mean,
            accuracy.HalfWidth95,
            _sinceValidation.Max(step => step.InnerGradientNorm),
            _sinceValidation.Max(step => step.CgResidual),
            _sinceValidation.Max(step => step.LargestCurvature));
    }

    private void Save()
    {
        RunFolder.Append(Folder.ProgressPath, _unwritten);
        RunFolder.Append(Folder.CurvePath, _unwrittenCurve);
        _unwritten.Clear();
        _unwrittenCurve.Clear();
        Checkpoint.Write(Folder.CheckpointPath, new CheckpointHeader(Options, _source.Split.Manifest.Hash, Learner.MetaStep, _seconds), Learner);
    }
}
