// A meta-training run on disk: begun or continued, logged at every meta-step, checkpointed, validated. Where several ranks share it out, rank 0 alone touches
// the folder, and what decides the course of the run is rank 0's on all of them.

using System.Diagnostics;
using Imaml.Nets.Learning;
using Imaml.Nets.LibTorch;
using Imaml.Nets.Machines;
using Imaml.Nets.Tasks;

namespace Imaml.Nets.Runs;

/// <summary>A run of meta-training, bound to its folder. One thread at a time may use it.</summary>
public sealed partial class TrainingRun : IDisposable
{
    private readonly RunOrigin _origin;
    private readonly Validations _validations;
    private readonly RunWriter? _writer; // Of rank 0.
    private readonly List<string> _notes = [];
    private readonly object _use = new();
    private double _seconds;
    private bool _disposed;

    // Whether θ is known to be another on one of the ranks: it is not saved.
    private bool _differs;

    private TrainingRun(
        RunFolder folder, Experiment experiment, Validations validations, ClassSplit? manifest, ComputeDevice device, MetaLearner learner, int threads, double seconds, FileStream? held, bool isSound = false)
    {
        (Folder, Experiment, _validations, Device, Learner, Threads, _seconds) = (folder, experiment, validations, device, learner, threads, seconds);
        _origin = new RunOrigin(learner.Problem.Identity, manifest, Provenance.Current(device));
        _writer = held is null ? null : new RunWriter(folder, held, experiment, _origin, validations, isSound);
        learner.MoveTo(device.Device);
    }

    /// <summary>The run's files.</summary>
    public RunFolder Folder { get; }

    /// <summary>What is trained.</summary>
    public Experiment Experiment { get; }

    /// <summary>What computes.</summary>
    public ComputeDevice Device { get; }

    /// <summary>The meta-parameters as they are now.</summary>
    public MetaLearner Learner { get; }

    /// <summary>Threads that share out the tasks; no number depends on how many there are.</summary>
    public int Threads { get; }

    /// <summary>Wall seconds of training so far, without validation.</summary>
    public double Seconds => _seconds;

    /// <summary>
    /// Seconds of training so far, whatever else the machine did meanwhile: processor time divided by the threads that can compute at once, never more than wall
    /// time; on a GPU, or where the system does not account for processor time, wall time.
    /// </summary>
    public double ComputeSeconds => _writer?.Progress.ComputeSeconds ?? 0;

    /// <summary>How the tasks' solves ended in the meta-steps that the run's log has: all that were saved.</summary>
    public TaskStatuses Statuses => TaskStatuses.Sum((_writer?.Progress.Lines ?? []).Select(line => line.Step?.Ended).OfType<TaskStatuses>());

    /// <summary>What was found when the run was continued, one line each: a checkpoint that could not be used, gaps in its logs. The logs say it too.</summary>
    public IReadOnlyList<string> Notes => _notes;

    /// <summary>Whether all meta-steps are made, and the last state is validated where states are.</summary>
    public bool Finished => HasAllSteps && !_validations.AreDue(Learner.MetaStep, atEnd: true);

    private bool HasAllSteps => Learner.MetaStep >= Experiment.Budget.MetaSteps;

    /// <summary>The processes that share it out.</summary>
    internal IRanks Processes => Learner.Processes;

    /// <summary>Begins a run in an empty or new folder, or continues the one that is there if it is the same experiment.</summary>
    /// <remarks>
    /// A new run writes nothing before its first meta-step is made, so that an experiment that cannot run leaves nothing behind. A run may be continued
    /// on another device than it began on; its numbers then are those of a run that was not stopped, up to rounding. It may be given more meta-steps
    /// (or fewer, down to those that are made) where its schedule does not depend on their number: it then goes on to the same bits as a run that was
    /// asked for as many at once.
    /// </remarks>
    /// <param name="folder">Where.</param>
    /// <param name="experiment">What.</param>
    /// <param name="tasks">The tasks.</param>
    /// <param name="model">What learns them.</param>
    /// <param name="device">What computes, or null for the processor.</param>
    /// <param name="threads">Threads that share out the tasks, or null for as many as there are cores.</param>
    /// <exception cref="CheckpointException">
    /// The folder cannot be written, is in use, or holds another experiment or other tasks, a damaged run, or files of something else.
    /// </exception>
    /// <exception cref="Storage.ExperimentException">The experiment makes no sense.</exception>
    public static TrainingRun Open<TTasks>(
        RunFolder folder, Experiment experiment, ITaskSource<TTasks> tasks, IModel<TTasks> model, ComputeDevice? device = null, int? threads = null) =>
        OpenShared(folder, experiment, tasks, model, device, threads, Ranks.Alone);

    /// <summary>Trains to the end, or until asked to stop; either way the folder then holds the state reached.</summary>
    /// <param name="cancel">Asks it to stop.</param>
    /// <param name="onStep">Told every meta-step.</param>
    /// <param name="onValidation">Told every validation.</param>
    /// <param name="seconds">The training ends, with a validation, once <see cref="ComputeSeconds"/> are so many, though not all meta-steps are made; a later call goes on.</param>
    /// <exception cref="TrainingDivergedException">No task of a meta-batch had a finite meta-gradient; the last finite state is saved, and the folder says why it is the last.</exception>
    public void Run(CancellationToken cancel, Action<StepReport>? onStep = null, Action<CurveLine>? onValidation = null, double seconds = double.PositiveInfinity)
    {
        if (double.IsNaN(seconds))
        {
            throw new ArgumentOutOfRangeException(nameof(seconds), seconds, "must be a number of seconds");
        }

        using var alone = Alone();
        var cadence = Experiment.Budget;
        try
        {
            while (true)
            {
                var (enough, stop) = Agreed(HasAllSteps || ComputeSeconds >= seconds, cancel.IsCancellationRequested);
                // First of all, so that a run that was stopped before it kept a state, or while it validated, makes up for it.
                if (KeepIsDue)
                {
                    _writer!.Keep(Learner, _seconds);
                }

                if (_validations.AreDue(Learner.MetaStep, enough))
                {
                    var point = _validations.Measure(Learner, _seconds, cancel);
                    onValidation?.Invoke(point);
                }

                if (enough || stop || (Processes.Size == 1 && cancel.IsCancellationRequested))
                {
                    return;
                }

                var report = Step();
                RequireSameState();
                onStep?.Invoke(report);
                if (Learner.MetaStep == 1 || Learner.MetaStep % cadence.CheckpointEvery == 0 || KeepIsDue)
                {
                    Save();
                }
            }
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested || Processes.Size > 1)
        {
            // In the middle of a validation; the state before it is what is saved.
        }
        catch (TrainingDivergedException e) when (Writes && Learner.MetaStep > 0)
        {
            RunFolder.WriteJson(Folder.DivergencePath, new Divergence(Learner.MetaStep, e.Message));
            throw;
        }
        finally
        {
            Save();
        }
    }

    /// <summary>Measures the state reached on tasks of a part, and writes the result to the run's folder.</summary>
    /// <param name="tasks">Their number.</param>
    /// <param name="part">The part.</param>
    /// <param name="cancel">Ends it with an <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="ArgumentException">Fewer tasks than 1, or a part that has none.</exception>
    public EvaluationResult Evaluate(int tasks, ClassPart part = ClassPart.Test, CancellationToken cancel = default)
    {
        using var alone = Alone();
        var result = EvaluationResult.Measure(Learner, Experiment, _origin.Manifest, Device, _seconds, new EvaluationRequest(part, tasks), cancel);
        if (Writes)
        {
            RunFolder.WriteJson(Folder.File(result.FileName), result);
        }

        return result;
    }

    /// <summary>Writes what the folder says about the run, though there is nothing to train.</summary>
    internal void Describe() => _writer?.Describe();

    private bool Writes => _writer is not null;

    // For one thread at a time, which may call again from a callback.
    private Held Alone()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return Monitor.TryEnter(_use) ? new Held(_use) : throw new InvalidOperationException("another thread uses this run: one at a time");
    }

    private readonly struct Held(object gate) : IDisposable
    {
        public void Dispose() => Monitor.Exit(gate);
    }

    // Threads with a core and a task of their own.
    private int AtOnce => int.Min(int.Min(Threads, Environment.ProcessorCount), (Experiment.Budget.MetaBatch + Processes.Size - 1) / Processes.Size);

    // Rank 0 has the time; any rank may have been asked to stop.
    private (bool Enough, bool Stop) Agreed(bool enough, bool stop)
    {
        if (Processes.Size == 1)
        {
            return (enough, stop);
        }

        var all = Processes.GatherAll([(byte)(enough ? 1 : 0), (byte)(stop ? 1 : 0)]);
        return (all[0][0] == 1, all.Any(one => one[1] == 1));
    }

    private void RequireSameState()
    {
        if (Processes.Size > 1)
        {
            var all = Processes.GatherAll(Learner.StateHash());
            _differs = all.Any(one => !one.AsSpan().SequenceEqual(all[0]));
            Processes.Require($"θ after meta-step {Learner.MetaStep}", all, "the last checkpoint is sound; look for another kind of processor or another library, or for damaged memory");
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _disposed = true;
        Learner.Dispose();
        _writer?.Dispose();
    }

    private bool KeepIsDue => _writer?.KeepIsDue(Learner.MetaStep) ?? false;

    private StepReport Step()
    {
        var (watch, before) = (Stopwatch.StartNew(), Device.Device.type == TorchSharp.DeviceType.CUDA ? null : ProcessorUse.OfProcess());
        var report = Learner.Step(Learner.NextTasks);
        var wall = watch.Elapsed.TotalSeconds;
        _seconds += wall;
        _writer?.Progress.Add(report, _seconds, ComputeSeconds + (before is null ? wall : double.Min(wall, ProcessorUse.OfProcess()!.Since(before, AtOnce).CpuSeconds)));
        _validations.Add([report]);
        return report;
    }

    private void Save()
    {
        if (Learner.MetaStep > 0 && !_differs)
        {
            _writer?.Save(Learner, _seconds);
        }
    }
}
