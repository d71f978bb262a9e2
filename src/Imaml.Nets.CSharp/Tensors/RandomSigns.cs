// Vectors of random signs, the probes of a diagonal's estimate: a function of (seed, number of the task), so that a run that was stopped goes on as if
// it had not been, and neither the tasks beside it nor the device changes what a task gets. They are drawn on the host and copied.

using static TorchSharp.torch;

namespace Imaml.Nets.Tensors;

internal static class RandomSigns
{
    /// <summary>A source of vectors of entries ±1 like its argument, [B, d]; each call draws anew.</summary>
    /// <param name="seed">The run's.</param>
    /// <param name="firstTask">The number of the task of the first row; the others follow.</param>
    public static Func<Tensor, Tensor> Of(ulong seed, ulong firstTask)
    {
        // Odd multipliers, so that neighbouring seeds, tasks and calls do not share probes.
        var state = seed * 0x9E3779B97F4A7C15UL;
        return like =>
        {
            using var scope = NewDisposeScope();
            state += 0x9E3779B97F4A7C15UL;
            var halves = Enumerable.Range(0, (int)like.shape[0]).Select(row =>
            {
                using var generator = new Generator(state ^ (firstTask + (ulong)row + 1) * 0xD1B54A32D192ED03UL, CPU);
                return rand([like.shape[1]], ScalarType.Float32, CPU, generator: generator).Exceeds(0.5); // [d]
            });
            return stack(halves).to_type(like.dtype).Times(2).Plus(-1).to(like.device).MoveToOuterDisposeScope();
        };
    }
}
