// A meta-batch in chunks of tasks, worked on by several threads, each of which multiplies alone.
//
// Tasks do not touch each other, so nothing is lost by it: small tensors keep two cores busy that one operation on them would not, and a
// chunk's tensors stay in the cache. What a chunk computes does not depend on the thread, nor on how many there are.

using System.Runtime.ExceptionServices;
using Imaml.Nets.Tensors;
using TorchSharp;

namespace Imaml.Nets.Learning;

/// <summary>Work on the tasks of a batch, some at a time.</summary>
internal static class TaskChunks
{
    /// <summary>The results of <paramref name="work"/> on tasks first … first + count − 1, for each chunk, in the order of the tasks.</summary>
    /// <param name="tasks">B.</param>
    /// <param name="atOnce">Tasks of a chunk; the last chunk may have fewer.</param>
    /// <param name="threads">Threads, at least 1.</param>
    /// <param name="work">Called with first and count. Tensors that it returns must belong to no dispose scope, since those belong to threads.</param>
    public static T[] Map<T>(int tasks, int atOnce, int threads, Func<int, int, T> work)
    {
        using var alone = new OneThread(); // Until all have ended: libtorch has one number for the process and one for each thread.
        var results = new T[(tasks + atOnce - 1) / atOnce];
        var next = -1;
        ExceptionDispatchInfo? failure = null;
        void Work()
        {
            try
            {
                torch.set_num_threads(1);
                using var off = Unrecorded.Begin(); // Once for the thread, so that no operation has to.
                for (var i = Interlocked.Increment(ref next); i < results.Length && failure is null; i = Interlocked.Increment(ref next))
                {
                    results[i] = work(i * atOnce, int.Min(atOnce, tasks - i * atOnce));
                    // Handles of tensors are small managed objects. Left to itself the collector lets tens of megabytes of them gather before it
                    // first looks, and resident memory would seem to grow with the number of inner steps.
                    GC.Collect(0);
                }
            }
            catch (Exception e)
            {
                Interlocked.CompareExchange(ref failure, ExceptionDispatchInfo.Capture(e), null);
            }
        }

        // Threads of their own, not of a pool: the C library hands what an ended thread had allocated and freed to the next one that starts, but
        // every thread of a pool would keep its own for ever.
        Thread[] others = [.. Enumerable.Range(1, int.Min(threads, results.Length) - 1).Select(_ => new Thread(Work))];
        Array.ForEach(others, thread => thread.Start());
        Work();
        Array.ForEach(others, thread => thread.Join());
        failure?.Throw();
        return results;
    }
}
