// imaml redraw: figures from the result files in the same folder, without measuring anything.

using System.CommandLine;
using System.Text.Json;
using Imaml.Cli.Diagnoses;
using Imaml.Cli.Results;
using Imaml.Cli.Tables;
using Imaml.Nets.Runs;
using Imaml.Nets.Storage;

namespace Imaml.Cli.Commands;

internal static class RedrawCommand
{
    private static readonly (string File, Action<ResultFolder> Redraw)[] Kinds =
    [
        ("fig2a.csv", Figure2aCommand.Redraw), ("fig2b.json", Figure2bCommand.Redraw), ("table1.json", Table1Command.Redraw), ("diagnosis.json", DiagnosisFigures.Redraw),
        .. new[] { PublishedTable.Table2, PublishedTable.Table3 }.Select(table => ($"{table.Name}.json", (Action<ResultFolder>)(folder => TableCurves.Redraw(folder, table.Name)))),
    ];

    public static Command Create()
    {
        var folders = new Argument<string[]>("DIR") { Description = "Folders that `imaml reproduce` or `imaml diagnose` wrote", Arity = ArgumentArity.OneOrMore };
        var command = new Command("redraw", "Draw the figures of result folders again from their numbers (PNG, SVG, PDF), without measuring") { folders };
        command.SetAction(parsed =>
        {
            var code = ExitCode.Success;
            foreach (var path in parsed.GetRequiredValue(folders))
            {
                try
                {
                    Redraw(path);
                }
                catch (Exception e) when (Failure.Of(e) is { } failure)
                {
                    // The other folders are drawn all the same.
                    Terminal.Fail(failure.Message);
                    code = failure.ExitCode;
                }
            }

            return code;
        });
        return command;
    }

    private static void Redraw(string path)
    {
        if (NamedPath.NotAFolder(path) is { } fault)
        {
            throw new NamedPathException($"{fault}; name one that `imaml reproduce` or `imaml diagnose` wrote");
        }

        if (NamedPath.Closed(path) is { } closed)
        {
            throw new UnauthorizedAccessException(closed);
        }

        var kinds = Kinds.Where(kind => File.Exists(Path.Combine(path, kind.File))).ToArray();
        if (kinds is [])
        {
            throw new InvalidDataException($"{path} has none of {string.Join(", ", Kinds.Select(kind => kind.File))}; name a folder that `imaml reproduce` or `imaml diagnose` wrote");
        }

        using var folder = new ResultFolder(path, option: null);
        foreach (var (file, redraw) in kinds)
        {
            try
            {
                redraw(folder);
            }
            catch (Exception e) when (e is FormatException or OverflowException or JsonException)
            {
                throw new InvalidDataException($"{Path.Combine(path, file)} cannot be drawn: {(e is JsonException json ? RunJson.Describe(json) : e.Message)}", e);
            }
            catch (Exception e) when (e is KeyNotFoundException or InvalidOperationException or (ArgumentException and not ArgumentOutOfRangeException))
            {
                throw new InvalidDataException($"{Path.Combine(path, file)} cannot be drawn: it is damaged; rows, columns or numbers of it are missing", e);
            }
        }
    }
}
