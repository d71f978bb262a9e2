// Counter-based random numbers: the i-th number of a stream is mix(key + i·γ), the output function of SplitMix64 (Steele, Lea and
// Flood 2014), and a stream's key is a hash of its path (seed, purpose, number, …). Nothing is shared between streams, so an episode, a
// split or a glyph depends on its path alone: not on what was drawn before it, the machine, or the number of threads. Only integer
// arithmetic, and double arithmetic that IEEE 754 rounds exactly; NextNormal alone takes a logarithm and a cosine.

using static TorchSharp.torch;

namespace Imaml.Nets.Tensors;

/// <summary>What a stream of random numbers is for; streams of different purposes are independent even for equal seeds.</summary>
internal enum RandomPurpose : ulong
{
    Episode = 1,
    Split = 2,
    GlyphShape = 3,
    GlyphDrawing = 4,
    Signs = 5,
    LanczosStart = 6,
    ChangeDirection = 7,
    Outputs = 8,
    Pixels = 9,
}

/// <summary>A reproducible stream of random numbers, named by its path.</summary>
internal sealed class CounterRandom
{
    private const ulong Gamma = 0x9E3779B97F4A7C15;
    private const ulong PathGamma = 0xD1B54A32D192ED03;
    private readonly ulong _key;
    private ulong _counter;

    public CounterRandom(ulong seed, RandomPurpose purpose, params ReadOnlySpan<ulong> path)
    {
        _key = Mix(Mix(seed + PathGamma) ^ ((ulong)purpose * PathGamma));
        foreach (var step in path)
        {
            _key = Mix(_key ^ Mix(step + PathGamma));
        }
    }

    /// <summary>Uniform over all 64-bit numbers.</summary>
    public ulong NextBits() => Mix(_key + (++_counter * Gamma));

    /// <summary>Uniform over 0 … <paramref name="bound"/> − 1, without bias (Lemire 2019).</summary>
    public int Next(int bound)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(bound);
        var range = (ulong)bound;
        var high = System.Math.BigMul(NextBits(), range, out var low);
        if (low < range)
        {
            // 2⁶⁴ mod range of the lower halves come up once too often; they are drawn again.
            var surplus = (0UL - range) % range;
            while (low < surplus)
            {
                high = System.Math.BigMul(NextBits(), range, out low);
            }
        }

        return (int)high;
    }

    /// <summary>Uniform over the multiples of 2⁻⁵³ in [0, 1).</summary>
    public double NextUnit() => (NextBits() >> 11) * (1.0 / (1UL << 53));

    /// <summary>Uniform over [<paramref name="low"/>, <paramref name="high"/>).</summary>
    public double Next(double low, double high) => low + ((high - low) * NextUnit());

    /// <summary>Bell-shaped with mean 0 and variance 1, within ±2√3: the sum of four uniform numbers, which needs no transcendental function.</summary>
    public double NextBell() => 1.7320508075688772 * (NextUnit() + NextUnit() + NextUnit() + NextUnit() - 2);

    /// <summary>Standard normal (Box and Muller 1958). The last digits are those of the machine's logarithm and cosine.</summary>
    public double NextNormal() => double.Sqrt(-2 * double.Log(1 - NextUnit())) * double.CosPi(2 * NextUnit());

    /// <summary>Puts a uniformly drawn selection of <paramref name="count"/> items, in uniformly random order, at the front (Fisher-Yates).</summary>
    public void ShuffleFront<T>(Span<T> items, int count)
    {
        for (var i = 0; i < System.Math.Min(count, items.Length - 1); i++)
        {
            var j = i + Next(items.Length - i);
            (items[i], items[j]) = (items[j], items[i]);
        }
    }

    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}

/// <summary>
/// Vectors of random signs, the probes of a diagonal's estimate: a function of (seed, number of the task, number of the call). So a run that was
/// stopped goes on as if it had not been, and the probes of a task do not depend on the other tasks or the device. They are drawn on the host and copied.
/// </summary>
internal static class RandomSigns
{
    /// <summary>A source of vectors of entries ±1 like its argument, [B, d]; each call draws anew.</summary>
    /// <param name="seed">The run's.</param>
    /// <param name="firstTask">The number of the task of the first row; the others follow.</param>
    public static Func<Tensor, Tensor> Of(ulong seed, ulong firstTask)
    {
        var call = 0UL;
        return like =>
        {
            var signs = new float[like.shape[0], like.shape[1]];
            for (var row = 0; row < signs.GetLength(0); row++)
            {
                Fill(signs, row, new CounterRandom(seed, RandomPurpose.Signs, firstTask + (ulong)row, call));
            }

            call++;
            return tensor(signs, like.dtype, like.device);
        };
    }

    private static void Fill(float[,] signs, int row, CounterRandom random)
    {
        var bits = 0UL;
        for (var i = 0; i < signs.GetLength(1); i++, bits >>= 1)
        {
            bits = i % 64 == 0 ? random.NextBits() : bits;
            signs[row, i] = (bits & 1) == 0 ? -1 : 1;
        }
    }
}
