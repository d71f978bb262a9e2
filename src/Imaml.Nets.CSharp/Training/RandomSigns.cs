// Vectors of random signs, the probes of a diagonal's estimate: a function of (seed, meta-step), so that a run that was stopped goes on as if
// it had not been. They are drawn on the host and copied, so that the device does not change them.

using static TorchSharp.torch;

namespace Imaml.Nets.Training;

internal static class RandomSigns
{
    /// <summary>A source of vectors of entries ±1 like its argument; each call draws anew.</summary>
    public static Func<Tensor, Tensor> Of(ulong seed, ulong step)
    {
        // Two odd multipliers, so that neighbouring seeds and steps do not share probes.
        var state = seed * 0x9E3779B97F4A7C15UL ^ (step + 1) * 0xD1B54A32D192ED03UL;
        return like =>
        {
            using var scope = NewDisposeScope();
            state += 0x9E3779B97F4A7C15UL;
            using var generator = new Generator(state, CPU);
            var halves = rand(like.shape, device: CPU, generator: generator).Exceeds(0.5).to_type(like.dtype); // 0 or 1
            return halves.Times(2).Plus(-1).to(like.device).MoveToOuterDisposeScope();
        };
    }
}
