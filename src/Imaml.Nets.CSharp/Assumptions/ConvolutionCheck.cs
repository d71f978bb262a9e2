// Whether libtorch convolves correctly on this machine. Its library for that, oneDNN, generates its kernels for the processor that it finds, and has been
// seen to compute wrong numbers without an error (LibTorch/ProcessorCaches.cs).

using static TorchSharp.torch;

namespace Imaml.Nets.Assumptions;

/// <summary>libtorch's convolutions in single precision, measured against those in double precision, which another code computes.</summary>
internal static class ConvolutionCheck
{
    /// <summary>The largest error that rounding explains: sums of at most 1,600 products.</summary>
    public const double Allowed = 1e-4;

    // Tasks as groups, images, rows and columns, channels in and out, stride, whether channels lie last: one of every kind that has been seen to fail,
    // and the networks' own.
    private static readonly (int Tasks, int Images, int Size, int In, int Out, int Stride, bool Last)[] Shapes =
    [
        (4, 5, 28, 1, 64, 2, true), (4, 5, 14, 64, 64, 2, true), (2, 2, 7, 1, 8, 1, true), (1, 2, 5, 8, 5, 1, false), (1, 2, 5, 3, 8, 1, false), (2, 2, 10, 32, 32, 1, true),
        (1, 5, 14, 64, 64, 2, false),
    ];

    /// <summary>The largest relative error of values and gradients.</summary>
    public static double Error() => Shapes.Max(shape =>
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(1, CPU);
        Tensor Normal(params long[] size) => randn(size, dtype: float64, device: CPU, generator: generator);
        Tensor Laid(Tensor x) => shape.Last ? x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2) : x;
        Tensor[] inputs = [Laid(Normal(shape.Images, shape.Tasks * shape.In, shape.Size, shape.Size)), Laid(Normal(shape.Tasks * shape.Out, shape.In, 3, 3))];
        Tensor[] Results(ScalarType type)
        {
            using var grad = enable_grad();
            Tensor[] variables = [.. inputs.Select(one => one.to_type(type).detach().requires_grad_())];
            var y = nn.functional.conv2d(variables[0], variables[1], null, [shape.Stride, shape.Stride], [1, 1], [1, 1], shape.Tasks);
            return [y.detach(), .. autograd.grad([y], variables, [y.detach()])];
        }

        return Results(float64).Zip(Results(float32), (exact, found) => (exact - found.to_type(float64)).norm().item<double>() / exact.norm().item<double>()).Max();
    });
}
