// Opens a folder or zip archive of pictures as an image set. Reading takes three steps, of which a second opening takes the first alone:
//
//   list     names, lengths and times of the folder's files (of an archive: its own), and the form; these name a note in the cache,
//   hash     SHA-256 of each picture's file; these, with classes and parts, name the prepared images. A folder that was moved or touched ends here,
//   decode   in parallel, into the cache.
//
// So a picture that is changed without changing its length and time is not noticed when the set is opened. Verify reads every file again.

using System.Security.Cryptography;
using System.Text;
using Imaml.Nets.Storage;

namespace Imaml.Nets.Tasks;

/// <summary>A set of pictures, and how it came about.</summary>
/// <param name="Set">The images; classes in ordinal order.</param>
/// <param name="Division">What divides the classes: <c>csv</c>, <c>folders</c>, the name of a published division, or null for nothing.</param>
/// <param name="Parts">The part of each class, where there is a division.</param>
/// <param name="Notes">What was skipped, and equal images of different classes; one line each.</param>
/// <param name="Damaged">The damaged pictures that were skipped, one line each.</param>
/// <param name="FromCache">Whether the images that were prepared before are used.</param>
internal sealed record OpenedImages(ImageSet Set, string? Division, IReadOnlyDictionary<string, ClassPart> Parts, IReadOnlyList<string> Notes, IReadOnlyList<string> Damaged, bool FromCache);

/// <summary>How a folder of pictures is read.</summary>
/// <param name="Form">The form of the images.</param>
/// <param name="SkipDamaged">True skips damaged pictures and lists them; false refuses them.</param>
/// <param name="Pool">True ignores how the files are divided into parts.</param>
/// <param name="Verify">True reads and decodes every file, whatever is in the cache.</param>
/// <param name="CacheFolder">Where prepared images are kept; null for the user's cache folder.</param>
internal sealed record FolderReading(ImageForm Form, bool SkipDamaged = false, bool Pool = false, bool Verify = false, string? CacheFolder = null)
{
    /// <summary>Whether the caller named the folder; that of a run is known from the run.</summary>
    public bool IsNamed { get; init; } = true;

    /// <summary>A division by class name that is used where the files have none, and its name.</summary>
    public (string Name, IReadOnlyDictionary<string, ClassPart> Parts)? Published { get; init; }
}

/// <summary>Reads folders and archives of pictures.</summary>
internal static class ImageFolder
{
    // Counted up when the same files give other bytes.
    private const string Preparation = "images 1";

    private const double HashingShare = 0.1;

    /// <summary>Opens the pictures of a folder or zip archive; see <see cref="ImageLayout"/> for the layouts.</summary>
    /// <param name="path">The folder or archive.</param>
    /// <param name="name">The set's name in messages and results.</param>
    /// <param name="reading">How to read it.</param>
    /// <param name="progress">Receives 0 … 1 while pictures are read for the first time.</param>
    /// <param name="cancel">Stops; nothing half-written is left.</param>
    /// <exception cref="DataException">There are no classes, tables and files contradict each other, or pictures are damaged; one line.</exception>
    public static OpenedImages Open(string path, string name, FolderReading reading, IProgress<double>? progress = null, CancellationToken cancel = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(reading);
        var full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        if (NamedPath.NotThere(full, "folder or zip archive") is { } fault)
        {
            throw new DataException($"{fault}; where it was moved, --data names its place") { IsOfRequest = reading.IsNamed };
        }

        var cache = new FolderCache(reading.CacheFolder ?? ImageCache.DefaultFolder(), name);
        using var tree = Directory.Exists(full) ? FileTree.Open(full, cancel: cancel) : null;
        var listing = ListingOf(full, tree, name, reading);
        if (!reading.Verify && cache.ByListing(listing) is { } known)
        {
            progress?.Report(1);
            return Opened(known, fromCache: true);
        }

        using var opened = tree is null ? FileTree.Open(full, cancel: cancel) : null;
        var root = tree ?? opened!;
        using var images = tree is not null && ImageLayout.Archive(tree) is { } archive ? FileTree.Open(Path.Combine(full, archive.Path), cancel: cancel) : null;
        var layout = ImageLayout.Read(root, images, reading.Published, reading.Pool);
        return new FolderPreparation(full, name, reading, layout, cache, progress, cancel).Run(listing, HashingShare);
    }

    internal static OpenedImages Opened(CachedImages cached, bool fromCache) => new(
        cached.Set,
        cached.Index.Division,
        cached.Index.Classes.Where(one => one.Part is not null).ToDictionary(one => one.Name, one => one.Part!.Value, StringComparer.Ordinal),
        cached.Index.Notes,
        cached.Index.Damaged,
        fromCache);

    private static byte[] ListingOf(string full, FileTree? tree, string name, FolderReading reading)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        void Add(string text) => hash.AppendData(Encoding.UTF8.GetBytes(text + "\n"));
        Add($"{KindOf(name, reading)}\n{full}");
        if (tree is null)
        {
            var file = new FileInfo(full);
            Add($"{file.Length}\n{file.LastWriteTimeUtc.Ticks}");
        }

        foreach (var file in tree?.Files ?? [])
        {
            Add($"{file.Path}\n{file.Length}\n{file.Modified}");
        }

        foreach (var folder in tree?.Folders ?? [])
        {
            Add(folder);
        }

        foreach (var (sign, count) in tree?.Clutter ?? new Dictionary<string, int>())
        {
            Add($"{sign}\n{count}");
        }

        foreach (var path in tree?.Special ?? [])
        {
            Add($"special\n{path}");
        }

        return hash.GetHashAndReset();
    }

    /// <summary>All that the prepared images depend on apart from the files.</summary>
    internal static string KindOf(string name, FolderReading reading) =>
        $"{Preparation}\n{name}\n{reading.Form}\n{reading.SkipDamaged}\n{reading.Pool}\n{reading.Published?.Name}";
}

/// <summary>The prepared images of folders: files named by the pictures' content, and notes that lead from a listing to one of them.</summary>
internal sealed class FolderCache(string folder, string name)
{
    private readonly string _prefix = string.Concat(name.Select(one => char.IsAsciiLetterOrDigit(one) || one is '-' or '_' ? one : '_'));

    /// <summary>The folder.</summary>
    public string Folder { get; } = folder;

    /// <summary>The file of prepared images.</summary>
    public string Images(byte[] content) => Path.Combine(Folder, $"{_prefix}-{ImageCache.Text(content)[..16]}.images");

    /// <summary>The images prepared from this content, or null.</summary>
    public CachedImages? ByContent(byte[] content) => ImageCache.TryRead(Images(content), content);

    /// <summary>The prepared images that the note of a listing leads to, or null.</summary>
    public CachedImages? ByListing(byte[] listing)
    {
        try
        {
            var note = File.ReadAllBytes(Note(listing));
            return note.Length == 2 * SHA256.HashSizeInBytes && SHA256.HashData([.. listing, .. note[..SHA256.HashSizeInBytes]]).AsSpan().SequenceEqual(note.AsSpan(SHA256.HashSizeInBytes))
                ? ByContent(note[..SHA256.HashSizeInBytes])
                : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Writes the note that leads from a listing to the images.</summary>
    public void Keep(byte[] listing, byte[] content) => Storage.AtomicFile.Write(Note(listing), [.. content, .. SHA256.HashData([.. listing, .. content])]);

    private string Note(byte[] listing) => Path.Combine(Folder, $"{_prefix}-{ImageCache.Text(listing)[..16]}.listing");
}
