// Where the user keeps data: the folder called DATA in the documentation.

using Imaml.Nets.Storage;

namespace Imaml.Nets.Tasks;

/// <summary>A data set found in the data folder.</summary>
/// <param name="Name">Its name at the command line, for example <c>omniglot</c>.</param>
/// <param name="IsUsable">Whether all its parts are there (not whether they are sound).</param>
/// <param name="Description">One line: which files or folders, and what is missing.</param>
internal sealed record FoundData(string Name, bool IsUsable, string Description);

/// <summary>The data folder, and who named it.</summary>
/// <param name="Folder">The folder's full path.</param>
/// <param name="Origin">As a message has it: "as given", or <c>IMAML_DATA</c>.</param>
internal sealed record DataRoot(string Folder, string Origin)
{
    /// <summary>The environment variable that names the data folder where the command line does not.</summary>
    public const string Variable = "IMAML_DATA";

    /// <summary>The command line's folder or, without one, that of the environment variable.</summary>
    /// <param name="argument">What <c>--data</c> said, or null or empty.</param>
    /// <param name="mayBeMissing">True accepts a folder that does not exist yet, to download into.</param>
    /// <exception cref="DataException">Neither names a folder, or the folder does not exist.</exception>
    public static DataRoot Resolve(string? argument, bool mayBeMissing = false)
    {
        var (named, origin) = argument is { Length: > 0 } ? (argument, "as given") : (Environment.GetEnvironmentVariable(Variable), Variable);
        if (named is not { Length: > 0 })
        {
            throw new DataException($"no data folder is named; give --data DIR or set {Variable}; `imaml data get omniglot --data DIR` downloads Omniglot there, and the glyphs are built in");
        }

        var folder = Path.GetFullPath(named);
        if (NamedPath.NotAFolder(folder) is { } fault && !(mayBeMissing && Owner.KindOf(folder) == PathKind.Missing))
        {
            throw new DataException($"the data folder {folder} ({origin}) {(Owner.KindOf(folder) == PathKind.Missing ? "does not exist" : $"cannot be used: {fault}")}; name one that does, or make one with Omniglot: imaml data get omniglot --data {named}") { IsOfRequest = argument is { Length: > 0 } };
        }

        return NamedPath.Closed(folder) is { } closed ? throw new DataException($"the data folder ({origin}): {closed}") : new DataRoot(folder, origin);
    }

    /// <summary>The data sets in the folder; those of which nothing is there are left out.</summary>
    public IReadOnlyList<FoundData> Find()
    {
        var photographs = ((string[])[PhotographEpisodes.MiniImageNet, PhotographEpisodes.Grocery])
            .Select(name => (Name: name, Path: PhotographEpisodes.Find(Folder, name)))
            .Where(one => one.Path is not null)
            .Select(one => new FoundData(one.Name, true, one.Path!));
        var parts = OmniglotSource.Locate(Folder);
        var found = parts.Select(one => one.Path).OfType<string>().ToList();
        if (found.Count == 0)
        {
            return [.. photographs];
        }

        var missing = parts.Where(one => one.Path is null).Select(one => one.Part).ToList();
        return [new FoundData("omniglot", missing.Count == 0, string.Join(", ", found) + (missing.Count == 0 ? "" : $"; {string.Join(" and ", missing)} missing")), .. photographs];
    }
}
