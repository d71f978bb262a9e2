// A log of one JSON object a line, read as a stream: it may be longer than memory, and a training may be writing it.

using Imaml.Nets.Runs;
using Imaml.Nets.Storage;

namespace Imaml.Cli.Reports;

/// <summary>Reads logs.</summary>
internal static class JsonLines
{
    /// <summary>The lines of a log; none where there is no log. A last line that is cut off is omitted: its writer was ended, or is still writing.</summary>
    /// <param name="path">The log.</param>
    /// <param name="whole">Whether a line has what is needed of it.</param>
    /// <exception cref="InvalidDataException">A line before the last is damaged.</exception>
    public static IEnumerable<T> Read<T>(string path, Func<T, bool> whole)
        where T : class
    {
        if (!File.Exists(path))
        {
            yield break;
        }

        var (number, torn) = (0, 0);
        foreach (var text in FileContent.Lines(path))
        {
            number++;
            // A line that is cut off is not JSON, and is the last one.
            var line = RunFolder.Parse<T>(text);
            if (torn > 0 || (line is not null && !whole(line)))
            {
                throw new InvalidDataException($"{path}: line {(torn > 0 ? torn : number)} is damaged");
            }

            if (line is null)
            {
                torn = number;
                continue;
            }

            yield return line;
        }
    }
}
