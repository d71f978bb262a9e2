// The working directory. Without it relative paths cannot be resolved, and some libraries cannot be loaded.

namespace Imaml.Cli;

/// <summary>The process's working directory.</summary>
internal static class WorkingDirectory
{
    /// <summary>What is wrong with it, or null.</summary>
    public static string? Refusal()
    {
        try
        {
            return Directory.Exists(Directory.GetCurrentDirectory()) ? null : Missing;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Missing;
        }
    }

    private const string Missing = "the working directory does not exist any more, or cannot be entered; change to another one";
}
