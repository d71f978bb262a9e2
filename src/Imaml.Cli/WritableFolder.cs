namespace Imaml.Cli;

/// <summary>Folders that a long piece of work will write into at its end.</summary>
internal static class WritableFolder
{
    /// <summary>Makes the folder where it is missing, and writes and removes a file there.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="option">The option that names another.</param>
    /// <exception cref="IOException">The folder cannot be made or written; the message names it and the option.</exception>
    public static void Require(string path, string option)
    {
        try
        {
            Directory.CreateDirectory(path);
            var probe = Path.Combine(path, Path.GetRandomFileName());
            File.WriteAllBytes(probe, []);
            File.Delete(probe);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"{path} cannot be written ({e.Message}); name another folder with {option}", e);
        }
    }
}
