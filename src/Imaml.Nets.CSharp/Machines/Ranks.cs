// What a run asks of its ranks, made of the three operations of IRanks.

using System.Buffers;
using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Text;

namespace Imaml.Nets.Machines;

/// <summary>Collective operations: every rank calls them, in the same order.</summary>
internal static class Ranks
{
    // Of the buffers of an ordered sum, apart from the vectors themselves.
    private const int BufferBytes = 64 << 20;

    /// <summary>A process that works alone.</summary>
    public static IRanks Alone { get; } = new One();

    /// <summary>Consecutive items for each rank, as evenly as they go: rank r has items ⌊rn/R⌋ … ⌊(r+1)n/R⌋ − 1.</summary>
    /// <param name="items">n.</param>
    /// <param name="size">R.</param>
    /// <returns>How many each rank has.</returns>
    public static int[] Shares(int items, int size) => [.. Enumerable.Range(0, size).Select(rank => Start(items, rank + 1, size) - Start(items, rank, size))];

    /// <summary>This rank's items.</summary>
    public static (int First, int Count) Share(this IRanks ranks, int items)
    {
        var first = Start(items, ranks.Rank, ranks.Size);
        return (first, Start(items, ranks.Rank + 1, ranks.Size) - first);
    }

    /// <summary>How many ranks before this one are on the same machine: the index of its GPU.</summary>
    public static int LocalRank(this IRanks ranks) => ranks.Hosts.Take(ranks.Rank).Count(host => host == ranks.Hosts[ranks.Rank]);

    /// <summary>What rank 0 makes, on all ranks.</summary>
    /// <exception cref="FirstRankException">On the others, where rank 0's failed, which throws its own exception.</exception>
    public static byte[] FromFirst(this IRanks ranks, Func<byte[]> make)
    {
        if (ranks.Size == 1)
        {
            return make();
        }

        if (ranks.Rank == 0)
        {
            byte[] made;
            try
            {
                made = make();
            }
            catch (Exception e)
            {
                Send(ranks, true, Encoding.UTF8.GetBytes(e.Message));
                throw;
            }

            Send(ranks, false, made);
            return made;
        }

        Span<byte> header = stackalloc byte[sizeof(int) + 1];
        ranks.Broadcast(header);
        var bytes = new byte[BinaryPrimitives.ReadInt32LittleEndian(header[1..])];
        ranks.Broadcast(bytes);
        return header[0] == 0 ? bytes : throw new FirstRankException(Encoding.UTF8.GetString(bytes));
    }

    /// <summary>Rank 0's number, on all ranks.</summary>
    public static int FromFirst(this IRanks ranks, Func<int> make) => BitConverter.ToInt32(ranks.FromFirst(() => BitConverter.GetBytes(make())));

    private static void Send(IRanks ranks, bool failed, byte[] bytes)
    {
        Span<byte> header = stackalloc byte[sizeof(int) + 1];
        header[0] = (byte)(failed ? 1 : 0);
        BinaryPrimitives.WriteInt32LittleEndian(header[1..], bytes.Length);
        ranks.Broadcast(header);
        ranks.Broadcast(bytes);
    }

    /// <summary>Every rank's bytes, of any length, in the order of the ranks.</summary>
    public static byte[][] GatherAll(this IRanks ranks, byte[] mine)
    {
        if (ranks.Size == 1)
        {
            return [mine];
        }

        var lengths = new int[ranks.Size];
        ranks.Gather(BitConverter.GetBytes(mine.Length), Equal(ranks.Size, sizeof(int)), MemoryMarshal.AsBytes(lengths.AsSpan()));
        var all = new byte[checked(lengths.Sum())];
        ranks.Gather(mine, lengths, all);
        var at = 0;
        return [.. lengths.Select(length => all[at..(at += length)])];
    }

    /// <summary>Whether it holds for any rank.</summary>
    public static bool Any(this IRanks ranks, bool mine)
    {
        if (ranks.Size == 1)
        {
            return mine;
        }

        var all = new byte[ranks.Size];
        ranks.Gather([(byte)(mine ? 1 : 0)], Equal(ranks.Size, 1), all);
        return all.AsSpan().Contains((byte)1);
    }

    /// <summary>Stops all ranks where one differs from rank 0 in what must be the same.</summary>
    /// <param name="ranks">The ranks.</param>
    /// <param name="what">What differs.</param>
    /// <param name="mine">A hash of it, or the text itself.</param>
    /// <param name="advice">What to do about it.</param>
    /// <exception cref="RanksDifferException">On every rank, with the machines of those that differ.</exception>
    public static void Require(this IRanks ranks, string what, byte[] mine, string advice) => Require(ranks, what, ranks.GatherAll(mine), advice);

    /// <summary>As <see cref="Require(IRanks, string, byte[], string)"/>, of what was gathered.</summary>
    public static void Require(this IRanks ranks, string what, IReadOnlyList<byte[]> all, string advice)
    {
        var others = Enumerable.Range(0, all.Count).Where(rank => !all[rank].AsSpan().SequenceEqual(all[0])).ToArray();
        if (others.Length > 0)
        {
            throw new RanksDifferException($"{what} of {string.Join(", ", others.Select(rank => $"rank {rank} on {ranks.Hosts[rank]}"))} is not that of rank 0 on {ranks.Hosts[0]}; {advice}");
        }
    }

    /// <summary>
    /// The sum of all ranks' vectors, added up from the left in their order, rank 0's first: the bits of one process that adds them one after another.
    /// </summary>
    /// <remarks>
    /// Rank r receives its slice of every vector, adds the slices up, and sends the sum to all. A rank sends (C/R + 1)·d numbers at R ranks and C vectors.
    /// A reduction of the library would add in an order of its own.
    /// </remarks>
    /// <param name="ranks">The ranks.</param>
    /// <param name="mine">This rank's vectors, each of length d.</param>
    /// <param name="vectors">How many vectors each rank has; at least one has one.</param>
    /// <param name="d">Their length.</param>
    public static float[] OrderedSum(this IRanks ranks, IReadOnlyList<float[]> mine, IReadOnlyList<int> vectors, int d)
    {
        var (total, sum) = (vectors.Sum(), new float[d]);
        var block = (int)long.Clamp(BufferBytes / ((long)total * sizeof(float)), ranks.Size, int.Max(d, ranks.Size));
        // Kept from meta-step to meta-step: fresh pages of this size cost more than the sum.
        var send = ArrayPool<float>.Shared.Rent(mine.Count * block);
        var receive = ArrayPool<float>.Shared.Rent(total * ((block / ranks.Size) + 1));
        for (var start = 0; start < d; start += block)
        {
            SumBlock(ranks, mine, vectors, total, sum.AsSpan(start, int.Min(block, d - start)), start, send, receive);
        }

        ArrayPool<float>.Shared.Return(send);
        ArrayPool<float>.Shared.Return(receive);
        return sum;
    }

    private static void SumBlock(IRanks ranks, IReadOnlyList<float[]> mine, IReadOnlyList<int> vectors, int total, Span<float> sum, int start, Span<float> buffer, Span<float> received)
    {
        var slices = Shares(sum.Length, ranks.Size);
        var own = slices[ranks.Rank];
        var send = buffer[..(mine.Count * sum.Length)];
        var (at, from) = (0, start);
        foreach (var slice in slices)
        {
            foreach (var vector in mine)
            {
                vector.AsSpan(from, slice).CopyTo(send[at..]);
                at += slice;
            }

            from += slice;
        }

        var slicesOfAll = received[..(total * own)]; // In the order of the vectors, since a rank's come in theirs.
        ranks.Exchange(
            MemoryMarshal.AsBytes(send), [.. slices.Select(slice => mine.Count * slice * sizeof(float))],
            MemoryMarshal.AsBytes(slicesOfAll), [.. vectors.Select(count => count * own * sizeof(float))]);
        var added = slicesOfAll[..own];
        for (var vector = 1; vector < total; vector++)
        {
            Add(added, slicesOfAll.Slice(vector * own, own));
        }

        ranks.Gather(MemoryMarshal.AsBytes(added), [.. slices.Select(slice => slice * sizeof(float))], MemoryMarshal.AsBytes(sum));
    }

    private static void Add(Span<float> sum, ReadOnlySpan<float> next)
    {
        var lanes = MemoryMarshal.Cast<float, Vector<float>>(sum);
        var others = MemoryMarshal.Cast<float, Vector<float>>(next);
        for (var i = 0; i < lanes.Length; i++)
        {
            lanes[i] += others[i];
        }

        for (var i = lanes.Length * Vector<float>.Count; i < sum.Length; i++)
        {
            sum[i] += next[i];
        }
    }

    private static int[] Equal(int size, int length) => [.. Enumerable.Repeat(length, size)];

    private static int Start(int items, int rank, int size) => (int)((long)items * rank / size);

    private sealed class One : IRanks
    {
        public int Rank => 0;

        public int Size => 1;

        public IReadOnlyList<string> Hosts { get; } = [Environment.MachineName];

        public void Broadcast(Span<byte> bytes)
        {
        }

        public void Gather(ReadOnlySpan<byte> mine, ReadOnlySpan<int> lengths, Span<byte> all) => mine.CopyTo(all);

        public void Exchange(ReadOnlySpan<byte> send, ReadOnlySpan<int> sendLengths, Span<byte> receive, ReadOnlySpan<int> receiveLengths) => send.CopyTo(receive);
    }
}
