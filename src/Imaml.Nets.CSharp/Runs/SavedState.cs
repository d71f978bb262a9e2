// The state that a run goes on from, and that is measured of it: its checkpoint, or where that is damaged or missing the one before, which is kept for this.

using Imaml.Nets.Learning;

namespace Imaml.Nets.Runs;

/// <summary>The last sound state of a run.</summary>
/// <param name="Path">Its file.</param>
/// <param name="Bytes">The file's content.</param>
/// <param name="Header">Its header.</param>
/// <param name="Note">Which file could not be used and why, or null where this is the run's checkpoint.</param>
internal sealed record SavedState(string Path, byte[] Bytes, CheckpointHeader Header, string? Note)
{
    /// <summary>The state of a run's folder.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="problem">The run's tasks and model, which the state must fit; null where they are not known yet.</param>
    /// <exception cref="CheckpointException">There is no sound one; where a state was kept that is sound, the message says how to go on from it.</exception>
    public static SavedState Of(RunFolder folder, LearningProblem? problem = null)
    {
        folder.RequireReadable();
        try
        {
            return Read(folder.CheckpointPath, problem);
        }
        catch (CheckpointException damaged)
        {
            var what = Fault(damaged);
            if (Sound(folder.PreviousCheckpointPath, problem) is { } previous)
            {
                return previous with { Note = $"{what}: the state before it is used, after {previous.Header.MetaStep} meta-steps" };
            }

            if (folder.KeptCheckpoints().OrderByDescending(one => one.MetaStep).Select(one => Sound(one.Path, problem)).OfType<SavedState>().FirstOrDefault() is { } kept)
            {
                var (from, to) = (System.IO.Path.GetFileName(kept.Path), System.IO.Path.GetFileName(folder.CheckpointPath));
                throw new CheckpointException($"{what}; {from} is sound: copy it to {to} to go on after {kept.Header.MetaStep} meta-steps", damaged);
            }

            if (File.Exists(folder.CheckpointPath))
            {
                throw new CheckpointException($"{what}; restore it from a copy, or delete the folder and train anew", damaged);
            }

            throw;
        }
    }

    /// <summary>What is wrong with a file, without what to do about it.</summary>
    public static string Fault(CheckpointException e) => e.Message.LastIndexOf(';') is var at and > 0 ? e.Message[..at] : e.Message;

    private static SavedState? Sound(string path, LearningProblem? problem)
    {
        try
        {
            return Read(path, problem);
        }
        catch (CheckpointException)
        {
            return null;
        }
    }

    private static SavedState Read(string path, LearningProblem? problem)
    {
        var bytes = Checkpoint.ReadFile(path);
        return new SavedState(path, bytes, Checkpoint.SoundHeader(bytes, path, problem), null);
    }
}
