// Ranks that are processes of MPI. Errors of the library end the job, which is its default.

using System.Diagnostics;
using System.Text;
using Imaml.Nets.Machines;

namespace Imaml.Mpi;

/// <summary>The processes of MPI_COMM_WORLD.</summary>
internal sealed unsafe class MpiRanks : IRanks, IDisposable
{
    // Time for the other ranks to be informed, and for all to leave.
    private static readonly TimeSpan AtEnd = TimeSpan.FromSeconds(10);

    private readonly MpiLibrary _mpi;
    private readonly Watchdog _watchdog;
    private bool _ended;

    private MpiRanks(MpiLibrary mpi, int rank, int size, TimeSpan stallLimit, int exitCode)
    {
        (_mpi, Rank, Size) = (mpi, rank, size);
        var host = MpiLibrary.Text(mpi.GetProcessorName);
        _watchdog = new Watchdog(
            stallLimit, $"imaml: rank {rank} on {host} has waited {stallLimit.TotalSeconds:0} s for the others: one hangs, or its machine cannot be reached; the same command goes on from the last checkpoint", exitCode);
        Hosts = [host];
        Hosts = [.. this.GatherAll(Encoding.UTF8.GetBytes(host)).Select(Encoding.UTF8.GetString)];
    }

    /// <inheritdoc/>
    public int Rank { get; }

    /// <inheritdoc/>
    public int Size { get; }

    /// <inheritdoc/>
    public IReadOnlyList<string> Hosts { get; }

    /// <summary>The library and its version.</summary>
    public string Library => _mpi.Version;

    /// <summary>Joins the other processes that a launcher started.</summary>
    /// <param name="launch">The launcher.</param>
    /// <param name="stallLimit">How long an operation may take before the process ends.</param>
    /// <param name="exitCode">The exit code then.</param>
    /// <exception cref="MpiException">There is no MPI, or it is not the launcher's.</exception>
    public static MpiRanks Join(Launch launch, TimeSpan stallLimit, int exitCode)
    {
        var mpi = MpiLibrary.Load(launch.Family);
        if (launch.Family is { } family && mpi.Family != family && mpi.Family != MpiFamily.Standard)
        {
            throw Other(mpi, launch);
        }

        int granted, rank, size;
        Check(mpi.InitThread(0, 0, mpi.Serialized, &granted), "MPI_Init_thread");
        Check(mpi.CommRank(mpi.World, &rank), "MPI_Comm_rank");
        Check(mpi.CommSize(mpi.World, &size), "MPI_Comm_size");
        if (granted < mpi.Serialized)
        {
            throw new MpiException($"{mpi.Version} does not allow calls from several threads (MPI_THREAD_SERIALIZED); build it with thread support");
        }

        return size == launch.Size ? new MpiRanks(mpi, rank, size, stallLimit, exitCode) : throw Other(mpi, launch);
    }

    // Otherwise each process would be a rank 0, and all would write one folder.
    private static MpiException Other(MpiLibrary mpi, Launch launch) => new(
        $"the launcher started {launch.Size} processes ({launch.By}={launch.Size}), but {mpi.Version} ({mpi.File}) does not know of them: it is another MPI than the launcher's; "
        + $"use its own mpirun, with Slurm `srun --mpi=pmix` (Open MPI) or `--mpi=pmi2` (MPICH), or name the launcher's library in {MpiLibrary.Variable}")
    { OnAll = true };

    /// <inheritdoc/>
    public void Broadcast(Span<byte> bytes)
    {
        fixed (byte* start = bytes)
        {
            _watchdog.Begin();
            Check(_mpi.Bcast(start, bytes.Length, _mpi.Byte, 0, _mpi.World), "MPI_Bcast");
            _watchdog.End();
        }
    }

    /// <inheritdoc/>
    public void Gather(ReadOnlySpan<byte> mine, ReadOnlySpan<int> lengths, Span<byte> all)
    {
        fixed (byte* from = mine, to = all)
        {
            fixed (int* counts = lengths, starts = Starts(lengths))
            {
                _watchdog.Begin();
                Check(_mpi.Allgatherv(from, mine.Length, _mpi.Byte, to, counts, starts, _mpi.Byte, _mpi.World), "MPI_Allgatherv");
                _watchdog.End();
            }
        }
    }

    /// <inheritdoc/>
    public void Exchange(ReadOnlySpan<byte> send, ReadOnlySpan<int> sendLengths, Span<byte> receive, ReadOnlySpan<int> receiveLengths)
    {
        fixed (byte* from = send, to = receive)
        {
            fixed (int* sent = sendLengths, sentFrom = Starts(sendLengths), received = receiveLengths, receivedAt = Starts(receiveLengths))
            {
                _watchdog.Begin();
                Check(_mpi.Alltoallv(from, sent, sentFrom, _mpi.Byte, to, received, receivedAt, _mpi.Byte, _mpi.World), "MPI_Alltoallv");
                _watchdog.End();
            }
        }
    }

    /// <summary>Milliseconds of the library's own sum of vectors, whose bits depend on the number of ranks: what the ordered sum is measured against.</summary>
    public double MillisecondsOfAllreduce(float[] vector, float[] sum)
    {
        Check(_mpi.Barrier(_mpi.World), "MPI_Barrier");
        var start = Stopwatch.GetTimestamp();
        fixed (float* from = vector, to = sum)
        {
            Check(_mpi.Allreduce(from, to, vector.Length, _mpi.Float, _mpi.Sum, _mpi.World), "MPI_Allreduce");
        }

        return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }

    /// <summary>All ranks wait for each other.</summary>
    public void Meet() => Check(_mpi.Barrier(_mpi.World), "MPI_Barrier");

    /// <summary>Ends all processes of the job with an exit code; does not return.</summary>
    public void Abort(int exitCode)
    {
        _ended = true;
        _watchdog.Begin(AtEnd);
        _ = _mpi.Abort(_mpi.World, exitCode);
    }

    /// <summary>Leaves the job; all processes do so.</summary>
    public void Dispose()
    {
        if (!_ended)
        {
            _ended = true;
            _watchdog.Begin();
            _ = _mpi.Finalize();
            _watchdog.End();
        }

        _watchdog.Dispose();
    }

    private static int[] Starts(ReadOnlySpan<int> lengths)
    {
        var starts = new int[lengths.Length];
        for (var i = 1; i < starts.Length; i++)
        {
            starts[i] = checked(starts[i - 1] + lengths[i - 1]);
        }

        return starts;
    }

    private static void Check(int code, string function)
    {
        if (code != 0)
        {
            throw new MpiException($"{function} failed with code {code}");
        }
    }
}
