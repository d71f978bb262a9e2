using System.Diagnostics;
using TorchSharp;

namespace Imaml.Nets.Diagnostics;

/// <summary>How fast a device multiplies matrices: the upper end of what training can reach there.</summary>
/// <param name="Device"><c>cpu</c> or <c>cuda:N</c>.</param>
/// <param name="Gflops">10⁹ float32 operations per second, 2n³ for a product of two n×n matrices.</param>
public sealed record Throughput(string Device, double Gflops)
{
    private const double Seconds = 1;

    /// <summary>Measures the processor and each of the GPUs for one second.</summary>
    internal static IReadOnlyList<Throughput> Measure(IReadOnlyList<string> gpus)
    {
        var devices = gpus.Select((_, index) => (Name: $"cuda:{index}", Size: 4096)).Prepend((Name: "cpu", Size: 1024));
        return [.. devices.Select(one => new Throughput(one.Name, Multiply(torch.device(one.Name), one.Size)))];
    }

    private static double Multiply(torch.Device device, int n)
    {
        using var scope = torch.NewDisposeScope();
        var generator = new torch.Generator(0, torch.CPU);
        var a = torch.rand(n, n, device: torch.CPU, generator: generator).to(device); // [n, n]
        var b = torch.rand(n, n, device: torch.CPU, generator: generator).to(device); // [n, n]

        void Product()
        {
            using var product = torch.mm(a, b);
            if (device.type == DeviceType.CUDA)
            {
                torch.cuda.synchronize(device);
            }
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
