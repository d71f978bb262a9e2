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

    private static string Cell(object cell) => cell switch
    {
        double.NaN => "",
        double number => number.ToString(Digits, CultureInfo.InvariantCulture),
        IFormattable other => other.ToString(null, CultureInfo.InvariantCulture),
        _ => cell.ToString() ?? "",
    };
}
