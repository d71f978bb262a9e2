// imaml data: lists the data sets, downloads Omniglot, and checks that it is complete.

using System.CommandLine;
using System.Text.Json;
using Imaml.Nets.Runs;
using Imaml.Nets.Tasks;
using Spectre.Console;

namespace Imaml.Cli.Commands;

internal static class DataCommand
{
    private const string OmniglotName = "omniglot";

    public static Command Create(CancellationToken stop) => new("data", "List the data sets, download Omniglot, check it") { List(), Get(stop), Check() };

    private static Command List()
    {
        var data = SharedOptions.Data();
        var command = new Command("list", "Show the data sets in the data folder") { data };
        command.SetAction(parsed =>
        {
            var table = new Grid().AddColumn().AddColumn();
            table.AddRow("glyphs", "built in, needs no folder");
            foreach (var one in Root(parsed.GetValue(data))?.Find() ?? [])
            {
                table.AddRow(Markup.Escape(one.Name), Markup.Escape(one.Description));
            }

            Terminal.Out.Write(table);
            return ExitCode.Success;
        });
        return command;
    }

    /// <summary>The data folder, or null where neither the command line nor the environment names one.</summary>
    private static DataRoot? Root(string? argument) =>
        argument is null or "" && Environment.GetEnvironmentVariable(DataRoot.Variable) is null or "" ? null : DataRoot.Resolve(argument);

    private static Command Get(CancellationToken stop)
    {
        var name = Name(ArgumentArity.ExactlyOne);
        var data = SharedOptions.Data();
        var url = new Option<string?>("--url") { Description = $"Folder on another server with the archives [default: {OmniglotDownload.Official}]", HelpName = "ADDRESS" };
        url.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: var text }] && Address(text) is null)
            {
                result.AddError($"{url.Name}: {text} is not an address of the form https://server/folder/");
            }
        });
        var command = new Command("get", "Download a data set, or resume its download") { name, data, url };
        command.SetAction(parsed =>
        {
            var root = DataRoot.Resolve(parsed.GetValue(data), mayBeMissing: true);
            var lines = ProgressBar.Run(
                $"downloading {OmniglotName}", progress => OmniglotDownload.RunAsync(root.Folder, Address(parsed.GetValue(url)), progress, stop).GetAwaiter().GetResult());
            foreach (var line in lines)
            {
                Console.Out.WriteLine(line);
            }

            return ExitCode.Success;
        });
        return command;
    }

    private static Uri? Address(string? text) =>
        Uri.TryCreate(text, UriKind.Absolute, out var url) && (url.Scheme == Uri.UriSchemeHttp || url.Scheme == Uri.UriSchemeHttps) ? url : null;

    private static Command Check()
    {
        var name = Name(ArgumentArity.ZeroOrOne);
        var data = SharedOptions.Data();
        var json = new Option<bool>("--json") { Description = "Print JSON instead of text" };
        var command = new Command("check", "Check a data set for missing files, and decode every image") { name, data, json };
        command.SetAction(parsed =>
        {
            var report = OmniglotCheck.Run(DataRoot.Resolve(parsed.GetValue(data)).Folder, decode: true);
            Terminal.Line(parsed.GetValue(json) ? JsonSerializer.Serialize(report, RunJson.Indented) : string.Join(Environment.NewLine, report.Lines()));
            if (report.IsComplete)
            {
                return ExitCode.Success;
            }

            Terminal.Fail($"{string.Join(" and ", report.Parts.Select(part => part.Path))}: {report.Verdict}");
            return ExitCode.Failed;
        });
        return command;
    }

    /// <summary>The data set's name; only one is not built in.</summary>
    private static Argument<string> Name(ArgumentArity arity)
    {
        var name = new Argument<string>("dataset") { Description = OmniglotName, Arity = arity };
        name.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: var text }] && text != OmniglotName)
            {
                result.AddError($"{text} is not a data set with files; the only one is {OmniglotName}");
            }
        });
        return name;
    }
}
