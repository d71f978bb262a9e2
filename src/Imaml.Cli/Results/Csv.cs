using System.Globalization;
using System.Text;

namespace Imaml.Cli.Results;

/// <summary>A table as comma-separated values: a line of names, then a line a row; numbers with a decimal point and six digits, whatever the system's language.</summary>
internal static class Csv
{
    private const string Digits = "G6";

    /// <summary>The text. A cell is a word without comma or quote, an integer, or a number; a NaN is an empty cell.</summary>
    public static string Of(IReadOnlyList<string> names, IEnumerable<object[]> rows)
    {
        var text = new StringBuilder().AppendJoin(',', names).Append('\n');
        foreach (var row in rows)
        {
            text.AppendJoin(',', row.Select(Cell)).Append('\n');
        }

        return text.ToString();
    }

    /// <summary>The rows of such a text, each with its cells by their names.</summary>
    /// <exception cref="FormatException">A row of another number of cells than the first line has names.</exception>
    public static IReadOnlyList<IReadOnlyDictionary<string, string>> Rows(string text)
    {
        string[][] lines = [.. text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.TrimEnd('\r').Split(','))];
        return lines.FirstOrDefault(line => line.Length != lines[0].Length) is { } odd
            ? throw new FormatException($"the row {string.Join(',', odd)} has {odd.Length} cells, not {lines[0].Length}")
            : [.. lines.Skip(1).Select(line => lines[0].Zip(line).ToDictionary(cell => cell.First, cell => cell.Second))];
    }

    /// <summary>A finite number of at least 0, as all are that are drawn; not a number for an empty cell.</summary>
    /// <exception cref="FormatException">It is not one.</exception>
    public static double Number(string cell) =>
        cell.Length == 0 ? double.NaN
        : double.TryParse(cell, CultureInfo.InvariantCulture, out var number) && number >= 0 && double.IsFinite(number) ? number
        : throw new FormatException($"{cell} is not a finite number of at least 0");

    private static string Cell(object cell) => cell switch
    {
        double.NaN => "",
        double number => number.ToString(Digits, CultureInfo.InvariantCulture),
        IFormattable other => other.ToString(null, CultureInfo.InvariantCulture),
        _ => cell.ToString() ?? "",
    };
}
