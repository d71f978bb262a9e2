namespace Imaml.Cli;

/// <summary>The exit codes of the program.</summary>
internal static class ExitCode
{
    public const int Success = 0;

    /// <summary>A file, the data, the device or the network failed, or figures are of networks that are not finite.</summary>
    public const int Failed = 1;

    /// <summary>The command line, a value in it, or a problem file is invalid.</summary>
    public const int Usage = 2;

    /// <summary>Stopped by Ctrl-C, SIGTERM or SIGHUP; 128 + SIGINT, as shells have it.</summary>
    public const int Stopped = 130;
}
