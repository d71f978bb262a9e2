// How the documents and logs of a run are written, read and cut to a checkpoint.

using System.Text;
using System.Text.Json;
using Imaml.Nets.Storage;
using Imaml.Nets.Tasks;

namespace Imaml.Nets.Runs;

public sealed partial class RunFolder
{
    /// <summary>Writes a JSON document in one piece.</summary>
    internal static void WriteJson<T>(string path, T value) => AtomicFile.Write(path, Json(value));

    /// <summary>The document that is written.</summary>
    internal static byte[] Json<T>(T value) => [.. JsonSerializer.SerializeToUtf8Bytes(value, RunJson.Indented), (byte)'\n'];

    /// <summary>A JSON document; null where it is missing, damaged, or of another version.</summary>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    internal static T? ReadJson<T>(string path)
        where T : class
    {
        try
        {
            return Parse<T>(FileContent.Whole(path));
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>Appends lines to a log.</summary>
    internal static void Append<T>(string path, IEnumerable<T> lines)
    {
        // Without a buffer, which would be written again where it could not be.
        using var file = new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.Read, bufferSize: 0);
        var (before, written) = (file.Length, false);
        try
        {
            file.Write(Encoding.UTF8.GetBytes(Text(lines)));
            // A checkpoint is written after its log, and must not reach the disk before it.
            file.Flush(flushToDisk: true);
            written = true;
        }
        finally
        {
            if (!written)
            {
                // A full disk takes a part of a line.
                file.SetLength(before);
            }
        }
    }

    /// <summary>Writes a log anew, in one piece.</summary>
    internal static void Replace<T>(string path, IEnumerable<T> lines) => AtomicFile.Write(path, Encoding.UTF8.GetBytes(Text(lines)));

    private static string Text<T>(IEnumerable<T> lines) => string.Concat(lines.Select(line => JsonSerializer.Serialize(line, RunJson.Options) + "\n"));

    /// <summary>A log's lines, without those that are damaged; none where there is no log.</summary>
    internal static IEnumerable<T> Read<T>(string path)
        where T : class => System.IO.File.Exists(path) ? FileContent.Lines(path).Select(Parse<T>).OfType<T>() : [];

    /// <summary>Cuts a log to these lines, so that it fits a checkpoint and ends with a whole line; damaged lines go too.</summary>
    internal static void Cut<T>(string path, Func<T, bool> keep)
        where T : class
    {
        if (!System.IO.File.Exists(path))
        {
            return;
        }

        var bytes = FileContent.Whole(path);
        var kept = Encoding.UTF8.GetString(bytes).Split('\n').Where(line => Parse<T>(line) is { } one && keep(one)).Select(line => line + "\n");
        var text = Encoding.UTF8.GetBytes(string.Concat(kept));
        if (!text.AsSpan().SequenceEqual(bytes))
        {
            AtomicFile.Write(path, text);
        }
    }

    /// <summary>A line of a log; null where it is damaged.</summary>
    internal static T? Parse<T>(string line)
        where T : class => Parse<T>(Encoding.UTF8.GetBytes(line));

    private static T? Parse<T>(byte[] json)
        where T : class
    {
        try
        {
            return JsonSerializer.Deserialize<T>(json, RunJson.Options);
        }
        catch (Exception e) when (e is JsonException or DataException or NotSupportedException or ArgumentException or InvalidOperationException)
        {
            return null;
        }
    }
}
