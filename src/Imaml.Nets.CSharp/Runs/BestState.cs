// The state with the best validation so far, the first one of equal ones, as a file of the run's folder. A run that ends between two validations of its
// cadence validates its end too; a longer run has no end there, and chooses among the states that it would have validated: the best of these is kept too.

using Imaml.Nets.Learning;
using Imaml.Nets.Storage;

namespace Imaml.Nets.Runs;

/// <summary>The best state of a run.</summary>
/// <param name="folder">The run's.</param>
/// <param name="every">Meta-steps between two validations; 0 for none.</param>
internal sealed class BestState(RunFolder folder, int every)
{
    private double? _value = Header(folder.BestCheckpointPath)?.Validation;

    /// <summary>Before a run continues to <paramref name="metaSteps"/>: drops a best state that only the end of the shorter run had validated.</summary>
    /// <param name="folder">The run's.</param>
    /// <param name="every">Meta-steps between two validations.</param>
    /// <param name="metaSteps">Its length now.</param>
    public static void LeaveEnd(RunFolder folder, int every, int metaSteps)
    {
        if (Header(folder.BestCheckpointPath) is not { MetaStep: var best } || !IsOutOfTurn(best, every) || best == metaSteps)
        {
            return;
        }

        if (Header(folder.RegularBestCheckpointPath) is null)
        {
            File.Delete(folder.BestCheckpointPath);
        }
        else
        {
            File.Move(folder.RegularBestCheckpointPath, folder.BestCheckpointPath, overwrite: true);
        }
    }

    /// <summary>Keeps a state if none was better.</summary>
    /// <param name="measured">Its validation.</param>
    /// <param name="experiment">The run's.</param>
    /// <param name="seconds">Seconds of training that led to it.</param>
    /// <param name="learner">The state.</param>
    /// <param name="averaged">Whether it is the average of the last ones.</param>
    public void Offer(Evaluation measured, Experiment experiment, double seconds, MetaLearner learner, bool averaged)
    {
        var value = measured.Mean;
        if (!double.IsFinite(value) || (_value is { } best && !(measured.Metric == LearningProblem.Accuracy ? value > best : value < best)))
        {
            return;
        }

        folder.RequireHeld();
        if (IsOutOfTurn(learner.MetaStep, every) && Header(folder.BestCheckpointPath) is { } before && !IsOutOfTurn(before.MetaStep, every))
        {
            AtomicFile.Write(folder.RegularBestCheckpointPath, Checkpoint.ReadFile(folder.BestCheckpointPath));
        }

        Checkpoint.WriteValidated(folder.BestCheckpointPath, experiment, seconds, learner, value, averaged);
        _value = value;
    }

    private static bool IsOutOfTurn(int metaStep, int every) => every > 0 && metaStep % every != 0;

    // A damaged one is not needed to go on: the next validation replaces it.
    private static CheckpointHeader? Header(string path)
    {
        try
        {
            return File.Exists(path) ? Checkpoint.ReadHeader(path) : null;
        }
        catch (CheckpointException)
        {
            return null;
        }
    }
}
