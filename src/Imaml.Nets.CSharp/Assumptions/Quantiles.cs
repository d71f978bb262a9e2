
namespace Imaml.Nets.Assumptions;

/// <summary>Order statistics of one figure over the tasks: the nearest ranks. Not a number where there is no task.</summary>
/// <param name="Least">The least.</param>
/// <param name="Tenth">A tenth of the tasks are at most this.</param>
/// <param name="Median">Half of the tasks are at most this.</param>
/// <param name="NinetyHundredths">Nine tenths of the tasks are at most this.</param>
/// <param name="Greatest">The greatest.</param>
public sealed record Quantiles(double Least, double Tenth, double Median, double NinetyHundredths, double Greatest)
{
    /// <summary>Those of these numbers.</summary>
    public static Quantiles Of(IEnumerable<double> numbers)
    {
        var sorted = numbers.Order().ToArray();
        double At(double share) => sorted.Length == 0 ? double.NaN : sorted[int.Max(0, (int)double.Ceiling((share * sorted.Length) - 1e-9) - 1)];
        return new Quantiles(At(0), At(0.1), At(0.5), At(0.9), At(1));
    }
}
