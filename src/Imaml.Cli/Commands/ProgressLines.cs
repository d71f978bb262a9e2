using System.Globalization;

namespace Imaml.Cli.Commands;

/// <summary>Progress as lines of text: one per tenth of the work, at least two seconds apart, and one after fifteen seconds in any case.</summary>
/// <param name="what">What is being done.</param>
/// <param name="write">Receives a line.</param>
/// <param name="clock">Tells the time.</param>
internal sealed class ProgressLines(string what, Action<string> write, TimeProvider clock) : IProgress<double>
{
    private const double Tenth = 0.1;

    private static readonly TimeSpan Apart = TimeSpan.FromSeconds(2), InAnyCase = TimeSpan.FromSeconds(15);

    private readonly Lock _one = new();
    private readonly long _start = clock.GetTimestamp();
    private long _lastTime = clock.GetTimestamp();
    private double _lastFraction;

    /// <summary>Takes note of 0 … 1, from any thread; a fraction smaller than an earlier one is ignored.</summary>
    public void Report(double value)
    {
        lock (_one)
        {
            var since = clock.GetElapsedTime(_lastTime);
            if (value <= _lastFraction || since < Apart || (value - _lastFraction < Tenth && since < InAnyCase))
            {
                return;
            }

            (_lastTime, _lastFraction) = (clock.GetTimestamp(), value);
            var left = TimeSpan.FromSeconds(double.Round(clock.GetElapsedTime(_start).TotalSeconds * (1 - value) / value));
            write(string.Create(CultureInfo.InvariantCulture, $"{what}: {double.Floor(100 * value):F0} %, {left:h\\:mm\\:ss} left"));
        }
    }
}
