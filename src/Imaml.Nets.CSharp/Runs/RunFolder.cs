// The files of one run.
//
//     README.txt          what each file is, for people
//     run.json            the experiment
//     provenance.json     classes, program and machine
//     checkpoint.bin      the state to go on from, and the result of training
//     checkpoint-previous.bin  the state before it, for where checkpoint.bin is damaged
//     checkpoint-best.bin the state of the best validation, where there is one
//     checkpoint-best-regular.bin  that of the validations that are made however long the run is, where the best is of an end that it has had
//     checkpoint-T.bin    the state after T meta-steps, where states are kept; six digits or more
//     progress.jsonl      a line for one meta-step or several
//     curve.jsonl         one line a validation
//     training.json       what the finished run cost
//     diverged.json       why there is no next meta-step
//     lock                held by the process that trains; it stays, for one that waits for it would otherwise hold a file that is gone
//     evaluation-*.json   what `imaml evaluate` measured

using System.Diagnostics;
using System.Globalization;
using Imaml.Nets.Learning;
using Imaml.Nets.LibTorch;
using Imaml.Nets.Storage;

namespace Imaml.Nets.Runs;

/// <summary>The folder of a run.</summary>
public sealed partial class RunFolder(string path)
{
    private const string LockName = "lock", KeptPrefix = "checkpoint-", CheckpointSuffix = ".bin";

    // EWOULDBLOCK, by which .NET says that another process holds the file.
    private const int InUse = 11;

    private static readonly TimeSpan EndingTime = TimeSpan.FromSeconds(5);

    /// <summary>The folder.</summary>
    public string FolderPath { get; } = Path.GetFullPath(path);

    /// <summary>The checkpoint's path.</summary>
    public string CheckpointPath => File("checkpoint.bin");

    /// <summary>The path of the checkpoint before the last one.</summary>
    public string PreviousCheckpointPath => File($"{KeptPrefix}previous{CheckpointSuffix}");

    /// <summary>Whether it holds a run.</summary>
    internal bool HasRun => System.IO.File.Exists(CheckpointPath) || System.IO.File.Exists(PreviousCheckpointPath);

    /// <summary>The path of the state with the best validation.</summary>
    public string BestCheckpointPath => File($"{KeptPrefix}best{CheckpointSuffix}");

    /// <summary>The path of the best state of the validations that a longer run makes too, where the best of all is that of an end between them.</summary>
    internal string RegularBestCheckpointPath => File($"{KeptPrefix}best-regular{CheckpointSuffix}");

    /// <summary>The path of the checkpoint that is kept of a meta-step.</summary>
    public string KeptCheckpointPath(int metaStep) => File($"{KeptPrefix}{metaStep:D6}{CheckpointSuffix}");

    /// <summary>The states of the run that can be loaded, by their meta-steps, ascending: the initial one, those that were kept, and the last.</summary>
    /// <exception cref="CheckpointException">There is no folder or no checkpoint, one is damaged, or belongs to another run.</exception>
    public IReadOnlyList<int> States()
    {
        var kept = KeptCheckpoints();
        var last = SavedState.Of(this).Header;
        foreach (var (metaStep, path) in kept)
        {
            var header = HeaderOf(path);
            var differences = header.Experiment.DifferencesFrom(last.Experiment);
            if (differences.Count > 0 || header.Tasks != last.Tasks || header.MetaStep != metaStep)
            {
                var what = differences.Count > 0 ? $"another experiment ({string.Join(", ", differences)})" : header.MetaStep != metaStep ? $"meta-step {header.MetaStep}" : "other tasks";
                throw new CheckpointException($"{path} holds a state of {what}, not of the run in {FolderPath}; remove the file");
            }
        }

        return [.. new SortedSet<int>(kept.Select(one => one.MetaStep)) { 0, last.MetaStep }];
    }

    private static CheckpointHeader HeaderOf(string path)
    {
        try
        {
            return Checkpoint.ReadHeader(path);
        }
        catch (CheckpointException e)
        {
            throw new CheckpointException($"{SavedState.Fault(e)}; remove the file", e);
        }
    }

    /// <summary>θ after some meta-steps, on the processor. The caller disposes the learner.</summary>
    /// <param name="problem">The run's tasks and model.</param>
    /// <param name="metaStep">One of <see cref="States"/>, or null for the last.</param>
    /// <exception cref="CheckpointException">There is no such state, it is damaged or not finite, or its parameters are not those of the model.</exception>
    public MetaLearner Load(LearningProblem problem, int? metaStep = null)
    {
        ArgumentNullException.ThrowIfNull(problem);
        LibTorchLoader.EnsureLoaded();
        var last = SavedState.Of(this, problem);
        if (metaStep == 0)
        {
            return MetaLearner.Create(last.Header.Experiment.Plan, problem, Environment.ProcessorCount);
        }

        if (metaStep is { } asked && asked != last.Header.MetaStep && !System.IO.File.Exists(KeptCheckpointPath(asked)))
        {
            throw new CheckpointException($"there is no {KeptCheckpointPath(asked)}; the states that {FolderPath} has are of meta-steps {string.Join(", ", States())}") { IsOfRequest = true };
        }

        return Checkpoint.Read(metaStep is { } kept && kept != last.Header.MetaStep ? KeptCheckpointPath(kept) : last.Path, problem, Environment.ProcessorCount).Learner;
    }

    /// <summary>Requires a folder whose files may be read.</summary>
    /// <exception cref="CheckpointException">There is none.</exception>
    internal void RequireReadable()
    {
        if (NamedPath.NotAFolder(FolderPath) is { } fault)
        {
            throw new CheckpointException($"{fault}; name a folder that `imaml train` made") { IsOfRequest = true };
        }

        if (NamedPath.Closed(FolderPath) is { } closed)
        {
            throw new CheckpointException(closed);
        }
    }

    /// <summary>The states that were kept, in no order.</summary>
    /// <exception cref="CheckpointException">There is no folder.</exception>
    internal List<(int MetaStep, string Path)> KeptCheckpoints()
    {
        RequireReadable();
        var kept = new List<(int MetaStep, string Path)>();
        foreach (var path in Directory.EnumerateFiles(FolderPath, $"{KeptPrefix}*{CheckpointSuffix}"))
        {
            if (int.TryParse(Path.GetFileName(path)[KeptPrefix.Length..^CheckpointSuffix.Length], NumberStyles.None, CultureInfo.InvariantCulture, out var metaStep))
            {
                kept.Add((metaStep, path));
            }
        }

        return kept;
    }

    /// <summary>The path of run.json.</summary>
    public string DescriptionPath => File("run.json");

    /// <summary>The path of provenance.json.</summary>
    public string OriginPath => File("provenance.json");

    /// <summary>The path of the log of meta-steps.</summary>
    public string ProgressPath => File("progress.jsonl");

    /// <summary>The path of the log with one line a validation.</summary>
    public string CurvePath => File("curve.jsonl");

    /// <summary>The path of the file that the training process holds.</summary>
    internal string LockPath => File(LockName);

    /// <summary>The path of why a run has no next meta-step.</summary>
    internal string DivergencePath => File("diverged.json");

    /// <summary>The path of what a finished run cost.</summary>
    public string SummaryPath => File("training.json");

    /// <summary>Makes the folder and keeps other processes from training in it for as long as the result is open.</summary>
    /// <exception cref="CheckpointException">The folder cannot be written, is in use, or holds files of something else.</exception>
    internal FileStream Lock()
    {
        try
        {
            Directory.CreateDirectory(FolderPath);
            // What is written here would be written elsewhere.
            if (Logs.Append(LockPath).FirstOrDefault(path => new FileInfo(path).LinkTarget is not null) is { } link)
            {
                throw new CheckpointException($"{link} is a symbolic link, which training would follow out of the folder; remove it");
            }

            if (Parts.Concat(KeptPaths()).Select(path => NamedPath.OtherThanFile(path)).OfType<string>().FirstOrDefault() is { } other)
            {
                throw new CheckpointException($"{other}, and training writes that file; remove it, or name another folder");
            }

            // A folder of something else gets no lock. Where another process begins a run there is one.
            if (System.IO.File.Exists(LockPath) || HasRunOrNothing())
            {
                var held = HeldLock();
                if (HasRunOrNothing())
                {
                    Drafts.RemoveAbandoned(FolderPath);
                    // What a run that was killed before its first checkpoint left behind is begun anew.
                    Array.ForEach(HasRun ? [] : Logs, System.IO.File.Delete);
                    return held;
                }

                held.Dispose();
            }
        }
        catch (IOException e) when (e.HResult == InUse)
        {
            throw new CheckpointException($"another run trains in {FolderPath}; name another folder, or wait until it has ended", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException($"{FolderPath} cannot be written ({e.Message}); name another folder", e);
        }

        throw new CheckpointException($"{FolderPath} is not empty and holds no run; name another folder");
    }

    /// <summary>Requires that the folder that was locked is still here: files that are written would make another in its place.</summary>
    /// <exception cref="CheckpointException">It is not.</exception>
    internal void RequireHeld()
    {
        if (!System.IO.File.Exists(LockPath))
        {
            throw new CheckpointException($"{FolderPath} was moved or removed while it was trained in; where it is now it has the last checkpoint, from which training continues");
        }
    }

    private string[] Logs => [ProgressPath, CurvePath];

    private bool HasRunOrNothing() =>
        HasRun || Directory.EnumerateFileSystemEntries(FolderPath).All(path => path == LockPath || path.EndsWith(Drafts.Suffix, StringComparison.Ordinal) || Logs.Contains(path));

    // The ranks of a job that has ended may take a moment to end.
    private FileStream HeldLock()
    {
        for (var start = Stopwatch.GetTimestamp(); ; Thread.Sleep(100))
        {
            try
            {
                var held = new FileStream(LockPath, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
                if (System.IO.File.Exists(LockPath))
                {
                    return held;
                }

                // It was removed by whoever held it before, between its opening and its locking.
                held.Dispose();
                Directory.CreateDirectory(FolderPath);
            }
            catch (DirectoryNotFoundException) when (Stopwatch.GetElapsedTime(start) < EndingTime)
            {
                Directory.CreateDirectory(FolderPath);
            }
            catch (IOException e) when (e.HResult == InUse && Stopwatch.GetElapsedTime(start) < EndingTime)
            {
            }
        }
    }

    /// <summary>Gives the lock up, once. Before that the folder is removed where nothing but the lock is in it: afterwards it may be another process's.</summary>
    internal void Release(FileStream held)
    {
        try
        {
            if (!held.SafeFileHandle.IsClosed)
            {
                RemoveIfEmpty();
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A mount point, or another process begins there: an empty folder stays.
        }
        finally
        {
            held.Dispose();
        }
    }

    /// <summary>Removes the folder where nothing was written into it but the lock.</summary>
    internal void RemoveIfEmpty()
    {
        if (Directory.Exists(FolderPath) && Directory.EnumerateFileSystemEntries(FolderPath).All(path => path == LockPath))
        {
            System.IO.File.Delete(LockPath);
            Directory.Delete(FolderPath);
        }
    }

    /// <summary>A file of the run.</summary>
    public string File(string name) => Path.Combine(FolderPath, name);

    /// <summary>The folder of the run that a file is part of, which only training and evaluation write; null where it is none's.</summary>
    internal static string? OfFile(string path)
    {
        var full = Path.GetFullPath(path);
        var folder = new RunFolder(Path.GetDirectoryName(full) ?? full);
        return (folder.HasRun || System.IO.File.Exists(folder.DescriptionPath)) && folder.IsPart(full) ? folder.FolderPath : null;
    }

    /// <summary>The name of the file of this folder that training would write or delete and that a path leads to, by whatever links; null where there is none.</summary>
    /// <remarks>Not run.json, which training replaces by the experiment that was read.</remarks>
    internal string? Replaces(string path)
    {
        if (Owner.Identity(path) is not { } asked || !Directory.Exists(FolderPath))
        {
            return null;
        }

        return Directory.EnumerateFiles(FolderPath).FirstOrDefault(file => file != DescriptionPath && (IsPart(file) || file.EndsWith(Drafts.Suffix, StringComparison.Ordinal)) && Owner.Identity(file) == asked);
    }

    // All but states, which IsPart knows by their names.
    private string[] Parts => [CheckpointPath, DescriptionPath, OriginPath, ProgressPath, CurvePath, LockPath, DivergencePath, SummaryPath, File(RunReadMe.Name)];

    // Of states, with whatever is in their places.
    private IEnumerable<string> KeptPaths() => Directory.EnumerateFileSystemEntries(FolderPath, $"{KeptPrefix}*{CheckpointSuffix}");

    private bool IsPart(string full)
    {
        var name = Path.GetFileName(full);
        return Parts.Contains(full, StringComparer.Ordinal)
            || (name.StartsWith(KeptPrefix, StringComparison.Ordinal) && name.EndsWith(CheckpointSuffix, StringComparison.Ordinal))
            || (name.StartsWith("evaluation-", StringComparison.Ordinal) && name.EndsWith(".json", StringComparison.Ordinal));
    }
}
