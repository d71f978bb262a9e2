// A curve of a run in plain characters, for any width from 20 columns on.

using System.Globalization;

namespace Imaml.Cli.Reports;

/// <summary>A point of a curve with half its interval, 0 where there is none.</summary>
internal sealed record TerminalPoint(int MetaStep, double Value, double HalfWidth);

/// <summary>Draws curves.</summary>
internal static class TerminalCurve
{
    private const int Narrow = 50, LowNarrow = 8, Low = 14;
    private const char Marker = '*', Interval = '|', Empty = ' ';

    /// <summary>The curve: values upwards, meta-steps to the right; <c>*</c> is a point, <c>|</c> its interval.</summary>
    /// <param name="points">The points, in order; those that are not finite are omitted.</param>
    /// <param name="percent">Whether values are fractions, shown in per cent.</param>
    /// <param name="width">Columns.</param>
    /// <returns>Lines of at most so many characters.</returns>
    public static IReadOnlyList<string> Draw(IReadOnlyList<TerminalPoint> points, bool percent, int width)
    {
        TerminalPoint[] finite = [.. points.Where(point => double.IsFinite(point.Value))];
        if (finite.Length == 0)
        {
            return ["no finite value"];
        }

        static double Half(TerminalPoint point) => double.IsFinite(point.HalfWidth) ? point.HalfWidth : 0;
        var (low, high) = (finite.Min(point => point.Value - Half(point)), finite.Max(point => point.Value + Half(point)));
        if (high - low <= 1e-12 * double.Abs(high))
        {
            (low, high) = (low - (double.Abs(low) * 0.1) - 1e-6, high + (double.Abs(high) * 0.1) + 1e-6);
        }

        var height = width < Narrow ? LowNarrow : Low;
        string[] labels = [.. Enumerable.Range(0, height).Select(row => row == 0 || row == height - 1 || row == height / 2 ? Label(high - ((high - low) * row / (height - 1)), percent) : "")];
        var margin = labels.Max(label => label.Length);
        var columns = int.Max(4, width - margin - 2);
        var (first, last) = (finite[0].MetaStep, finite[^1].MetaStep);
        int Column(int metaStep) => last == first ? columns / 2 : (int)((long)(metaStep - first) * (columns - 1) / (last - first));
        int Row(double value) => int.Clamp((int)double.Round((high - value) / (high - low) * (height - 1)), 0, height - 1);

        var cells = new char[height, columns];
        for (var row = 0; row < height; row++)
        {
            for (var column = 0; column < columns; column++)
            {
                cells[row, column] = Empty;
            }
        }

        foreach (var group in finite.GroupBy(point => Column(point.MetaStep)))
        {
            for (var row = Row(group.Max(point => point.Value + Half(point))); row <= Row(group.Min(point => point.Value - Half(point))); row++)
            {
                cells[row, group.Key] = Interval;
            }

            cells[Row(group.Average(point => point.Value)), group.Key] = Marker;
        }

        var lines = new List<string>();
        for (var row = 0; row < height; row++)
        {
            var text = string.Concat(Enumerable.Range(0, columns).Select(column => cells[row, column]));
            lines.Add($"{labels[row].PadLeft(margin)} {(labels[row].Length > 0 ? '+' : '|')}{text}".TrimEnd());
        }

        lines.Add($"{new string(' ', margin)} +{new string('-', columns)}");
        var (from, to) = (first.ToString(CultureInfo.InvariantCulture), last.ToString(CultureInfo.InvariantCulture));
        lines.Add(first == last ? $"{new string(' ', margin + 2)}{from.PadLeft(columns / 2)}" : $"{new string(' ', margin + 2)}{from}{to.PadLeft(columns - from.Length)}");
        return lines;
    }

    private static string Label(double value, bool percent) =>
        percent ? string.Create(CultureInfo.InvariantCulture, $"{100 * value:F1} %") : value.ToString("G4", CultureInfo.InvariantCulture);
}
