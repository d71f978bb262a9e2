// Text in lines of a terminal's width.

using Spectre.Console.Rendering;

namespace Imaml.Cli;

/// <summary>Breaks text between words, never within one: a path that is longer than the line has a line of its own, to be taken as it is.</summary>
internal static class TextLines
{
    /// <summary>The columns that a text takes on one line: two for a character of Chinese, Japanese or Korean.</summary>
    public static int Width(string text) => new Segment(text).CellCount();

    /// <summary>The text with blanks after it up to a width.</summary>
    public static string Pad(string text, int width) => text + new string(' ', int.Max(0, width - Width(text)));

    /// <summary>Lines of at most <paramref name="width"/> columns, where no word is longer.</summary>
    /// <param name="text">The text; a line break in it remains one.</param>
    /// <param name="width">Columns.</param>
    /// <param name="indent">Before every line after the first.</param>
    public static IEnumerable<string> Wrap(string text, int width, string indent = "")
    {
        var (line, words) = ("", 0);
        foreach (var paragraph in text.Split('\n').Index())
        {
            if (paragraph.Index > 0)
            {
                yield return line;
                (line, words) = (indent, 0);
            }

            foreach (var word in paragraph.Item.Split(' '))
            {
                if (words > 0 && Width(line) + 1 + Width(word) > width)
                {
                    yield return line;
                    (line, words) = (indent, 0);
                }

                line += words == 0 ? word : $" {word}";
                words++;
            }
        }

        yield return line;
    }

    /// <summary>A line in as many as it needs, all with the blanks that it begins with.</summary>
    public static IEnumerable<string> Fit(string line, int width)
    {
        if (Width(line) <= width)
        {
            return [line];
        }

        var words = line.TrimStart(' ');
        var indent = line[..^words.Length];
        return Wrap(words, int.Max(1, width - indent.Length)).Select(part => indent + part);
    }

    /// <summary>The width of the longest word.</summary>
    public static int LongestWord(string text) => text.Split(' ', '\n').Max(Width);
}
