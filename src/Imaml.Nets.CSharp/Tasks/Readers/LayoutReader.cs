// Reads the layout of a folder or archive (ImageLayout): tables and class folders, where they are, and how they divide the classes.

namespace Imaml.Nets.Tasks;

/// <summary>Reads one layout.</summary>
internal sealed class LayoutReader
{
    private readonly FileTree _root;
    private readonly IReadOnlyList<FileTree> _trees;
    private readonly List<LayoutFile> _pictures = [], _others = [], _tables = [];
    private readonly List<string> _notes = [];
    private readonly SortedSet<string> _folders = new(StringComparer.Ordinal);

    public LayoutReader(FileTree root, FileTree? images)
    {
        _root = root;
        Add(root);
        if (images is not null)
        {
            Add(images);
            _others.RemoveAll(item => Path.Combine(root.Root, item.File.Path) == images.Root);
        }

        // Tables lie next to the images or in one folder of their own.
        var nearest = _tables.Count == 0 ? 0 : _tables.Min(item => item.Path.Count(one => one == '/'));
        _others.AddRange(_tables.Where(item => item.Path.Count(one => one == '/') > nearest));
        _tables.RemoveAll(item => item.Path.Count(one => one == '/') > nearest);
        _trees = [root, .. images is null ? Array.Empty<FileTree>() : [images]];
    }

    public ImageLayout Read((string Name, IReadOnlyDictionary<string, ClassPart> Parts)? published, bool pool)
    {
        var parted = _tables.Where(table => PartOf(table) is not null).OrderBy(PartOf).ToList();
        if (parted.Count == 0 && _tables.Count > 1)
        {
            throw Refused($"has {_tables.Count} csv files ({Listed(_tables.Select(one => one.Path))}); name them train.csv, val.csv and test.csv, or keep one with the columns filename, label and part");
        }

        if (_pictures.Count == 0 && _others.Count == 0 || _pictures.Count == 0 && _tables.Count == 0)
        {
            throw Refused("holds no images (PNG, JPEG, WebP, BMP or GIF)");
        }

        var layout = _tables.Count > 0 ? ByTables(parted) : ByFolders(published, pool);
        return layout with
        {
            Images = [.. layout.Images.OrderBy(one => one.Class, StringComparer.Ordinal).ThenBy(one => one.File.Path, StringComparer.Ordinal)],
            Division = pool ? null : layout.Division,
            Notes = [.. Skipped([.. layout.Images.Select(one => one.File)]), .. _notes],
        };
    }

    private ImageLayout ByTables(List<LayoutFile> parted)
    {
        foreach (var twice in parted.GroupBy(PartOf).Where(group => group.Count() > 1))
        {
            throw Refused($"has {Listed(twice.Select(one => one.Path))} for one part; keep one of them");
        }

        var parts = parted.Select(PartOf).ToHashSet();
        if (parted.Count > 0 && (!parts.Contains(ClassPart.Train) || !parts.Contains(ClassPart.Test)))
        {
            throw Refused($"has {Listed(parted.Select(one => one.Path))} but no {(parts.Contains(ClassPart.Train) ? "test" : "train")}.csv");
        }

        foreach (var unused in parted.Count == 0 ? [] : _tables.Except(parted))
        {
            _notes.Add($"{unused.Path} is not used: the tables are {Listed(parted.Select(one => one.Path))}");
        }

        var rows = (parted.Count > 0 ? parted : _tables).SelectMany(table => LabelTable.Read(table.Tree.Read(table.File, LabelTable.LargestFile), table.File.Where, PartOf(table))).ToList();
        var partOf = PartsOf(rows);
        var found = new FileIndex([.. _pictures, .. _others]).Resolve(rows);
        var division = partOf.Count > 0 ? "csv" : null;
        return found.All(item => item is null) && ByLabels(rows, partOf) is { } byLabels
            ? new ImageLayout(byLabels, division, partOf, [])
            : new ImageLayout(ByNames(rows, found), division, partOf, []);
    }

    private static Dictionary<string, ClassPart> PartsOf(List<LabelRow> rows)
    {
        var first = new Dictionary<string, LabelRow>(StringComparer.Ordinal);
        foreach (var row in rows)
        {
            if (row.Label.Any(char.IsControl) || row.File.Any(char.IsControl))
            {
                throw new DataException($"{row.Where} has control characters in a name");
            }

            if (!first.TryAdd(row.Label, row) && first[row.Label].Part != row.Part)
            {
                throw new DataException($"{row.Where} puts {row.Label} into {Word(row.Part)}, {first[row.Label].Where} into {Word(first[row.Label].Part)}; a class must be in one part");
            }
        }

        return first.Values.Where(row => row.Part is not null).ToDictionary(row => row.Label, row => row.Part!.Value, StringComparer.Ordinal);
    }

    private IReadOnlyList<ListedImage> ByNames(List<LabelRow> rows, IReadOnlyList<LayoutFile?> found)
    {
        var missing = Enumerable.Range(0, rows.Count).Where(i => found[i] is null).ToList();
        if (missing.Count > 0)
        {
            throw Refused($"lacks {Counted(missing.Count, "file")} that {(missing.Count == 1 ? "a csv file names" : "csv files name")}: {rows[missing[0]].File} ({rows[missing[0]].Where}){(missing.Count > 1 ? ", …" : "")}");
        }

        var named = new Dictionary<TreeFile, LabelRow>();
        for (var i = 0; i < rows.Count; i++)
        {
            if (!named.TryAdd(found[i]!.File, rows[i]))
            {
                throw new DataException($"{rows[i].Where} names {rows[i].File} again, after {named[found[i]!.File].Where}");
            }
        }

        NoteFirst(_pictures.Where(item => !named.ContainsKey(item.File)).ToList(), "that no csv file names");
        return [.. rows.Select((row, i) => new ListedImage(row.Label, found[i]!.File, found[i]!.Tree))];
    }

    /// <summary>Class folders, wherever they lie, by the tables' labels; null where there are none of these names.</summary>
    private IReadOnlyList<ListedImage>? ByLabels(List<LabelRow> rows, Dictionary<string, ClassPart> partOf)
    {
        var byFolder = _pictures.ToLookup(item => Path.GetFileName(FileTree.FolderOf(item.Path)), StringComparer.Ordinal);
        var labels = rows.Select(row => row.Label).Distinct(StringComparer.Ordinal).ToList();
        if (!labels.Any(byFolder.Contains))
        {
            return null;
        }

        return Divided(byFolder, labels, "the csv files", partOf.Count > 0);
    }

    private IReadOnlyList<ListedImage> Divided(ILookup<string, LayoutFile> byFolder, List<string> labels, string source, bool divided)
    {
        var missing = labels.Where(label => !byFolder.Contains(label)).Order(StringComparer.Ordinal).ToList();
        if (missing.Count > 0)
        {
            throw Refused($"has no images of {Counted(missing.Count, "class", "classes")} of {source}: {Listed(missing)}");
        }

        var unused = byFolder.Select(group => group.Key).Except(labels, StringComparer.Ordinal).Order(StringComparer.Ordinal).ToList();
        if (divided && unused.Count > 0)
        {
            _notes.Add($"skipped {Counted(unused.Count, "class folder")} not in {source}: {Listed(unused)}");
        }

        return [.. labels.SelectMany(label => byFolder[label].Select(item => new ListedImage(label, item.File, item.Tree)))];
    }

    private ImageLayout ByFolders((string Name, IReadOnlyDictionary<string, ClassPart> Parts)? published, bool pool)
    {
        NoteFirst(_pictures.Where(item => FileTree.FolderOf(item.Path).Length == 0).ToList(), "outside class folders");
        var inFolders = _pictures.Where(item => FileTree.FolderOf(item.Path).Length > 0).ToList();
        if (inFolders.Count == 0)
        {
            throw Refused("holds images but no class folders; put the images of each class into a folder of its own, or add a csv file with the columns filename and label");
        }

        var folders = inFolders.Select(item => FileTree.FolderOf(item.Path)).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal).ToList();
        // A folder that holds nothing but all class folders, as images/ does.
        var above = "";
        while (folders.Select(one => one[above.Length..].Split('/')[0]).Distinct(StringComparer.Ordinal).Count() == 1
            && folders.All(one => one[above.Length..].Contains('/', StringComparison.Ordinal))
            && LabelTable.PartNamed(folders[0][above.Length..].Split('/')[0]) is null)
        {
            above += folders[0][above.Length..].Split('/')[0] + "/";
        }

        var holding = folders.ToHashSet(StringComparer.Ordinal);
        if (folders.SelectMany(folder => Above(folder).Where(holding.Contains).Select(outer => (Outer: outer, Inner: folder))).FirstOrDefault() is { Outer: { } outer, Inner: var inner })
        {
            throw Refused($"has images in {outer} and in {inner}, a folder in it; a class folder must not hold another");
        }

        var named = folders.ToDictionary(folder => folder, folder => Name(folder[above.Length..]), StringComparer.Ordinal);
        var parted = named.Values.Where(one => one.Part is not null).ToList();
        if (parted.Count is not 0 && parted.Count < named.Count)
        {
            throw Refused($"has class folders outside train, val and test: {Listed(named.Where(one => one.Value.Part is null).Select(one => one.Key))}; move them into one of the parts");
        }

        NoteEmpty(folders, above);
        var twice = named.GroupBy(one => one.Value.Class, StringComparer.Ordinal).Where(group => group.Count() > 1).OrderBy(group => group.Key, StringComparer.Ordinal).ToList();
        var byName = inFolders.ToLookup(item => named[FileTree.FolderOf(item.Path)].Class, StringComparer.Ordinal);
        IReadOnlyList<ListedImage> all = [.. byName.SelectMany(group => group.Select(item => new ListedImage(group.Key, item.File, item.Tree)))];
        var parts = named.Values.Where(one => one.Part is not null).DistinctBy(one => one.Class).ToDictionary(one => one.Class, one => one.Part!.Value, StringComparer.Ordinal);
        if (pool)
        {
            return new ImageLayout(all, null, parts, []);
        }

        if (published is { } division && (twice.Count > 0 || parted.Count == 0))
        {
            return new ImageLayout(Divided(byName, [.. division.Parts.Keys], $"the {division.Name} split", divided: true), division.Name, division.Parts, []);
        }

        if (twice.Count > 0)
        {
            throw Refused($"has {Counted(twice.Count, "class", "classes")} in two parts: {twice[0].Key} ({Listed(twice[0].Select(one => one.Key))}){(twice.Count > 1 ? ", …" : "")}; "
                + "parts must not share a class: add train.csv, val.csv and test.csv that divide the classes, or take --split seeded");
        }

        if (parted.Count > 0 && (!parts.ContainsValue(ClassPart.Train) || !parts.ContainsValue(ClassPart.Test)))
        {
            throw Refused($"has no {(parts.ContainsValue(ClassPart.Train) ? "test" : "train")} folder; add it, or take --split seeded");
        }

        return new ImageLayout(all, parted.Count > 0 ? "folders" : null, parts, []);
    }

    private static (string Class, ClassPart? Part) Name(string folder) =>
        folder.Split('/', 2) is [var first, var rest] && LabelTable.PartNamed(first) is { } part ? (rest, part) : (folder, null);

    private static ClassPart? PartOf(LayoutFile table) => LabelTable.PartNamed(Path.GetFileNameWithoutExtension(table.Path));

    /// <summary>Files without the folders that all of them lie in.</summary>
    private void Add(FileTree tree)
    {
        var above = "";
        while (tree.Files.Count > 0 && tree.Files[0].Path.IndexOf('/', above.Length) is var end && end > 0
            && tree.Files[0].Path[..(end + 1)] is var folder && tree.Files.All(file => file.Path.StartsWith(folder, StringComparison.Ordinal))
            && (tree.Files.Any(file => IsTable(file.Path)) || !tree.Files.Any(file => FileTree.FolderOf(file.Path) == folder[..^1] && ImageDecoder.HasPictureName(file.Path))))
        {
            above = folder;
        }

        foreach (var file in tree.Files)
        {
            var list = IsTable(file.Path) ? _tables : ImageDecoder.HasPictureName(file.Path) ? _pictures : _others;
            list.Add(new LayoutFile(file.Path[above.Length..], file, tree));
        }

        _folders.UnionWith(tree.Folders.Where(one => one.StartsWith(above, StringComparison.Ordinal)).Select(one => one[above.Length..]).Where(one => one.Length > 0));
    }

    private static bool IsTable(string path) => path.EndsWith(".csv", StringComparison.OrdinalIgnoreCase);

    /// <summary>Files that are neither images nor used, whatever their names.</summary>
    private IEnumerable<string> Skipped(HashSet<TreeFile> used)
    {
        var foreign = _others.Where(item => ImageDecoder.HasForeignPictureName(item.Path) && !used.Contains(item.File)).ToList();
        if (foreign.Count > 0)
        {
            yield return $"skipped {Counted(foreign.Count, "image")} of formats that are not read ({Counts(foreign.Select(item => Path.GetExtension(item.Path).ToLowerInvariant()))}); convert to PNG, JPEG, WebP, BMP or GIF";
        }

        var special = _trees.SelectMany(tree => tree.Special).ToList();
        if (special.Count > 0)
        {
            yield return $"skipped {Counted(special.Count, "pipe, socket or device", "pipes, sockets or devices")}: {Listed(special)}";
        }

        var clutter = _trees.SelectMany(tree => tree.Clutter).SelectMany(one => Enumerable.Repeat(one.Key, one.Value));
        var others = _others.Where(item => !ImageDecoder.HasForeignPictureName(item.Path) && !used.Contains(item.File));
        var skipped = clutter.Concat(others.Select(item => Path.GetExtension(item.Path) is { Length: > 0 } ending ? "*" + ending : Path.GetFileName(item.Path))).ToList();
        if (skipped.Count > 0)
        {
            yield return $"skipped {Counted(skipped.Count, "file")} that {(skipped.Count == 1 ? "is not an image" : "are not images")} ({Counts(skipped)})";
        }
    }

    private void NoteFirst(List<LayoutFile> skipped, string why)
    {
        if (skipped.Count > 0)
        {
            _notes.Add($"skipped {Counted(skipped.Count, "image")} {why}: {skipped[0].File.Path}{(skipped.Count > 1 ? ", …" : "")}");
        }
    }

    /// <summary>Class folders without an image.</summary>
    private void NoteEmpty(List<string> folders, string above)
    {
        var full = folders.Concat(folders.SelectMany(Above)).ToHashSet(StringComparer.Ordinal);
        var empty = _folders.Where(one => one.StartsWith(above, StringComparison.Ordinal) && LabelTable.PartNamed(one[above.Length..]) is null && !full.Contains(one)).ToList();
        if (empty.Count > 0)
        {
            _notes.Add($"no image in {Counted(empty.Count, "folder")}: {Listed(empty)}");
        }
    }

    // The folders that a folder lies in, the root not among them.
    private static IEnumerable<string> Above(string folder)
    {
        for (var above = FileTree.FolderOf(folder); above.Length > 0; above = FileTree.FolderOf(above))
        {
            yield return above;
        }
    }

    private DataException Refused(string what) => new($"{_root.Root} {what}");

    private static string Word(ClassPart? part) => part switch { ClassPart.Train => "train", ClassPart.Validation => "val", ClassPart.Test => "test", _ => "no part" };

    internal static string Counted(int count, string one, string? several = null) => count == 1 ? $"1 {one}" : $"{count:N0} {several ?? one + "s"}";

    /// <summary>Up to ten of them.</summary>
    internal static string Listed(IEnumerable<string> all)
    {
        const int Most = 10;
        var list = all.Take(Most + 1).ToList();
        return string.Join(", ", list.Take(Most)) + (list.Count > Most ? ", …" : "");
    }

    private static string Counts(IEnumerable<string> kinds) =>
        Listed(kinds.GroupBy(kind => kind, StringComparer.Ordinal).OrderBy(group => group.Key, StringComparer.Ordinal).Select(group => $"{group.Key} {group.Count()}"));
}
