using System.Diagnostics;
using Imaml.Nets.Learning;

namespace Imaml.Nets.Runs;

/// <summary>What a finished run cost: training.json.</summary>
/// <param name="Experiment">What was trained.</param>
/// <param name="Provenance">Program and machine that finished the run.</param>
/// <param name="Threads">Threads that shared out the tasks.</param>
/// <param name="Tasks">Tasks trained on.</param>
/// <param name="Seconds">Wall seconds of training, without validation.</param>
/// <param name="SecondsPerTask">Their quotient.</param>
/// <param name="Statuses">How the tasks' solves ended in all meta-steps.</param>
/// <param name="PeakResidentBytes">Largest resident memory of the process that finished the run.</param>
public sealed record TrainingSummary(Experiment Experiment, Provenance Provenance, int Threads, long Tasks, double Seconds, double SecondsPerTask, TaskStatuses Statuses, long PeakResidentBytes)
{
    /// <summary>The cost of a run so far.</summary>
    public static TrainingSummary Of(TrainingRun run)
    {
        var tasks = (long)run.Learner.MetaStep * run.Experiment.Budget.MetaBatch;
        using var process = Process.GetCurrentProcess();
        return new TrainingSummary(run.Experiment, Provenance.Current(run.Device), run.Threads, tasks, run.Seconds, run.Seconds / tasks, run.Statuses, process.PeakWorkingSet64);
    }
}
