// Ranks that are threads of one process, for tests of everything but the transport.

using System.Runtime.ExceptionServices;

namespace Imaml.Nets.Machines;

/// <summary>R threads as ranks.</summary>
internal sealed class ThreadRanks : IRanks
{
    private readonly Shared _shared;

    private ThreadRanks(Shared shared, int rank) => (_shared, Rank) = (shared, rank);

    /// <inheritdoc/>
    public int Rank { get; }

    /// <inheritdoc/>
    public int Size => _shared.Posts.Length;

    /// <inheritdoc/>
    public IReadOnlyList<string> Hosts => _shared.Hosts;

    /// <summary>The same work on R threads at once; its results in the order of the ranks. A rank that fails ends the others' collectives, and its exception is the caller's.</summary>
    public static T[] Run<T>(int size, Func<IRanks, T> work)
    {
        using var shared = new Shared(size);
        var results = new T[size];
        ExceptionDispatchInfo? failure = null;
        Thread[] threads =
        [
            .. Enumerable.Range(0, size).Select(rank => new Thread(() =>
            {
                try
                {
                    results[rank] = work(new ThreadRanks(shared, rank));
                    shared.Meet.RemoveParticipant();
                }
                catch (Exception e)
                {
                    // The other ranks then throw only because this one failed.
                    Interlocked.CompareExchange(ref failure, ExceptionDispatchInfo.Capture(e), null);
                    shared.Failed.Cancel();
                }
            })),
        ];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
        failure?.Throw();
        return results;
    }

    /// <inheritdoc/>
    public void Broadcast(Span<byte> bytes)
    {
        Post(Rank == 0 ? [bytes.ToArray()] : [[]]);
        _shared.Posts[0][0].CopyTo(bytes);
        Meet();
    }

    /// <inheritdoc/>
    public void Gather(ReadOnlySpan<byte> mine, ReadOnlySpan<int> lengths, Span<byte> all)
    {
        Post([mine.ToArray()]);
        var at = 0;
        for (var rank = 0; rank < Size; rank++)
        {
            Take(_shared.Posts[rank][0], lengths[rank], all, ref at);
        }

        Meet();
    }

    /// <inheritdoc/>
    public void Exchange(ReadOnlySpan<byte> send, ReadOnlySpan<int> sendLengths, Span<byte> receive, ReadOnlySpan<int> receiveLengths)
    {
        var parts = new byte[Size][];
        var at = 0;
        for (var rank = 0; rank < Size; rank++)
        {
            parts[rank] = send.Slice(at, sendLengths[rank]).ToArray();
            at += sendLengths[rank];
        }

        Post(parts);
        at = 0;
        for (var rank = 0; rank < Size; rank++)
        {
            Take(_shared.Posts[rank][Rank], receiveLengths[rank], receive, ref at);
        }

        Meet();
    }

    private static void Take(byte[] part, int length, Span<byte> to, ref int at)
    {
        if (part.Length != length)
        {
            throw new InvalidOperationException($"{part.Length} bytes were sent where {length} were expected");
        }

        part.CopyTo(to[at..]);
        at += length;
    }

    private void Post(byte[][] parts)
    {
        _shared.Posts[Rank] = parts;
        Meet();
    }

    private void Meet()
    {
        try
        {
            _shared.Meet.SignalAndWait(_shared.Failed.Token);
        }
        catch (OperationCanceledException e)
        {
            throw new InvalidOperationException("another rank failed", e);
        }
    }

    private sealed class Shared(int size) : IDisposable
    {
        public byte[][][] Posts { get; } = new byte[size][][];

        public string[] Hosts { get; } = [.. Enumerable.Range(0, size).Select(rank => $"thread{rank}")];

        public Barrier Meet { get; } = new(size);

        public CancellationTokenSource Failed { get; } = new();

        public void Dispose()
        {
            Meet.Dispose();
            Failed.Dispose();
        }
    }
}
