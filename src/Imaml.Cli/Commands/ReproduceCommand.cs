// imaml reproduce: the paper's figures and tables that need no data, drawn and checked.

using System.CommandLine;

namespace Imaml.Cli.Commands;

internal static class ReproduceCommand
{
    public static Command Create(CancellationToken stop) =>
        new("reproduce", "Measure a figure or table of the paper, draw it, and check the paper's statements about it") { Figure2aCommand.Create(stop), Figure2bCommand.Create(stop), Table1Command.Create(stop) };
}
