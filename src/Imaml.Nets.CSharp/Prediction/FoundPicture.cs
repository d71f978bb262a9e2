// Pictures in folders, by the rules of training's readers: what other programs leave behind is skipped and counted.

using Imaml.Nets.Tasks;

namespace Imaml.Nets.Prediction;

/// <summary>A picture that was named, or found in a folder or archive.</summary>
/// <param name="Picture">The picture.</param>
/// <param name="Folder">The name of the folder that it lies in, or null where it has none.</param>
/// <param name="Place">The folder's path in the folder or archive, empty where the picture was named itself.</param>
internal sealed record FoundPicture(Picture Picture, string? Folder, string Place = "")
{
    /// <summary>The pictures of a folder or archive of class folders, and how many files are no pictures.</summary>
    /// <exception cref="DataException">There is no such folder, it cannot be read, it has no class folder with a picture, or two of one name.</exception>
    public static (IReadOnlyList<FoundPicture> Pictures, int Others) OfClasses(string path)
    {
        var (all, others) = In(path);
        FoundPicture[] pictures = [.. all.Where(one => one.Folder is not null)];
        foreach (var doubled in pictures.GroupBy(one => one.Folder, one => one.Place, StringComparer.Ordinal))
        {
            if (doubled.Distinct(StringComparer.Ordinal).ToArray() is [var first, var second, ..])
            {
                throw new DataException($"{path} has two folders of the name {doubled.Key} ({first}, {second}); it needs one for each class");
            }
        }

        return pictures.Length > 0
            ? (pictures, others + all.Count - pictures.Length)
            : throw new DataException($"{path} has no folder with pictures; it needs one for each class, for example {System.IO.Path.Combine(path, "apple", "1.jpg")}");
    }

    /// <summary>Pictures and the pictures of folders, in this order, and how many files of the folders are no pictures.</summary>
    /// <exception cref="DataException">One is missing, or a folder has no picture.</exception>
    public static (IReadOnlyList<FoundPicture> Pictures, int Others) Of(IReadOnlyList<string> paths)
    {
        var (pictures, others) = (new List<FoundPicture>(), 0);
        foreach (var path in paths)
        {
            if (File.Exists(path) && !path.EndsWith(".zip", StringComparison.OrdinalIgnoreCase))
            {
                pictures.Add(new FoundPicture(Picture.FromFile(path), FolderName(System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path)))));
                continue;
            }

            var (found, skipped) = In(path);
            if (found.Count == 0)
            {
                throw new DataException($"{path} has no pictures (PNG, JPEG, WebP, BMP, GIF)");
            }

            pictures.AddRange(found.Select(one => one.Folder is null ? one with { Folder = FolderName(System.IO.Path.GetFullPath(path)) } : one));
            others += skipped;
        }

        return (pictures, others);
    }

    private const double MostInArchive = 1 << 30;

    private static string? FolderName(string? path) => System.IO.Path.GetFileName(path?.TrimEnd(System.IO.Path.DirectorySeparatorChar));

    private static (List<FoundPicture> Pictures, int Others) In(string path)
    {
        if (!Directory.Exists(path) && !File.Exists(path))
        {
            throw new DataException($"{path} does not exist");
        }

        using var tree = FileTree.Open(path);
        var (pictures, others) = (new List<FoundPicture>(), tree.Clutter.Values.Sum());
        // Those of an archive are held in memory.
        if (!Directory.Exists(path) && tree.Files.Where(file => ImageDecoder.HasPictureName(file.Path)).Sum(file => (double)file.Length) is > MostInArchive and var all)
        {
            throw new DataException($"the pictures in {path} have {all:N0} bytes; the upper limit of an archive is {MostInArchive:N0}: unpack it and name the folder");
        }

        foreach (var file in tree.Files)
        {
            if (!ImageDecoder.HasPictureName(file.Path))
            {
                others++;
                continue;
            }

            var place = FileTree.FolderOf(file.Path);
            var folder = FolderName(place);
            var name = Directory.Exists(path) ? System.IO.Path.Combine(path, file.Path) : file.Where;
            pictures.Add(new FoundPicture(Directory.Exists(path) ? Picture.FromFile(name) : Picture.FromBytes(tree.Read(file), name), string.IsNullOrEmpty(folder) ? null : folder, place));
        }

        return (pictures, others);
    }
}
