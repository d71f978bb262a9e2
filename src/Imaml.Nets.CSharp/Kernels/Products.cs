// The two products that every layer with weights is made of, for a block of six rows and two registers of columns: twelve sums stay in
// registers while one factor is read number by number and the other a register at a time. Six by two fills AVX2's sixteen registers, and
// hides the delay of a multiplication on every processor.

using System.Runtime.CompilerServices;

namespace Imaml.Nets.Kernels;

/// <summary>Sums of products into blocks of six rows.</summary>
internal static class Products
{
    /// <summary>Rows of a block.</summary>
    public const int Rows = 6;

    /// <summary>Columns of a block.</summary>
    public static int Columns<V>()
        where V : struct, ILanes<V> => 2 * V.Count;

    /// <summary>
    /// c[to r, :] (+)= Σₜ Σⱼ a[from r + tap t + j] · b[weight t + j·stride, :] for the six rows r: a convolution reads each row's numbers where they lie.
    /// </summary>
    /// <param name="a">The factor that is read number by number.</param>
    /// <param name="from">Where each row's numbers are in it.</param>
    /// <param name="taps">What is added to that for each tap t.</param>
    /// <param name="length">Numbers of a tap.</param>
    /// <param name="b">The factor that is read by columns.</param>
    /// <param name="weights">Where the rows of each tap begin in it.</param>
    /// <param name="stride">From one row of it to the next.</param>
    /// <param name="c">The sums.</param>
    /// <param name="to">Where each row of them is; negative for a row that is not wanted.</param>
    /// <param name="add">Whether to add to what is there.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static void Gather<V>(
        ref float a, ReadOnlySpan<int> from, ReadOnlySpan<int> taps, int length, ref float b, ReadOnlySpan<int> weights, nint stride, ref float c, ReadOnlySpan<int> to, bool add)
        where V : struct, ILanes<V>
    {
        V c00 = V.Zero, c01 = V.Zero, c10 = V.Zero, c11 = V.Zero, c20 = V.Zero, c21 = V.Zero;
        V c30 = V.Zero, c31 = V.Zero, c40 = V.Zero, c41 = V.Zero, c50 = V.Zero, c51 = V.Zero;
        for (var t = 0; t < taps.Length; t++)
        {
            ref var a0 = ref Unsafe.Add(ref a, from[0] + taps[t]);
            ref var a1 = ref Unsafe.Add(ref a, from[1] + taps[t]);
            ref var a2 = ref Unsafe.Add(ref a, from[2] + taps[t]);
            ref var a3 = ref Unsafe.Add(ref a, from[3] + taps[t]);
            ref var a4 = ref Unsafe.Add(ref a, from[4] + taps[t]);
            ref var a5 = ref Unsafe.Add(ref a, from[5] + taps[t]);
            ref var row = ref Unsafe.Add(ref b, weights[t]);
            for (nint j = 0; j < length; j++)
            {
                V b0 = V.Load(ref row, 0), b1 = V.Load(ref row, V.Count);
                var x = V.Of(Unsafe.Add(ref a0, j));
                (c00, c01) = (V.FusedMultiplyAdd(x, b0, c00), V.FusedMultiplyAdd(x, b1, c01));
                x = V.Of(Unsafe.Add(ref a1, j));
                (c10, c11) = (V.FusedMultiplyAdd(x, b0, c10), V.FusedMultiplyAdd(x, b1, c11));
                x = V.Of(Unsafe.Add(ref a2, j));
                (c20, c21) = (V.FusedMultiplyAdd(x, b0, c20), V.FusedMultiplyAdd(x, b1, c21));
                x = V.Of(Unsafe.Add(ref a3, j));
                (c30, c31) = (V.FusedMultiplyAdd(x, b0, c30), V.FusedMultiplyAdd(x, b1, c31));
                x = V.Of(Unsafe.Add(ref a4, j));
                (c40, c41) = (V.FusedMultiplyAdd(x, b0, c40), V.FusedMultiplyAdd(x, b1, c41));
                x = V.Of(Unsafe.Add(ref a5, j));
                (c50, c51) = (V.FusedMultiplyAdd(x, b0, c50), V.FusedMultiplyAdd(x, b1, c51));
                row = ref Unsafe.Add(ref row, stride);
            }
        }

        Put(c00, c01, ref c, to[0], add);
        Put(c10, c11, ref c, to[1], add);
        Put(c20, c21, ref c, to[2], add);
        Put(c30, c31, ref c, to[3], add);
        Put(c40, c41, ref c, to[4], add);
        Put(c50, c51, ref c, to[5], add);
    }

    /// <summary>c[r, :] (+)= Σₘ a[rows of a m + r] · b[rows of b m, :] for the six rows r: a weight's gradient over the positions m.</summary>
    /// <param name="a">The factor that is read number by number.</param>
    /// <param name="rowsOfA">Where its numbers are for each position.</param>
    /// <param name="b">The factor that is read by columns.</param>
    /// <param name="rowsOfB">Where they are.</param>
    /// <param name="c">The sums.</param>
    /// <param name="stride">From one row of them to the next.</param>
    /// <param name="first">The first row r that is wanted.</param>
    /// <param name="add">Whether to add to what is there.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static void Sum<V>(ref float a, ReadOnlySpan<int> rowsOfA, ref float b, ReadOnlySpan<int> rowsOfB, ref float c, int stride, int first, bool add)
        where V : struct, ILanes<V>
    {
        V c00 = V.Zero, c01 = V.Zero, c10 = V.Zero, c11 = V.Zero, c20 = V.Zero, c21 = V.Zero;
        V c30 = V.Zero, c31 = V.Zero, c40 = V.Zero, c41 = V.Zero, c50 = V.Zero, c51 = V.Zero;
        for (var m = 0; m < rowsOfA.Length; m++)
        {
            ref var column = ref Unsafe.Add(ref a, rowsOfA[m]);
            ref var row = ref Unsafe.Add(ref b, rowsOfB[m]);
            V b0 = V.Load(ref row, 0), b1 = V.Load(ref row, V.Count);
            var x = V.Of(column);
            (c00, c01) = (V.FusedMultiplyAdd(x, b0, c00), V.FusedMultiplyAdd(x, b1, c01));
            x = V.Of(Unsafe.Add(ref column, 1));
            (c10, c11) = (V.FusedMultiplyAdd(x, b0, c10), V.FusedMultiplyAdd(x, b1, c11));
            x = V.Of(Unsafe.Add(ref column, 2));
            (c20, c21) = (V.FusedMultiplyAdd(x, b0, c20), V.FusedMultiplyAdd(x, b1, c21));
            x = V.Of(Unsafe.Add(ref column, 3));
            (c30, c31) = (V.FusedMultiplyAdd(x, b0, c30), V.FusedMultiplyAdd(x, b1, c31));
            x = V.Of(Unsafe.Add(ref column, 4));
            (c40, c41) = (V.FusedMultiplyAdd(x, b0, c40), V.FusedMultiplyAdd(x, b1, c41));
            x = V.Of(Unsafe.Add(ref column, 5));
            (c50, c51) = (V.FusedMultiplyAdd(x, b0, c50), V.FusedMultiplyAdd(x, b1, c51));
        }

        Put(c00, c01, ref c, first > 0 ? -1 : 0, add);
        Put(c10, c11, ref c, first > 1 ? -1 : stride, add);
        Put(c20, c21, ref c, first > 2 ? -1 : 2 * stride, add);
        Put(c30, c31, ref c, first > 3 ? -1 : 3 * stride, add);
        Put(c40, c41, ref c, first > 4 ? -1 : 4 * stride, add);
        Put(c50, c51, ref c, 5 * stride, add);
    }

    /// <summary>The same for all rows and columns of c, [rows, columns]: at least six, and a whole number of blocks.</summary>
    public static void SumAll<V>(ref float a, ReadOnlySpan<int> rowsOfA, int rows, ref float b, ReadOnlySpan<int> rowsOfB, int columns, ref float c, int stride, bool add)
        where V : struct, ILanes<V>
    {
        for (var column = 0; column < columns; column += Columns<V>())
        {
            for (var row = 0; row < rows; row += Rows)
            {
                // The last block overlaps the one before it, whose rows it does not write again.
                var start = int.Min(row, rows - Rows);
                Sum<V>(ref Unsafe.Add(ref a, start), rowsOfA, ref Unsafe.Add(ref b, column), rowsOfB, ref Unsafe.Add(ref c, (start * stride) + column), stride, row - start, add);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Put<V>(V first, V second, ref float c, int at, bool add)
        where V : struct, ILanes<V>
    {
        if (at >= 0)
        {
            ref var to = ref Unsafe.Add(ref c, at);
            V.Store(add ? V.Load(ref to, 0) + first : first, ref to, 0);
            V.Store(add ? V.Load(ref to, V.Count) + second : second, ref to, V.Count);
        }
    }
}
