// A measurement in a process of its own: `imaml bench-one REQUEST`, which prints the result as one line of JSON. Its peak memory is then
// that of one method, independent of the methods measured before.

using System.Diagnostics;
using System.Text.Json;
using Imaml.Nets.Cost;
using Imaml.Nets.Runs;

namespace Imaml.Cli.Benchmarks;

internal static class MeasuringProcess
{
    /// <summary>The hidden command.</summary>
    public const string Command = "bench-one";

    // 128 + SIGKILL: the exit code of a process that the system ends for lack of memory.
    private const int Killed = 137;

    // Rare enough not to slow the measurement.
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(100);

    /// <summary>The outcome of a measurement.</summary>
    /// <param name="Result">The result, or null.</param>
    /// <param name="Reason">Why there is none, in one line: out of memory, or the message of the process.</param>
    /// <param name="AtLimit">Whether the process was ended because it reached the memory that it was allowed.</param>
    internal sealed record Outcome(Measurement? Result, string? Reason = null, bool AtLimit = false);

    /// <summary>Takes a measurement.</summary>
    /// <param name="request">What to measure.</param>
    /// <param name="mostBytes">Resident memory at which the process is ended.</param>
    /// <param name="stop">Ends the process.</param>
    /// <exception cref="OperationCanceledException">Asked to stop.</exception>
    public static Outcome Run(MeasurementRequest request, long mostBytes, CancellationToken stop)
    {
        stop.ThrowIfCancellationRequested();
        using var process = Process.Start(Start(Command, JsonSerializer.Serialize(request, RunJson.Options)))!;
        using var ending = stop.Register(() => End(process));
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(CancellationToken.None), process.StandardError.ReadToEndAsync(CancellationToken.None));
        var tooMuch = false;
        while (!process.WaitForExit(Look))
        {
            process.Refresh();
            if (Resident(process) > mostBytes)
            {
                tooMuch = true;
                End(process);
            }
        }

        process.WaitForExit();
        stop.ThrowIfCancellationRequested();
        if (tooMuch || process.ExitCode == Killed)
        {
            return new Outcome(null, tooMuch ? $"{mostBytes >> 20} MiB of memory are not enough" : "out of memory", tooMuch);
        }

        var said = errors.Result.Trim();
        return process.ExitCode == ExitCode.Success
            ? new Outcome(JsonSerializer.Deserialize<Measurement>(output.Result, RunJson.Options))
            : new Outcome(null, said.Length > 0 ? string.Join("; ", said.Split('\n')).Replace("imaml: ", "", StringComparison.Ordinal) : $"the process ended with exit code {process.ExitCode}");
    }

    // The program itself, whether it was started by its own name or by `dotnet`.
    private static ProcessStartInfo Start(params string[] arguments)
    {
        var program = Environment.ProcessPath!;
        string[] library = Path.GetFileNameWithoutExtension(program) == "dotnet" ? ["exec", Path.Combine(AppContext.BaseDirectory, $"{typeof(MeasuringProcess).Assembly.GetName().Name}.dll")] : [];
        return new ProcessStartInfo(program, [.. library, .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true };
    }

    private static long Resident(Process process)
    {
        try
        {
            return process.WorkingSet64;
        }
        catch (InvalidOperationException)
        {
            // It has ended in the meantime.
            return 0;
        }
    }

    private static void End(Process process)
    {
        try
        {
            process.Kill(entireProcessTree: true);
        }
        catch (Exception e) when (e is InvalidOperationException or System.ComponentModel.Win32Exception or AggregateException)
        {
            // It has ended by itself, or is about to.
        }
    }
}
