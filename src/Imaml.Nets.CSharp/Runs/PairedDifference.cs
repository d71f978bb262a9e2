// Two classifiers on the same episodes: how much better one is, and whether that may be chance.

using MathNet.Numerics.Distributions;

namespace Imaml.Nets.Runs;

/// <summary>The differences of two classifiers' accuracies, episode by episode. Where an accuracy is not a number, neither are the mean, the interval and the test.</summary>
/// <param name="Mean">Mean of the first one's accuracy minus the second one's.</param>
/// <param name="HalfWidth95">Half the 95 % interval of the mean, as <see cref="Evaluation.HalfWidth95"/> has it.</param>
/// <param name="Better">Episodes in which the first is better.</param>
/// <param name="Worse">Episodes in which it is worse.</param>
/// <param name="SignTest">The exact two-sided sign test: 2·P(X ≤ min(better, worse)) for X ~ Bin(better + worse, ½), at most 1; equal episodes are not counted.</param>
public sealed record PairedDifference(double Mean, double HalfWidth95, int Better, int Worse, double SignTest)
{
    /// <summary>Compares accuracies of the same episodes, in the same order.</summary>
    /// <exception cref="ArgumentException">They are not as many, or there are none.</exception>
    public static PairedDifference Of(IReadOnlyList<double> first, IReadOnlyList<double> second)
    {
        ArgumentNullException.ThrowIfNull(first);
        ArgumentNullException.ThrowIfNull(second);
        if (first.Count != second.Count)
        {
            throw new ArgumentException($"{first.Count} and {second.Count} episodes cannot be compared one by one");
        }

        if (first.Count == 0)
        {
            throw new ArgumentException("there is no episode to compare", nameof(first));
        }

        double[] differences = [.. first.Zip(second, (a, b) => a - b)];
        var (mean, halfWidth) = Evaluation.Interval(differences);
        var (better, worse) = (differences.Count(one => one > 0), differences.Count(one => one < 0));
        var test = !double.IsFinite(mean) ? double.NaN : better + worse == 0 ? 1 : double.Min(1, 2 * Binomial.CDF(0.5, better + worse, int.Min(better, worse)));
        return new PairedDifference(mean, halfWidth, better, worse, test);
    }
}
