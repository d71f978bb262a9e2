using Imaml.Nets.Models;

namespace Imaml.Nets.Diagnostics;

/// <summary>Floating-point operations of a network for one image, a multiplication and an addition counted as two.</summary>
/// <param name="Forward">The logits.</param>
/// <param name="Gradient">The gradient by the parameters, its forward pass included.</param>
/// <param name="HessianProduct">One Hessian–vector product at a point whose gradient is known.</param>
public sealed record NetworkFlops(double Forward, double Gradient, double HessianProduct)
{
    /// <summary>
    /// Of <see cref="ConvolutionalNetworks.Strided"/>, by its convolutions and its classifier, of which a forward pass takes one product, a gradient three and a
    /// Hessian–vector product six; the first convolution, whose input has neither gradient nor tangent, takes one, two and two.
    /// </summary>
    public static NetworkFlops Strided(ImageShape input, int filters, int ways)
    {
        const int Blocks = 4, KernelPositions = 9;
        var (height, width, channels) = (input.Height, input.Width, input.Channels);
        var products = new double[Blocks + 1];
        for (var block = 0; block < Blocks; block++)
        {
            (height, width) = ((height + 1) / 2, (width + 1) / 2);
            products[block] = 2.0 * height * width * KernelPositions * channels * filters;
            channels = filters;
        }

        products[Blocks] = 2.0 * height * width * channels * ways;
        var (first, rest) = (products[0], products.Skip(1).Sum());
        return new NetworkFlops(first + rest, (2 * first) + (3 * rest), (2 * first) + (6 * rest));
    }
}
