using Imaml.Nets.Runs;
using Imaml.Nets.Storage;

namespace Imaml.Cli;

/// <summary>Folders that a long piece of work will write into at its end, and files.</summary>
internal static class WritableFolder
{
    /// <summary>Makes the folder where it is missing, and writes and removes a file there.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="option">The option that names another, or null where none does.</param>
    /// <exception cref="IOException">The folder cannot be made or written; the message names it and the option.</exception>
    public static void Require(string path, string? option)
    {
        if (Refusal(path) is { } refusal)
        {
            throw new IOException(option is null ? refusal : $"{refusal}; name another folder{By(option)}");
        }
    }

    /// <summary>Why a folder, which is made where it is missing, cannot be written; null where it can.</summary>
    public static string? Refusal(string path)
    {
        var probe = Path.Combine(path, Path.GetRandomFileName());
        try
        {
            Directory.CreateDirectory(path);
            File.WriteAllBytes(probe, []);
            File.Delete(probe);
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return $"{path} cannot be written ({Drafts.OfFile(e, probe, path).Message})";
        }
    }

    /// <summary>Whether a file can be written, which must not be a folder, a file of a run, or an input; nothing is made.</summary>
    /// <param name="path">The file.</param>
    /// <param name="option">The option that names it.</param>
    /// <param name="inputs">Files that are read.</param>
    /// <exception cref="ArgumentException">It is one of these; the message names the option.</exception>
    /// <exception cref="IOException">The file cannot be written; the message names it or its folder, and the option.</exception>
    public static void RequireFile(string path, string option, params IEnumerable<string> inputs)
    {
        if (Directory.Exists(path) || Path.EndsInDirectorySeparator(path))
        {
            throw new ArgumentException($"{path} is a folder; name a file{By(option)}");
        }

        if (RunFolder.OfFile(path) is { } run)
        {
            throw new ArgumentException($"{path} is a file of the run in {run}; name another file{By(option)}");
        }

        if (inputs.FirstOrDefault(input => IsSame(input, path)) is { } read)
        {
            throw new ArgumentException($"{option} {path} would overwrite {(read == path ? "what is read" : read)}; name another file");
        }

        if (AtomicFile.IsInPlace(path))
        {
            return;
        }

        // None is made for a file that may never be written.
        var (folder, _) = NearestThere(Path.GetDirectoryName(Path.GetFullPath(path))!);
        if (NamedPath.NotAFolder(folder) is { } fault)
        {
            throw new ArgumentException($"{path} cannot be written: {fault}; name another file{By(option)}");
        }

        Require(folder, option);
    }

    /// <summary>Whether two files would have one place, by whatever links their folders are named.</summary>
    public static bool IsOnePlace(string one, string other)
    {
        static (string Folder, string Name) Place(string path)
        {
            var full = Path.GetFullPath(path);
            var (folder, rest) = NearestThere(Path.GetDirectoryName(full)!);
            return (Owner.RealPath(folder) ?? folder, Path.Combine(rest, Path.GetFileName(full)));
        }

        return Place(one) == Place(other);
    }

    // The nearest above a folder that is there, which may be something else, and the rest of its path.
    private static (string There, string Below) NearestThere(string folder)
    {
        var there = folder;
        while (Owner.KindOf(there) == PathKind.Missing && Path.GetDirectoryName(there) is { } above)
        {
            there = above;
        }

        return (there, Path.GetRelativePath(there, folder));
    }

    // An argument is named by its place on the command line.
    private static string By(string? option) => option?.StartsWith('-') == true ? $" with {option}" : "";

    // By whatever links.
    private static bool IsSame(string one, string other) =>
        File.Exists(one) && File.Exists(other) && (Path.GetFullPath(one) == Path.GetFullPath(other) || (Owner.Identity(one) is { } identity && Owner.Identity(other) is { } same && identity == same));
}
