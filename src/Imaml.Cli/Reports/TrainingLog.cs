// progress.jsonl in bounded memory: a curve of at most so many points, and the sums over all meta-steps. When there are twice as many points, each two
// neighbours become one, so that the points always stand for equally many lines, and the same file always gives the same points.

using Imaml.Math;
using Imaml.Nets.Learning;
using Imaml.Nets.Runs;

namespace Imaml.Cli.Reports;

/// <summary>Some meta-steps in a row.</summary>
/// <param name="MetaStep">The last of them.</param>
/// <param name="Seconds">Wall seconds of training up to it.</param>
/// <param name="Steps">How many.</param>
/// <param name="Step">Means of losses and accuracy, the largest of norms, residual, curvature and raise, and sums of counts.</param>
internal sealed record LogPoint(int MetaStep, double Seconds, int Steps, StepReport Step)
{
    /// <summary>These meta-steps with the next ones.</summary>
    public LogPoint With(LogPoint next) => new(next.MetaStep, next.Seconds, Steps + next.Steps, Step.And(next.Step, Steps, next.Steps) with { Ended = null });
}

/// <summary>The meta-steps of a training.</summary>
internal sealed class TrainingLog
{
    /// <summary>The usual upper limit of points.</summary>
    public const int UsualPoints = 400;

    private readonly int _most;
    private readonly List<LogPoint> _points = [];
    private readonly Dictionary<InnerStatus, int> _inner = [];
    private readonly Dictionary<SolveStatus, int> _linear = [];
    private LogPoint? _open;
    private int _linesOfPoint = 1, _openLines, _notFinite, _counted;

    private TrainingLog(int most) => _most = most;

    /// <summary>The meta-steps, in order; empty where there is no log.</summary>
    public IReadOnlyList<LogPoint> Points => _points;

    /// <summary>How the solves ended in all meta-steps; null where no line has it.</summary>
    public TaskStatuses? Ended => _counted == 0 ? null : new TaskStatuses(_inner, _linear, _notFinite);

    /// <summary>Reads a log.</summary>
    /// <param name="path">The file; there may be none.</param>
    /// <param name="most">The upper limit of points.</param>
    /// <exception cref="InvalidDataException">A line before the last is damaged.</exception>
    public static TrainingLog Read(string path, int most = UsualPoints)
    {
        var log = new TrainingLog(most);
        ProgressLine? held = null;
        foreach (var line in JsonLines.Read<ProgressLine>(path, one => one.IsSound))
        {
            // The line of several meta-steps comes after one of the first of them, where a run was saved in between.
            if (held is not null && line.MetaStep - line.Steps >= held.MetaStep)
            {
                log.Add(held);
            }

            held = line;
        }

        if (held is not null)
        {
            log.Add(held);
        }

        log.Close();
        return log;
    }

    private void Add(ProgressLine line)
    {
        if (line.Step.Ended is { } ended)
        {
            _counted++;
            Count(_inner, ended.Inner);
            Count(_linear, ended.Linear);
            _notFinite += ended.NotFinite;
        }

        var point = new LogPoint(line.MetaStep, line.Seconds, line.Steps, line.Step with { Ended = null });
        _open = _open is null ? point : _open.With(point);
        if (++_openLines == _linesOfPoint)
        {
            Close();
        }
    }

    private void Close()
    {
        if (_open is null)
        {
            return;
        }

        _points.Add(_open);
        (_open, _openLines) = (null, 0);
        if (_points.Count < 2 * _most)
        {
            return;
        }

        for (var i = 0; i < _most; i++)
        {
            _points[i] = _points[2 * i].With(_points[(2 * i) + 1]);
        }

        _points.RemoveRange(_most, _points.Count - _most);
        _linesOfPoint *= 2;
    }

    private static void Count<T>(Dictionary<T, int> sums, IReadOnlyDictionary<T, int> more)
        where T : struct
    {
        foreach (var (status, count) in more)
        {
            sums[status] = (int)long.Min(int.MaxValue, (long)sums.GetValueOrDefault(status) + count);
        }
    }
}
