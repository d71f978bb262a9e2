// Where Omniglot's two parts lie: images_background and images_evaluation, each as a zip archive (read in place) or as an unpacked
// folder, in DATA/omniglot or in DATA itself. Both layouts give the same drawings in the same order.

using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Imaml.Nets.Storage;

namespace Imaml.Nets.Tasks;

/// <summary>One drawing's file.</summary>
/// <param name="ClassName"><c>Alphabet/characterNN</c>.</param>
/// <param name="FileName"><c>NNNN_MM.png</c>.</param>
/// <param name="Png">The file's bytes.</param>
/// <param name="Where">Names the file in messages.</param>
internal sealed record OmniglotDrawing(string ClassName, string FileName, byte[] Png, string Where);

/// <summary>One of Omniglot's two parts on disk, read into memory.</summary>
internal sealed class OmniglotSource
{
    /// <summary>The two parts' names, without <c>.zip</c>.</summary>
    public static readonly IReadOnlyList<string> Parts = ["images_background", "images_evaluation"];

    private const string Remedy = "delete it and get it again: imaml data get omniglot";

    // A drawing of 105×105 pixels has some hundred bytes, and there are 32,460.
    private const long LargestDrawing = 1 << 20;
    private const double MostBytes = 1 << 28;

    private readonly Func<IEnumerable<(string Path, byte[] Bytes)>> _files;

    private OmniglotSource(string part, string path, byte[] hash, Func<IEnumerable<(string Path, byte[] Bytes)>> files) =>
        (Part, Path, Hash, _files) = (part, path, hash, files);

    /// <summary><c>images_background</c> or <c>images_evaluation</c>.</summary>
    public string Part { get; }

    /// <summary>The archive, or the folder.</summary>
    public string Path { get; }

    /// <summary>SHA-256 of the archive's bytes, or of the folder's file names, lengths and bytes.</summary>
    public byte[] Hash { get; }

    /// <summary>The parts' places in a data folder; null for a part that is not there. An archive goes before a folder, DATA/omniglot before DATA.</summary>
    public static IReadOnlyList<(string Part, string? Path)> Locate(string dataFolder)
    {
        string[] places = [System.IO.Path.Combine(dataFolder, "omniglot"), dataFolder];
        return
        [
            .. Parts.Select(part => (part, places.Select(place => System.IO.Path.Combine(place, part + ".zip")).FirstOrDefault(File.Exists)
                ?? places.Select(place => System.IO.Path.Combine(place, part)).FirstOrDefault(Directory.Exists)))
        ];
    }

    /// <summary>Reads both parts into memory (14 MB).</summary>
    /// <exception cref="DataException">A part is missing or cannot be read.</exception>
    public static IReadOnlyList<OmniglotSource> ReadAll(string dataFolder)
    {
        var found = Locate(dataFolder);
        var missing = found.Where(one => one.Path is null).Select(one => one.Part + ".zip").ToList();
        if (missing.Count > 0)
        {
            throw new DataException(
                $"Omniglot is missing: no {string.Join(" and no ", missing)} (nor unpacked folders of these names) in {System.IO.Path.Combine(dataFolder, "omniglot")} or {dataFolder}; "
                + "get them with: imaml data get omniglot");
        }

        return [.. found.Select(one => Read(one.Part, one.Path ?? ""))];
    }

    /// <summary>The part's drawings, in no particular order.</summary>
    /// <exception cref="DataException">The archive is cut off or damaged.</exception>
    public IReadOnlyList<OmniglotDrawing> Drawings() =>
    [
        .. from file in _files()
           let fields = file.Path.Split('/')
           where fields.Length == 4 && fields[0] == Part
           select new OmniglotDrawing($"{fields[1]}/{fields[2]}", fields[3], file.Bytes, $"{file.Path} of {Path}")
    ];

    /// <summary>Paths of all PNG files of the part, in archive notation, whether or not they are where they belong.</summary>
    /// <exception cref="DataException">The archive is cut off or damaged.</exception>
    public IEnumerable<string> ImagePaths() => _files().Select(file => file.Path);

    private static OmniglotSource Read(string part, string path)
    {
        try
        {
            if (File.Exists(path))
            {
                var archive = FileContent.Whole(path);
                return new OmniglotSource(part, path, SHA256.HashData(archive), () => Unzip(archive, path));
            }

            var files = ReadFolder(part, path);
            return new OmniglotSource(part, path, HashOf(files), () => files);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DataException($"{path} cannot be read ({e.Message.TrimEnd('.')}); check its permissions", e);
        }
    }

    private static List<(string Path, byte[] Bytes)> Unzip(byte[] archive, string path)
    {
        using var tree = FileTree.OfArchive(path, new MemoryStream(archive, writable: false), Remedy);
        return [.. Images(tree).Select(file => (file.Path, tree.Read(file, LargestDrawing)))];
    }

    private static (string Path, byte[] Bytes)[] ReadFolder(string part, string path)
    {
        using var tree = FileTree.Open(path);
        return [.. Images(tree).Select(file => ($"{part}/{file.Path}", tree.Read(file, LargestDrawing)))];
    }

    // They are held in memory, and an archive may claim any number of any length.
    private static IEnumerable<TreeFile> Images(FileTree tree)
    {
        var images = tree.Files.Where(file => IsImage(file.Path)).ToArray();
        return images.Sum(file => (double)file.Length) is > MostBytes and var all
            ? throw new DataException($"the drawings in {tree.Root} have {all:N0} bytes, and those of Omniglot far fewer than {MostBytes:N0}; {Remedy}")
            : images;
    }

    private static bool IsImage(string path) => path.EndsWith(".png", StringComparison.OrdinalIgnoreCase);

    private static byte[] HashOf(IEnumerable<(string Path, byte[] Bytes)> files)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> length = stackalloc byte[4];
        foreach (var (path, bytes) in files)
        {
            BinaryPrimitives.WriteInt32LittleEndian(length, bytes.Length);
            hash.AppendData(Encoding.UTF8.GetBytes(path + "\n"));
            hash.AppendData(length);
            hash.AppendData(bytes);
        }

        return hash.GetHashAndReset();
    }
}
