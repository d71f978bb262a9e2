// imaml report: runs as one page that a browser opens offline.

using System.CommandLine;
using System.Text;
using Imaml.Cli.Reports;
using Imaml.Nets.Storage;

namespace Imaml.Cli.Commands;

internal static class ReportCommand
{
    private const string DefaultFile = "report.html";

    public static Command Create()
    {
        var runs = new Argument<string[]>("RUN") { Description = "Folders that `imaml train` made; several are compared", Arity = ArgumentArity.OneOrMore };
        var output = new Option<string?>("--out") { Description = $"The page [default: {DefaultFile} in the folder of one run, else here]", HelpName = "FILE.html" };
        var events = new Option<bool>("--tensorboard") { Description = "Write each run's curves for TensorBoard too, in RUN/tensorboard" };
        var command = new Command("report", "Write runs as one page for a browser: curves, solver statuses, comparisons, options, origin") { runs, output, events };
        command.SetAction(parsed =>
        {
            string[] folders = [.. parsed.GetRequiredValue(runs).DistinctBy(folder => Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)))];
            var file = parsed.GetValue(output) ?? (folders.Length == 1 ? Path.Combine(folders[0], DefaultFile) : DefaultFile);
            RunContents[] read = [.. folders.Select(RunContents.Read)];
            WritableFolder.RequireFile(file, output.Name);
            var page = Encoding.UTF8.GetBytes(ReportPage.Render(read));
            AtomicFile.Write(file, page);
            Terminal.Whole(Path.GetFullPath(file));
            foreach (var run in parsed.GetValue(events) ? read : [])
            {
                Terminal.Whole(TensorBoardEvents.Write(run));
            }

            return ExitCode.Success;
        });
        return command;
    }
}
