// Ctrl-C, SIGTERM and a closed terminal (SIGHUP) ask a command to stop at its next safe point, where it saves its state; a second Ctrl-C or SIGTERM ends
// the process at once. So does SIGUSR1, as often as it comes: mpirun passes it on to all ranks, and Slurm can send it before a job's time is up. A terminal that closes may send SIGHUP more than once, so that a second one ends nothing; after `nohup` SIGHUP is ignored.

using System.Globalization;
using System.Runtime.InteropServices;
using Imaml.Nets.Storage;

namespace Imaml.Cli;

/// <summary>Turns the system's signals to stop into a token for the length of the program.</summary>
internal sealed class Interruption : IDisposable
{
    // The numbers of SIGUSR1 and SIGXFSZ on Linux, which the runtime takes as they are.
    private const PosixSignal User1 = (PosixSignal)10, FileTooLarge = (PosixSignal)25;

    private readonly CancellationTokenSource _source = new();
    private readonly List<PosixSignalRegistration> _registrations;
    private int _asked;

    public Interruption()
    {
        _registrations = [PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop), PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop)];
        if (!HangUpIsIgnored())
        {
            _registrations.Add(PosixSignalRegistration.Create(PosixSignal.SIGHUP, Ask));
        }

        if (OperatingSystem.IsLinux())
        {
            _registrations.Add(PosixSignalRegistration.Create(User1, Ask));
            // A file at the limit of `ulimit -f` is treated like a full disk: the write fails, and the failure is reported.
            _registrations.Add(PosixSignalRegistration.Create(FileTooLarge, signal => signal.Cancel = true));
        }
    }

    public CancellationToken Token => _source.Token;

    public void Dispose()
    {
        _registrations.ForEach(registration => registration.Dispose());
        _source.Dispose();
    }

    private void Stop(PosixSignalContext signal)
    {
        // Cancel = true keeps the process running; the second signal has its usual effect.
        signal.Cancel = Interlocked.Increment(ref _asked) == 1;
        if (!signal.Cancel)
        {
            Drafts.RemoveAll();
        }

        _source.Cancel();
    }

    private void Ask(PosixSignalContext signal)
    {
        signal.Cancel = true;
        _source.Cancel();
    }

    /// <summary>Whether this process was started to continue after its terminal is closed.</summary>
    private static bool HangUpIsIgnored()
    {
        const string Status = "/proc/self/status", Ignored = "SigIgn:";
        var mask = File.Exists(Status) ? File.ReadLines(Status).FirstOrDefault(line => line.StartsWith(Ignored, StringComparison.Ordinal)) : null;
        // The lowest bit is that of signal 1, SIGHUP.
        return mask is not null && ulong.TryParse(mask.AsSpan(Ignored.Length).Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var ignored) && (ignored & 1) == 1;
    }
}
