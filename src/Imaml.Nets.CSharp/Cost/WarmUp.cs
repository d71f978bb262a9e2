// How many steps are made before one is timed. A first step pays for libraries and for compiling; later ones still run code that the runtime compiles again, faster,
// in the background: a method 0.1 s after its 30th call, and once more after a profile. So a number of steps is not a criterion: time is compared, window by window.

using MathNet.Numerics.Statistics;

namespace Imaml.Nets.Cost;

/// <summary>What was done before the steps that are timed.</summary>
/// <param name="Steps">Steps.</param>
/// <param name="Seconds">Their wall seconds.</param>
/// <param name="Settled">Whether the time of a step had settled, or the upper limit of the warm-up was reached.</param>
public sealed record WarmUpReport(int Steps, double Seconds, bool Settled);

/// <summary>
/// Follows the times of steps until they settle: the median step of a window is not faster by more than a tolerance than that of any window before it, for
/// two windows in a row.
/// </summary>
internal sealed class WarmUp
{
    /// <summary>Seconds of a window, at least: five of the runtime's delays of 0.1 s, so that code that waits for its compilation does not pass for settled. A longer step is a window of its own.</summary>
    public const double Window = 0.5;

    /// <summary>Relative. What is still gained then moves the median of a few timed steps by less than they scatter on an idle machine (1 to 3 %).</summary>
    public const double Tolerance = 0.02;

    /// <summary>Seconds after which it ends in any case, so that a noisy machine or steps of many seconds do not take for ever.</summary>
    public const double Limit = 30;

    private const int WindowsInARow = 2;

    private readonly List<double> _window = [];
    private double _fastest = double.PositiveInfinity, _seconds;
    private int _steps, _noFaster;

    /// <summary>Whether to stop.</summary>
    public bool Over => Report.Settled || _seconds >= Limit;

    /// <summary>The state so far.</summary>
    public WarmUpReport Report => new(_steps, _seconds, _noFaster >= WindowsInARow);

    /// <summary>A step was made.</summary>
    public void Add(double seconds)
    {
        _steps++;
        _seconds += seconds;
        _window.Add(seconds);
        if (_window.Sum() < Window)
        {
            return;
        }

        var median = _window.Median();
        _window.Clear();
        _noFaster = median >= (1 - Tolerance) * _fastest ? _noFaster + 1 : 0;
        _fastest = double.Min(_fastest, median);
    }
}
