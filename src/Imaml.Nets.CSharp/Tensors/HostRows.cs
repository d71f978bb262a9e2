// The vectors of a batch as numbers in the processor's memory, for what Kernels/VectorSums.cs does in one pass.

using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Imaml.Nets.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace Imaml.Nets.Tensors;

/// <summary>The rows of a tensor [B, d] of float32, of which there may be one in memory for all tasks.</summary>
internal readonly ref struct HostRows
{
    private readonly Span<float> _numbers;
    private readonly int _step;

    private HostRows(Tensor x)
    {
        var shared = x.shape[0] == 1 || x.stride()[0] == 0;
        (Count, Length, _step) = ((int)x.shape[0], (int)x.shape[1], shared ? 0 : (int)x.shape[1]);
        _numbers = MemoryMarshal.Cast<byte, float>((shared ? x.narrow(0, 0, 1) : x).contiguous().bytes);
    }

    /// <summary>B</summary>
    private int Count { get; }

    /// <summary>d</summary>
    private int Length { get; }

    /// <summary>A task's vector.</summary>
    private Span<float> this[int task] => _numbers.Slice(task * _step, Length);

    /// <summary>A sum over the coordinates of two vectors.</summary>
    public delegate double Sum(ReadOnlySpan<float> x, ReadOnlySpan<float> y);

    /// <summary>Whether both are such rows, of one length.</summary>
    public static bool Serve(Tensor x, Tensor y) =>
        Vector256.IsHardwareAccelerated && IsOne(x) && IsOne(y) && x.shape[1] == y.shape[1] && (x.shape[0] == y.shape[0] || x.shape[0] == 1 || y.shape[0] == 1);

    /// <summary>The sum of every task, [B, 1]; needs an open scope.</summary>
    public static Tensor PerTask(Tensor x, Tensor y, Sum sum)
    {
        HostRows a = new(x), b = new(y);
        var sums = new float[int.Max(a.Count, b.Count)];
        for (var task = 0; task < sums.Length; task++)
        {
            sums[task] = (float)sum(a[task], b[task]);
        }

        return tensor(sums, [sums.Length, 1], ScalarType.Float32, CPU);
    }

    /// <summary>z + a(x − y); needs an open scope.</summary>
    public static Tensor AddMultipleOfDifference(double a, Tensor x, Tensor y, Tensor z)
    {
        HostRows xs = new(x), ys = new(y), zs = new(z);
        var result = empty([int.Max(int.Max(xs.Count, ys.Count), zs.Count), xs.Length], ScalarType.Float32, CPU);
        var to = new HostRows(result);
        for (var task = 0; task < to.Count; task++)
        {
            if (Vector512.IsHardwareAccelerated)
            {
                VectorSums.AddMultipleOfDifference<Lanes16>((float)a, xs[task], ys[task], zs[task], to[task]);
            }
            else
            {
                VectorSums.AddMultipleOfDifference<Lanes8>((float)a, xs[task], ys[task], zs[task], to[task]);
            }
        }

        return result;
    }

    private static bool IsOne(Tensor x) => x.dtype == ScalarType.Float32 && x.device_type == DeviceType.CPU && x.dim() == 2;
}
