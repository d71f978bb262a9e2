// The job that this process is a part of, where mpirun, mpiexec or srun started several: `mpirun -n 4 imaml train …`. Rank 0 prints for all; a process that is
// alone loads no MPI.

using System.CommandLine;
using System.Text;
using Imaml.Cli.Commands;
using Imaml.Mpi;
using Imaml.Nets.Learning;
using Imaml.Nets.Machines;

namespace Imaml.Cli;

/// <summary>This process among those of its job.</summary>
internal static class Job
{
    private static readonly string[] Sharing = [TrainCommand.Name, EvaluateCommand.Name, "table2", "table3"];

    // The other ranks wait this long before they report an error, since rank 0 reports one that all ranks have. It may have to save first.
    private static readonly TimeSpan ForRank0 = TimeSpan.FromSeconds(5), ForRank0ToSave = TimeSpan.FromSeconds(60);

    private static readonly Launch? Launched = Found();
    private static MpiRanks? _joined;
    private static int _sharers = 1;

    private static readonly TextWriter Errors = Launched is null ? Console.Error : Plain(Console.OpenStandardError());

    /// <summary>The stream of results.</summary>
    public static TextWriter Output { get; } = Launched is null ? Console.Out : Prints ? Plain(Console.OpenStandardOutput()) : TextWriter.Null;

    /// <summary>The stream of progress and errors.</summary>
    public static TextWriter Messages { get; } = Prints ? Errors : TextWriter.Null;

    /// <summary>Whether this process prints: it is alone, or rank 0.</summary>
    public static bool Prints => Launched is not { Rank: > 0 };

    /// <summary>Whether it prints to a user's terminal, if there is one.</summary>
    public static bool IsAlone => Launched is null;

    /// <summary>The processes of the job; one where there is none.</summary>
    public static IRanks Processes => (IRanks?)_joined ?? Ranks.Alone;

    /// <summary>The threads that were asked for, or as many as this process has cores; the cores that several ranks of a machine share are divided among them.</summary>
    public static int Threads(int? asked = null) => asked ?? int.Max(1, Environment.ProcessorCount / _sharers);

    /// <summary>The exit code of a command that does not share out its work, for this process; null where the command is to be run.</summary>
    public static int? Excuse(ParseResult parsed)
    {
        var command = parsed.CommandResult.Command;
        if (Launched is null || Sharing.Contains(command.Name))
        {
            return null;
        }

        // Help, versions and facts are printed once.
        if (parsed.Action != command.Action || command.Name is DoctorCommand.Name or "imaml" or "help")
        {
            return Prints ? null : ExitCode.Success;
        }

        Terminal.Fail($"{command.Name} does not share out its work: start it without a launcher of several processes ({Launched.By}={Launched.Size})");
        return OfAll(ExitCode.Usage);
    }

    /// <summary>The exit code of a failure on every rank before they have joined. Only rank 0 returns it, so that no other rank ends the job before rank 0 has printed the reason.</summary>
    public static int OfAll(int exitCode) => Prints ? exitCode : ExitCode.Success;

    /// <summary>Joins the other processes, where there are others and the command shares out its work.</summary>
    public static void Join(ParseResult parsed)
    {
        if (Launched is null || !Sharing.Contains(parsed.CommandResult.Command.Name) || parsed.Action != parsed.CommandResult.Command.Action)
        {
            return;
        }

        _joined = MpiRanks.Join(Launched, TimeSpan.FromSeconds(parsed.GetValue<int>(SharedOptions.StallLimitName)), ExitCode.Failed);
        var mine = Encoding.UTF8.GetBytes($"{_joined.Hosts[_joined.Rank]} {Cores()}");
        _sharers = _joined.GatherAll(mine).Count(one => one.AsSpan().SequenceEqual(mine));
    }

    /// <summary>Leaves the job; all processes do so together.</summary>
    public static void Leave() => _joined?.Dispose();

    /// <summary>Prints why this process cannot go on, and ends all.</summary>
    /// <returns>The exit code, where it is alone.</returns>
    public static int Fail(Exception exception, Failure failure)
    {
        if (Launched is null)
        {
            Terminal.Fail(failure.Message);
            return failure.ExitCode;
        }

        if (exception is MpiException { OnAll: true })
        {
            Terminal.Fail(failure.Message);
            return OfAll(failure.ExitCode);
        }

        if (!Prints)
        {
            Thread.Sleep(exception is TrainingDivergedException or RanksDifferException or FirstRankException or OperationCanceledException ? ForRank0ToSave : ForRank0);
            Errors.WriteLine($"imaml: rank {Launched.Rank}{(_joined is { } joined ? $" on {joined.Hosts[joined.Rank]}" : "")}: {Terminal.Printable(failure.Message)}");
        }
        else
        {
            Terminal.Fail(failure.Message);
        }

        Errors.Flush();
        _joined?.Abort(failure.ExitCode);
        return failure.ExitCode;
    }

    private static Launch? Found()
    {
        var launch = Launch.Current;
        if (launch is not null)
        {
            // Open MPI gives rank 0 a terminal, whatever its own output is: the runtime is to send no codes to it.
            Environment.SetEnvironmentVariable("TERM", "dumb");
        }

        return launch;
    }

    private static StreamWriter Plain(Stream stream) => new(stream, new UTF8Encoding(false)) { AutoFlush = true };

    // The cores that the process may use, by their numbers.
    private static string Cores()
    {
        const string Status = "/proc/self/status", Allowed = "Cpus_allowed_list:";
        return File.Exists(Status) ? File.ReadLines(Status).FirstOrDefault(line => line.StartsWith(Allowed, StringComparison.Ordinal)) ?? "" : "";
    }
}
