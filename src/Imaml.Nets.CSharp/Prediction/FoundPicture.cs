// Pictures in folders, by the rules of training's readers: what other programs leave behind is skipped and counted.

using Imaml.Nets.Storage;
using Imaml.Nets.Tasks;

namespace Imaml.Nets.Prediction;

/// <summary>Files that are not used.</summary>
/// <param name="Others">That are not pictures.</param>
/// <param name="Foreign">Pictures of formats that are not read.</param>
/// <param name="Clutter">That are hidden or left behind by other programs, by the name that says so: of the file, or of a folder.</param>
/// <param name="Special">Pipes, sockets and devices.</param>
internal sealed record SkippedFiles(int Others, int Foreign, IReadOnlyList<(string Name, int Count)> Clutter, IReadOnlyList<string> Special)
{
    public static SkippedFiles operator +(SkippedFiles a, SkippedFiles b) => new(a.Others + b.Others, a.Foreign + b.Foreign, [.. a.Clutter, .. b.Clutter], [.. a.Special, .. b.Special]);
}

/// <summary>A picture that was named, or found in a folder or archive.</summary>
/// <param name="Picture">The picture.</param>
/// <param name="Folder">The name of the folder that it lies in, or null where it has none.</param>
/// <param name="Place">The folder's path in the folder or archive, empty where the picture was named itself.</param>
internal sealed record FoundPicture(Picture Picture, string? Folder, string Place = "")
{
    /// <summary>The pictures of a folder or archive of class folders, and what else was found.</summary>
    /// <exception cref="DataException">There is no such folder, it cannot be read, it has no class folder, one without a picture or one within another, or two of one name.</exception>
    public static (IReadOnlyList<FoundPicture> Pictures, SkippedFiles Skipped) OfClasses(string path)
    {
        var (all, skipped, folders) = In(path);
        FoundPicture[] pictures = [.. all.Where(one => one.Folder is not null)];
        if (pictures is [])
        {
            throw new DataException($"{path} has no folder with pictures; it needs one for each class, for example {System.IO.Path.Combine(path, "apple", "1.jpg")}");
        }

        static int Depth(string place) => place.Count(one => one == '/');
        string[] places = [.. pictures.Select(one => one.Place).Distinct(StringComparer.Ordinal).OrderBy(Depth)];
        if (Depth(places[0]) != Depth(places[^1]))
        {
            throw new DataException($"{path} has pictures in {places[0]} and in {places[^1]}: a class folder must not hold another, and all must be equally deep");
        }

        foreach (var doubled in places.GroupBy(place => FolderName(place), StringComparer.Ordinal))
        {
            if (doubled.ToArray() is [var first, var second, ..])
            {
                throw new DataException($"{path} has two folders of the name {doubled.Key} ({first}, {second}); it needs one for each class");
            }
        }

        if (folders.Except(places, StringComparer.Ordinal).FirstOrDefault(folder => Depth(folder) == Depth(places[0])) is { } empty)
        {
            throw new DataException($"{path}: class {empty} has no picture that can be read; {ImageDecoder.Formats} are read");
        }

        return (pictures, skipped with { Others = skipped.Others + all.Count - pictures.Length });
    }

    /// <summary>Pictures and the pictures of folders, in this order, and what else was found in the folders.</summary>
    /// <exception cref="DataException">One is missing, or a folder has no picture.</exception>
    public static (IReadOnlyList<FoundPicture> Pictures, SkippedFiles Skipped) Of(IReadOnlyList<string> paths)
    {
        var (pictures, all) = (new List<FoundPicture>(), new SkippedFiles(0, 0, [], []));
        foreach (var path in paths)
        {
            if (Owner.KindOf(path) == PathKind.File && !path.EndsWith(".zip", StringComparison.OrdinalIgnoreCase))
            {
                pictures.Add(new FoundPicture(Picture.FromFile(path), FolderName(System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path)))));
                continue;
            }

            var (found, skipped, _) = In(path);
            if (found.Count == 0)
            {
                throw new DataException($"{path} has no pictures; {ImageDecoder.Formats} are read");
            }

            pictures.AddRange(found.Select(one => one.Folder is null ? one with { Folder = FolderName(System.IO.Path.GetFullPath(path)) } : one));
            all += skipped;
        }

        return (pictures, all);
    }

    private const double MostInArchive = 1 << 30;

    private static string? FolderName(string? path) => System.IO.Path.GetFileName(path?.TrimEnd(System.IO.Path.DirectorySeparatorChar));

    private static (List<FoundPicture> Pictures, SkippedFiles Skipped, IReadOnlyCollection<string> Folders) In(string path)
    {
        using var tree = FileTree.Open(path);
        var (pictures, others, foreign) = (new List<FoundPicture>(), 0, 0);
        // Those of an archive are held in memory.
        if (!Directory.Exists(path) && tree.Files.Where(file => ImageDecoder.HasPictureName(file.Path)).Sum(file => (double)file.Length) is > MostInArchive and var all)
        {
            throw new DataException($"the pictures in {path} have {all:N0} bytes; the upper limit of an archive is {MostInArchive:N0}: unpack it and name the folder");
        }

        foreach (var file in tree.Files)
        {
            if (!ImageDecoder.HasPictureName(file.Path))
            {
                _ = ImageDecoder.HasForeignPictureName(file.Path) ? foreign++ : others++;
                continue;
            }

            var place = FileTree.FolderOf(file.Path);
            var folder = FolderName(place);
            var name = Directory.Exists(path) ? System.IO.Path.Combine(path, file.Path) : file.Where;
            pictures.Add(new FoundPicture(Directory.Exists(path) ? Picture.FromFile(name) : Picture.FromBytes(tree.Read(file), name), string.IsNullOrEmpty(folder) ? null : folder, place));
        }

        return (pictures, new SkippedFiles(others, foreign, [.. tree.Clutter.Select(one => (one.Key, one.Value))], tree.Special), tree.Folders);
    }
}
