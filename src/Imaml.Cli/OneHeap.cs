// glibc gives each thread a heap of its own, whose parts are of at most 64 MB. What is larger, as the activations of photographs are, is taken from the system
// and given back at every pass, at the price of page faults. One heap for all threads keeps it. Its number is read from the environment when a process starts,
// so a command that computes with networks starts itself once more, in the same process.

using System.Runtime.InteropServices;

namespace Imaml.Cli;

/// <summary>Lets the threads of a command share one heap.</summary>
internal static class OneHeap
{
    private const string Variable = "MALLOC_ARENA_MAX", Program = "/proc/self/exe", Words = "/proc/self/cmdline";

    private static readonly string[] Commands = ["train", "evaluate", "predict", "diagnose", "reproduce", "bench", "bench-one", "demo"];

    /// <summary>Starts the command anew where it needs that; what the user has set by glibc's variable stays.</summary>
    /// <param name="args">The command line.</param>
    public static void Ensure(IReadOnlyList<string> args)
    {
        if (!OperatingSystem.IsLinux() || Environment.GetEnvironmentVariable(Variable) is not null || args is not [var command, ..] || !Commands.Contains(command))
        {
            return;
        }

        try
        {
            if (SetVariable(Variable, "1", 0) == 0)
            {
                // Where this returns, the command goes on as it is.
                _ = Execute(Program, [.. File.ReadAllText(Words).Split('\0')[..^1], null]);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or EntryPointNotFoundException or DllNotFoundException)
        {
        }
    }

    [DllImport("libc", EntryPoint = "setenv", CharSet = CharSet.Ansi, BestFitMapping = false, ThrowOnUnmappableChar = true)]
    private static extern int SetVariable(string name, string value, int overwrite);

    [DllImport("libc", EntryPoint = "execv", CharSet = CharSet.Ansi, BestFitMapping = false, ThrowOnUnmappableChar = true)]
    private static extern int Execute(string program, string?[] words);
}
