// The files of a tree by what tables call them: by path, below images/, in a folder of the label, or by a name that one file alone has.

namespace Imaml.Nets.Tasks;

/// <summary>A file, and its path without the folders that all files lie in.</summary>
internal sealed record LayoutFile(string Path, TreeFile File, FileTree Tree);

/// <summary>Finds the files that tables name.</summary>
internal sealed class FileIndex
{
    private readonly Dictionary<string, LayoutFile> _byPath = new(StringComparer.Ordinal);
    private readonly ILookup<string, LayoutFile> _byName;

    public FileIndex(IReadOnlyList<LayoutFile> items)
    {
        foreach (var item in items)
        {
            _byPath.TryAdd(item.Path, item);
            _byPath.TryAdd(item.File.Path, item);
        }

        _byName = items.ToLookup(item => Path.GetFileName(item.Path), StringComparer.Ordinal);
    }

    public IReadOnlyList<LayoutFile?> Resolve(List<LabelRow> rows) => [.. rows.Select(Resolve)];

    private LayoutFile? Resolve(LabelRow row)
    {
        foreach (var path in (string[])[row.File, $"images/{row.File}", $"{row.Label}/{row.File}", $"images/{row.Label}/{row.File}"])
        {
            if (_byPath.TryGetValue(path, out var item))
            {
                return item;
            }
        }

        if (row.File.Contains('/', StringComparison.Ordinal))
        {
            return null;
        }

        var named = _byName[row.File].Take(2).ToList();
        return named.Count < 2 ? named.FirstOrDefault() : throw new DataException($"{row.Where} names {row.File}, which is {named[0].File.Path} or {named[1].File.Path}; give its path");
    }
}
