// The files of one run.
//
//     README.txt          what each file is, for people
//     run.json            the experiment
//     provenance.json     classes, program and machine
//     checkpoint.bin      the state to go on from, and the result of training
//     checkpoint-best.bin the state of the best validation, where there is one
//     checkpoint-T.bin    the state after T meta-steps, where states are kept; six digits or more
//     progress.jsonl      a line for one meta-step or several
//     curve.jsonl         one line a validation
//     training.json       what the finished run cost
//     lock                there while a process trains
//     evaluation-*.json   what `imaml evaluate` measured

using System.Globalization;
using System.Text;
using System.Text.Json;
using Imaml.Nets.Learning;
using Imaml.Nets.LibTorch;
using Imaml.Nets.Storage;
using Imaml.Nets.Tensors;
using static TorchSharp.torch;

namespace Imaml.Nets.Runs;

/// <summary>The folder of a run.</summary>
public sealed class RunFolder(string path)
{
    private const string LockName = "lock", KeptPrefix = "checkpoint-", CheckpointSuffix = ".bin";

    /// <summary>The folder.</summary>
    public string FolderPath { get; } = Path.GetFullPath(path);

    /// <summary>The checkpoint's path.</summary>
    public string CheckpointPath => File("checkpoint.bin");

    /// <summary>The path of the state with the best validation.</summary>
    public string BestCheckpointPath => File($"{KeptPrefix}best{CheckpointSuffix}");

    /// <summary>The path of the checkpoint that is kept of a meta-step.</summary>
    public string KeptCheckpointPath(int metaStep) => File($"{KeptPrefix}{metaStep:D6}{CheckpointSuffix}");

    /// <summary>The states of the run that can be loaded, by their meta-steps, ascending: the initial one, those that were kept, and the last.</summary>
    /// <exception cref="CheckpointException">There is no folder or no checkpoint, one is damaged, or belongs to another run.</exception>
    public IReadOnlyList<int> States()
    {
        var kept = KeptCheckpoints();
        var last = Checkpoint.ReadHeader(CheckpointPath);
        foreach (var (metaStep, path) in kept)
        {
            var header = Checkpoint.ReadHeader(path);
            var differences = header.Experiment.DifferencesFrom(last.Experiment);
            if (differences.Count > 0 || header.Tasks != last.Tasks || header.MetaStep != metaStep)
            {
                var what = differences.Count > 0 ? $"another experiment ({string.Join(", ", differences)})" : header.MetaStep != metaStep ? $"meta-step {header.MetaStep}" : "other tasks";
                throw new CheckpointException($"{path} holds a state of {what}, not of the run in {FolderPath}; remove the file");
            }
        }

        return [.. new SortedSet<int>(kept.Select(one => one.MetaStep)) { 0, last.MetaStep }];
    }

    /// <summary>θ after some meta-steps, on the processor. The caller disposes the learner.</summary>
    /// <param name="problem">The run's tasks and model.</param>
    /// <param name="metaStep">One of <see cref="States"/>, or null for the last.</param>
    /// <exception cref="CheckpointException">There is no such state, it is damaged or not finite, or its parameters are not those of the model.</exception>
    public MetaLearner Load(LearningProblem problem, int? metaStep = null)
    {
        LibTorchLoader.EnsureLoaded();
        var last = Checkpoint.ReadHeader(CheckpointPath);
        if (metaStep == 0)
        {
            return MetaLearner.Create(last.Experiment.Plan, problem, Environment.ProcessorCount);
        }

        var path = metaStep is { } kept && kept != last.MetaStep ? KeptCheckpointPath(kept) : CheckpointPath;
        var (_, learner) = Checkpoint.Read(path, problem, Environment.ProcessorCount);
        using var scope = NewDisposeScope();
        if (!learner.Theta.isfinite().all().Truth())
        {
            learner.Dispose();
            throw new CheckpointException($"{path} holds parameters that are not finite; the run has diverged");
        }

        return learner;
    }

    private List<(int MetaStep, string Path)> KeptCheckpoints()
    {
        if (!Directory.Exists(FolderPath))
        {
            throw new CheckpointException($"there is no folder {FolderPath}; name one that `imaml train` made");
        }

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

    /// <summary>The path of what a finished run cost.</summary>
    public string SummaryPath => File("training.json");

    /// <summary>Makes the folder and keeps other processes from training in it for as long as the result is open.</summary>
    /// <exception cref="CheckpointException">The folder cannot be written, is in use, or holds files of something else.</exception>
    internal FileStream Lock()
    {
        FileStream held;
        try
        {
            Directory.CreateDirectory(FolderPath);
            held = new FileStream(File(LockName), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1, FileOptions.DeleteOnClose);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException($"{FolderPath} cannot be written, or another process trains there ({e.Message}); name another folder", e);
        }

        if (System.IO.File.Exists(CheckpointPath))
        {
            return held;
        }

        // What a run that was killed before its first checkpoint left behind is begun anew.
        string[] logs = [ProgressPath, CurvePath];
        if (Directory.EnumerateFileSystemEntries(FolderPath).Any(path => Path.GetFileName(path) != LockName && !path.EndsWith(AtomicFile.DraftSuffix, StringComparison.Ordinal) && !logs.Contains(path)))
        {
            held.Dispose();
            throw new CheckpointException($"{FolderPath} is not empty and holds no run; name another folder");
        }

        Array.ForEach(logs, System.IO.File.Delete);
        return held;
    }

    /// <summary>Removes the folder where nothing was written into it.</summary>
    internal void RemoveIfEmpty()
    {
        if (Directory.Exists(FolderPath) && !Directory.EnumerateFileSystemEntries(FolderPath).Any())
        {
            Directory.Delete(FolderPath);
        }
    }

    /// <summary>A file of the run.</summary>
    public string File(string name) => Path.Combine(FolderPath, name);

    /// <summary>Writes a JSON document in one piece.</summary>
    internal static void WriteJson<T>(string path, T value) =>
        AtomicFile.Write(path, [.. JsonSerializer.SerializeToUtf8Bytes(value, RunJson.Indented), (byte)'\n']);

    /// <summary>Appends lines to a log.</summary>
    internal static void Append<T>(string path, IEnumerable<T> lines)
    {
        using var file = new FileStream(path, FileMode.Append);
        file.Write(Encoding.UTF8.GetBytes(Text(lines)));
        // A checkpoint is written after its log, and must not reach the disk before it.
        file.Flush(flushToDisk: true);
    }

    /// <summary>Writes a log anew, in one piece.</summary>
    internal static void Replace<T>(string path, IEnumerable<T> lines) => AtomicFile.Write(path, Encoding.UTF8.GetBytes(Text(lines)));

    private static string Text<T>(IEnumerable<T> lines) => string.Concat(lines.Select(line => JsonSerializer.Serialize(line, RunJson.Options) + "\n"));

    /// <summary>A log's lines; none where there is no log.</summary>
    internal static IEnumerable<T> Read<T>(string path) =>
        System.IO.File.Exists(path) ? System.IO.File.ReadLines(path).Select(line => JsonSerializer.Deserialize<T>(line, RunJson.Options)!) : [];

    /// <summary>Keeps a log's lines of these meta-steps, so that it fits a checkpoint.</summary>
    /// <exception cref="CheckpointException">A line before the last is damaged.</exception>
    internal static void Keep(string path, Func<int, bool> keep)
    {
        if (!System.IO.File.Exists(path))
        {
            return;
        }

        var lines = System.IO.File.ReadAllLines(path);
        var steps = lines.Select(MetaStepOf).ToArray();
        // The last line may be half a line: its writer was killed.
        if (Array.FindIndex(steps, step => step is null) is var damaged and >= 0 && damaged < lines.Length - 1)
        {
            throw new CheckpointException($"{path}: line {damaged + 1} is damaged; delete the file to go on without the lines before");
        }

        var kept = lines.Where((_, i) => steps[i] is { } step && keep(step)).ToArray();
        if (kept.Length < lines.Length)
        {
            AtomicFile.Write(path, Encoding.UTF8.GetBytes(string.Concat(kept.Select(line => line + "\n"))));
        }
    }

    private static int? MetaStepOf(string line)
    {
        try
        {
            return JsonSerializer.Deserialize<LogLine>(line, RunJson.Options)?.MetaStep;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>What every log line has.</summary>
    private sealed record LogLine(int? MetaStep);
}
