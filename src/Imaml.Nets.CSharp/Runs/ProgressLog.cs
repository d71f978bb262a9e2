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

    // Meta-steps of the lines in the file that were written before all that belongs to them was there.
    private readonly HashSet<int> _shorter = [];
    private ProgressLine? _open;
    private string? _note;

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
        }

        _shorter.UnionWith(RunFolder.Read<ProgressLine>(path).Select(line => line.MetaStep).Except(Lines.Select(line => line.MetaStep)));
        if (_open is not null)
        {
            _shorter.Add(_open.MetaStep);
        }
    }

    /// <summary>Goes on from a checkpoint, to which the log has been cut.</summary>
    /// <param name="reached">Its meta-steps.</param>
    /// <param name="seconds">Wall seconds that they took.</param>
    /// <param name="note">What the next line is to say of it, or null.</param>
    /// <returns>What the log lacks, which the next line says too; null where it is whole.</returns>
    public string? GoOn(int reached, double seconds, string? note)
    {
        var (lines, gap) = (Lines, LogGap.Of(Lines, reached));
        _note = note is null || gap is null ? note ?? gap : $"{note}; {gap}";
        var (upTo, before) = lines is [.., var last] ? (last.MetaStep, last.Seconds) : (0, 0);
        if (upTo < reached)
        {
            // What is lost took at most its wall time.
            ComputeSeconds += double.Max(0, seconds - before);
            _open = null;
        }

        return gap;
    }

    /// <summary>The lines in the file.</summary>
    public IReadOnlyList<ProgressLine> Lines => Read(_path);

    /// <summary>As of the last meta-step.</summary>
    public double ComputeSeconds { get; private set; }

    /// <summary>A log's lines, of no meta-step more than one.</summary>
    public static IReadOnlyList<ProgressLine> Read(string path)
    {
        var kept = new Stack<ProgressLine>();
        foreach (var line in RunFolder.Read<ProgressLine>(path).Where(line => line.IsSound).Reverse())
        {
            if (kept.Count == 0 || line.MetaStep <= kept.Peek().After)
            {
                kept.Push(line);
            }
        }

        return [.. kept];
    }

    /// <summary>A meta-step, with the seconds up to it.</summary>
    public void Add(StepReport step, double seconds, double computeSeconds)
    {
        ComputeSeconds = computeSeconds;
        var line = new ProgressLine(step.MetaStep, seconds, step, computeSeconds, Note: _note);
        _open = _open is null ? line : line with { Steps = _open.Steps + 1, Step = _open.Step.And(step, _open.Steps), Note = _open.Note ?? _note };
        _note = null;
        if (step.MetaStep % _every == 0)
        {
            _unwritten.Add(_open);
            _open = null;
        }
    }

    /// <summary>Writes what is not in the file.</summary>
    public void Write()
    {
        RunFolder.Append(_path, _open is null || _shorter.Contains(_open.MetaStep) ? _unwritten : [.. _unwritten, _open]);
        _unwritten.Clear();
        if (_open is not null)
        {
            _shorter.Add(_open.MetaStep);
        }
    }

    /// <summary>Removes the lines that are in others, once a checkpoint is past them.</summary>
    public void Tidy()
    {
        int[] past = [.. _shorter.Where(step => step != _open?.MetaStep)];
        if (past.Length > 0)
        {
            RunFolder.Replace(_path, RunFolder.Read<ProgressLine>(_path).Where(line => !past.Contains(line.MetaStep)));
            _shorter.ExceptWith(past);
        }
    }
}
