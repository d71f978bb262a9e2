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

    // What all ranks meet at about the same time is rank 0's to say; it may have to save first.
    private static readonly TimeSpan ForRank0 = TimeSpan.FromSeconds(2), ForRank0ToSave = TimeSpan.FromSeconds(60);

    private static readonly Launch? Launched = Launch.Current;
    private static MpiRanks? _joined;
    private static int _sharers = 1;

    /// <summary>The error stream, which only rank 0's messages go to otherwise.</summary>
    private static readonly TextWriter Errors = Console.Error;

    /// <summary>Whether this process prints: it is alone, or rank 0.</summary>
    public static bool Prints => Launched is not { Rank: > 0 };

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
        return ExitCode.Usage;
    }

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

    /// <summary>Leaves the job, which all do together.</summary>
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

        if (!Prints)
        {
            Thread.Sleep(exception is TrainingDivergedException or RanksDifferException or FirstRankException or OperationCanceledException ? ForRank0ToSave : ForRank0);
            if (exception is not MpiException { OnAll: true })
            {
                Errors.WriteLine($"imaml: rank {Launched.Rank}{(_joined is { } joined ? $" on {joined.Hosts[joined.Rank]}" : "")}: {Terminal.Printable(failure.Message)}");
            }
        }
        else
        {
            Terminal.Fail(failure.Message);
        }

        Errors.Flush();
        _joined?.Abort(failure.ExitCode);
        return failure.ExitCode;
    }

    // The cores that the process may use, by their numbers.
    private static string Cores()
    {
        const string Status = "/proc/self/status", Allowed = "Cpus_allowed_list:";
        return File.Exists(Status) ? File.ReadLines(Status).FirstOrDefault(line => line.StartsWith(Allowed, StringComparison.Ordinal)) ?? "" : "";
    }
}
