// imaml show: a run's validation curve in the terminal, with how its solves ended.

using System.CommandLine;
using Imaml.Cli.Reports;

namespace Imaml.Cli.Commands;

internal static class ShowCommand
{
    private const int RedirectedWidth = 80, LeastWidth = 20;

    public static Command Create()
    {
        var run = SharedOptions.Folder(new Argument<string>("RUN") { Description = "Folder that `imaml train` made" });
        var width = SharedOptions.AtLeast(new Option<int?>("--width") { Description = $"Columns [default: the terminal's, or {RedirectedWidth} where there is none]", HelpName = "n" }, LeastWidth, 1000);
        var command = new Command("show", "Draw a run's validation curve in the terminal") { run, width };
        command.SetAction(parsed =>
        {
            var columns = parsed.GetValue(width) ?? (Terminal.OutputIsRedirected ? RedirectedWidth : int.Max(LeastWidth, Terminal.Out.Profile.Width - 1));
            foreach (var line in RunLines.Show(RunContents.Read(parsed.GetRequiredValue(run)), columns))
            {
                Terminal.Whole(line);
            }

            return ExitCode.Success;
        });
        return command;
    }
}
