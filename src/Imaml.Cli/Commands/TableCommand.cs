// imaml reproduce table2 and table3: trains and tests the missing cells of a table, and prints the table.

using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Imaml.Cli.Results;
using Imaml.Cli.Tables;
using Imaml.Nets.Machines;
using Imaml.Nets.Runs;

namespace Imaml.Cli.Commands;

internal static class TableCommand
{
    public static Command Create(PublishedTable table, CancellationToken stop)
    {
        var output = SharedOptions.Folder(new Option<string>("--out") { Description = "Folder of the table, with a run of each cell below; the same command goes on", HelpName = "DIR", DefaultValueFactory = _ => $"imaml-{table.Name}" });
        var cells = SharedOptions.SeveralOf(
            new Option<string[]>("--cells") { Description = "Cells to train and test, as SETTING/METHOD, for example 5w1s/imaml-hf,5w1s/maml [default: all]", HelpName = "CELL" }, [.. table.Cells.Select(cell => cell.Name)]);
        var budget = new Option<TimeSpan?>("--budget") { Description = "Time of training of a run, not counting what other programs take: 90s, 60m, 2h; a larger one goes on where a smaller one ended [default: 60m; with --report that of the table that is there]", HelpName = "TIME", CustomParser = Duration };
        var seeds = SharedOptions.AtLeast(new Option<int>("--seeds") { Description = "Runs of a cell, of seeds 1, 2, …", HelpName = "n", DefaultValueFactory = _ => 1 }, 1);
        var episodes = SharedOptions.AtLeast(new Option<int?>("--episodes") { Description = "Test episodes of a run, the same for all methods of a setting [default: 1000; with --report those of the table that is there]", HelpName = "n" }, 2);
        var scale = SharedOptions.OneOf(
            new Option<Scale>("--scale") { Description = "paper: the presets as they are, with the last states and their average; cpu: with a smaller meta-batch, averaging in place of a schedule, and at Omniglot 20-way 1-shot options of a search", HelpName = "SCALE", DefaultValueFactory = _ => Scale.Cpu }, "cpu", "paper");
        var report = new Option<bool>("--report") { Description = "Write and print the table of what there is; train nothing" };
        var json = new Option<bool>("--json") { Description = "Print JSON instead of the table" };
        var threads = SharedOptions.Threads();
        var device = SharedOptions.Device();
        var tf32 = SharedOptions.Tf32();
        var data = SharedOptions.Data();
        var command = new Command(table.Name, $"{table.Title}: all methods under one protocol, as far as the budget goes") { cells, budget, seeds, episodes, scale, output, report, json, threads, device, tf32, data, SharedOptions.StallLimit() };
        command.SetAction(parsed =>
        {
            var chosen = parsed.GetValue(cells) is { Length: > 0 } names ? table.Cells.Where(cell => names.Contains(cell.Name)).ToArray() : [.. table.Cells];
            var (root, reports) = (parsed.GetRequiredValue(output), parsed.GetValue(report));
            var before = reports ? Before(Path.Combine(root, $"{table.Name}.json")) : null;
            var work = new TableWork(
                table, chosen, parsed.GetValue(scale), [.. Enumerable.Range(1, parsed.GetValue(seeds)).Select(seed => (ulong)seed)], (parsed.GetValue(budget) ?? before?.Budget ?? TimeSpan.FromHours(1)).TotalSeconds,
                parsed.GetValue(episodes) ?? before?.Episodes ?? 1000, root, parsed.GetValue(data), SharedOptions.OpenDevice(parsed, device, tf32), parsed.GetValue(threads), stop);
            using var folder = Job.Prints ? new ResultFolder(root) : null;
            var failed = reports ? [] : work.Run();
            var stopped = Job.Processes.Any(stop.IsCancellationRequested);
            if (folder is null)
            {
                return failed.Count > 0 ? ExitCode.Failed : stopped ? ExitCode.Stopped : ExitCode.Success;
            }

            var file = work.Read();
            folder.WriteJson($"{table.Name}.json", file);
            folder.Write($"{table.Name}.md", TableReport.Markdown(file));
            TableCurves.Draw(folder, file);
            if (parsed.GetValue(json) || Terminal.OutputIsRedirected)
            {
                Terminal.Document(parsed.GetValue(json) ? JsonSerializer.Serialize(file, RunJson.Indented) : TableReport.Markdown(file));
            }
            else
            {
                TableReport.Print(file);
            }

            string[] failures = [.. failed.Union(file.Cells.SelectMany(cell => cell.Runs).Where(run => run.Trouble is not null && run.State is not CellState.Diverged).Select(run => $"{run.Cell}, seed {run.Seed}: {run.Trouble}"))];
            Array.ForEach(failures, Terminal.Fail);
            return failures.Length > 0 ? ExitCode.Failed : stopped ? ExitCode.Stopped : ExitCode.Success;
        });
        return command;
    }

    // The budget and the number of episodes of the table that is there.
    private static (TimeSpan Budget, int Episodes)? Before(string path) =>
        RunFolder.ReadJson<TableFile>(path) is { BudgetSeconds: > 0 and < LongestSeconds and var seconds, Episodes: > 1 and var episodes } ? (TimeSpan.FromSeconds(seconds), episodes) : null;

    private const double LongestSeconds = 1e8;

    private static TimeSpan? Duration(System.CommandLine.Parsing.ArgumentResult result)
    {
        var text = result.Tokens[0].Value;
        var seconds = text.Length > 0 && double.TryParse(text[..^1], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)
            ? text[^1] switch
            {
                's' => number,
                'm' => 60 * number,
                'h' => 3600 * number,
                _ => double.NaN,
            }
            : double.NaN;
        if (seconds is > 0 and < LongestSeconds)
        {
            return TimeSpan.FromSeconds(seconds);
        }

        result.AddError($"--budget must be a time such as 90s, 60m or 2h, not {text}");
        return null;
    }
}
