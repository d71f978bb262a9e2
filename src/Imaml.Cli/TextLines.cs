// Text in lines of a terminal's width.

namespace Imaml.Cli;

/// <summary>Breaks text between words, never within one: a path that is longer than the line has a line of its own, to be taken as it is.</summary>
internal static class TextLines
{
    /// <summary>Lines of at most <paramref name="width"/> characters, where no word is longer.</summary>
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
                if (words > 0 && line.Length + 1 + word.Length > width)
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

    /// <summary>The length of the longest word.</summary>
    public static int LongestWord(string text) => text.Split(' ', '\n').Max(word => word.Length);
}
