// Ticks of a logarithmic axis, whose coordinates are exponents of ten: whole decades are labelled 10⁻², 10⁰, 10²; 2 … 9 times them are marked. A range of
// about a decade or less has labels between its decades too, at least two, so that numbers can be read off: as plain numbers where these are short.

using System.Globalization;
using ScottPlot;

namespace Imaml.Cli.Plots;

/// <summary>Ticks of a logarithmic axis.</summary>
internal sealed class DecadeTicks : ITickGenerator
{
    private const int MostLabels = 9;
    private const string Superscripts = "⁰¹²³⁴⁵⁶⁷⁸⁹";

    // Less than this many decades are a narrow range; and so many labels it has where no multiple of a decade is in it.
    private const double Narrow = 1.5;
    private const int LabelsBetween = 5;

    // The exponents of plain numbers: longer ones would be cut off at the edge of the figure.
    private const double LeastPlain = -3, MostPlain = 4;

    private static readonly int[][] Digits = [[1, 2, 5], [1, 2, 3, 4, 5, 6, 7, 8, 9]];

    /// <inheritdoc/>
    public Tick[] Ticks { get; set; } = [];

    /// <inheritdoc/>
    public int MaxTickCount { get; set; } = MostLabels;

    /// <inheritdoc/>
    public void Regenerate(CoordinateRange range, Edge edge, PixelLength size, Paint paint, LabelStyle labelStyle)
    {
        var (low, high) = (double.Min(range.Min, range.Max), double.Max(range.Min, range.Max));
        IEnumerable<Tick>[] choices = [.. high - low < Narrow ? [] : new[] { Decades(low, high) }, .. Digits.Select(digits => Multiples(low, high, digits)), Between(low, high)];
        Ticks = [.. choices.First(ticks => ticks == choices[^1] || ticks.Count(tick => tick.IsMajor) > 1)];
    }

    /// <summary>10ⁿ with a superscript exponent.</summary>
    public static string Label(int exponent) =>
        "10" + (exponent < 0 ? "⁻" : "") + string.Concat(int.Abs(exponent).ToString(CultureInfo.InvariantCulture).Select(digit => Superscripts[digit - '0']));

    private static IEnumerable<Tick> Decades(double low, double high)
    {
        var step = 1 + ((int)(double.Ceiling(high) - double.Floor(low)) / MostLabels);
        return from place in Places(low, high)
               where place.Digit == 1 || step <= 2
               select place.Digit == 1 && place.Exponent % step == 0 ? Tick.Major(place.Position, Label(place.Exponent)) : Tick.Minor(place.Position);
    }

    private static IEnumerable<Tick> Multiples(double low, double high, int[] labelled)
    {
        var plain = low >= LeastPlain && high <= MostPlain;
        return from place in Places(low, high)
               select !labelled.Contains(place.Digit) ? Tick.Minor(place.Position)
                   : Tick.Major(place.Position, plain ? Number(place.Digit * double.Pow(10, place.Exponent)) : place.Digit == 1 ? Label(place.Exponent) : $"{place.Digit}·{Label(place.Exponent)}");
    }

    private static IEnumerable<(int Exponent, int Digit, double Position)> Places(double low, double high) =>
        from exponent in Enumerable.Range((int)double.Floor(low), (int)(double.Ceiling(high) - double.Floor(low)) + 1)
        from digit in Digits[^1]
        let position = exponent + double.Log10(digit)
        where position >= low - 1e-9 && position <= high + 1e-9
        select (exponent, digit, position);

    // Multiples of 1, 2 or 5 times a power of ten. Numbers are in units of the decade below them.
    private static IEnumerable<Tick> Between(double low, double high)
    {
        var decade = (int)double.Floor(low);
        var (from, to) = (double.Pow(10, low - decade), double.Pow(10, high - decade));
        var raw = (to - from) / LabelsBetween;
        var power = double.Pow(10, double.Floor(double.Log10(raw)));
        var step = new[] { 1, 2, 5, 10 }.Select(digit => digit * power).First(one => one >= raw * 0.999);
        if (to - from < 1e-9)
        {
            yield break;
        }

        for (var i = double.Ceiling((from / step) - 1e-9); i * step <= to + (1e-9 * step); i++)
        {
            yield return Tick.Major(decade + double.Log10(i * step), low >= LeastPlain && high <= MostPlain ? Number(i * step * double.Pow(10, decade)) : $"{Number(i * step)}·{Label(decade)}");
        }
    }

    private static string Number(double value) => value.ToString("#,0.##########", CultureInfo.InvariantCulture);
}
