// How a run begins or goes on: rank 0 locks the folder and reads its state, which the other ranks get from it.

using Imaml.Nets.Learning;
using Imaml.Nets.LibTorch;
using Imaml.Nets.Machines;
using Imaml.Nets.Tasks;

namespace Imaml.Nets.Runs;

/// <inheritdoc/>
public sealed partial class TrainingRun
{
    /// <summary>The same on every rank, each of which computes a share of every meta-batch. The checkpoint does not tell how many there were.</summary>
    /// <exception cref="RanksDifferException">They have other experiments, tasks or programs.</exception>
    /// <exception cref="FirstRankException">Rank 0 could not begin or continue the run.</exception>
    internal static TrainingRun OpenShared<TTasks>(
        RunFolder folder, Experiment experiment, ITaskSource<TTasks> tasks, IModel<TTasks> model, ComputeDevice? device, int? threads, IRanks ranks)
    {
        ArgumentNullException.ThrowIfNull(folder);
        ArgumentNullException.ThrowIfNull(experiment);
        if (threads is < 1)
        {
            throw new ArgumentOutOfRangeException(nameof(threads), threads, "must be at least 1");
        }

        experiment.Validate();
        LibTorchLoader.EnsureLoaded();
        var problem = LearningProblem.Of(tasks, model);
        RunChecks.RequireParts(experiment, tasks, model);
        RunChecks.RequireTasks(problem, experiment.Budget, nameof(tasks));
        var manifest = (tasks as ImageTasks)?.Split;
        var (on, by) = (device ?? ComputeDevice.Processor, threads ?? Environment.ProcessorCount);
        RunChecks.RequireSame(ranks, experiment, problem, on);
        TrainingRun New(FileStream? held) => new(folder, experiment, new Validations(folder, experiment, keepsBest: held is not null), manifest, on, MetaLearner.Create(experiment.Plan, problem, by, ranks), by, 0, held);
        if (ranks.Rank > 0)
        {
            var received = ranks.FromFirst(() => []);
            return received.Length == 0 ? New(null) : Follow(folder, experiment, problem, manifest, on, by, ranks, received);
        }

        TrainingRun? opened = null;
        ranks.FromFirst(() =>
        {
            var held = folder.Lock();
            try
            {
                SavedState? state = null;
                opened = folder.HasRun ? Continue(folder, experiment, problem, manifest, on, by, ranks, held, out state) : New(held);
                // What the others go on from: the last validation, and the checkpoint.
                return state is null ? [] : [.. BitConverter.GetBytes(opened._validations.Last), .. state.Bytes];
            }
            catch
            {
                folder.Release(held);
                throw;
            }
        });
        return opened!;
    }

    private static TrainingRun Follow(
        RunFolder folder, Experiment experiment, LearningProblem problem, ClassSplit? manifest, ComputeDevice device, int threads, IRanks ranks, byte[] received)
    {
        var (header, learner) = Checkpoint.Read(received[sizeof(int)..], folder.CheckpointPath, problem, threads, experiment, ranks);
        var validations = new Validations(folder, experiment, keepsBest: false, BitConverter.ToInt32(received));
        return new TrainingRun(folder, experiment, validations, manifest, device, learner, threads, header.Seconds, null);
    }

    private static TrainingRun Continue(
        RunFolder folder, Experiment experiment, LearningProblem problem, ClassSplit? manifest, ComputeDevice device, int threads, IRanks ranks, FileStream held, out SavedState state)
    {
        RunChecks.RefuseOther(folder, SavedState.Of(folder).Header, experiment, problem);
        var saved = state = SavedState.Of(folder, problem);
        var header = state.Header;
        var (_, learner) = Checkpoint.Read(state.Bytes, state.Path, problem, threads, experiment, ranks);
        RunFolder.Cut<ProgressLine>(folder.ProgressPath, line => line.IsSound && line.MetaStep <= header.MetaStep);
        var validations = Validations.GoOn(folder, experiment, header.MetaStep);
        var run = new TrainingRun(folder, experiment, validations, manifest, device, learner, threads, header.Seconds, held, isSound: saved.Path == folder.CheckpointPath);
        var progress = run._writer!.Progress;
        var gap = progress.GoOn(header.MetaStep, header.Seconds, saved.Note);
        run._notes.AddRange(new[] { saved.Note, gap, validations.Gap }.OfType<string>());
        validations.Add(progress.Lines.Select(line => line.Step).OfType<StepReport>());
        return run;
    }
}
