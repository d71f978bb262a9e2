// Ctrl-C and SIGTERM ask a command to stop at its next safe point, where it saves its state; a second one ends the process at once.

using System.Runtime.InteropServices;

namespace Imaml.Cli;

/// <summary>Turns the system's signals to stop into a token for the length of the program.</summary>
internal sealed class Interruption : IDisposable
{
    private readonly CancellationTokenSource _source = new();
    private readonly PosixSignalRegistration[] _registrations;

    public Interruption() =>
        _registrations = [PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop), PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop)];

    public CancellationToken Token => _source.Token;

    public void Dispose()
    {
        foreach (var registration in _registrations)
        {
            registration.Dispose();
        }

        _source.Dispose();
    }

    private void Stop(PosixSignalContext signal)
    {
        // Cancel = true keeps the process alive; the second signal takes its usual course.
        signal.Cancel = !_source.IsCancellationRequested;
        _source.Cancel();
    }
}
