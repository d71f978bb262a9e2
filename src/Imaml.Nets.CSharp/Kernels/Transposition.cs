using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Imaml.Nets.Kernels;

/// <summary>Transposes matrices, by blocks of 8 × 8.</summary>
internal static class Transposition
{
    private const int Block = 8;

    /// <summary>The matrix x, [rows, columns], as y, [columns, rows].</summary>
    public static void Of(ReadOnlySpan<float> x, int rows, int columns, Span<float> y)
    {
        var wholeRows = Avx.IsSupported ? rows - (rows % Block) : 0;
        var wholeColumns = columns - (columns % Block);
        ref var from = ref MemoryMarshal.GetReference(x[..(rows * columns)]);
        ref var to = ref MemoryMarshal.GetReference(y[..(rows * columns)]);
        for (var i = 0; i < wholeRows; i += Block)
        {
            for (var j = 0; j < wholeColumns; j += Block)
            {
                OneBlock(ref Unsafe.Add(ref from, (i * columns) + j), columns, ref Unsafe.Add(ref to, (j * rows) + i), rows);
            }
        }

        for (var i = 0; i < rows; i++)
        {
            for (var j = i < wholeRows ? wholeColumns : 0; j < columns; j++)
            {
                y[(j * rows) + i] = x[(i * columns) + j];
            }
        }
    }

    private static void OneBlock(ref float x, int columns, ref float y, int rows)
    {
        Vector256<float> Row(ref float x, int i) => Vector256.LoadUnsafe(ref x, (nuint)(i * columns));

        Vector256<float> a0 = Row(ref x, 0), a1 = Row(ref x, 1), a2 = Row(ref x, 2), a3 = Row(ref x, 3);
        Vector256<float> a4 = Row(ref x, 4), a5 = Row(ref x, 5), a6 = Row(ref x, 6), a7 = Row(ref x, 7);
        Vector256<float> b0 = Avx.UnpackLow(a0, a1), b1 = Avx.UnpackHigh(a0, a1), b2 = Avx.UnpackLow(a2, a3), b3 = Avx.UnpackHigh(a2, a3);
        Vector256<float> b4 = Avx.UnpackLow(a4, a5), b5 = Avx.UnpackHigh(a4, a5), b6 = Avx.UnpackLow(a6, a7), b7 = Avx.UnpackHigh(a6, a7);
        Vector256<float> c0 = Avx.Shuffle(b0, b2, 0x44), c1 = Avx.Shuffle(b0, b2, 0xEE), c2 = Avx.Shuffle(b1, b3, 0x44), c3 = Avx.Shuffle(b1, b3, 0xEE);
        Vector256<float> c4 = Avx.Shuffle(b4, b6, 0x44), c5 = Avx.Shuffle(b4, b6, 0xEE), c6 = Avx.Shuffle(b5, b7, 0x44), c7 = Avx.Shuffle(b5, b7, 0xEE);
        Put(c0, c4, ref y, 0);
        Put(c1, c5, ref y, 1);
        Put(c2, c6, ref y, 2);
        Put(c3, c7, ref y, 3);

        void Put(Vector256<float> first, Vector256<float> second, ref float y, int j)
        {
            Avx.Permute2x128(first, second, 0x20).StoreUnsafe(ref y, (nuint)(j * rows));
            Avx.Permute2x128(first, second, 0x31).StoreUnsafe(ref y, (nuint)((j + 4) * rows));
        }
    }
}
