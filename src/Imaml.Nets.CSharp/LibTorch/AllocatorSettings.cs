// glibc's allocator returns freed memory to the system and takes it again a moment later. Every tensor of a training step then costs page
// faults: half a million in 60 meta-steps, 7 % of the processor's time. This keeps freed memory in the process for the next tensor.

using System.Runtime.InteropServices;

namespace Imaml.Nets.LibTorch;

/// <summary>Settings of the C library's allocator, for the whole process.</summary>
internal static class AllocatorSettings
{
    // mallopt(3).
    private const int TrimThreshold = -1, TopPad = -2, MmapThreshold = -3;
    private static readonly (int Parameter, string Variable, int Bytes)[] Settings =
        [(TrimThreshold, "MALLOC_TRIM_THRESHOLD_", 1 << 30), (TopPad, "MALLOC_TOP_PAD_", 64 << 20), (MmapThreshold, "MALLOC_MMAP_THRESHOLD_", LargeBlock)];

    // Milliseconds of the system.
    private static long _givenBack = Environment.TickCount64;

    /// <summary>Bytes from which on memory is taken from the system and given back: half of the largest part of a thread's heap. LargeBlocks keeps those for the next tensor.</summary>
    public const int LargeBlock = 32 << 20;

    /// <summary>Makes glibc keep freed memory. What the user has set by glibc's variables stays; other C libraries are left as they are.</summary>
    public static void KeepFreedMemory()
    {
        foreach (var (parameter, variable, bytes) in Settings.Where(setting => Environment.GetEnvironmentVariable(setting.Variable) is null))
        {
            try
            {
                _ = SetOption(parameter, bytes);
            }
            catch (EntryPointNotFoundException)
            {
                return;
            }
        }
    }

    /// <summary>Gives memory that is freed back to the system, which takes some milliseconds.</summary>
    public static void GiveBackFreedMemory()
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        try
        {
            _ = Trim(0);
        }
        catch (EntryPointNotFoundException)
        {
            // Another C library, whose allocator was left as it is.
        }
    }

    /// <summary>How long <see cref="GiveBackFreedMemoryAtTimes"/> waits after the last time.</summary>
    internal static TimeSpan BetweenTimes { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// The same, unless it was done a short while ago. Each thread's heap keeps what was freed there, so work that comes on ever other threads of a pool would keep the memory
    /// of one piece of work for each heap, of which glibc makes up to eight for each processor.
    /// </summary>
    public static void GiveBackFreedMemoryAtTimes()
    {
        var (now, last) = (Environment.TickCount64, Interlocked.Read(ref _givenBack));
        if (now - last >= BetweenTimes.TotalMilliseconds && Interlocked.CompareExchange(ref _givenBack, now, last) == last)
        {
            GiveBackFreedMemory();
        }
    }

    [DllImport("libc", EntryPoint = "malloc_trim")]
    private static extern int Trim(nuint pad);

    [DllImport("libc", EntryPoint = "mallopt")]
    private static extern int SetOption(int parameter, int value);
}
