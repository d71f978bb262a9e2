// Resident memory of this process: what Linux calls VmRSS and VmHWM, and other systems the working set and its peak.

using System.Diagnostics;

namespace Imaml.Nets.LibTorch;

/// <summary>Resident bytes of this process, of libtorch and of .NET alike.</summary>
public static class ProcessMemory
{
    // proc_pid_clear_refs(5): 5 sets the peak to what is resident now.
    private const string PeakFile = "/proc/self/clear_refs", ForgetPeak = "5";

    /// <summary>Resident now.</summary>
    public static long Resident()
    {
        using var process = Process.GetCurrentProcess();
        return process.WorkingSet64;
    }

    /// <summary>Most that was resident at once, since the start of the process or since <see cref="StartAnew"/>.</summary>
    public static long Peak()
    {
        using var process = Process.GetCurrentProcess();
        return process.PeakWorkingSet64;
    }

    /// <summary>Gives back what is garbage and, where the system can, forgets the peak so far.</summary>
    public static void StartAnew()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        // Aggressive: what the heap no longer needs goes back to the system at once.
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        try
        {
            File.WriteAllText(PeakFile, ForgetPeak);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Only Linux can; elsewhere the peak stays that of the whole process.
        }
    }
}
