// imaml bench-one: one measurement in the process that was started for it, by `imaml bench` and `imaml reproduce fig2b`. Not for users.

using System.CommandLine;
using System.Text.Json;
using Imaml.Cli.Benchmarks;
using Imaml.Nets.Cost;
using Imaml.Nets.Runs;

namespace Imaml.Cli.Commands;

internal static class BenchOneCommand
{
    public static Command Create(CancellationToken stop)
    {
        var request = new Argument<string>("REQUEST") { Description = "What to measure, as JSON" };
        var command = new Command(MeasuringProcess.Command, "Measure one method in this process and print one line of JSON") { request };
        command.Hidden = true;
        command.SetAction(parsed =>
        {
            if (JsonSerializer.Deserialize<MeasurementRequest>(parsed.GetRequiredValue(request), RunJson.Options) is not { Experiment: not null } asked)
            {
                throw new ArgumentException("the request has no experiment");
            }

            Terminal.Document(JsonSerializer.Serialize(Measurement.Take(asked, stop), RunJson.Options));
            return ExitCode.Success;
        });
        return command;
    }
}
