// The initial weights and biases: Xavier's uniform initialisation (Glorot and Bengio 2010), as the reference code has it.

using Imaml.Nets.Tensors;
using static TorchSharp.torch;

namespace Imaml.Nets.Models;

/// <summary>New weights and biases, in float32 on the processor.</summary>
internal static class Xavier
{
    private const double LargestBias = 0.05;

    /// <summary>A layer's gain.</summary>
    /// <exception cref="ArgumentException">It is negative or not finite.</exception>
    public static double Gain(double gain) => gain is >= 0 and < double.PositiveInfinity ? gain : throw new ArgumentOutOfRangeException(nameof(gain), gain, "must be at least 0 and finite");

    /// <summary>Uniform within ±gain·√(6 / (fan in + fan out)).</summary>
    public static Tensor Weights(double gain, int fanIn, int fanOut, Generator generator, params long[] shape) =>
        rand(shape, device: CPU, generator: generator).Times(2).Plus(-1).Times(gain * double.Sqrt(6.0 / (fanIn + fanOut)));

    /// <summary>Uniform in [0, 0.05].</summary>
    public static Tensor Biases(int count, Generator generator) => rand(count, device: CPU, generator: generator).Times(LargestBias);
}
