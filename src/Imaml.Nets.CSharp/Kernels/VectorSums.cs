// The solvers' operations on parameter vectors, in one pass over memory: their sums are longer than any cache of the first level, so each further pass
// costs as much as the first.

using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Imaml.Nets.Kernels;

/// <summary>Sums over vectors of float32, added up in double precision: so squares neither underflow nor overflow, and sixteen partial sums, the same on every processor, make the bits the same.</summary>
internal static class VectorSums
{
    private const int Together = 16;

    /// <summary>⟨x, y⟩</summary>
    public static double Inner(ReadOnlySpan<float> x, ReadOnlySpan<float> y)
    {
        ref var a = ref MemoryMarshal.GetReference(x);
        ref var b = ref MemoryMarshal.GetReference(y[..x.Length]);
        Vector256<double> s0 = default, s1 = default, s2 = default, s3 = default;
        var whole = x.Length - (x.Length % Together);
        for (var i = 0; i < whole; i += Together)
        {
            var (x0, x1) = Vector256.Widen(Vector256.LoadUnsafe(ref a, (nuint)i));
            var (x2, x3) = Vector256.Widen(Vector256.LoadUnsafe(ref a, (nuint)i + 8));
            var (y0, y1) = Vector256.Widen(Vector256.LoadUnsafe(ref b, (nuint)i));
            var (y2, y3) = Vector256.Widen(Vector256.LoadUnsafe(ref b, (nuint)i + 8));
            (s0, s1) = (Vector256.FusedMultiplyAdd(x0, y0, s0), Vector256.FusedMultiplyAdd(x1, y1, s1));
            (s2, s3) = (Vector256.FusedMultiplyAdd(x2, y2, s2), Vector256.FusedMultiplyAdd(x3, y3, s3));
        }

        var sum = Vector256.Sum(s0 + s1 + (s2 + s3));
        for (var i = whole; i < x.Length; i++)
        {
            sum += (double)x[i] * y[i];
        }

        return sum;
    }

    /// <summary>‖x − y‖², of differences that are rounded as float32.</summary>
    public static double SquaredDistance(ReadOnlySpan<float> x, ReadOnlySpan<float> y)
    {
        ref var a = ref MemoryMarshal.GetReference(x);
        ref var b = ref MemoryMarshal.GetReference(y[..x.Length]);
        Vector256<double> s0 = default, s1 = default, s2 = default, s3 = default;
        var whole = x.Length - (x.Length % Together);
        for (var i = 0; i < whole; i += Together)
        {
            var (d0, d1) = Vector256.Widen(Vector256.LoadUnsafe(ref a, (nuint)i) - Vector256.LoadUnsafe(ref b, (nuint)i));
            var (d2, d3) = Vector256.Widen(Vector256.LoadUnsafe(ref a, (nuint)i + 8) - Vector256.LoadUnsafe(ref b, (nuint)i + 8));
            (s0, s1) = (Vector256.FusedMultiplyAdd(d0, d0, s0), Vector256.FusedMultiplyAdd(d1, d1, s1));
            (s2, s3) = (Vector256.FusedMultiplyAdd(d2, d2, s2), Vector256.FusedMultiplyAdd(d3, d3, s3));
        }

        var sum = Vector256.Sum(s0 + s1 + (s2 + s3));
        for (var i = whole; i < x.Length; i++)
        {
            double difference = x[i] - y[i];
            sum += difference * difference;
        }

        return sum;
    }

    /// <summary>z + a(x − y), a coordinate at a time with three roundings.</summary>
    public static void AddMultipleOfDifference<V>(float a, ReadOnlySpan<float> x, ReadOnlySpan<float> y, ReadOnlySpan<float> z, Span<float> result)
        where V : struct, ILanes<V>
    {
        ref var xs = ref MemoryMarshal.GetReference(x);
        ref var ys = ref MemoryMarshal.GetReference(y[..x.Length]);
        ref var zs = ref MemoryMarshal.GetReference(z[..x.Length]);
        ref var to = ref MemoryMarshal.GetReference(result[..x.Length]);
        var factor = V.Of(a);
        var whole = x.Length - (x.Length % V.Count);
        for (var i = 0; i < whole; i += V.Count)
        {
            V.Store(V.Load(ref zs, i) + (factor * (V.Load(ref xs, i) - V.Load(ref ys, i))), ref to, i);
        }

        for (var i = whole; i < x.Length; i++)
        {
            result[i] = z[i] + (a * (x[i] - y[i]));
        }
    }
}
