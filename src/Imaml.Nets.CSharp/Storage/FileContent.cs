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
        using var file = Open(path);
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

    /// <summary>A file that the program finds in its place, without having been given its name.</summary>
    /// <exception cref="IOException">It is a folder, a pipe or a device, is not there, or cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">It cannot be read.</exception>
    public static FileStream Open(string path) => NamedPath.OtherThanFile(path) is { } fault ? throw new IOException(fault) : File.OpenRead(path);

    /// <summary>The content of such a file.</summary>
    /// <inheritdoc cref="Open"/>
    public static byte[] Whole(string path)
    {
        using var file = Open(path);
        var bytes = GC.AllocateUninitializedArray<byte>(checked((int)file.Length));
        file.ReadExactly(bytes);
        return bytes;
    }

    /// <summary>Its lines, read one by one: it may be longer than memory.</summary>
    /// <inheritdoc cref="Open"/>
    public static IEnumerable<string> Lines(string path)
    {
        using var reader = new StreamReader(Open(path));
        while (reader.ReadLine() is { } line)
        {
            yield return line;
        }
    }
}
