namespace Imaml.Nets.Storage;

/// <summary>Where this program keeps what it can make again.</summary>
internal static class UserCache
{
    /// <summary><c>XDG_CACHE_HOME</c> (which counts only where it is absolute, by the XDG base-directory rule) or <c>~/.cache</c>, then <c>imaml</c> and the name.</summary>
    public static string Folder(string name)
    {
        var root = Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { } named && Path.IsPathFullyQualified(named)
            ? named
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
        return Path.Combine(root, "imaml", name);
    }
}
