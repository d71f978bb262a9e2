// Whole files. A device has no end, and the opening of a pipe may wait for ever: they are refused. What does not begin as it should is read no further.

namespace Imaml.Nets.Storage;

/// <summary>Reads files of this program's own forms.</summary>
internal static class FileContent
{
    /// <summary>A file's content, or only its first bytes where it does not begin as it should.</summary>
    /// <param name="path">The file.</param>
    /// <param name="begins">How many bytes are checked.</param>
    /// <param name="asItShould">Whether a file begins so; it may be shorter.</param>
    /// <exception cref="NamedPathException">There is no such file, or it is a folder, a pipe or a device.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">Likewise.</exception>
    public static byte[] Read(string path, int begins, Func<byte[], bool> asItShould)
    {
        NamedPath.RequireFile(path);
        using var file = File.OpenRead(path);
        var start = new byte[begins];
        start = start[..file.ReadAtLeast(start, begins, throwOnEndOfStream: false)];
        if (!asItShould(start))
        {
            return start;
        }

        using var all = new MemoryStream();
        all.Write(start);
        file.CopyTo(all);
        return all.ToArray();
    }
}
