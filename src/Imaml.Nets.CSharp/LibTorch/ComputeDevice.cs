// The device that a command computes on, as `--device` names it. A device that cannot be opened is an error of one line.
//
// libtorch multiplies matrices and convolves float32 numbers on recent NVIDIA GPUs in TF32, with 10 bits of mantissa in place of 23, unless it
// is set not to; by default it does so for convolutions. Here it does neither unless it is asked for both.

using System.Globalization;
using MathNet.Numerics;
using MathNet.Numerics.Providers.LinearAlgebra;
using TorchSharp;

namespace Imaml.Nets.LibTorch;

/// <summary>A device that is there.</summary>
public sealed record ComputeDevice
{
    /// <summary>The processor's name on the command line.</summary>
    public const string ProcessorName = "cpu";

    /// <summary>The first GPU's name on the command line; <c>cuda:N</c> is the one with index N.</summary>
    public const string CudaName = "cuda";

    private ComputeDevice(torch.Device device, string description) => (Device, Description) = (device, description);

    /// <summary>The processor.</summary>
    /// <exception cref="LibTorchLoadException">libtorch cannot be loaded.</exception>
    public static ComputeDevice Processor
    {
        get
        {
            LibTorchLoader.EnsureLoaded(); // before TorchSharp looks for it
            return new ComputeDevice(torch.CPU, ProcessorName);
        }
    }

    /// <summary>The device of its tensors.</summary>
    public torch.Device Device { get; }

    /// <summary>Its name in result files: <c>cpu</c>, or a GPU with its name, and whether it computes in TF32.</summary>
    public string Description { get; }

    /// <summary>Opens a device. For a GPU this also chooses float32's arithmetic there, for the whole process, and takes MathNet's CUDA provider for dense systems if there is one.</summary>
    /// <param name="name"><c>cpu</c>, <c>cuda</c> or <c>cuda:N</c>.</param>
    /// <param name="tf32">Whether a GPU may compute in TF32; the processor cannot.</param>
    /// <exception cref="ArgumentException">The name is not that of a device, or this machine has no such device; the message says how to get one.</exception>
    /// <exception cref="LibTorchLoadException">libtorch cannot be loaded.</exception>
    public static ComputeDevice Open(string name, bool tf32)
    {
        if (name == ProcessorName)
        {
            return tf32 ? throw new ArgumentException($"TF32 is of GPUs alone: the device {ProcessorName} has none; leave it out, or name {CudaName}") : Processor;
        }

        var index = Index(name) ?? throw new ArgumentException($"device {name} is not known; it is {ProcessorName}, {CudaName} or {CudaName}:N");
        var origin = LibTorchLoader.Loaded;
        if (!torch.cuda.is_available())
        {
            throw new ArgumentException(Absence(name, origin.Folder, File.Exists(Path.Combine(origin.Folder, LibTorchLoader.CudaLibrary))));
        }

        var names = CudaDevices.Names();
        if (index >= names.Count)
        {
            throw new ArgumentException($"device {name} does not exist; libtorch sees {string.Join(", ", names.Select((gpu, i) => $"{CudaName}:{i} ({gpu})"))}");
        }

        (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32) = (tf32, tf32);
        NativeProvider.UseCuda();
        return new ComputeDevice(new torch.Device(DeviceType.CUDA, index), $"{CudaName}:{index} ({names[index]}){(tf32 ? ", TF32" : "")}");
    }

    /// <summary>Returns when all work of a device is done, for measurements of time.</summary>
    public static void WaitFor(torch.Device device)
    {
        if (device.type == DeviceType.CUDA)
        {
            torch.cuda.synchronize(device);
        }
    }

    /// <summary>Why there is no GPU, and what to do.</summary>
    internal static string Absence(string name, string folder, bool builtForCuda) => builtForCuda
        ? $"device {name}: libtorch in {folder} can compute on NVIDIA's GPUs but finds none; `nvidia-smi` shows what the driver sees"
        : $"device {name}: libtorch in {folder} computes on the processor alone; build with -p:Cuda=true, or set {LibTorchLoader.FolderVariable} to the torch/lib folder of a PyTorch installation with CUDA";

    private static int? Index(string name) => name.Split(':') switch
    {
        [CudaName] => 0,
        [CudaName, var number] when int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var index) => index,
        _ => null,
    };
}

/// <summary>MathNet's native linear algebra: its packages are looked up at run time and are not part of the ordinary build.</summary>
internal static class NativeProvider
{
    /// <summary>The first one that can be used, or null; the provider in use stays what it was.</summary>
    public static string? Find()
    {
        var current = LinearAlgebraControl.Provider;
        try
        {
            return Control.TryUseNativeCUDA() ? "CUDA" : Control.TryUseNativeMKL() ? "MKL" : Control.TryUseNativeOpenBLAS() ? "OpenBLAS" : null;
        }
        finally
        {
            LinearAlgebraControl.Provider = current;
        }
    }

    /// <summary>Solves dense systems (the oracles of diagnoses and tests) on the GPU from now on, if the provider can be used; else nothing changes.</summary>
    public static bool UseCuda() => Control.TryUseNativeCUDA();
}
