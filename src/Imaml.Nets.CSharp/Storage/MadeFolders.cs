// Folders that are made for files that may never be written.

namespace Imaml.Nets.Storage;

/// <summary>The folders of a path that were missing: those that are there and empty at the end are removed.</summary>
internal sealed class MadeFolders : IDisposable
{
    private readonly List<string> _made = [];

    /// <summary>Notes which are missing, before they are made.</summary>
    public MadeFolders(string path)
    {
        for (var folder = Path.GetFullPath(path); folder is not null && !Directory.Exists(folder); folder = Path.GetDirectoryName(folder))
        {
            _made.Add(folder);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        // The innermost first.
        foreach (var folder in _made.TakeWhile(folder => Directory.Exists(folder) && !Directory.EnumerateFileSystemEntries(folder).Any()))
        {
            Directory.Delete(folder);
        }
    }
}
