// The states of a run that can still be looked at: the initial one, which the experiment determines, the checkpoints that were kept, and the
// last.

using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Imaml.Nets.Learning;
using Imaml.Nets.Runs;
using Imaml.Nets.Tensors;
using static TorchSharp.torch;

namespace Imaml.Nets.Assumptions;

/// <summary>θ after some meta-steps.</summary>
/// <param name="MetaStep">Meta-steps made.</param>
/// <param name="Path">Its checkpoint, or null for the initial state.</param>
public sealed record RunState(int MetaStep, string? Path)
{
    /// <summary>The run's last checkpoint, and all its states in the order of their meta-steps.</summary>
    /// <exception cref="CheckpointException">There is no folder or no checkpoint, one is damaged, or belongs to another run.</exception>
    public static (CheckpointHeader Last, IReadOnlyList<RunState> States) All(RunFolder folder)
    {
        var kept = folder.KeptCheckpoints();
        var last = Checkpoint.ReadHeader(folder.CheckpointPath);
        var states = new SortedDictionary<int, RunState> { [0] = new(0, null), [last.MetaStep] = new(last.MetaStep, folder.CheckpointPath) };
        foreach (var (metaStep, path) in kept)
        {
            var header = Checkpoint.ReadHeader(path);
            var differences = header.Experiment.DifferencesFrom(last.Experiment);
            if (differences.Count > 0 || header.Tasks != last.Tasks || header.MetaStep != metaStep)
            {
                var what = differences.Count > 0 ? $"another experiment ({string.Join(", ", differences)})" : header.MetaStep != metaStep ? $"meta-step {header.MetaStep}" : "other tasks";
                throw new CheckpointException($"{path} holds a state of {what}, not of the run in {folder.FolderPath}; remove the file");
            }

            states.TryAdd(metaStep, new RunState(metaStep, path));
        }

        return (last, [.. states.Values]);
    }

    /// <summary>SHA-256 of θ in hexadecimal digits.</summary>
    public string ThetaHash(Experiment experiment, LearningProblem problem)
    {
        using var learner = Load(experiment, problem);
        return Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes<float>(learner.Theta.data<float>().ToArray())));
    }

    /// <summary>θ and its network. The caller disposes the learner.</summary>
    /// <exception cref="CheckpointException">The checkpoint is damaged or does not fit its network.</exception>
    public MetaLearner Load(Experiment experiment, LearningProblem problem)
    {
        if (Path is null)
        {
            return MetaLearner.Create(experiment.Plan, problem, Environment.ProcessorCount);
        }

        var (_, learner) = Checkpoint.Read(Path, problem, Environment.ProcessorCount);
        using var scope = NewDisposeScope();
        if (!learner.Theta.isfinite().all().Truth())
        {
            learner.Dispose();
            throw new CheckpointException($"{Path} holds parameters that are not finite; the run has diverged");
        }

        return learner;
    }
}
