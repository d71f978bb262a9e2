// A meta-batch in chunks of tasks, worked on by several threads, each of which multiplies alone.
//
// Tasks are independent of each other, so the results are the same. One operation on small tensors does not keep two cores busy, two chunks do, and
// a chunk's tensors stay in the cache. What a chunk computes does not depend on the thread, nor on how many there are.

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
    /// <param name="work">Called with first and count, in a dispose scope of its own. Tensors that it returns must belong to no scope.</param>
    public static T[] Map<T>(int tasks, int atOnce, int threads, Func<int, int, T> work) => MapChunks(Number(tasks, atOnce), threads, Chunk(tasks, atOnce, work));

    /// <summary>The results of <paramref name="work"/> on chunks 0, 1, …, in their order.</summary>
    /// <param name="chunks">Their number, which may be 0.</param>
    /// <param name="threads">Threads, at least 1.</param>
    /// <param name="work">Called with a chunk's number. For tensors as above.</param>
    public static T[] MapChunks<T>(int chunks, int threads, Func<int, T> work)
    {
        var results = new T[chunks];
        Each(chunks, threads, work, (chunk, result) => results[chunk] = result);
        return results;
    }

    /// <summary>The results of <paramref name="work"/> on the chunks added up in the order of the tasks, each as soon as those before it are there: memory does not grow with their number.</summary>
    /// <param name="tasks">B, at least 1.</param>
    /// <param name="atOnce">Tasks of a chunk; the last chunk may have fewer.</param>
    /// <param name="threads">Threads, at least 1.</param>
    /// <param name="work">As for <see cref="Map"/>.</param>
    /// <param name="add">The sum so far and the next result, which it may dispose of; called by one thread at a time.</param>
    public static T Sum<T>(int tasks, int atOnce, int threads, Func<int, int, T> work, Func<T, T, T> add)
    {
        var early = new Dictionary<int, T>();
        T? sum = default;
        var added = 0;
        Each(Number(tasks, atOnce), threads, Chunk(tasks, atOnce, work), (chunk, result) =>
        {
            lock (early)
            {
                early.Add(chunk, result);
                for (; early.Remove(added, out var next); added++)
                {
                    sum = added == 0 ? next : add(sum!, next);
                }
            }
        });
        return sum!;
    }

    private static int Number(int tasks, int atOnce) => (tasks + atOnce - 1) / atOnce;

    private static Func<int, T> Chunk<T>(int tasks, int atOnce, Func<int, int, T> work) => chunk => work(chunk * atOnce, int.Min(atOnce, tasks - chunk * atOnce));

    private static void Each<T>(int chunks, int threads, Func<int, T> work, Action<int, T> done)
    {
        using var alone = new OneThread(); // Until all have ended: libtorch has one number for the process and one for each thread.
        var next = -1;
        ExceptionDispatchInfo? failure = null;
        void Work()
        {
            try
            {
                torch.set_num_threads(1);
                using var off = Unrecorded.Begin(); // Once for the thread, so that no operation has to.
                for (var i = Interlocked.Increment(ref next); i < chunks && failure is null; i = Interlocked.Increment(ref next))
                {
                    // A tensor in no scope may be finalized after its last use in the code, also while libtorch still reads it.
                    using (torch.NewDisposeScope())
                    {
                        done(i, work(i));
                    }

                    // Handles of tensors are small managed objects. By itself the garbage collector lets tens of megabytes of them accumulate before
                    // it first runs, and resident memory would seem to grow with the number of inner steps.
                    if (!Finalizers.AreHeldOff)
                    {
                        GC.Collect(0);
                    }
                }
            }
            catch (Exception e)
            {
                Interlocked.CompareExchange(ref failure, ExceptionDispatchInfo.Capture(e), null);
            }
        }

        Workers.Run(int.Min(threads, chunks), Work);
        failure?.Throw();
    }
}
