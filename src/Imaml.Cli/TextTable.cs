// Tables and lists of facts for a terminal of any width. What is too wide for columns becomes a block for each row; a word that is
// longer than its place, such as a path, has a line of its own and stays whole.

using Spectre.Console;

namespace Imaml.Cli;

/// <summary>A table on the output stream.</summary>
/// <param name="headings">The columns' names.</param>
internal sealed class TextTable(params string[] headings)
{
    private const int LeastValue = 24, Indent = 2;

    private readonly List<(string[] Cells, string? Style)> _rows = [];

    /// <summary>The line above.</summary>
    public string? Title { get; init; }

    /// <summary>The lines around the cells.</summary>
    public TableBorder Border { get; init; } = TableBorder.Simple;

    /// <summary>The first of the columns whose cells are numbers: set to the right, and never broken.</summary>
    public int FirstNumber { get; init; } = int.MaxValue;

    /// <summary>The last of these columns.</summary>
    public int LastNumber { get; init; } = int.MaxValue;

    /// <summary>Adds a row.</summary>
    /// <param name="cells">Its texts; those that are missing at the end are empty.</param>
    public void Add(params string[] cells) => _rows.Add(([.. cells.Select(Terminal.Harmless)], null));

    /// <summary>Adds a row whose last cell has a style such as <c>red</c> or <c>bold</c>.</summary>
    public void AddStyled(string style, params string[] cells) => _rows.Add(([.. cells.Select(Terminal.Harmless)], style));

    /// <summary>Prints the table.</summary>
    public void Print()
    {
        if (LeastWidth() <= Terminal.Out.Profile.Width)
        {
            PrintColumns();
        }
        else
        {
            PrintBlocks();
        }
    }

    /// <summary>Prints names and values, one below the other.</summary>
    public static void PrintFacts(IEnumerable<(string Name, string Value)> facts)
    {
        (string Name, string Value)[] rows = [.. facts];
        foreach (var line in Facts(rows, Terminal.Out.Profile.Width))
        {
            Terminal.Line(line);
        }
    }

    /// <summary>Names and values in lines of at most so many columns, where no word is longer.</summary>
    internal static IEnumerable<string> Facts(IReadOnlyCollection<(string Name, string Value)> facts, int width)
    {
        var names = facts.Count == 0 ? 0 : facts.Max(fact => TextLines.Width(fact.Name)) + 1;
        foreach (var (name, value) in facts)
        {
            var beside = width - names >= int.Max(LeastValue, TextLines.LongestWord(value));
            string[] lines = [.. TextLines.Wrap(value, width - (beside ? names : Indent))];
            if (beside)
            {
                yield return TextLines.Pad(name, names) + lines[0];
            }
            else
            {
                foreach (var part in TextLines.Fit(name, width))
                {
                    yield return part;
                }

                yield return new string(' ', Indent) + lines[0];
            }

            foreach (var line in lines.Skip(1))
            {
                yield return new string(' ', beside ? names : Indent) + line;
            }
        }
    }

    // The narrowest that these columns can be without a broken word: two blanks and a line for each.
    private int LeastWidth() => headings.Select((heading, column) => 3 + _rows.Select(row => row.Cells.ElementAtOrDefault(column) ?? "").Append(heading).Max(cell =>
        IsNumber(column) && cell != heading ? TextLines.Width(cell) : TextLines.LongestWord(cell))).Sum() + 1;

    private bool IsNumber(int column) => column >= FirstNumber && column <= LastNumber;

    private void PrintColumns()
    {
        var table = new Table { Border = Border, Title = Title is null ? null : new TableTitle(Markup.Escape(Title)) };
        table.AddColumns([.. headings.Select((heading, column) => IsNumber(column) ? new TableColumn(Markup.Escape(heading)).RightAligned().NoWrap() : new TableColumn(Markup.Escape(heading)))]);
        foreach (var (cells, style) in _rows)
        {
            string[] escaped = [.. cells.Select(Markup.Escape)];
            if (style is not null)
            {
                escaped[^1] = $"[{style}]{escaped[^1]}[/]";
            }

            table.AddRow(escaped);
        }

        Terminal.Out.Write(table);
    }

    private void PrintBlocks()
    {
        var width = Terminal.Out.Profile.Width;
        IEnumerable<string> lines = Title is null ? [] : TextLines.Wrap(Title, width);
        foreach (var (cells, _) in _rows)
        {
            lines = lines.Concat(TextLines.Wrap(cells[0], width))
                .Concat(Facts([.. headings.Zip(cells).Skip(1).Where(cell => cell.Second.Length > 0)], width - Indent).Select(line => new string(' ', Indent) + line));
        }

        foreach (var line in lines)
        {
            Terminal.Line(line);
        }
    }
}
