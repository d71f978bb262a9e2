// Paths that a caller named. One that is not there, or of another kind than is needed, is a mistake of the request; one that is there and may not be
// read is not.

namespace Imaml.Nets.Storage;

/// <summary>What a path leads to.</summary>
internal enum PathKind
{
    /// <summary>A file.</summary>
    File,

    /// <summary>A folder.</summary>
    Folder,

    /// <summary>A pipe, or a device of characters: it is read to its end, if it has one.</summary>
    Stream,

    /// <summary>A socket or another device.</summary>
    Special,

    /// <summary>Nothing.</summary>
    Missing,

    /// <summary>It is a symbolic link that leads nowhere, or to itself.</summary>
    Broken,

    /// <summary>It cannot be told, since a folder above it may not be entered.</summary>
    Closed,
}

/// <summary>What was named is not there, or is of another kind than is needed.</summary>
internal sealed class NamedPathException(string message) : IOException(message);

/// <summary>Says what is wrong with a path that was named.</summary>
internal static class NamedPath
{
    /// <summary>Why a path is not that of a file; null where it is, or where that cannot be told.</summary>
    /// <param name="path">The path.</param>
    /// <param name="mayBeStream">Whether a pipe does as well.</param>
    public static string? NotAFile(string path, bool mayBeStream = false) => OtherThanFile(path, mayBeStream) ?? NotThere(path, "file");

    /// <summary>What is there and is not a file; null where nothing is.</summary>
    public static string? OtherThanFile(string path, bool mayBeStream = false) => Owner.KindOf(path) switch
    {
        PathKind.Folder => $"{path} is a folder, not a file",
        PathKind.Stream when mayBeStream => null,
        PathKind.Stream or PathKind.Special => $"{path} is a pipe, a socket or a device, not a file",
        _ => null,
    };

    /// <summary>Why a path is not that of a folder; null where it is, or where that cannot be told.</summary>
    public static string? NotAFolder(string path) => Owner.KindOf(path) switch
    {
        PathKind.File => $"{path} is a file, not a folder",
        PathKind.Stream or PathKind.Special => $"{path} is a pipe, a socket or a device, not a folder",
        _ => NotThere(path, "folder"),
    };

    /// <summary>Why a path leads to nothing; null where it leads to something, or where that cannot be told.</summary>
    public static string? NotThere(string path, string what) => Owner.KindOf(path) switch
    {
        PathKind.Missing => $"there is no {what} {path}",
        PathKind.Broken => $"{path} is a symbolic link that leads nowhere",
        _ => null,
    };

    /// <summary>Why the files of a folder cannot be read; null where they can, by its own permissions and those above it.</summary>
    public static string? Closed(string folder) =>
        Owner.KindOf(Path.Join(folder, ".")) == PathKind.Closed ? $"{folder} cannot be read (access is denied); check its permissions" : null;

    /// <summary>Requires a file.</summary>
    /// <exception cref="NamedPathException">There is none.</exception>
    public static void RequireFile(string path)
    {
        if (NotAFile(path) is { } fault)
        {
            throw new NamedPathException(fault);
        }
    }
}
