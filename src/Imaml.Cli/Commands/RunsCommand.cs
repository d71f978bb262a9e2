// imaml runs: the runs below a folder.

using System.CommandLine;
using System.Text.Json;
using Imaml.Cli.Reports;
using Imaml.Nets.Runs;
using Imaml.Nets.Storage;

namespace Imaml.Cli.Commands;

internal static class RunsCommand
{
    private static readonly EnumerationOptions Below = new() { RecurseSubdirectories = true, IgnoreInaccessible = true, AttributesToSkip = FileAttributes.ReparsePoint };

    public static Command Create(CancellationToken stop)
    {
        var folder = SharedOptions.Folder(new Argument<string>("DIR") { Description = "Folder with runs, at any depth", DefaultValueFactory = _ => "." });
        var json = new Option<bool>("--json") { Description = "Print JSON instead of the table" };
        var command = new Command("runs", "List the runs below a folder") { folder, json };
        command.SetAction(parsed =>
        {
            var root = Path.GetFullPath(parsed.GetRequiredValue(folder));
            Require(root);
            RunRow[] rows = [.. Find(root, stop)];
            if (parsed.GetValue(json))
            {
                Terminal.Document(JsonSerializer.Serialize(rows, RunJson.Indented));
                return ExitCode.Success;
            }

            if (rows.Length == 0)
            {
                Terminal.Line($"no runs below {root}; `imaml train` makes one");
                return ExitCode.Success;
            }

            foreach (var line in RunLines.List(rows, Terminal.Out.Profile.Width))
            {
                Terminal.Line(line);
            }

            return ExitCode.Success;
        });
        return command;
    }

    // What lies below and cannot be read is passed over; the folder itself is not.
    private static void Require(string root)
    {
        if (NamedPath.NotAFolder(root) is { } fault)
        {
            throw new NamedPathException(fault);
        }

        try
        {
            _ = Directory.EnumerateFileSystemEntries(root).Any();
        }
        catch (UnauthorizedAccessException e)
        {
            throw new UnauthorizedAccessException($"{root} cannot be read (access is denied); check its permissions", e);
        }
    }

    // One damaged run does not hide the others.
    private static IEnumerable<RunRow> Find(string root, CancellationToken stop)
    {
        foreach (var path in Directory.EnumerateFiles(root, RunContents.DescriptionName, Below).Select(file => Path.GetDirectoryName(file)!).Order(StringComparer.Ordinal))
        {
            stop.ThrowIfCancellationRequested();
            var name = Terminal.Printable(Path.GetRelativePath(root, path) is var relative and not "." ? relative : Path.GetFileName(path));
            RunRow row;
            try
            {
                row = RunRow.Of(name, RunContents.Read(path));
            }
            catch (Exception e) when (e is CheckpointException or InvalidDataException or IOException or UnauthorizedAccessException)
            {
                row = RunRow.Damaged(name, e.Message);
            }

            yield return row;
        }
    }
}
