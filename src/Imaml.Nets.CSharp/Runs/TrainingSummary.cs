using System.Diagnostics;

namespace Imaml.Nets.Runs;

/// <summary>What a finished run cost: training.json.</summary>
/// <param name="Options">The run's options.</param>
/// <param name="Provenance">Program and machine that finished the run.</param>
/// <param name="Tasks">Tasks trained on.</param>
/// <param name="Seconds">Wall seconds of training, without validation.</param>
/// <param name="SecondsPerTask">Their quotient.</param>
/// <param name="PeakResidentBytes">Largest resident memory of the process that finished the run.</param>
public sealed record TrainingSummary(TrainingOptions Options, Provenance Provenance, long Tasks, double Seconds, double SecondsPerTask, long PeakResidentBytes)
{
    /// <summary>The cost of a run so far.</summary>
    public static TrainingSummary Of(TrainingRun run)
    {
        var tasks = (long)run.Learner.MetaStep * run.Options.MetaBatch;
        using var process = Process.GetCurrentProcess();
        return new TrainingSummary(run.Options, Provenance.Current(run.Device), tasks, run.Seconds, run.Seconds / tasks, process.PeakWorkingSet64);
    }
}
