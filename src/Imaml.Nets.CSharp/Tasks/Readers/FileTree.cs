// The files of a folder or of a zip archive, by one set of rules. What file managers and notebooks leave behind is skipped. An archive that holds a
// name twice, or a name that leads out of it, is an error. Nothing is ever unpacked to disk.

using System.IO.Compression;
using System.Security.Cryptography;
using ICSharpCode.SharpZipLib.Checksum;
using Imaml.Nets.Storage;

namespace Imaml.Nets.Tasks;

/// <summary>A file of a tree.</summary>
/// <param name="Path">Where it is in the tree, with / between names.</param>
/// <param name="Where">Names it in messages.</param>
/// <param name="Length">Its bytes.</param>
/// <param name="Modified">When a file of a folder was last written, in ticks; 0 in an archive.</param>
internal sealed record TreeFile(string Path, string Where, long Length, long Modified);

/// <summary>The files of a folder or a zip archive.</summary>
internal sealed class FileTree : IDisposable
{
    // A longer name is a mistake or an attack.
    private const int LongestName = 4096;

    // How the runtime's message begins, which names the method; there is no other sign of it.
    private const string UnsupportedCompression = "The archive entry was compressed using ";

    private readonly ZipArchive? _zip;
    private readonly Lock _one = new();
    private readonly Dictionary<string, ZipArchiveEntry> _entries = new(StringComparer.Ordinal);
    private readonly string? _remedy;

    private FileTree(string root, ZipArchive? zip, string? remedy) => (Root, _zip, _remedy) = (root, zip, remedy);

    /// <summary>The folder or archive.</summary>
    public string Root { get; }

    /// <summary>Its files without clutter, in ordinal order of their paths.</summary>
    public IReadOnlyList<TreeFile> Files { get; private set; } = [];

    /// <summary>Its folders without clutter, the root not among them.</summary>
    public IReadOnlyCollection<string> Folders { get; private set; } = [];

    /// <summary>Files that are left behind by other programs, by the name that identifies them.</summary>
    public IReadOnlyDictionary<string, int> Clutter { get; private set; } = new Dictionary<string, int>();

    /// <summary>Its pipes, sockets and devices, as messages name them.</summary>
    public IReadOnlyList<string> Special { get; private set; } = [];

    /// <summary>Lists a folder, or the zip archive of that name.</summary>
    /// <param name="path">The folder or archive.</param>
    /// <param name="remedy">What to do about a damaged archive, or null for something general.</param>
    /// <param name="cancel">Stops the listing of a folder.</param>
    /// <exception cref="DataException">There is none, it cannot be read, or it is damaged or refused.</exception>
    public static FileTree Open(string path, string? remedy = null, CancellationToken cancel = default)
    {
        try
        {
            return Owner.KindOf(path) switch
            {
                PathKind.Folder => OfFolder(path, cancel),
                PathKind.Stream or PathKind.Special => throw new DataException($"{path} is neither a folder nor a file") { IsOfRequest = true },
                _ when NamedPath.NotThere(path, "folder or file") is { } fault => throw new DataException($"{fault}; name pictures, or a folder or zip archive of them") { IsOfRequest = true },
                _ => OfArchive(path, File.OpenRead(path), remedy),
            };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unreadable(path, e);
        }
    }

    /// <summary>Lists an archive that is in memory.</summary>
    /// <exception cref="DataException">It is damaged or refused.</exception>
    public static FileTree OfArchive(string path, Stream bytes, string? remedy)
    {
        ZipArchive? zip = null;
        try
        {
            zip = new ZipArchive(bytes, ZipArchiveMode.Read, leaveOpen: false, new ArchiveNames());
            var tree = new FileTree(path, zip, remedy);
            tree.ReadEntries(zip);
            return tree;
        }
        catch (Exception e) when (e is InvalidDataException or IOException or NotSupportedException or ArgumentException or OverflowException)
        {
            Close();
            throw NotWhole(path, remedy, e);
        }
        catch (DataException)
        {
            Close();
            throw;
        }

        void Close()
        {
            zip?.Dispose();
            bytes.Dispose();
        }
    }

    /// <summary>A file's bytes; from any thread.</summary>
    /// <param name="file">The file.</param>
    /// <param name="largest">The upper limit of its bytes.</param>
    /// <exception cref="DataException">It cannot be read, or is larger.</exception>
    public byte[] Read(TreeFile file, long largest = ImageDecoder.LargestFile) => With(file, largest, (stream, length) =>
    {
        var bytes = new byte[length];
        stream.ReadExactly(bytes);
        return (bytes, Sum(bytes, new Crc32()).Value);
    });

    /// <summary>SHA-256 of a file's bytes, which are not held in memory; from any thread.</summary>
    /// <exception cref="DataException">It cannot be read, or is larger than any picture.</exception>
    public byte[] HashOf(TreeFile file) => With(file, ImageDecoder.LargestFile, (stream, length) =>
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var (buffer, sum) = (new byte[1 << 16], new Crc32());
        for (var left = length; left > 0;)
        {
            var some = new ArraySegment<byte>(buffer, 0, (int)long.Min(left, buffer.Length));
            stream.ReadExactly(some);
            hash.AppendData(some);
            _ = Sum(some, sum);
            left -= some.Count;
        }

        return (hash.GetHashAndReset(), sum.Value);
    });

    // Only an archive contains the expected sum.
    private Crc32 Sum(ArraySegment<byte> bytes, Crc32 sum)
    {
        if (_zip is not null)
        {
            sum.Update(bytes);
        }

        return sum;
    }

    private T With<T>(TreeFile file, long largest, Func<Stream, long, (T Result, long Sum)> read)
    {
        try
        {
            if (_zip is null)
            {
                // It may be longer than when it was listed, as a link's target is.
                using var opened = File.OpenRead(Path.Combine(Root, file.Path));
                return read(opened, Limited(opened.Length)).Result;
            }

            var length = Limited(file.Length);
            lock (_one)
            {
                var entry = _entries[file.Path];
                if (entry.IsEncrypted)
                {
                    throw new DataException($"{file.Where} is encrypted; make the archive again without a password");
                }

                using var stream = entry.Open();
                var (result, sum) = read(stream, length);
                return sum == entry.Crc32 ? result : throw new InvalidDataException("its checksum is another");
            }
        }
        catch (InvalidDataException e) when (e.Message.StartsWith(UnsupportedCompression, StringComparison.Ordinal))
        {
            throw new DataException($"{file.Where} has an unsupported compression ({e.Message[UnsupportedCompression.Length..].Split(' ')[0]}); make the archive again with Deflate, the usual one", e);
        }
        catch (Exception e) when (_zip is not null && e is InvalidDataException or IOException or NotSupportedException or ArgumentException)
        {
            throw _remedy is null ? new DataException($"{file.Where} cannot be read; the archive is damaged there", e) : NotWhole(Root, _remedy, e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unreadable(file.Where, e);
        }

        long Limited(long length) => length <= largest ? length : throw new DataException($"{file.Where} has {length:N0} bytes; the upper limit is {largest:N0}");
    }

    /// <inheritdoc/>
    public void Dispose() => _zip?.Dispose();

    /// <summary>The name in a path by which it is known as left behind by another program, or null.</summary>
    public static string? ClutterIn(string path)
    {
        foreach (var range in path.AsSpan().Split('/'))
        {
            var name = path.AsSpan(range);
            if (name.StartsWith('.') || name is "__MACOSX" or "@eaDir" or "#recycle" or "lost+found"
                || name.Equals("Thumbs.db", StringComparison.OrdinalIgnoreCase) || name.Equals("desktop.ini", StringComparison.OrdinalIgnoreCase))
            {
                return name.StartsWith("._") ? "._*" : name.ToString();
            }
        }

        return null;
    }

    private static FileTree OfFolder(string folder, CancellationToken cancel)
    {
        var tree = new FileTree(folder, null, null);
        tree.Sort(FolderEntries.Of(folder, cancel));
        return tree;
    }

    private void ReadEntries(ZipArchive zip)
    {
        if (zip.Entries.Count > FolderEntries.Most)
        {
            throw new DataException($"{Root} holds more than {FolderEntries.Most:N0} entries");
        }

        Sort(zip.Entries.Select(entry =>
        {
            var path = entry.FullName.Replace('\\', '/');
            while (path.StartsWith("./", StringComparison.Ordinal))
            {
                path = path[2..];
            }

            if (path.StartsWith('/') || path.AsSpan(int.Min(1, path.Length)).StartsWith(":") || path.Split('/').Contains(".."))
            {
                throw new DataException($"{Root} holds {FolderEntries.Shown(entry.FullName)}, a name that leads out of the archive; make the archive again without it");
            }

            if (path.Length > LongestName || path.AsSpan().Count('/') > FolderEntries.Deepest + 1)
            {
                throw new DataException($"{Root} holds {FolderEntries.Shown(path[..int.Min(path.Length, 64)])}…, which lies more than {FolderEntries.Deepest} folders deep or has too long a name; make the archive again without it");
            }

            if (!path.EndsWith('/') && ClutterIn(path) is null && !_entries.TryAdd(path, entry))
            {
                throw new DataException($"{Root} holds {FolderEntries.Shown(path)} twice; make the archive again with one of them");
            }

            return (path, $"{FolderEntries.Shown(path)} of {Root}", entry.Length, 0L);
        }));
    }

    private void Sort(IEnumerable<(string Path, string Where, long Length, long Modified)> all)
    {
        var (files, special, known, clutter) = (new List<TreeFile>(), new List<string>(), new HashSet<string>(StringComparer.Ordinal), new SortedDictionary<string, int>(StringComparer.Ordinal));
        foreach (var (path, where, length, modified) in all)
        {
            var isFolder = path.EndsWith('/');
            var name = isFolder ? path[..^1] : path;
            if (ClutterIn(name) is { } sign)
            {
                if (!isFolder)
                {
                    clutter[sign] = clutter.GetValueOrDefault(sign) + 1;
                }

                continue;
            }

            if (length == FolderEntries.Special)
            {
                special.Add(where);
                continue;
            }

            // Where bytes are replaced, names that differ become one.
            if (path.Contains('\uFFFD', StringComparison.Ordinal))
            {
                throw new DataException($"{where} has a name that is not UTF-8; rename it");
            }

            if (!isFolder)
            {
                files.Add(new TreeFile(path, where, length, modified));
                name = FolderOf(path);
            }

            for (; name.Length > 0 && known.Add(name); name = FolderOf(name))
            {
            }
        }

        files.Sort((a, b) => string.CompareOrdinal(a.Path, b.Path));
        (Files, Folders, Clutter, Special) = (files, [.. known.Order(StringComparer.Ordinal)], clutter, [.. special.Order(StringComparer.Ordinal)]);
    }

    /// <summary>The folder of a path in a tree; empty for the root.</summary>
    public static string FolderOf(string path) => path.LastIndexOf('/') is var at && at > 0 ? path[..at] : "";

    private static DataException Unreadable(string path, Exception e) => new($"{path} cannot be read ({e.Message.TrimEnd('.')}); check its name and permissions", e);

    private static DataException NotWhole(string path, string? remedy, Exception e) =>
        new($"{path} is not a whole zip archive (it is cut off or damaged); {remedy ?? "get it again"}", e);
}
