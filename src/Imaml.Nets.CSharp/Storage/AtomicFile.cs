// Files that are whole or not there: written to a draft next to them and renamed, so that no reader finds, and no crash leaves, half of one.

using System.Text.RegularExpressions;

namespace Imaml.Nets.Storage;

/// <summary>Writes files in one piece.</summary>
internal static partial class AtomicFile
{
    /// <summary>Writes the bytes, making the folder where it is missing and replacing a file of that name; a device or a pipe gets them as they are.</summary>
    /// <param name="path">The file.</param>
    /// <param name="bytes">Its content.</param>
    /// <param name="previous">The name that the file before it is kept under, or null to replace it. A crash between the two leaves that name alone.</param>
    /// <exception cref="IOException">The file cannot be written; what was there before is unchanged.</exception>
    /// <exception cref="UnauthorizedAccessException">Likewise.</exception>
    public static void Write(string path, ReadOnlySpan<byte> bytes, string? previous = null)
    {
        var full = Path.GetFullPath(path);
        if (IsInPlace(full))
        {
            using var special = new FileStream(full, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
            special.Write(bytes);
            return;
        }

        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        var draft = Drafts.NameFor(full);
        try
        {
            using (var stream = Drafts.Create(draft, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write }))
            {
                stream.Write(bytes);
                stream.Flush(flushToDisk: true);
            }

            if (previous is not null && File.Exists(full))
            {
                File.Move(full, previous, overwrite: true);
            }

            File.Move(draft, full, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Drafts.OfFile(e, draft, full);
        }
        finally
        {
            Drafts.Remove(draft);
        }
    }

    /// <summary>Whether the bytes go to what is there: /dev/null, a pipe, /dev/stdout, which is a link to what the process has open.</summary>
    public static bool IsInPlace(string path) => Owner.IsSpecial(path) || IsOpenFile(Path.GetFullPath(path));

    private const int MostLinks = 40;

    // Whether it is /proc/PROCESS/fd/NUMBER, by whatever links. What else lies in /proc, such as /proc/self/cwd/FILE, is a file like any other.
    private static bool IsOpenFile(string path)
    {
        for (var links = 0; links < MostLinks && Path.GetDirectoryName(path) is { } above && Owner.RealPath(above) is { } folder; links++)
        {
            if (OpenFiles().IsMatch(folder))
            {
                return true;
            }

            if (new FileInfo(Path.Combine(folder, Path.GetFileName(path))).LinkTarget is not { } target)
            {
                return false;
            }

            path = Path.GetFullPath(target, folder);
        }

        return false;
    }

    [GeneratedRegex("^/proc/[0-9]+(/task/[0-9]+)?/fd$")]
    private static partial Regex OpenFiles();
}
