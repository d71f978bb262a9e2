// The processes that share out one run, numbered 0 … R − 1. All of them make the same calls in the same order. Three operations carry everything: they move
// bytes and compute nothing, so no sum depends on the transport.

namespace Imaml.Nets.Machines;

/// <summary>One of R processes that work on one run.</summary>
internal interface IRanks
{
    /// <summary>Its number, from 0. Rank 0 reads, writes and prints for all.</summary>
    int Rank { get; }

    /// <summary>R.</summary>
    int Size { get; }

    /// <summary>The machine of each rank, by its name.</summary>
    IReadOnlyList<string> Hosts { get; }

    /// <summary>Copies rank 0's bytes to all.</summary>
    /// <param name="bytes">Of the same length everywhere.</param>
    void Broadcast(Span<byte> bytes);

    /// <summary>Every rank's bytes to all, in the order of the ranks.</summary>
    /// <param name="mine">This rank's.</param>
    /// <param name="lengths">How many bytes each rank has, the same everywhere.</param>
    /// <param name="all">Receives them, one after another.</param>
    void Gather(ReadOnlySpan<byte> mine, ReadOnlySpan<int> lengths, Span<byte> all);

    /// <summary>From every rank to every rank: the part for rank r of <paramref name="send"/> goes to rank r.</summary>
    /// <param name="send">The parts for rank 0, 1, …, one after another.</param>
    /// <param name="sendLengths">Bytes of each part.</param>
    /// <param name="receive">Receives the parts from rank 0, 1, …, one after another.</param>
    /// <param name="receiveLengths">Bytes of each.</param>
    void Exchange(ReadOnlySpan<byte> send, ReadOnlySpan<int> sendLengths, Span<byte> receive, ReadOnlySpan<int> receiveLengths);
}

/// <summary>Rank 0 could not continue, and has reported why.</summary>
internal sealed class FirstRankException(string message) : Exception(message);

/// <summary>Ranks that must agree do not.</summary>
internal sealed class RanksDifferException(string message) : Exception(message);
