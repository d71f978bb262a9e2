// Ends a process that waits too long for the others. MPI does not detect a rank that hangs, or a machine whose link is down: the other ranks would wait for ever.

using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;

namespace Imaml.Mpi;

/// <summary>Watches the collective operations of a process.</summary>
internal sealed class Watchdog : IDisposable
{
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(500);

    private readonly string _message;
    private readonly int _exitCode;
    private readonly ManualResetEventSlim _done = new();

    // When the operation began that is under way, or 0.
    private long _since;
    private long _limitTicks;

    /// <summary>Begins to watch; an operation of a limit of its own follows with <see cref="Begin(TimeSpan)"/>.</summary>
    /// <param name="limit">How long an operation may take.</param>
    /// <param name="message">What is printed where one takes longer.</param>
    /// <param name="exitCode">The process's exit code then.</param>
    public Watchdog(TimeSpan limit, string message, int exitCode)
    {
        (_limitTicks, _message, _exitCode) = (limit.Ticks, message, exitCode);
        new Thread(Watch) { IsBackground = true, Name = "imaml watchdog" }.Start();
    }

    /// <summary>An operation begins; only one is under way at a time.</summary>
    public void Begin() => Volatile.Write(ref _since, Stopwatch.GetTimestamp());

    /// <summary>The last operation begins, which has this limit.</summary>
    public void Begin(TimeSpan limit)
    {
        Volatile.Write(ref _limitTicks, limit.Ticks);
        Begin();
    }

    /// <summary>It has ended.</summary>
    public void End() => Volatile.Write(ref _since, 0);

    /// <inheritdoc/>
    public void Dispose() => _done.Set();

    private void Watch()
    {
        while (!_done.Wait(Look))
        {
            if (Volatile.Read(ref _since) is var since and not 0 && Stopwatch.GetElapsedTime(since).Ticks > Volatile.Read(ref _limitTicks))
            {
                // Without the runtime's streams and exit handlers, which may wait for what hangs.
                var line = Encoding.UTF8.GetBytes(_message + "\n");
                _ = Write(2, line, line.Length);
                Exit(_exitCode);
            }
        }
    }

    [DllImport("libc", EntryPoint = "write")]
    private static extern nint Write(int file, byte[] bytes, nint count);

    [DllImport("libc", EntryPoint = "_exit")]
    private static extern void Exit(int code);
}
