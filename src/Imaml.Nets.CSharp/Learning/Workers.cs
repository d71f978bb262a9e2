// Threads that are kept. The C library gives every thread memory of its own, which it keeps when the thread ends: threads that come and go leave several
// times as much of it as there ever are at once.

namespace Imaml.Nets.Learning;

/// <summary>The process's threads for chunks of tasks.</summary>
internal static class Workers
{
    private static readonly Queue<Share> Waiting = new();
    private static int _threads;

    /// <summary>Does the same work on several threads at once, this one among them; returns when all have ended that had begun before this one was done.</summary>
    /// <param name="threads">How many, at least 1. Threads that are busy for another caller may not take part: the work must be complete when one thread has done it.</param>
    /// <param name="work">Takes pieces until there are none, and does not throw.</param>
    public static void Run(int threads, Action work)
    {
        var share = new Share(work);
        lock (Waiting)
        {
            for (; _threads < threads - 1; _threads++)
            {
                new Thread(Serve) { IsBackground = true, Name = $"imaml {_threads + 1}" }.Start();
            }

            for (var i = 1; i < threads; i++)
            {
                Waiting.Enqueue(share);
            }

            Monitor.PulseAll(Waiting);
        }

        work();
        share.Close();
    }

    private static void Serve()
    {
        while (true)
        {
            Share share;
            lock (Waiting)
            {
                while (Waiting.Count == 0)
                {
                    Monitor.Wait(Waiting);
                }

                share = Waiting.Dequeue();
            }

            share.Take();
        }
    }

    /// <summary>Work that threads may join until it is closed.</summary>
    private sealed class Share(Action work)
    {
        private int _at;
        private bool _closed;

        public void Take()
        {
            lock (this)
            {
                if (_closed)
                {
                    return;
                }

                _at++;
            }

            work();
            lock (this)
            {
                _at--;
                Monitor.PulseAll(this);
            }
        }

        public void Close()
        {
            lock (this)
            {
                _closed = true;
                while (_at > 0)
                {
                    Monitor.Wait(this);
                }
            }
        }
    }
}
