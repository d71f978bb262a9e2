// Milliseconds of the ordered sum of a meta-batch's gradients against MPI_Allreduce, which adds in an order of its own:
//
//     mpirun -n 2 dotnet bench/bin/Release/net10.0/Imaml.Bench.dll ordered-sum 32 1024

using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Imaml.Mpi;
using Imaml.Nets.Machines;
using Imaml.Nets.Models;

namespace Imaml.Bench;

/// <summary>Both sums for Omniglot's network, 5 ways, one image of each class: two tasks are a chunk.</summary>
internal static class OrderedSum
{
    /// <summary>The verb.</summary>
    public const string Verb = "ordered-sum";

    // .NET compiles code again after some 30 calls.
    private const int TasksOfChunk = 2, WarmUp = 60, Repetitions = 15;

    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(5);

    /// <summary>Rank 0 prints a line of JSON for each meta-batch.</summary>
    /// <param name="batches">Tasks of each.</param>
    public static int Run(IEnumerable<string> batches)
    {
        using var ranks = MpiRanks.Join(Launch.Current ?? throw new InvalidOperationException("start it with mpirun -n 2 or more"), Limit, 1);
        var d = new StridedConvolutions(StridedConvolutions.OmniglotFilters).Build(new ImageShape(28, 28, 1), 5).ParameterCount;
        var uncounted = WarmUp;
        foreach (var tasks in batches.Select(text => int.Parse(text, CultureInfo.InvariantCulture)))
        {
            var chunks = tasks / TasksOfChunk;
            var (_, count) = ranks.Share(chunks);
            var random = new Random(ranks.Rank);
            float[][] mine = [.. Enumerable.Range(0, count).Select(_ => Enumerable.Range(0, d).Select(_ => random.NextSingle()).ToArray())];
            var shares = Ranks.Shares(chunks, ranks.Size);
            double Ordered()
            {
                ranks.Meet();
                var start = Stopwatch.GetTimestamp();
                ranks.OrderedSum(mine, shares, d);
                return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
            }

            double OfLibrary()
            {
                var (sum, all) = (new float[d], new float[d]);
                var start = Stopwatch.GetTimestamp();
                foreach (var vector in mine)
                {
                    for (var i = 0; i < d; i++)
                    {
                        sum[i] += vector[i];
                    }
                }

                var local = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
                return local + ranks.MillisecondsOfAllreduce(sum, all);
            }

            var (ordered, library) = (Times(Ordered, uncounted), Times(OfLibrary, uncounted));
            uncounted = 1;
            if (ranks.Rank == 0)
            {
                Console.WriteLine(JsonSerializer.Serialize(new
                {
                    mpi = ranks.Library,
                    ranks = ranks.Size,
                    hosts = ranks.Hosts.Distinct().Count(),
                    tasks,
                    chunks,
                    d,
                    bytesOfRank = (long)sizeof(float) * d * (chunks + ranks.Size) * (ranks.Size - 1) / ranks.Size / ranks.Size,
                    repetitions = Repetitions,
                    orderedMilliseconds = ordered,
                    allreduceMilliseconds = library,
                }));
            }
        }

        return 0;
    }

    // Smallest, median, largest. The uncounted calls are given as a number, not as a time: all ranks must make equally many.
    private static double[] Times(Func<double> once, int uncounted)
    {
        for (var i = 0; i < uncounted; i++)
        {
            once();
        }

        double[] all = [.. Enumerable.Range(0, Repetitions).Select(_ => once()).Order().Select(one => double.Round(one, 3))];
        return [all[0], all[Repetitions / 2], all[^1]];
    }
}
