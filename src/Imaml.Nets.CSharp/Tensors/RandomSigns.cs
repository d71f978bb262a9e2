// Vectors of random signs, the probes of a diagonal's estimate: a function of (seed, number of the task, number of the call), so that a run that was
// stopped goes on as if it had not been, and neither the tasks beside it nor the device changes what a task gets. They are drawn on the host and copied.

using static TorchSharp.torch;

namespace Imaml.Nets.Tensors;

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
