// progress.jsonl: what training did, a line for one meta-step or for several.

using Imaml.Nets.Learning;

namespace Imaml.Nets.Runs;

/// <summary>The log of a run's meta-steps, written when its checkpoint is.</summary>
/// <remarks>
/// A line that more meta-steps belong to is written too when the run is saved. The line of all of them comes after it, and once the checkpoint has passed it the
/// shorter one is removed: however often a run is stopped, its log is that of a run that was not, and no kill leaves a gap.
/// </remarks>
internal sealed class ProgressLog
{
    private readonly string _path;
    private readonly int _every;
    private readonly List<ProgressLine> _unwritten = [];
    private ProgressLine? _open;
    private int? _openOnDisk;

    /// <summary>The log in a file, which may be there.</summary>
    /// <param name="path">The file.</param>
    /// <param name="every">Meta-steps of a line.</param>
    public ProgressLog(string path, int every)
    {
        (_path, _every) = (path, every);
        if (Lines is [.., var last])
        {
            ComputeSeconds = last.ComputeSeconds ?? last.Seconds;
            _open = last.MetaStep % every == 0 ? null : last;
            _openOnDisk = _open?.MetaStep;
        }
    }

    /// <summary>The lines in the file.</summary>
    public IReadOnlyList<ProgressLine> Lines => Read(_path);

    /// <summary>As of the last meta-step.</summary>
    public double ComputeSeconds { get; private set; }

    /// <summary>A log's lines, of no meta-step more than one.</summary>
    public static IReadOnlyList<ProgressLine> Read(string path)
    {
        ProgressLine[] all = [.. RunFolder.Read<ProgressLine>(path)];
        return [.. all.Where((line, i) => i + 1 == all.Length || all[i + 1].MetaStep - all[i + 1].Steps >= line.MetaStep)];
    }

    /// <summary>A meta-step, with the seconds up to it.</summary>
    public void Add(StepReport step, double seconds, double computeSeconds)
    {
        ComputeSeconds = computeSeconds;
        var line = new ProgressLine(step.MetaStep, seconds, step, computeSeconds);
        _open = _open is null ? line : line with { Steps = _open.Steps + 1, Step = _open.Step.And(step, _open.Steps) };
        if (step.MetaStep % _every == 0)
        {
            _unwritten.Add(_open);
            _open = null;
        }
    }

    /// <summary>Writes what is not in the file.</summary>
    public void Write() => RunFolder.Append(_path, _open is null || _open.MetaStep == _openOnDisk ? _unwritten : [.. _unwritten, _open]);

    /// <summary>Removes the lines that are in others, once a checkpoint is past them.</summary>
    public void Tidy()
    {
        _unwritten.Clear();
        if (_openOnDisk is not null && _openOnDisk != _open?.MetaStep)
        {
            RunFolder.Replace(_path, Lines);
        }

        _openOnDisk = _open?.MetaStep;
    }
}
