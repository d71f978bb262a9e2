// The number of files that a process may have open at once. The runtime opens its libraries one by one, and may fail at any point where the limit is too low.

using System.Globalization;

namespace Imaml.Cli;

/// <summary>The system's limit of open files.</summary>
internal static class OpenFiles
{
    /// <summary>So many are enough for every command; the usual limit is 1024 or more.</summary>
    public const int Enough = 256;

    /// <summary>What is wrong with the limit of this process, or null.</summary>
    public static string? Refusal()
    {
        const string Limits = "/proc/self/limits", Name = "Max open files";
        var line = File.Exists(Limits) ? File.ReadLines(Limits).FirstOrDefault(one => one.StartsWith(Name, StringComparison.Ordinal)) : null;
        return line is not null && line[Name.Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries) is [var soft, ..] && int.TryParse(soft, NumberStyles.None, CultureInfo.InvariantCulture, out var files) && files < Enough
            ? $"only {files} files may be open at once, and {Enough} are needed; raise the limit with `ulimit -n 1024`"
            : null;
    }
}
