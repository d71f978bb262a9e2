// An experiment from a file, a preset or options, combined: options set fields of the same tree as a file, and override it. The experiment itself
// reports what is missing, unused or wrong; here the fields in these reports are replaced by the names of their options.

using System.CommandLine;
using System.Text.Json.Nodes;
using Imaml.Nets.Runs;
using Imaml.Nets.Storage;
using Imaml.Nets.Tasks;

namespace Imaml.Cli.Commands;

internal sealed class ExperimentOptions
{
    private const string Method = ExperimentField.Method, InnerKind = ExperimentField.InnerKind, Lambda = ExperimentField.Lambda, TasksKind = ExperimentField.TasksKind;

    private const long LongestExperiment = 1L << 20;

    private static readonly Dictionary<string, (string Method, string? Inner)> Algorithms = new()
    {
        ["imaml-gd"] = ("imaml", "gradient-descent"),
        ["imaml-nesterov"] = ("imaml", "nesterov"),
        ["imaml-heavy-ball"] = ("imaml", "heavy-ball"),
        ["imaml-hf"] = ("imaml", "hessian-free"),
        ["imaml-nudged"] = ("nudged", "gradient-descent"),
        ["maml"] = ("maml", "gradient-descent"),
        ["truncated"] = ("truncated", "gradient-descent"),
        ["fomaml"] = ("fomaml", "gradient-descent"),
        ["reptile"] = ("reptile", "gradient-descent"),
        ["meta-sgd"] = ("meta-sgd", "gradient-descent"),
        ["head"] = ("head", null),
    };

    private readonly Argument<string?> _file = new("FILE") { Description = "An experiment as JSON, - for the standard input; options override its fields", Arity = ArgumentArity.ZeroOrOne };
    private readonly Option<string?> _preset = SharedOptions.Completing(
        new Option<string?>("--preset") { Description = "An experiment of the program, see `imaml presets`; options override its fields", HelpName = "NAME" }, [.. ExperimentFile.Presets]);
    private readonly Option<string?> _algorithm = SharedOptions.Completing(
        new Option<string?>("--algorithm") { Description = "imaml-gd, -nesterov, -heavy-ball or -hf (the implicit gradient), imaml-nudged (the same without second derivatives), maml, truncated, fomaml, reptile, meta-sgd, head (the last layer alone is adapted, exactly)", HelpName = "NAME" }, [.. Algorithms.Keys]);
    private readonly Option<bool> _noProximal = new("--no-proximal") { Description = "No proximal term (maml, fomaml, reptile, meta-sgd), as in the papers of their authors" };
    private readonly ExperimentField[] _fields = ExperimentField.All();
    private readonly CancellationToken _stop;

    /// <summary>The options of a command.</summary>
    /// <param name="stop">Ends the wait for an experiment on the standard input.</param>
    public ExperimentOptions(CancellationToken stop = default) => _stop = stop;

    /// <summary>The option that stands for a field, or the field where there is none.</summary>
    public static string NameOf(string field) => new ExperimentOptions()._fields.FirstOrDefault(one => one.Path == field)?.Option.Name ?? field;

    /// <summary>Adds the argument and the options to a command.</summary>
    public void AddTo(Command command)
    {
        command.Add(_file);
        foreach (var option in (Option[])[_preset, _algorithm, _noProximal, .. _fields.Select(field => field.Option)])
        {
            command.Add(option);
        }
    }

    /// <summary>The file that a command line names, or null.</summary>
    public string? File(ParseResult parsed) => parsed.GetValue(_file) is { } file and not StandardInput.Name ? file : null;

    /// <summary>The experiment that a command line describes.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="others">Other options that are needed; the missing ones are reported together with the experiment's.</param>
    /// <exception cref="ArgumentException">One line with all that is missing, unused or wrong.</exception>
    public Experiment Read(ParseResult parsed, params Option[] others)
    {
        var (tree, origin) = Base(parsed);
        var original = (JsonObject)tree.DeepClone();
        var given = new Dictionary<string, string>();
        List<string> wrong = [];
        var kindsChanged = false;
        void Give(string path, JsonNode? value, string option)
        {
            kindsChanged |= path.EndsWith(".kind", StringComparison.Ordinal) && tree.Kind(path) != value?.GetValue<string>();
            tree.Set(path, value);
            given[path] = option;
        }

        var before = tree.Kind(Method);
        if (parsed.GetValue(_algorithm)?.ToLowerInvariant() is { } name)
        {
            if (Algorithms.TryGetValue(name, out var kinds))
            {
                Give(Method, kinds.Method, _algorithm.Name);
                // The same algorithm keeps the inner solver of the preset or file, where it has a choice.
                if (kinds.Inner is { } inner && !(kinds.Method == before && before is "fomaml" or "reptile" && tree.Kind(InnerKind) is not null))
                {
                    Give(InnerKind, inner, _algorithm.Name);
                }
            }
            else
            {
                wrong.Add($"{_algorithm.Name} {name} is not known; this version has {string.Join(", ", Algorithms.Keys)}");
            }
        }

        foreach (var field in _fields.Where(field => parsed.GetResult(field.Option) is { Implicit: false }))
        {
            Give(field.Path, field.Value(parsed), field.Option.Name);
        }

        // The other algorithms are named after their inner solvers.
        if (given.TryGetValue(InnerKind, out var solver) && solver != _algorithm.Name && tree.Kind(Method) is { } of and not ("fomaml" or "reptile"))
        {
            wrong.Add($"{solver} is for fomaml and reptile, not {parsed.GetValue(_algorithm)?.ToLowerInvariant() ?? of}");
        }

        if (given.TryGetValue("tasks.dataset", out var dataset) && tree.Kind(TasksKind) is null or ExperimentField.Images or ExperimentField.Photographs
            && (PhotographEpisodes.Names(tree.Kind("tasks.dataset")) ? ExperimentField.Photographs : ExperimentField.Images) is var kind && kind != tree.Kind(TasksKind))
        {
            // Another kind of data set has another division.
            foreach (var field in ((string[])["split", "validationClasses", "testClasses"]).Where(field => !given.ContainsKey($"tasks.{field}")))
            {
                (tree["tasks"] as JsonObject)?.Remove(field);
            }

            Give(TasksKind, kind, dataset);
        }

        if (parsed.GetValue(_noProximal))
        {
            if (given.ContainsKey(Lambda))
            {
                wrong.Add($"{given[Lambda]} and {_noProximal.Name} contradict each other; give one");
            }
            else
            {
                Give(Lambda, null, _noProximal.Name);
            }
        }

        SetDefaults(tree, given.Keys);
        if (kindsChanged && origin is not null)
        {
            Prune(tree, given.Keys);
        }

        IReadOnlyList<Complaint> complaints = [];
        var missing = others.Where(option => parsed.GetResult(option) is null or { Implicit: true }).Select(option => option.Name).ToArray();
        try
        {
            var experiment = ExperimentFile.Of(tree);
            if (wrong.Count == 0 && missing.Length == 0)
            {
                var rooted = experiment.Tasks is PhotographEpisodes photographs ? experiment with { Tasks = photographs.Rooted() } : experiment;
                // The note of a preset or file is about its own values.
                string[] changed = [.. given.Where(one => one.Key != "seed" && !JsonNode.DeepEquals(original.Find(one.Key), tree.Find(one.Key))).Select(one => one.Value).Distinct()];
                return rooted.Note is null || changed is [] ? rooted : rooted with { Note = $"{origin} with other values of {string.Join(", ", changed)}" };
            }
        }
        catch (ExperimentException e)
        {
            complaints = e.Complaints;
        }

        throw new ArgumentException(Translate(complaints, given, wrong, missing, parsed.GetValue(_algorithm)?.ToLowerInvariant() ?? tree.Kind(Method), tree, origin));
    }

    /// <summary>The text of an experiment's file.</summary>
    /// <exception cref="NamedPathException">There is none.</exception>
    public static string TextOf(string file, CancellationToken stop)
    {
        try
        {
            return Text(StandardInput.ReadFile(file, LongestExperiment, stop));
        }
        catch (NamedPathException e)
        {
            throw new NamedPathException($"{e.Message}; name an experiment as JSON");
        }
    }

    // Without the mark that a text may begin with.
    private static string Text(byte[] bytes)
    {
        using var reader = new StreamReader(new MemoryStream(bytes));
        return reader.ReadToEnd();
    }

    private (JsonObject Tree, string? Origin) Base(ParseResult parsed)
    {
        var (file, preset) = (parsed.GetValue(_file), parsed.GetValue(_preset));
        if (file is not null && preset is not null)
        {
            throw new ArgumentException($"{file} and {_preset.Name} {preset} are two experiments; give one");
        }

        if ((file ?? preset) is not { } origin)
        {
            return ([], null);
        }

        var text = file switch
        {
            null => ExperimentFile.PresetText(origin),
            StandardInput.Name => Text(StandardInput.Read(LongestExperiment, _stop)),
            _ => TextOf(file, _stop),
        };
        var tree = ExperimentFile.Tree(text, origin);
        return ExperimentFile.Complaints(tree) is { Count: > 0 } complaints ? throw new ExperimentException(complaints, origin) : (tree, origin);
    }

    private void SetDefaults(JsonObject tree, IReadOnlyCollection<string> given)
    {
        tree.SetIfMissing(TasksKind, ExperimentField.Images);
        if (tree.Kind(Method) is null)
        {
            tree["method"] ??= new JsonObject();
        }

        foreach (var field in _fields)
        {
            tree.SetIfMissing(field.Path, field.Default(tree));
        }

        // Without validation classes, also where the file asks for validations.
        if (ExperimentField.HasNoValidation(tree) && !given.Contains(ExperimentField.ValidateEvery))
        {
            tree.Set(ExperimentField.ValidateEvery, 0);
        }
    }

    // Fields of the file that the parts chosen by options do not have.
    private static void Prune(JsonObject tree, IReadOnlyCollection<string> given)
    {
        foreach (var unknown in ExperimentFile.Complaints(tree).Where(one => one.Kind == ComplaintKind.Unknown).Select(one => one.Field))
        {
            if (!given.Any(path => ExperimentTree.Within(path, unknown)))
            {
                var at = unknown.LastIndexOf('.');
                ((JsonObject)tree.Find(unknown[..at])!).Remove(unknown[(at + 1)..]);
            }
        }
    }

    private string Translate(IReadOnlyList<Complaint> complaints, Dictionary<string, string> given, List<string> wrong, string[] alsoMissing, string? algorithm, JsonObject tree, string? origin)
    {
        // What has a field, or lacks it.
        string? Owner(string path) => path.StartsWith("outer.", StringComparison.Ordinal) ? tree.Kind(ExperimentField.OuterKind) : path.StartsWith("tasks.", StringComparison.Ordinal) ? tree.Kind("tasks.dataset") ?? "no data set" : algorithm;

        string? Option(string path) => given.GetValueOrDefault(path)
            ?? (origin is not null ? null : path == Method ? _algorithm.Name : _fields.FirstOrDefault(field => field.Path == path)?.Option.Name);
        var missing = new List<string>();
        var unused = new List<(string Option, string? By)>();
        var invalid = new List<string>(wrong);
        foreach (var complaint in complaints)
        {
            switch (complaint.Kind)
            {
                case ComplaintKind.Missing when complaint.Rule != "is missing" && complaint.Field != Method && Option(complaint.Field) is { } option:
                    invalid.Add($"{option} {complaint.Rule}");
                    break;
                case ComplaintKind.Missing when _fields.FirstOrDefault(field => field.Path == complaint.Field)?.Option.Name is { } option:
                    missing.Add(
                        complaint.Field == Lambda && algorithm is "maml" or "fomaml" or "reptile" or "meta-sgd" ? $"{option} (or {_noProximal.Name})"
                        : complaint.Field.StartsWith("outer.", StringComparison.Ordinal) ? $"{option} (for {Owner(complaint.Field)})" : option);
                    if (given.GetValueOrDefault(complaint.Field) is { } instead)
                    {
                        unused.Add((instead, algorithm));
                    }

                    break;
                case ComplaintKind.Missing when complaint.Field == Method:
                    if (wrong.Count == 0)
                    {
                        missing.Add(_algorithm.Name);
                    }

                    break;
                case ComplaintKind.Unknown when given.Keys.Where(path => ExperimentTree.Within(path, complaint.Field)).ToArray() is { Length: > 0 } paths:
                    unused.AddRange(paths.Select(path => (given[path], Owner(path))));
                    break;
                default:
                    invalid.Add(Option(complaint.Field) is { } known ? $"{known} {complaint.Rule}" : $"{(origin is null ? "" : $"{origin}: ")}{complaint}");
                    break;
            }
        }

        var ofAlgorithm = missing.Count > 0 && algorithm is not null;
        missing.AddRange(alsoMissing);
        return string.Join("; ", (string[])
        [
            .. missing.Count > 0 ? [$"missing {(missing.Count == 1 ? "option" : "options")}: {string.Join(", ", missing)}{(ofAlgorithm ? $" (for {algorithm})" : "")}"] : Array.Empty<string>(),
            .. unused.GroupBy(one => one.By, one => one.Option).Select(group => $"unused {(group.Count() == 1 ? "option" : "options")}: {string.Join(", ", group)} (with {group.Key})"),
            .. invalid,
        ]);
    }
}
