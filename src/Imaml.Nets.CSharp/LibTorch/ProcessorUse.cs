// What a piece of work takes of the processors and of the memory manager, as the system accounts for it (getrusage(2)).

using System.Runtime.InteropServices;

namespace Imaml.Nets.LibTorch;

/// <summary>Processor time and page faults of a piece of work.</summary>
/// <param name="CpuSeconds">Seconds of all cores together, in user code and in the kernel.</param>
/// <param name="PageFaults">Pages of memory that the kernel had to find, nearly all of them memory that was given back and taken again.</param>
public sealed record ProcessorUse(double CpuSeconds, double PageFaults)
{
    // getrusage's subjects, and what it fills: two times of two words, then fourteen words, of which faults are the 4th and 5th.
    private const int Process = 0, Thread = 1, UserSeconds = 0, SystemSeconds = 2, FirstFault = 8, SecondFault = 9, Words = 18;

    /// <summary>Of this process since its start, in all threads; null where the system does not report it.</summary>
    internal static ProcessorUse? OfProcess() => Of(Process);

    /// <summary>Of this thread since its start; null where the system does not report it.</summary>
    internal static ProcessorUse? OfThread() => Of(Thread);

    /// <summary>What was used since then, shared out.</summary>
    /// <param name="before">An earlier account of the same process or thread.</param>
    /// <param name="shares">Into how many parts.</param>
    internal ProcessorUse Since(ProcessorUse before, double shares) => new((CpuSeconds - before.CpuSeconds) / shares, (PageFaults - before.PageFaults) / shares);

    private static ProcessorUse? Of(int subject)
    {
        if (!OperatingSystem.IsLinux())
        {
            return null;
        }

        var words = new long[Words];
        double Seconds(int at) => words[at] + (words[at + 1] / 1e6);
        return GetResourceUse(subject, words) == 0
            ? new ProcessorUse(Seconds(UserSeconds) + Seconds(SystemSeconds), words[FirstFault] + words[SecondFault])
            : null;
    }

    [DllImport("libc", EntryPoint = "getrusage")]
    private static extern int GetResourceUse(int subject, [Out] long[] words);
}
