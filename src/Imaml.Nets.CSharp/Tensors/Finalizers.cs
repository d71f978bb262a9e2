// TorchSharp's finalizers, held off while a user's code runs. `x * 2` hands libtorch a number that nothing holds: a garbage collection at that
// moment lets its finalizer free it before libtorch has read it (see HeldScalars). The library's code holds its numbers; a user's need not.
//
// The runtime has one finalizer thread. A finalizer of ours occupies it from before the user's code starts until none runs any more; garbage may be
// collected meanwhile, but what has a finalizer stays. It is let go once a second between two of the user's calls, and when none has come for a while.

using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace Imaml.Nets.Tensors;

/// <summary>Holds off finalizers while code runs that leaves numbers to them.</summary>
internal static class Finalizers
{
    // A user's code that waits for finalizers itself waits at most this long, and is not protected from then on.
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Stretch = TimeSpan.FromSeconds(1), Idle = TimeSpan.FromMilliseconds(20), Retry = TimeSpan.FromMilliseconds(5);
    private const int Tries = 200;

    private static readonly object Gate = new();
    private static int _holders;
    private static long _entries;
    private static bool _occupied, _ending;

    /// <summary>Whether none runs now: what a collection finds would only grow old.</summary>
    public static bool AreHeldOff => Volatile.Read(ref _occupied);

    /// <summary>Runs code during which no finalizer runs. Calls may be nested, and run side by side.</summary>
    public static T HeldOffDuring<T>(Func<T> code)
    {
        Enter();
        try
        {
            return code();
        }
        finally
        {
            Exit();
        }
    }

    private static void Enter()
    {
        var waited = false;
        for (var left = Tries; ; left--)
        {
            lock (Gate)
            {
                if (left == 0 || (_occupied && !(_ending && _holders == 0)))
                {
                    _holders++;
                    _entries++;
                    return;
                }

                if (_occupied)
                {
                    Monitor.Wait(Gate, Retry);
                    continue;
                }
            }

            if (!waited)
            {
                RunWaiting();
                waited = true;
            }

            lock (Gate)
            {
                if (!_occupied)
                {
                    _ending = false;
                    Drop();
                    GC.Collect(0);
                    Monitor.Wait(Gate, Retry);
                }
            }
        }
    }

    // The finalizer thread takes what was found last first: a new occupant would come before all that have waited for the old one, for ever, and what they hold
    // would grow. In a thread of its own, since another's finalizer may never end.
    private static void RunWaiting()
    {
        var waiting = new Thread(GC.WaitForPendingFinalizers) { IsBackground = true };
        waiting.Start();
        waiting.Join(Stretch);
    }

    private static void Exit()
    {
        lock (Gate)
        {
            _holders--;
            if (_ending && _holders == 0)
            {
                Monitor.PulseAll(Gate);
            }
        }
    }

    /// <summary>Leaves an <see cref="Occupant"/> to the collector, out of reach of every variable.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Drop() => _ = new Occupant();

    /// <summary>Its finalizer is the one that occupies the thread.</summary>
    private sealed class Occupant
    {
        ~Occupant()
        {
            lock (Gate)
            {
                var watch = Stopwatch.StartNew();
                (_occupied, _ending) = (true, false);
                Monitor.PulseAll(Gate);
                // The caller that waits for this has yet to wake and count itself; each look finds whether anybody came since the one before.
                for (var seen = -1L; watch.Elapsed < Longest && (_holders > 0 || (seen != _entries && !_ending)); Monitor.Wait(Gate, Idle))
                {
                    seen = _entries;
                    _ending = watch.Elapsed > Stretch;
                }

                _occupied = false;
                Monitor.PulseAll(Gate);
            }
        }
    }
}
