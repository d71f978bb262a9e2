// glibc gives each thread a heap of its own, whose parts are of at most 64 MB. What is larger, as the activations of photographs are, is taken from the system
// and given back at every pass, at the price of page faults: half of the time at 84 × 84 pixels. One heap for all threads keeps it. Small tensors are faster with
// a heap for each thread. The number of heaps is read from the environment when a process starts, so a command that computes with large images starts itself
// once more, in the same process.

using System.Runtime.InteropServices;
using Imaml.Nets.Runs;
using Imaml.Nets.Tasks;

namespace Imaml.Cli;

/// <summary>Lets the threads of a command share one heap.</summary>
internal static class OneHeap
{
    private const string Variable = "MALLOC_ARENA_MAX", Program = "/proc/self/exe", Words = "/proc/self/cmdline";

    // Rows and columns from which on activations of a task are about so large.
    private const int LargeImage = 48;

    /// <summary>Starts the command anew where its images are large; what the user has set by glibc's variable stays. To be called before anything is done.</summary>
    /// <param name="experiment">What it computes.</param>
    public static void EnsureFor(Experiment experiment)
    {
        if (experiment.Tasks is EpisodeSpec { Form.Size: >= LargeImage })
        {
            Ensure();
        }
    }

    /// <summary>Starts the command anew.</summary>
    public static void Ensure()
    {
        // A launcher's processes have met already; what the standard input gave cannot be read again.
        if (!OperatingSystem.IsLinux() || !Job.IsAlone || Environment.GetEnvironmentVariable(Variable) is not null)
        {
            return;
        }

        try
        {
            var words = File.ReadAllText(Words).Split('\0')[..^1];
            // A test runs commands within its own process.
            if (!AppContext.TryGetSwitch(Terminal.RedirectedSwitch, out _) && !words.Contains(StandardInput.Name) && SetVariable(Variable, "1", 0) == 0)
            {
                // Where this returns, the command goes on as it is.
                _ = Execute(Program, [.. words, null]);
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
