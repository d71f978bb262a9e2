// TorchSharp's finalizers, suspended while a user's code runs. `x * 2` passes to libtorch a number to which there is no reference: a garbage collection
// at that moment lets its finalizer free it before libtorch has read it (see HeldScalars). The library's code keeps references; a user's need not.
//
// The runtime has one finalizer thread. A finalizer of this class occupies it from before the user's code starts until no user's code runs. Garbage may
// be collected meanwhile, but objects with a finalizer are not freed. The thread is released once a second between two of the user's calls, and when
// there has been no call for a while.

using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace Imaml.Nets.Tensors;

/// <summary>Suspends finalizers while code runs that leaves numbers to them.</summary>
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

    /// <summary>Whether no finalizer runs now, so that a collection frees no object that has one.</summary>
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

    // The finalizer thread runs the newest finalizers first: a new occupant would run before all that have waited for the old one, which might never run, and
    // memory would grow. In a thread of its own, since another's finalizer may never end.
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

    /// <summary>Creates an <see cref="Occupant"/> to which no variable refers, so that the next collection finalizes it.</summary>
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
                // The caller that waits for this is not counted yet; each pass checks whether there was a call since the pass before.
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
