// glibc gives each thread a heap of its own, whose parts are of at most 64 MB. What is larger, as the activations of photographs are, is taken from the system
// and given back at every pass, at the price of page faults: half of the time at 84 × 84 pixels. Here such memory is kept for the next pass, no more of it than
// was in use at once a short while ago.

using static TorchSharp.torch;

namespace Imaml.Nets.LibTorch;

/// <summary>Large tensors whose memory is used again once they are disposed.</summary>
internal static class LargeBlocks
{
    // Numbers of a block.
    private const long Smallest = AllocatorSettings.LargeBlock / sizeof(float);

    // A block serves tensors that leave at most a quarter of it unused.
    private const double LargestUnused = 0.25;

    // Tensors made in a window; what was in use at once is known of this window and the one before.
    private const long Window = 64;

    private static readonly List<Block> Blocks = [];
    private static readonly Timer Idle = new(static _ => GiveBackIdle());
    private static long _made, _largest, _largestBefore;

    /// <summary>A tensor of float32 on the processor, in the dispose scope that is open. Its numbers are whatever was there.</summary>
    /// <remarks>
    /// Its memory is used again once this very tensor is disposed, so no other tensor of the same memory may be used after it: none by <c>detach</c>, <c>view</c> or <c>alias</c>, and none
    /// that an operation in place returns, which in TorchSharp may be a new one (<c>zero_</c>).
    /// </remarks>
    /// <param name="shape">Its lengths.</param>
    public static Tensor Make(params long[] shape)
    {
        var count = shape.Aggregate(1L, (product, length) => checked(product * length));
        // Memory that is counted is that of tensors in use.
        if (count < Smallest || TensorMemory.Counts)
        {
            return empty(shape, ScalarType.Float32, CPU);
        }

        lock (Blocks)
        {
            var block = Blocks.Where(block => block.Serves(count)).MinBy(block => block.Count);
            if (block is null)
            {
                Keep(Largest - count);
                Blocks.Add(block = new Block(count));
            }

            var tensor = block.Lend(shape, count);
            if (_made++ % Window == 0)
            {
                (_largestBefore, _largest) = (_largest, 0);
            }

            _largest = long.Max(_largest, Blocks.Where(one => !one.IsFree).Sum(one => one.Count));
            Keep(Largest);
            _ = Idle.Change(MostIdle, Timeout.InfiniteTimeSpan);
            return tensor;
        }
    }

    /// <summary>A block that nobody has used for so long is given back.</summary>
    internal static TimeSpan MostIdle { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>The bytes of all blocks, used or not.</summary>
    internal static long Bytes
    {
        get
        {
            lock (Blocks)
            {
                return Blocks.Sum(block => block.Count) * sizeof(float);
            }
        }
    }

    // Numbers that were in use at once.
    private static long Largest => long.Max(_largest, _largestBefore);

    /// <summary>Gives free blocks back, those first that were used longest ago, until all together have no more numbers than this.</summary>
    private static void Keep(long most)
    {
        var all = Blocks.Sum(block => block.Count);
        foreach (var block in Blocks.Where(block => block.IsFree).OrderBy(block => block.LastUse).ToArray())
        {
            if (all <= most)
            {
                return;
            }

            all -= block.Count;
            GiveBack(block);
        }
    }

    private static void GiveBackIdle()
    {
        lock (Blocks)
        {
            var now = Environment.TickCount64;
            foreach (var block in Blocks.Where(block => block.IsFree && now - block.LastUse >= MostIdle.TotalMilliseconds - 1).ToArray())
            {
                GiveBack(block);
            }

            if (Blocks.Count > 0)
            {
                _ = Idle.Change(MostIdle, Timeout.InfiniteTimeSpan);
                return;
            }
        }

        AllocatorSettings.GiveBackFreedMemory();
    }

    private static void GiveBack(Block block)
    {
        block.Memory.Dispose();
        _ = Blocks.Remove(block);
    }

    private sealed class Block(long count)
    {
        // Weak, so that the garbage collector frees a tensor that is never disposed.
        private readonly WeakReference<Tensor?> _lent = new(null);

        public Tensor Memory { get; } = empty(count, ScalarType.Float32, CPU).DetachFromDisposeScope();

        public long Count { get; } = count;

        // Milliseconds of the system.
        public long LastUse { get; private set; }

        public bool IsFree => !_lent.TryGetTarget(out var lent) || lent.IsInvalid;

        public bool Serves(long numbers) => numbers <= Count && numbers >= (1 - LargestUnused) * Count && IsFree;

        public Tensor Lend(long[] shape, long numbers)
        {
            LastUse = Environment.TickCount64;
            using var part = Memory.narrow(0, 0, numbers);
            var tensor = part.view(shape);
            _lent.SetTarget(tensor);
            return tensor;
        }
    }
}
