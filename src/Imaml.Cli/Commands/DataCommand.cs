// imaml data: the data sets at hand, fetching Omniglot, and checking a data set: what the check accepts, training accepts.

using System.CommandLine;
using System.Text.Json;
using Imaml.Nets.Runs;
using Imaml.Nets.Storage;
using Imaml.Nets.Tasks;
using Spectre.Console;

namespace Imaml.Cli.Commands;

internal static class DataCommand
{
    private const string OmniglotName = "omniglot";

    public static Command Create(CancellationToken stop) => new("data", "List the data sets, download Omniglot, check a data set") { List(), Get(stop), Check(stop) };

    private static Command List()
    {
        var data = SharedOptions.Data();
        var command = new Command("list", "Show the data sets in the data folder") { data };
        command.SetAction(parsed =>
        {
            TextTable.PrintFacts((Root(parsed.GetValue(data))?.Find() ?? []).Select(one => (one.Name, one.Description)).Prepend(("glyphs", "built in, needs no folder")));
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
                result.AddError($"{url.Name}: {Terminal.WithoutUser(text)} is not an address of the form https://server/folder/");
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
                Terminal.Line(line);
            }

            return ExitCode.Success;
        });
        return command;
    }

    private static Uri? Address(string? text) =>
        Uri.TryCreate(text, UriKind.Absolute, out var url) && (url.Scheme == Uri.UriSchemeHttp || url.Scheme == Uri.UriSchemeHttps) ? url : null;

    private static Command Check(CancellationToken stop)
    {
        var name = new Argument<string>("dataset")
        {
            Description = "omniglot, mini-imagenet, grocery_84, or folder:DIR for a folder or zip archive of images [default: omniglot]",
            Arity = ArgumentArity.ZeroOrOne,
        };
        SharedOptions.Completing(name, OmniglotName, "mini-imagenet", "grocery_84", "folder:");
        name.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: var text }] && text != OmniglotName && !PhotographEpisodes.Names(text))
            {
                result.AddError($"{text} is not a data set with files; there are {OmniglotName}, {PhotographEpisodes.MiniImageNet}, {PhotographEpisodes.Grocery} and {PhotographEpisodes.FolderPrefix}DIR");
            }
        });
        var data = SharedOptions.Data();
        var json = new Option<bool>("--json") { Description = "Print JSON instead of text" };
        var episode = new EpisodeOptions();
        var command = new Command("check", "Read every file of a data set as training does, and say what it holds or what is wrong") { name, data, json };
        episode.AddTo(command);
        command.SetAction(parsed => parsed.GetValue(name) is { } dataset && dataset != OmniglotName
            ? CheckPhotographs(episode.Read(parsed, dataset), parsed.GetValue(data), parsed.GetValue(json), stop)
            : CheckOmniglot(episode.Given(parsed), parsed.GetValue(data), parsed.GetValue(json), stop));
        return command;
    }

    private static int CheckPhotographs(PhotographEpisodes spec, string? data, bool json, CancellationToken stop)
    {
        if (spec.Complaints().ToArray() is { Length: > 0 } complaints)
        {
            throw new ExperimentException([.. complaints.Select(one => one.Field == "dataset" ? one : one with { Field = $"tasks.{one.Field}" })]);
        }

        var report = ProgressBar.Run($"reading {spec.Dataset}", progress => PhotographCheck.Run(spec, data, progress, stop));
        Print(json ? JsonSerializer.Serialize(report, RunJson.Indented) : null, report.Lines());
        return ExitCode.Success;
    }

    // A folder's name may contain line breaks, which Terminal.Line replaces: each item is printed on one line.
    private static void Print(string? json, IEnumerable<string> lines)
    {
        if (json is not null)
        {
            Terminal.Document(json);
            return;
        }

        foreach (var line in lines)
        {
            Terminal.Line(line);
        }
    }

    private static int CheckOmniglot(IReadOnlyList<string> unused, string? data, bool json, CancellationToken stop)
    {
        if (unused.Count > 0)
        {
            throw new ArgumentException($"unused {(unused.Count == 1 ? "option" : "options")}: {string.Join(", ", unused)} (with {OmniglotName})");
        }

        var report = OmniglotCheck.Run(DataRoot.Resolve(data).Folder, decode: true, stop);
        Print(json ? JsonSerializer.Serialize(report, RunJson.Indented) : null, report.Lines());
        if (report.IsComplete)
        {
            return ExitCode.Success;
        }

        Terminal.Fail($"{string.Join(" and ", report.Parts.Select(part => part.Path))}: {report.Verdict}");
        return ExitCode.Failed;
    }

    /// <summary>The data set's name; there is one that can be downloaded.</summary>
    private static Argument<string> Name(ArgumentArity arity)
    {
        var name = new Argument<string>("dataset") { Description = OmniglotName, Arity = arity };
        SharedOptions.Completing(name, OmniglotName);
        name.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: var text }] && text != OmniglotName)
            {
                result.AddError($"{text} is not a data set that can be downloaded; the one that can is {OmniglotName}");
            }
        });
        return name;
    }

    /// <summary>The episodes that a data set of images is checked for, and how it is read.</summary>
    private sealed class EpisodeOptions
    {
        private const int DefaultWays = 5, DefaultShots = 1, DefaultQueries = 15;

        private readonly Option<int> _ways = Number("--ways", "Classes of an episode (N)", DefaultWays), _shots = Number("--shots", "Support images per class (K)", DefaultShots);
        private readonly Option<int> _queries = Number("--queries", "Query images per class (Q)", DefaultQueries), _size = Number("--size", "Rows and columns", PhotographEpisodes.UsualSize);
        private readonly Option<string> _split = new("--split") { Description = "auto, given or seeded, as in training", HelpName = "NAME", DefaultValueFactory = _ => PhotographEpisodes.AutoSplit };
        private readonly Option<int?> _validation = Classes("--validation-classes"), _test = Classes("--test-classes");
        private readonly Option<ImageFit> _fit = SharedOptions.OneOf(new Option<ImageFit>("--fit") { Description = "crop or squeeze", HelpName = "NAME", DefaultValueFactory = _ => ImageFit.Crop }, "crop", "squeeze");
        private readonly Option<int> _channels = Number("--channels", "3 for colour, 1 for grey", 3);
        private readonly Option<bool> _skipDamaged = new("--skip-damaged") { Description = "Skip damaged images and list all of them" };

        private IReadOnlyList<Option> All => [_ways, _shots, _queries, _size, _channels, _fit, _split, _validation, _test, _skipDamaged];

        public void AddTo(Command command)
        {
            foreach (var option in All)
            {
                command.Add(option);
            }
        }

        /// <summary>The options that the command line has.</summary>
        public IReadOnlyList<string> Given(ParseResult parsed) => [.. All.Where(option => parsed.GetResult(option) is { Implicit: false }).Select(option => option.Name)];

        public PhotographEpisodes Read(ParseResult parsed, string dataset) => new(
            dataset,
            parsed.GetValue(_ways),
            parsed.GetValue(_shots),
            parsed.GetValue(_queries),
            parsed.GetValue(_size),
            parsed.GetValue(_channels),
            parsed.GetValue(_fit),
            parsed.GetValue(_split)!,
            parsed.GetValue(_validation),
            parsed.GetValue(_test),
            parsed.GetValue(_skipDamaged));

        private static Option<int> Number(string name, string description, int value) =>
            SharedOptions.AtLeast(new Option<int>(name) { Description = description, HelpName = "n", DefaultValueFactory = _ => value }, 1);

        private static Option<int?> Classes(string name) => SharedOptions.AtLeast(new Option<int?>(name) { Description = "As in training", HelpName = "n" }, 0);
    }
}
