// Files that are whole or not there: written to a draft beside them and renamed, so that no reader, and no crash, leaves half of one.

namespace Imaml.Nets.Storage;

/// <summary>Writes files in one piece.</summary>
internal static class AtomicFile
{
    /// <summary>The ending of a draft's name; a process that was killed may leave one behind.</summary>
    public const string DraftSuffix = ".part";

    /// <summary>Writes the bytes, making the folder where it is missing and replacing a file of that name.</summary>
    /// <exception cref="IOException">The folder or the disk refuses; what was there before is untouched.</exception>
    /// <exception cref="UnauthorizedAccessException">Likewise.</exception>
    public static void Write(string path, ReadOnlySpan<byte> bytes)
    {
        var full = Path.GetFullPath(path);
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        var draft = $"{full}.{Guid.NewGuid():N}{DraftSuffix}";
        try
        {
            using (var stream = new FileStream(draft, FileMode.CreateNew, FileAccess.Write))
            {
                stream.Write(bytes);
                stream.Flush(flushToDisk: true);
            }

            File.Move(draft, full, overwrite: true);
        }
        finally
        {
            File.Delete(draft);
        }
    }
}
