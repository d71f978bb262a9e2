using System.Diagnostics;
using Imaml.Nets.LibTorch;
using TorchSharp;

namespace Imaml.Nets.Cost;

/// <summary>How fast a device multiplies matrices: the upper end of what training can reach there.</summary>
/// <param name="Device"><c>cpu</c> or <c>cuda:N</c>.</param>
/// <param name="Gflops">10⁹ float32 operations per second, 2n³ for a product of two n×n matrices.</param>
internal sealed record Throughput(string Device, double Gflops)
{
    private const double Seconds = 1;
    private const int ProcessorSize = 1024, GpuSize = 4096;

    /// <summary>Measures a device for one second: the processor on the threads that libtorch has, a GPU with TF32 where that is on; libtorch must be loaded.</summary>
    public static Throughput Of(torch.Device device) => new(device.ToString(), Multiply(device, device.type == DeviceType.CPU ? ProcessorSize : GpuSize));

    /// <summary>The same, the processor by this many threads.</summary>
    public static Throughput Of(torch.Device device, int threads)
    {
        var before = torch.get_num_threads();
        torch.set_num_threads(threads);
        try
        {
            return Of(device);
        }
        finally
        {
            torch.set_num_threads(before);
        }
    }

    /// <summary>Measures the processor and each of the GPUs.</summary>
    internal static IReadOnlyList<Throughput> Measure(IReadOnlyList<string> gpus) =>
        [Of(torch.CPU), .. gpus.Select((_, index) => Of(new torch.Device(DeviceType.CUDA, index)))];

    private static double Multiply(torch.Device device, int n)
    {
        using var scope = torch.NewDisposeScope();
        var generator = new torch.Generator(0, torch.CPU);
        var a = torch.rand(n, n, device: torch.CPU, generator: generator).to(device); // [n, n]
        var b = torch.rand(n, n, device: torch.CPU, generator: generator).to(device); // [n, n]

        void Product()
        {
            using var product = torch.mm(a, b);
            ComputeDevice.WaitFor(device);
        }

        Product(); // The first one also pays for the library's start.
        var clock = Stopwatch.StartNew();
        var products = 0;
        do
        {
            Product();
            products++;
        }
        while (clock.Elapsed.TotalSeconds < Seconds);
        return 2.0 * n * n * n * products / clock.Elapsed.TotalSeconds / 1e9;
    }
}
