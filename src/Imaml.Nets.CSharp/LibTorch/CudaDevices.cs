using System.Runtime.InteropServices;
using System.Text;
using TorchSharp;

namespace Imaml.Nets.LibTorch;

/// <summary>What NVIDIA's driver reports of the GPUs and TorchSharp does not: their names, and how much of their memory is taken.</summary>
internal static class CudaDevices
{
    private const string Driver = "libcuda.so.1";

    /// <summary>One name per device in libtorch's order; <c>GPU N</c> where the driver does not report it.</summary>
    public static IReadOnlyList<string> Names() => [.. Enumerable.Range(0, torch.cuda.device_count()).Select(Name)];

    /// <summary>Bytes of a GPU's memory that are taken, by all programs; null where the driver does not report them.</summary>
    public static long? TakenBytes(torch.Device device)
    {
        // Which also makes the device this thread's, as the driver's function requires.
        ComputeDevice.WaitFor(device);
        try
        {
            return cuMemGetInfo(out var free, out var total) == 0 ? (long)(total - free) : null;
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
            return null;
        }
    }

    private static string Name(int index)
    {
        var name = new byte[256];
        try
        {
            return cuInit(0) == 0 && cuDeviceGet(out var device, index) == 0 && cuDeviceGetName(name, name.Length, device) == 0
                ? Encoding.UTF8.GetString(name).TrimEnd('\0')
                : $"GPU {index}";
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
            return $"GPU {index}";
        }
    }

    [DllImport(Driver)]
    private static extern int cuInit(uint flags);

    [DllImport(Driver)]
    private static extern int cuDeviceGet(out int device, int ordinal);

    [DllImport(Driver, EntryPoint = "cuMemGetInfo_v2")]
    private static extern int cuMemGetInfo(out nuint free, out nuint total);

    [DllImport(Driver)]
    private static extern int cuDeviceGetName(byte[] name, int length, int device);
}
