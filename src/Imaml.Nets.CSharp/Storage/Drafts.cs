// Files that are not whole yet. A process that is asked to end at once removes the drafts that it is writing. Drafts of a process that was killed are
// removed a day later.

using System.Text;

namespace Imaml.Nets.Storage;

/// <summary>The drafts of this process.</summary>
internal static class Drafts
{
    /// <summary>The ending of a draft's name.</summary>
    public const string Suffix = ".part";

    private static readonly TimeSpan AreKept = TimeSpan.FromDays(1);
    private static readonly Lock Gate = new();
    private static readonly HashSet<string> Open = [];

    // Bytes of a file's name, and what a draft's name has more.
    private const int LongestName = 255, Addition = 38;

    /// <summary>A name for a draft of a file, in its folder.</summary>
    public static string NameFor(string path)
    {
        var name = Path.GetFileName(path);
        while (Encoding.UTF8.GetByteCount(name) > LongestName - Addition)
        {
            // Not half of a character.
            name = name[..^(name.Length > 1 && char.IsLowSurrogate(name[^1]) ? 2 : 1)];
        }

        return Path.Combine(Path.GetDirectoryName(path) ?? "", $"{name}.{Guid.NewGuid():N}{Suffix}");
    }

    /// <summary>A failure to write a draft, with the file's name in place of the draft's.</summary>
    public static Exception OfFile(Exception failure, string draft, string file)
    {
        var message = failure.Message.Replace(Path.GetFullPath(draft), Path.GetFullPath(file), StringComparison.Ordinal);
        return failure is UnauthorizedAccessException ? new UnauthorizedAccessException(message, failure) : new IOException(message, failure.HResult);
    }

    /// <summary>Begins a draft, which <see cref="Remove"/> ends.</summary>
    public static FileStream Create(string path, FileStreamOptions options)
    {
        lock (Gate)
        {
            var stream = new FileStream(path, options);
            Open.Add(path);
            return stream;
        }
    }

    /// <summary>Ends a draft: removes it where it has not been renamed.</summary>
    public static void Remove(string path)
    {
        lock (Gate)
        {
            Open.Remove(path);
            File.Delete(path);
        }
    }

    /// <summary>Removes all drafts of this process, which ends now: it cannot begin or end one any more.</summary>
    public static void RemoveAll()
    {
        Gate.Enter(); // Never left: a thread that goes on meanwhile must not make another.
        foreach (var path in Open)
        {
            try
            {
                File.Delete(path);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // The process ends whether it can be removed or not.
            }
        }
    }

    /// <summary>Removes what killed processes left in a folder.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="of">The names that drafts may begin with, as a pattern.</param>
    public static void RemoveAbandoned(string folder, string of = "*")
    {
        foreach (var draft in Directory.EnumerateFiles(folder, $"{of}.*{Suffix}").Where(one => DateTime.UtcNow - File.GetLastWriteTimeUtc(one) > AreKept))
        {
            File.Delete(draft);
        }
    }
}
