using ScottPlot;

namespace Imaml.Cli.Plots;

/// <summary>Ticks of a logarithmic axis, whose coordinates are exponents of ten: whole decades are labelled 10⁻², 10⁰, 10²; 2 … 9 times them are marked.</summary>
internal sealed class DecadeTicks : ITickGenerator
{
    private const int MostLabels = 9;
    private const string Superscripts = "⁰¹²³⁴⁵⁶⁷⁸⁹";

    /// <inheritdoc/>
    public Tick[] Ticks { get; set; } = [];

    /// <inheritdoc/>
    public int MaxTickCount { get; set; } = MostLabels;

    /// <inheritdoc/>
    public void Regenerate(CoordinateRange range, Edge edge, PixelLength size, Paint paint, LabelStyle labelStyle) => Ticks = [.. Within(double.Min(range.Min, range.Max), double.Max(range.Min, range.Max))];

    /// <summary>10ⁿ with a superscript exponent.</summary>
    public static string Label(int exponent) =>
        "10" + (exponent < 0 ? "⁻" : "") + string.Concat(int.Abs(exponent).ToString(System.Globalization.CultureInfo.InvariantCulture).Select(digit => Superscripts[digit - '0']));

    private static IEnumerable<Tick> Within(double low, double high)
    {
        var (first, last) = ((int)double.Floor(low), (int)double.Ceiling(high));
        var step = 1 + ((last - first) / MostLabels);
        // A range of little more than a decade would show one label or none.
        int[] labelled = high - low < 1.5 ? [1, 2, 5] : [1];
        for (var exponent = first; exponent <= last; exponent++)
        {
            for (var digit = 1; digit <= 9; digit++)
            {
                var position = exponent + double.Log10(digit);
                if (position < low - 1e-9 || position > high + 1e-9 || (digit > 1 && step > 2))
                {
                    continue;
                }

                yield return exponent % step == 0 && labelled.Contains(digit)
                    ? Tick.Major(position, digit == 1 ? Label(exponent) : $"{digit}·{Label(exponent)}")
                    : Tick.Minor(position);
            }
        }
    }
}
