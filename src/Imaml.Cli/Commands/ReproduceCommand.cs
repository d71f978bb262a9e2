// imaml reproduce: the paper's figures and tables.

using System.CommandLine;
using Imaml.Cli.Tables;

namespace Imaml.Cli.Commands;

internal static class ReproduceCommand
{
    public static Command Create(CancellationToken stop) =>
        new("reproduce", "Measure a figure or table of the paper, draw it, and check the paper's statements about it")
        {
            Figure2aCommand.Create(stop), Figure2bCommand.Create(stop), Table1Command.Create(stop),
            TableCommand.Create(PublishedTable.Table2, stop), TableCommand.Create(PublishedTable.Table3, stop),
        };
}
