// Memory of the device that computes: the process's resident memory (what Linux calls VmRSS and VmHWM, and other systems the working set and its peak),
// or what is taken of a GPU's. libtorch keeps the GPU memory that it has taken for its next tensors, so its peak is what it holds in the end.

using System.Diagnostics;
using TorchSharp;

namespace Imaml.Nets.LibTorch;

/// <summary>What a piece of work takes of a device's memory.</summary>
internal sealed class DeviceMemory
{
    private readonly torch.Device _device;
    private readonly long _earlierPeak;

    private DeviceMemory(torch.Device device)
    {
        _device = device;
        (Before, _earlierPeak) = device.type == DeviceType.CPU ? (ProcessMemory.Resident(), ProcessMemory.Peak()) : (CudaDevices.TakenBytes(device) ?? 0, 0);
    }

    /// <summary>Bytes that were taken before; of a GPU's, by all programs, and 0 where the driver does not report them.</summary>
    public long Before { get; }

    /// <summary>Begins to watch.</summary>
    public static DeviceMemory Of(torch.Device device) => new(device);

    /// <summary>The peak of what has been taken since then, less what was taken before; null where the system does not report it.</summary>
    public long? Peak() => _device.type == DeviceType.CPU
        ? ProcessMemory.Peak() is var peak && peak > _earlierPeak ? peak - Before : null
        : CudaDevices.TakenBytes(_device) - Before;
}

/// <summary>Resident bytes of this process, of libtorch and of .NET alike.</summary>
internal static class ProcessMemory
{
    // proc_pid_clear_refs(5): 5 sets the peak to what is resident now.
    private const string PeakFile = "/proc/self/clear_refs", ForgetPeak = "5";

    /// <summary>Resident now.</summary>
    public static long Resident()
    {
        using var process = Process.GetCurrentProcess();
        return process.WorkingSet64;
    }

    /// <summary>The largest number of bytes that were resident at once, since the start of the process or since <see cref="StartAnew"/>.</summary>
    public static long Peak()
    {
        using var process = Process.GetCurrentProcess();
        return process.PeakWorkingSet64;
    }

    /// <summary>Frees unused memory and, where the system supports it, resets the peak.</summary>
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
