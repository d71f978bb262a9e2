using MathNet.Numerics.Statistics;

namespace Imaml.Nets.Assumptions;

/// <summary>Order statistics of one figure over the tasks, by MathNet's definition of quantiles (median-unbiased, R8). Not a number where there is no task.</summary>
/// <param name="Least">The least.</param>
/// <param name="Tenth">The 10 % quantile.</param>
/// <param name="Median">The median.</param>
/// <param name="NinetyHundredths">The 90 % quantile.</param>
/// <param name="Greatest">The greatest.</param>
public sealed record Quantiles(double Least, double Tenth, double Median, double NinetyHundredths, double Greatest)
{
    /// <summary>Those of these numbers, of which some may be infinite.</summary>
    public static Quantiles Of(IEnumerable<double> numbers)
    {
        var sorted = numbers.Order().ToArray();
        // Between two infinities of one sign lies that infinity, where an interpolation would be ∞ − ∞.
        double At(double share) => SortedArrayStatistics.Quantile(sorted, share) is var quantile && double.IsNaN(quantile) && sorted.Length > 0
            ? sorted[int.Clamp((int)(share * sorted.Length), 0, sorted.Length - 1)]
            : quantile;
        return new Quantiles(At(0), At(0.1), At(0.5), At(0.9), At(1));
    }
}
