namespace Imaml.Nets.Storage;

/// <summary>Where this program keeps what it can make again.</summary>
internal static class UserCache
{
    /// <summary>
    /// <c>XDG_CACHE_HOME</c> (which counts only where it is absolute, by the XDG base-directory rule) or <c>~/.cache</c>, then <c>imaml</c> and the name. Where the home
    /// folder is missing or another user's, a folder of this user's among the temporary files; never one below the working directory.
    /// </summary>
    public static string Folder(string name) => Path.Combine(Root, name);

    /// <summary>Makes a folder for this user alone, and <see cref="Root"/> above it.</summary>
    /// <exception cref="UnauthorizedAccessException">One of them is another user's, or may not be made.</exception>
    /// <exception cref="IOException">One cannot be made.</exception>
    public static void Make(string folder)
    {
        if (folder.StartsWith(Root + Path.DirectorySeparatorChar, StringComparison.Ordinal))
        {
            Owner.MakePrivate(Root);
        }

        Owner.MakePrivate(folder);
    }

    private static string Root
    {
        get
        {
            if (Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { } named && Path.IsPathFullyQualified(named))
            {
                return Path.Combine(named, "imaml");
            }

            // Empty where the folder that HOME names is not there.
            var home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
            if (Path.IsPathFullyQualified(home) && Directory.Exists(home) && Owner.IsMine(home))
            {
                return Path.Combine(home, ".cache", "imaml");
            }

            var temporary = Path.GetTempPath();
            return Path.Combine(Path.IsPathFullyQualified(temporary) ? temporary : "/tmp", $"imaml-{Owner.Current}");
        }
    }
}
