// Memory of the device that computes: the process's resident memory, or what is taken of a GPU's. libtorch keeps what it has once taken of a
// GPU's for its next tensors, so that the most it held at once is what it holds in the end.

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

    /// <summary>Bytes that were taken before; of a GPU's, by all programs, and 0 where the driver does not say.</summary>
    public long Before { get; }

    /// <summary>Begins to watch.</summary>
    public static DeviceMemory Of(torch.Device device) => new(device);

    /// <summary>The most that has been taken at once since then, less what was taken before; null where the system does not know.</summary>
    public long? Peak() => _device.type == DeviceType.CPU
        ? ProcessMemory.Peak() is var peak && peak > _earlierPeak ? peak - Before : null
        : CudaDevices.TakenBytes(_device) - Before;
}
