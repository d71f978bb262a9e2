// glibc gives each thread a heap of its own, whose parts are of at most 64 MB. What is larger, as the activations of photographs are, is taken from the system
// and given back at every pass, at the price of page faults: half of the time at 84 × 84 pixels. Here such memory is kept for the next pass.

using static TorchSharp.torch;

namespace Imaml.Nets.LibTorch;

/// <summary>Large tensors whose memory is used again once they are disposed.</summary>
internal static class LargeBlocks
{
    // Numbers of a block: half of a part of a heap.
    private const long Least = (32 << 20) / sizeof(float);

    // A block that so many tensors were made without is given back.
    private const long MostIdle = 64;

    private static readonly List<Block> Blocks = [];
    private static long _made;

    /// <summary>A tensor of float32 on the processor, in the dispose scope that is open. Its numbers are whatever was there.</summary>
    /// <remarks>
    /// Its memory is used again once this very tensor is disposed, so no other tensor of the same memory may outlive it: none by <c>detach</c>, <c>view</c> or <c>alias</c>, and none
    /// that an operation in place returns, which in TorchSharp may be a new one (<c>zero_</c>).
    /// </remarks>
    /// <param name="shape">Its lengths.</param>
    public static Tensor Make(params long[] shape)
    {
        var count = shape.Aggregate(1L, (product, length) => product * length);
        // Memory that is counted is that of tensors in use.
        if (count < Least || TensorMemory.Counts)
        {
            return empty(shape, ScalarType.Float32, CPU);
        }

        lock (Blocks)
        {
            _made++;
            var block = Blocks.Find(block => block.IsFree && block.Memory.numel() == count);
            foreach (var idle in Blocks.Where(other => other != block && other.IsFree && _made - other.LastUse > MostIdle).ToArray())
            {
                idle.Memory.Dispose();
                _ = Blocks.Remove(idle);
            }

            if (block is null)
            {
                Blocks.Add(block = new Block(empty(count, ScalarType.Float32, CPU).DetachFromDisposeScope()));
            }

            return block.Lend(shape, _made);
        }
    }

    private sealed class Block(Tensor memory)
    {
        // Weak, so that a tensor which nobody disposes is one to the garbage collector.
        private readonly WeakReference<Tensor?> _lent = new(null);

        public Tensor Memory { get; } = memory;

        public long LastUse { get; private set; }

        public bool IsFree => !_lent.TryGetTarget(out var lent) || lent.IsInvalid;

        public Tensor Lend(long[] shape, long now)
        {
            LastUse = now;
            var tensor = Memory.view(shape);
            _lent.SetTarget(tensor);
            return tensor;
        }
    }
}
