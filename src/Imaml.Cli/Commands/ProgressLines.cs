using System.Globalization;

namespace Imaml.Cli.Commands;

/// <summary>Progress as lines of text: one for each tenth of the work, at least two seconds apart, and one after fifteen seconds in any case.</summary>
/// <param name="what">What is being done.</param>
/// <param name="write">Receives a line.</param>
/// <param name="clock">The clock.</param>
internal sealed class ProgressLines(string what, Action<string> write, TimeProvider clock) : IProgress<double>
{
    private const int Tenth = 10;

    private static readonly TimeSpan Apart = TimeSpan.FromSeconds(2), InAnyCase = TimeSpan.FromSeconds(15);

    private readonly Lock _one = new();
    private (long Time, double Value)? _first;
    private long _lastTime = clock.GetTimestamp();
    private int _lastPercent;

    /// <summary>Receives 0 … 1, from any thread; a fraction smaller than an earlier one is ignored. The first fraction may be work that was done before: the time left is estimated from the progress after it.</summary>
    public void Report(double value)
    {
        lock (_one)
        {
            var first = _first ??= (clock.GetTimestamp(), value);
            var since = clock.GetElapsedTime(_lastTime);
            // With 1e-6 added, 0.29, which times 100 is just below 29, counts as 29 %.
            var percent = (int)((100 * value) + 1e-6);
            if (value <= first.Value || percent < _lastPercent || since < Apart || (percent - _lastPercent < Tenth && since < InAnyCase))
            {
                return;
            }

            (_lastTime, _lastPercent) = (clock.GetTimestamp(), percent);
            var left = TimeSpan.FromSeconds(double.Round(clock.GetElapsedTime(first.Time).TotalSeconds * (1 - value) / (value - first.Value)));
            write(string.Create(CultureInfo.InvariantCulture, $"{what}: {percent} %, {Terminal.Duration(left)} left"));
        }
    }
}
