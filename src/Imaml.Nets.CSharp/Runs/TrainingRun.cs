// A meta-training run on disk: begun or continued, logged at every meta-step, checkpointed, validated.

using System.Diagnostics;
using Imaml.Nets.Learning;
using Imaml.Nets.LibTorch;
using Imaml.Nets.Tasks;

namespace Imaml.Nets.Runs;

/// <summary>How often a run looks up from its work. None of it changes the numbers.</summary>
/// <param name="CheckpointEvery">Meta-steps between checkpoints.</param>
/// <param name="ValidateEvery">Meta-steps between validations; 0 for none.</param>
/// <param name="ValidationEpisodes">Episodes of one validation.</param>
/// <param name="KeepEvery">Meta-steps between the checkpoints that stay beside the last one; 0 for none.</param>
public sealed record RunCadence(int CheckpointEvery, int ValidateEvery, int ValidationEpisodes, int KeepEvery = 0);

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
/// <param name="NonPositiveCurvature">Tasks whose solve met a direction of non-positive curvature.</param>
/// <param name="NonFinite">Tasks left out because their meta-gradient was not finite.</param>
public sealed record CurveLine(
    int MetaStep,
    long Tasks,
    double Seconds,
    double Accuracy,
    double HalfWidth95,
    double InnerGradientNorm,
    double CgResidual,
    double LargestCurvature,
    int NonPositiveCurvature,
    int NonFinite);

/// <summary>A run of meta-training, bound to its folder.</summary>
public sealed class TrainingRun : IDisposable
{
    private readonly TaskSource _source;
    private readonly EpisodeSampler _sampler;
    private readonly List<ProgressLine> _unwritten = [];
    private readonly List<CurveLine> _unwrittenCurve = [];
    private readonly List<StepReport> _sinceValidation = [];
    private readonly FileStream _lock;
    private double _seconds;
    private int _lastValidation;

    private TrainingRun(RunFolder folder, TrainingOptions options, TaskSource source, ComputeDevice device, MetaLearner learner, double seconds, FileStream held)
    {
        (Folder, Options, _source, Device, Learner, _seconds, _lock) = (folder, options, source, device, learner, seconds, held);
        learner.MoveTo(device.Device);
        _sampler = source.Sampler(options, ClassPart.Train, options.Queries, options.Seed);
    }

    /// <summary>The run's files.</summary>
    public RunFolder Folder { get; }

    /// <summary>The run's options.</summary>
    public TrainingOptions Options { get; }

    /// <summary>What computes.</summary>
    public ComputeDevice Device { get; }

    /// <summary>The meta-parameters as they are now.</summary>
    public MetaLearner Learner { get; }

    /// <summary>Wall seconds of training so far, without validation.</summary>
    public double Seconds => _seconds;

    /// <summary>Begins a run in an empty or new folder, or continues the one that is there if its options are the same.</summary>
    /// <remarks>
    /// A new run writes nothing before its first meta-step is made, so that options that cannot run leave nothing behind. A run may go on on
    /// another device than it began on; its numbers then are those of a run that was not stopped but for their rounding.
    /// </remarks>
    /// <exception cref="CheckpointException">
    /// The folder cannot be written, is in use, or holds a run of other options or data, a damaged one, or files of something else.
    /// </exception>
    /// <exception cref="DataException">The options make no sense, or not with these data.</exception>
    public static TrainingRun Open(RunFolder folder, TrainingOptions options, TaskSource source, ComputeDevice device)
    {
        options.Validate();
        foreach (var part in Enum.GetValues<ClassPart>().Where(part => part != ClassPart.Validation || options.ValidationClasses > 0))
        {
            // Now, not when the part is needed: every part must allow these episodes.
            source.Sampler(options, part, options.Queries, TaskSource.EvaluationSeed);
        }

        LibTorchLoader.EnsureLoaded();
        var held = folder.Lock();
        try
        {
            return File.Exists(folder.CheckpointPath)
                ? Continue(folder, options, source, device, held)
                : new TrainingRun(folder, options, source, device, MetaLearner.Create(options, TaskSource.Network(options)), 0, held);
        }
        catch
        {
            held.Dispose();
            folder.RemoveIfEmpty();
            throw;
        }
    }

    private static TrainingRun Continue(RunFolder folder, TrainingOptions options, TaskSource source, ComputeDevice device, FileStream held)
    {
        var header = Checkpoint.ReadHeader(folder.CheckpointPath);
        if (options.DifferencesFrom(header.Options) is { Count: > 0 } differences)
        {
            throw new CheckpointException($"{folder.FolderPath} holds a run of other options ({string.Join(", ", differences)}); repeat its options to continue it, or name another folder with --out");
        }

        if (header.ManifestHash != source.Split.Manifest.Hash)
        {
            throw new CheckpointException($"{folder.FolderPath} holds a run on other classes (manifest {header.ManifestHash[..12]}…, not {source.Split.Manifest.Hash[..12]}…); name another folder with --out");
        }

        var (_, learner) = Checkpoint.Read(folder.CheckpointPath, TaskSource.Network, threads: options.Threads);
        RunFolder.Truncate(folder.ProgressPath, header.MetaStep);
        RunFolder.Truncate(folder.CurvePath, header.MetaStep);
        var run = new TrainingRun(folder, options, source, device, learner, header.Seconds, held)
        {
            _lastValidation = RunFolder.Read<CurveLine>(folder.CurvePath).LastOrDefault()?.MetaStep ?? 0,
        };
        run._sinceValidation.AddRange(
            RunFolder.Read<ProgressLine>(folder.ProgressPath).Select(line => line.Step).OfType<StepReport>().Where(step => step.MetaStep > run._lastValidation));
        return run;
    }

    /// <summary>Trains to the end, or until asked to stop; either way the folder then holds the state reached.</summary>
    /// <exception cref="TrainingDivergedException">No task of a meta-batch had a finite meta-gradient; the last finite state is saved.</exception>
    public void Run(RunCadence cadence, Action<ProgressLine> onStep, Action<CurveLine> onValidation, CancellationToken cancel)
    {
        var validation = cadence.ValidateEvery > 0 ? _source.Sampler(Options, ClassPart.Validation, Options.Queries, TaskSource.EvaluationSeed) : null;
        try
        {
            while (true)
            {
                // First of all, so that a run that was stopped before it kept a state, or while it validated, makes up for it.
                if (KeepIsDue(cadence.KeepEvery))
                {
                    Keep();
                }

                if (validation is not null && ValidationIsDue(cadence.ValidateEvery))
                {
                    onValidation(Validate(validation, cadence.ValidationEpisodes, cancel));
                }

                if (Learner.MetaStep >= Options.MetaSteps || cancel.IsCancellationRequested)
                {
                    return;
                }

                var line = Step();
                onStep(line);
                if (Learner.MetaStep == 1 || Learner.MetaStep % cadence.CheckpointEvery == 0 || KeepIsDue(cadence.KeepEvery))
                {
                    Save();
                }
            }
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            // In the middle of a validation; the state before it is what is saved.
        }
        finally
        {
            Save();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Learner.Dispose();
        _lock.Dispose();
        Folder.RemoveIfEmpty();
    }

    private bool ValidationIsDue(int every) =>
        Learner.MetaStep > _lastValidation && (Learner.MetaStep % every == 0 || Learner.MetaStep == Options.MetaSteps);

    private bool KeepIsDue(int every) =>
        every > 0 && Learner.MetaStep > 0 && Learner.MetaStep % every == 0 && !File.Exists(Folder.KeptCheckpointPath(Learner.MetaStep));

    // After the checkpoint of the same state, so that no kept state is ahead of the run.
    private void Keep() => Checkpoint.Write(Folder.KeptCheckpointPath(Learner.MetaStep), Header(), Learner);

    private CheckpointHeader Header() => new(Options, _source.Split.Manifest.Hash, Learner.MetaStep, _seconds);

    private ProgressLine Step()
    {
        var watch = Stopwatch.StartNew();
        var report = Learner.Step(_sampler.Batch((long)Learner.MetaStep * Options.MetaBatch, Options.MetaBatch));
        _seconds += watch.Elapsed.TotalSeconds;
        var line = new ProgressLine(Learner.MetaStep, _seconds, report);
        _unwritten.Add(line);
        _sinceValidation.Add(report);
        return line;
    }

    private CurveLine Validate(EpisodeSampler validation, int episodes, CancellationToken cancel)
    {
        var accuracy = Evaluator.AfterAdapting(Learner, validation, episodes, cancel);
        var point = new CurveLine(
            Learner.MetaStep,
            (long)Learner.MetaStep * Options.MetaBatch,
            _seconds,
            accuracy.Mean,
            accuracy.HalfWidth95,
            _sinceValidation.Max(step => step.InnerGradientNorm),
            _sinceValidation.Max(step => step.CgResidual),
            _sinceValidation.Max(step => step.LargestCurvature),
            _sinceValidation.Sum(step => step.NonPositiveCurvature),
            _sinceValidation.Sum(step => step.NonFinite));
        _unwrittenCurve.Add(point);
        _sinceValidation.Clear();
        _lastValidation = Learner.MetaStep;
        return point;
    }

    // Logs first: they may be ahead of the checkpoint, and are cut to it when the run goes on; never behind.
    private void Save()
    {
        if (Learner.MetaStep == 0)
        {
            return;
        }

        RunFolder.Append(Folder.ProgressPath, _unwritten);
        RunFolder.Append(Folder.CurvePath, _unwrittenCurve);
        Checkpoint.Write(Folder.CheckpointPath, Header(), Learner);
        if (!File.Exists(Folder.DescriptionPath))
        {
            RunFolder.WriteJson(Folder.DescriptionPath, new RunDescription(Options, _source.Split.Manifest, Provenance.Current(Device)));
        }
    }
}
