using System.Runtime.InteropServices;
using System.Text;

namespace Imaml.Nets.Diagnostics;

/// <summary>Names of the GPUs, from NVIDIA's driver: TorchSharp can count them but not name them.</summary>
internal static class CudaDevices
{
    private const string Driver = "libcuda.so.1";

    /// <summary>One name per device in libtorch's order; <c>GPU N</c> where the driver does not say.</summary>
    public static IReadOnlyList<string> Names() => [.. Enumerable.Range(0, TorchSharp.torch.cuda.device_count()).Select(Name)];

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

    [DllImport(Driver)]
    private static extern int cuDeviceGetName(byte[] name, int length, int device);
}
