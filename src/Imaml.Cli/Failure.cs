// The exceptions that are caused by the user or the system, with their messages. Any other exception is a fault of the program.

using System.Runtime.InteropServices;
using System.Text.Json;
using Imaml.Cli.Commands;
using Imaml.Cli.Problems;
using Imaml.Mpi;
using Imaml.Nets.Learning;
using Imaml.Nets.LibTorch;
using Imaml.Nets.Machines;
using Imaml.Nets.Prediction;
using Imaml.Nets.Runs;
using Imaml.Nets.Storage;
using Imaml.Nets.Tasks;

namespace Imaml.Cli;

/// <summary>One line for the user, and the exit code.</summary>
internal sealed record Failure(string Message, int ExitCode)
{
    /// <summary>The failure of an exception, or null for a fault of the program.</summary>
    public static Failure? Of(Exception exception) => exception switch
    {
        TypeInitializationException { InnerException: { } inner } => Of(inner),
        AggregateException { InnerExceptions: [var only] } => Of(only),
        DataException { IsOfRequest: true } or CheckpointException { IsOfRequest: true } => new(OneLine(exception.Message), Cli.ExitCode.Usage),
        NamedPathException => new(OneLine(exception.Message), Cli.ExitCode.Usage),
        OperationCanceledException => new("stopped", Cli.ExitCode.Stopped),
        IOException { HResult: NoSpace or OverQuota } => new($"{OneLine(exception.Message)}; make room, or write to another disk", Cli.ExitCode.Failed),
        LibTorchLoadException or DataException or CheckpointException or TrainingDivergedException or AdaptationException or IOException or UnauthorizedAccessException or InvalidDataException or HttpRequestException or MpiException or FirstRankException or RanksDifferException =>
            new(OneLine(exception.Message), Cli.ExitCode.Failed),
        JsonException json => new(RunJson.Describe(json), Cli.ExitCode.Failed),
        ProblemFileException => new(OneLine(exception.Message), Cli.ExitCode.Usage),
        ExperimentException { Origin: null } faults => new(string.Join("; ", faults.Complaints.Select(one => $"{ExperimentOptions.NameOf(one.Field)} {one.Rule}")), Cli.ExitCode.Usage),
        // EFBIG, which the runtime takes for a caller's mistake.
        ArgumentOutOfRangeException { ParamName: "value" } limit when limit.Message.Contains("file length", StringComparison.Ordinal) => new("a file cannot grow any further: raise the limit (`ulimit -f`), or make room", Cli.ExitCode.Failed),
        ArgumentException argument => new(OneLine(WithoutParameter(argument)), Cli.ExitCode.Usage),
        OutOfMemoryException => new("out of memory; lower --meta-batch, --filters or --queries", Cli.ExitCode.Failed),
        // What libtorch throws carries its C++ stack from the second line on.
        ExternalException => new($"libtorch: {exception.Message.Split('\n')[0].Trim()}", Cli.ExitCode.Failed),
        _ => null,
    };

    // ENOSPC and EDQUOT.
    private const int NoSpace = 28, OverQuota = 122;

    private static string WithoutParameter(ArgumentException exception) =>
        exception.ParamName is { Length: > 0 } name ? exception.Message.Replace($" (Parameter '{name}')", "", StringComparison.Ordinal) : exception.Message;

    private static string OneLine(string message) =>
        string.Join("; ", message.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));
}
