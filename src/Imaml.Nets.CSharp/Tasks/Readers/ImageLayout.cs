// Which images a folder or archive holds, of which classes, and how they are divided. The layouts:
//   DIR/<class>/*                                   DIR/{train,val,test}/<class>/*
//   train.csv, val.csv, test.csv (filename,label) next to images/, images.zip, or class folders, wherever these lie: mini-ImageNet's
//   one csv of the user's own (filename,label[,part]) next to the images
// A table's file names are looked for first; where none of them is there, its labels divide the class folders. One folder that holds everything is
// passed through.

namespace Imaml.Nets.Tasks;

/// <summary>An image of a class, not yet read.</summary>
/// <param name="Class">Its class.</param>
/// <param name="File">Its file.</param>
/// <param name="Tree">The tree that has the file.</param>
internal sealed record ListedImage(string Class, TreeFile File, FileTree Tree);

/// <summary>The images of a folder or archive.</summary>
/// <param name="Images">By class and then by path, in ordinal order.</param>
/// <param name="Division">What divides the classes: csv, folders, the name of a published division, or null for nothing.</param>
/// <param name="Parts">The part of each class, where there is a division.</param>
/// <param name="Notes">What was skipped, one line each.</param>
internal sealed record ImageLayout(IReadOnlyList<ListedImage> Images, string? Division, IReadOnlyDictionary<string, ClassPart> Parts, IReadOnlyList<string> Notes)
{
    /// <summary>Reads the layout of a tree.</summary>
    /// <param name="root">The tree.</param>
    /// <param name="images">An archive with the images, next to the tables, or null.</param>
    /// <param name="published">A division by class name that is used where the files have none, with its name.</param>
    /// <param name="pool">True ignores how the files are divided.</param>
    /// <exception cref="DataException">There are no classes, or tables and files contradict each other.</exception>
    public static ImageLayout Read(FileTree root, FileTree? images, (string Name, IReadOnlyDictionary<string, ClassPart> Parts)? published, bool pool) =>
        new LayoutReader(root, images).Read(published, pool);

    /// <summary>The archive among a folder's files that has its images: images.zip, or the only one where the folder has no images itself.</summary>
    public static TreeFile? Archive(FileTree root)
    {
        var archives = root.Files.Where(file => file.Path.EndsWith(".zip", StringComparison.OrdinalIgnoreCase)).ToList();
        return archives.FirstOrDefault(file => Path.GetFileName(file.Path).Equals("images.zip", StringComparison.OrdinalIgnoreCase))
            ?? (archives.Count == 1 && !root.Files.Any(file => ImageDecoder.HasPictureName(file.Path)) ? archives[0] : null);
    }
}
