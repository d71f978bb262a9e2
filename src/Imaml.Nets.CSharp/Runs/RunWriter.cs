// What is saved of a run as it goes on, by rank 0: its log, its curve, its checkpoints, and what the folder says about itself.

using System.Text;
using Imaml.Nets.Learning;
using Imaml.Nets.Storage;

namespace Imaml.Nets.Runs;

/// <summary>Writes a run's folder, which it has locked.</summary>
/// <param name="folder">The folder.</param>
/// <param name="held">Its lock.</param>
/// <param name="experiment">What is trained.</param>
/// <param name="origin">What it is trained on, and with.</param>
/// <param name="validations">Of the run.</param>
/// <param name="isSound">Whether the checkpoint that is there is sound, so that it is worth keeping when the next is written.</param>
internal sealed class RunWriter(RunFolder folder, FileStream held, Experiment experiment, RunOrigin origin, Validations validations, bool isSound) : IDisposable
{
    private bool _isSound = isSound, _described;

    /// <summary>The run's log.</summary>
    public ProgressLog Progress { get; } = new(folder.ProgressPath, experiment.Budget.LogEvery);

    /// <summary>Whether the state of this meta-step is to be kept, and is not.</summary>
    public bool KeepIsDue(int metaStep) =>
        experiment.Budget.KeepEvery is > 0 and var every && metaStep > 0 && metaStep % every == 0 && !File.Exists(folder.KeptCheckpointPath(metaStep));

    /// <summary>Keeps a state: after the checkpoint of the same one, so that no kept state is ahead of the run.</summary>
    public void Keep(MetaLearner learner, double seconds) => Checkpoint.Write(folder.KeptCheckpointPath(learner.MetaStep), experiment, seconds, learner);

    /// <summary>Saves the state reached. Logs first: they may be ahead of the checkpoint, and are cut to it when the run goes on; never behind.</summary>
    public void Save(MetaLearner learner, double seconds)
    {
        folder.RequireHeld();
        Progress.Write();
        validations.Write();
        // What is damaged does not replace the state before it.
        Checkpoint.Write(folder.CheckpointPath, experiment, seconds, learner, _isSound ? folder.PreviousCheckpointPath : null);
        Progress.Tidy();
        _isSound = true;
        Describe();
    }

    /// <summary>Writes what the folder says about the run, where it is missing or damaged, or the run has been made longer.</summary>
    public void Describe()
    {
        if (!_described)
        {
            var text = RunFolder.Json(experiment);
            if (!File.Exists(folder.DescriptionPath) || !FileContent.Whole(folder.DescriptionPath).AsSpan().SequenceEqual(text))
            {
                AtomicFile.Write(folder.DescriptionPath, text);
            }

            _described = true;
        }

        if (!File.Exists(folder.OriginPath))
        {
            AtomicFile.Write(folder.File(RunReadMe.Name), Encoding.UTF8.GetBytes(RunReadMe.Text));
            RunFolder.WriteJson(folder.OriginPath, origin);
        }
    }

    /// <summary>Gives the folder up.</summary>
    public void Dispose() => folder.Release(held);
}
