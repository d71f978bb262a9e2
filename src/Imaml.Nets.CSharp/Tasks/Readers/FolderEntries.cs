// What a folder holds, with all that is below it: links are followed unless they lead back; pipes, sockets and devices are listed as what is not read.

using System.IO.Enumeration;
using Imaml.Nets.Storage;

namespace Imaml.Nets.Tasks;

/// <summary>Lists a folder.</summary>
internal static class FolderEntries
{
    /// <summary>Folders within folders, and entries in all: more are a mistake or an attack.</summary>
    public const int Deepest = 16, Most = 5_000_000;

    /// <summary>The length of a pipe, a socket or a device, which has nothing to read, or no end.</summary>
    public const long Special = -1;

    /// <summary>The entries, in any order: a path with / between names, and at the end of a folder's; what names it in messages; its bytes; when it was last written.</summary>
    /// <exception cref="DataException">They are too many, or too deep.</exception>
    /// <exception cref="IOException">One cannot be listed.</exception>
    /// <exception cref="UnauthorizedAccessException">Likewise.</exception>
    public static IEnumerable<(string Path, string Where, long Length, long Modified)> Of(string folder, CancellationToken cancel)
    {
        var entries = 0;
        var found = new FileSystemEnumerable<(string Path, bool IsFolder, long Length, long Modified)>(
            folder,
            (ref FileSystemEntry entry) => (
                entry.ToFullPath(), entry.IsDirectory, entry.IsDirectory ? 0 : entry.Length, entry.IsDirectory ? 0 : entry.LastWriteTimeUtc.Ticks),
            new EnumerationOptions { RecurseSubdirectories = true, IgnoreInaccessible = false, AttributesToSkip = 0, MaxRecursionDepth = Deepest })
        {
            ShouldRecursePredicate = (ref FileSystemEntry entry) => (entry.Attributes & FileAttributes.ReparsePoint) == 0 || !LeadsBack(folder, entry.ToFullPath()),
        };
        // Entries give full paths, whatever the folder was called.
        var above = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)).Length + 1;
        foreach (var (full, isFolder, length, modified) in found)
        {
            cancel.ThrowIfCancellationRequested();
            if (++entries > Most)
            {
                throw new DataException($"{folder} holds more than {Most:N0} files and folders; name the folder that has the pictures");
            }

            if (isFolder && full.AsSpan(above).Count(Path.DirectorySeparatorChar) >= Deepest)
            {
                throw new DataException($"{Shown(full)} lies more than {Deepest} folders deep; move what it holds up, or remove it");
            }

            var path = full[above..].Replace(Path.DirectorySeparatorChar, '/');
            yield return (isFolder ? path + "/" : path, Shown(full), !isFolder && length == 0 && Owner.IsSpecial(full) ? Special : length, modified);
        }
    }

    /// <summary>A name as messages show it: it may hold the end of a line, and a message is one.</summary>
    public static string Shown(string name) => name.Any(char.IsControl) ? string.Concat(name.Select(one => char.IsControl(one) ? '?' : one)) : name;

    // Whether a link to a folder leads to one that it lies in, by whatever links.
    private static bool LeadsBack(string root, string link)
    {
        if (Owner.Identity(link) is not { } target)
        {
            return false;
        }

        for (var folder = Path.GetDirectoryName(link); folder is not null && folder.Length >= Path.TrimEndingDirectorySeparator(Path.GetFullPath(root)).Length; folder = Path.GetDirectoryName(folder))
        {
            if (Owner.Identity(folder) == target)
            {
                return true;
            }
        }

        return false;
    }
}
