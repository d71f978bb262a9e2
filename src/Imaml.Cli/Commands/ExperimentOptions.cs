// An experiment from a file, a preset or options, in any mixture: options are fields of the same tree that a file holds, and override it. What is
// missing, unused or wrong is the experiment's to say; here its fields get the names of the options that stand for them.

using System.CommandLine;
using System.Text.Json.Nodes;
using Imaml.Nets.Methods;
using Imaml.Nets.Models;
using Imaml.Nets.Runs;
using Imaml.Nets.Storage;
using Imaml.Nets.Tasks;

namespace Imaml.Cli.Commands;

internal sealed class ExperimentOptions
{
    private const string Method = "method.kind", InnerKind = "method.inner.kind", AdjointKind = "method.adjoint.kind", OuterKind = "outer.kind", Lambda = "method.lambda";

    // What the paper leaves open, declared here, printed by --help and written into every result file.
    private const int DefaultQueries = 5, DefaultFilters = StridedConvolutions.OmniglotFilters, DefaultValidateEvery = 250, DefaultValidationEpisodes = 200, DefaultCheckpointEvery = 100;
    private const double DefaultOuterRate = 1e-3;

    private static readonly Dictionary<string, (string Method, string Inner)> Algorithms = new()
    {
        ["imaml-gd"] = ("imaml", "gradient-descent"),
        ["imaml-nesterov"] = ("imaml", "nesterov"),
        ["imaml-heavy-ball"] = ("imaml", "heavy-ball"),
        ["imaml-hf"] = ("imaml", "hessian-free"),
        ["maml"] = ("maml", "gradient-descent"),
        ["truncated"] = ("truncated", "gradient-descent"),
        ["fomaml"] = ("fomaml", "gradient-descent"),
        ["reptile"] = ("reptile", "gradient-descent"),
        ["meta-sgd"] = ("meta-sgd", "gradient-descent"),
    };

    private readonly Argument<string?> _file = new("FILE") { Description = "An experiment as JSON, in place of options; options override its fields", Arity = ArgumentArity.ZeroOrOne };
    private readonly Option<string?> _preset = new("--preset") { Description = "An experiment that comes with the program, see `imaml presets`; options override its fields", HelpName = "NAME" };
    private readonly Option<string?> _algorithm = new("--algorithm") { Description = "imaml-gd, -nesterov, -heavy-ball or -hf (the implicit gradient), maml, truncated, fomaml, reptile, meta-sgd", HelpName = "NAME" };
    private readonly Option<bool> _noProximal = new("--no-proximal") { Description = "No proximal term (maml, fomaml, reptile, meta-sgd), as their authors have it" };
    private readonly Field[] _fields =
    [
        Word("--dataset", "tasks.dataset", "omniglot, or glyphs (built in)", "NAME"),
        Word("--split", "tasks.split", $"Division of the classes: seeded, or (omniglot) vinyals [default: {ImageEpisodes.SeededSplit}]", "NAME"),
        Whole("--validation-classes", "tasks.validationClasses", "Training characters set aside to choose options by [default: 100; 172 for vinyals]", "n"),
        Whole("--ways", "tasks.ways", "Classes of an episode (N)", "N"),
        Whole("--shots", "tasks.shots", "Support images per class (K)", "K"),
        Whole("--queries", "tasks.queries", $"Query images per class (Q) [default: {DefaultQueries}]", "Q"),
        Whole("--filters", "network.filters", $"Filters of each convolution [default: {DefaultFilters}]", "n"),
        OneOf("--activation", "network.activation", "rectifier, or softplus: without kinks [default: rectifier]", "NAME", "rectifier", "softplus"),
        Whole("--inner-steps", "method.inner.steps", "Steps of the inner solver (paper, Omniglot 5-way: 16)", "n"),
        Number("--inner-step-size", "method.inner.stepSize", "Inner step; the first one for meta-sgd [default: imaml-gd, fomaml and reptile follow the curvature that each task measures]", "α"),
        Number("--momentum", "method.inner.momentum", "What a step keeps of the one before it (imaml-nesterov, imaml-heavy-ball)", "b"),
        Whole("--direction-steps", "method.inner.directionSteps", $"Conjugate-gradient steps of a Newton direction (imaml-hf) [default: the paper's {Inner.HessianFree.PaperDirectionSteps}]", "n"),
        Number("--lambda", Lambda, "Proximal regularisation λ (paper, Omniglot: 2)", "λ"),
        Whole("--cg-steps", "method.adjoint.steps", $"Steps of the meta-gradient's linear solve (imaml-*; paper: {Adjoint.PaperSteps})", "n"),
        OneOf("--linear-solver", AdjointKind, "cg, pcg (a diagonal estimated by --probes), minres, or neumann (with --neumann-step) (imaml-*) [default: cg, the paper's]", "NAME", "cg", "pcg", "minres", "neumann"),
        Whole("--probes", "method.adjoint.probes", "Products that estimate the diagonal of the Hessian (pcg)", "n"),
        Number("--neumann-step", "method.adjoint.stepSize", "Step of the Neumann series, below 2/(h_max + λ) (neumann)", "α"),
        Number("--delta", "method.delta", "Inner accuracy δ at which a task is done, taking λ for G's convexity; --inner-steps is then the upper limit (imaml-*)", "δ"),
        Number("--delta-prime", "method.deltaPrime", "Accuracy δ′ at which a linear solve is done, likewise; --cg-steps is then the upper limit (imaml-*)", "δ′"),
        OneOf("--on-negative-curvature", "method.remedy", "truncate, raise-lambda, minres, or gauss-newton (imaml-*) [default: truncate]", "NAME", "truncate", "raise-lambda", "minres", "gauss-newton"),
        OneOf("--learn-lambda", "method.learnedLambda.per", "Learn λ beside θ, from --lambda on: one, one for each layer, or one for each parameter (imaml-*)", "one|layer|parameter", "one", "layer", "parameter"),
        Number("--lambda-rate", "method.learnedLambda.rate", "Adam's step size for log λ (--learn-lambda)", "η"),
        Whole("--truncate", "method.last", "Inner steps that are differentiated, the last ones (truncated)", "K"),
        Flag("--recompute", "method.recompute", "Keep about 2√n inner iterates and compute the others again (maml, meta-sgd): less memory, more time, the same numbers"),
        OneOf("--step-sizes", "method.per", "One for each layer or parameter (meta-sgd) [default: parameter, as its authors have it]", "layer|parameter", "layer", "parameter"),
        Number("--step-size-rate", "method.rate", "Adam's step size for learned step sizes (meta-sgd) [default: --outer-rate, as its authors have it]", "η"),
        OneOf("--outer-optimizer", OuterKind, "adam, gradient-descent, or lbfgs [default: adam, the paper's]", "NAME", "adam", "gradient-descent", "lbfgs"),
        Number("--outer-rate", "outer.rate", $"The outer optimiser's step size [default: {DefaultOuterRate}]", "η"),
        OneOf("--outer-schedule", "outer.schedule", "constant, or cosine: to zero over the run [default: cosine]", "NAME", "constant", "cosine"),
        Whole("--outer-memory", "outer.memory", "Pairs that L-BFGS keeps (--outer-optimizer lbfgs)", "n"),
        Whole("--meta-steps", "budget.metaSteps", "Outer steps; more than before continue a finished run of a constant schedule", "T"),
        Whole("--meta-batch", "budget.metaBatch", "Tasks of one outer step", "B"),
        Whole("--validate-every", "budget.validateEvery", $"Meta-steps between validations; 0 for none [default: {DefaultValidateEvery}, or 0 without validation classes]", "n"),
        Whole("--validation-episodes", "budget.validationEpisodes", $"Episodes of one validation [default: {DefaultValidationEpisodes}]", "n"),
        Whole("--checkpoint-every", "budget.checkpointEvery", $"Meta-steps between checkpoints [default: {DefaultCheckpointEvery}]", "n"),
        Whole("--keep-every", "budget.keepEvery", "Meta-steps between checkpoints that are kept besides the last one, for `imaml diagnose` [default: none]", "n"),
        Seed(),
    ];

    /// <summary>The option that stands for a field, or the field where there is none.</summary>
    public static string NameOf(string field) => new ExperimentOptions()._fields.FirstOrDefault(one => one.Path == field)?.Option.Name ?? field;

    /// <summary>Adds the argument and the options to a command.</summary>
    public void AddTo(Command command)
    {
        _file.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: var text }] && text.StartsWith("--", StringComparison.Ordinal))
            {
                result.AddError($"unknown option {text}");
            }
        });
        command.Add(_file);
        foreach (var option in (Option[])[_preset, _algorithm, _noProximal, .. _fields.Select(field => field.Option)])
        {
            command.Add(option);
        }
    }

    /// <summary>The experiment that a command line describes.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="others">Options that are needed besides; the missing ones are reported together with the experiment's.</param>
    /// <exception cref="ArgumentException">One line with all that is missing, unused or wrong.</exception>
    public Experiment Read(ParseResult parsed, params Option[] others)
    {
        var (tree, origin) = Base(parsed);
        var given = new Dictionary<string, string>();
        List<string> wrong = [];
        var kindsChanged = false;
        void Give(string path, JsonNode? value, string option)
        {
            kindsChanged |= path.EndsWith(".kind", StringComparison.Ordinal) && Find(tree, path)?.GetValue<string>() != value?.GetValue<string>();
            Set(tree, path, value);
            given[path] = option;
        }

        if (parsed.GetValue(_algorithm) is { } name)
        {
            if (Algorithms.TryGetValue(name, out var kinds))
            {
                Give(Method, kinds.Method, _algorithm.Name);
                Give(InnerKind, kinds.Inner, _algorithm.Name);
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

        if (parsed.GetValue(_noProximal))
        {
            if (given.ContainsKey(Lambda))
            {
                wrong.Add($"{given[Lambda]} and {_noProximal.Name} contradict each other; give one");
            }

            Give(Lambda, null, _noProximal.Name);
        }

        SetDefaults(tree, given);
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
                return experiment;
            }
        }
        catch (ExperimentException e)
        {
            complaints = e.Complaints;
        }

        throw new ArgumentException(Translate(complaints, given, wrong, missing, parsed.GetValue(_algorithm) ?? Find(tree, Method)?.GetValue<string>(), origin));
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

        var tree = ExperimentFile.Tree(file is null ? ExperimentFile.PresetText(origin) : File.ReadAllText(file), origin);
        return ExperimentFile.Complaints(tree) is { Count: > 0 } complaints ? throw new ExperimentException(complaints, origin) : (tree, origin);
    }

    private const string Images = "images", Strided = "conv4-strided";

    private static void SetDefaults(JsonObject tree, Dictionary<string, string> given)
    {
        bool IsKind(string path, string kind) => Find(tree, path)?.GetValue<string>() == kind;
        void Default(string path, JsonNode value)
        {
            if (Find(tree, path) is null)
            {
                Set(tree, path, value);
            }
        }

        // A file's own tasks and network have no other fields.
        Default("tasks.kind", Images);
        if (IsKind("tasks.kind", Images))
        {
            Default("tasks.split", ImageEpisodes.SeededSplit);
            Default("tasks.validationClasses", ImageEpisodes.DefaultValidationClasses(Find(tree, "tasks.split")?.GetValue<string>()));
            Default("tasks.queries", DefaultQueries);
        }

        Default("network.kind", Strided);
        if (IsKind("network.kind", Strided))
        {
            Default("network.filters", DefaultFilters);
        }

        Default("outer.kind", "adam");
        Default("outer.rate", DefaultOuterRate);
        if (Find(tree, OuterKind)!.GetValue<string>() != "lbfgs")
        {
            Default("outer.schedule", "cosine");
        }

        var method = Find(tree, Method)?.GetValue<string>();
        if (method is null)
        {
            tree["method"] ??= new JsonObject();
        }
        else if (method == "imaml")
        {
            Default(AdjointKind, "cg");
        }

        if (Find(tree, InnerKind)?.GetValue<string>() == "hessian-free")
        {
            Default("method.inner.directionSteps", Inner.HessianFree.PaperDirectionSteps);
        }

        var noValidation = Find(tree, "tasks.validationClasses")?.GetValue<int>() == 0;
        if (noValidation && !given.ContainsKey("budget.validateEvery"))
        {
            Set(tree, "budget.validateEvery", 0);
        }

        Default("budget.validateEvery", DefaultValidateEvery);
        Default("budget.validationEpisodes", DefaultValidationEpisodes);
        Default("budget.checkpointEvery", DefaultCheckpointEvery);
    }

    // Fields of the file that the parts chosen by options do not have.
    private static void Prune(JsonObject tree, IReadOnlyCollection<string> given)
    {
        foreach (var unknown in ExperimentFile.Complaints(tree).Where(one => one.Kind == ComplaintKind.Unknown).Select(one => one.Field))
        {
            if (!given.Any(path => Within(path, unknown)))
            {
                var at = unknown.LastIndexOf('.');
                ((JsonObject)Find(tree, unknown[..at])!).Remove(unknown[(at + 1)..]);
            }
        }
    }

    private string Translate(IReadOnlyList<Complaint> complaints, Dictionary<string, string> given, List<string> wrong, string[] alsoMissing, string? algorithm, string? origin)
    {
        string? Option(string path) => given.GetValueOrDefault(path)
            ?? (origin is not null ? null : path == Method ? _algorithm.Name : _fields.FirstOrDefault(field => field.Path == path)?.Option.Name);
        var missing = new List<string>();
        var unused = new List<string>();
        var invalid = new List<string>(wrong);
        foreach (var complaint in complaints)
        {
            switch (complaint.Kind)
            {
                case ComplaintKind.Missing when complaint.Rule != "is missing" && complaint.Field != Method && Option(complaint.Field) is { } option:
                    invalid.Add($"{option} {complaint.Rule}");
                    break;
                case ComplaintKind.Missing when _fields.FirstOrDefault(field => field.Path == complaint.Field)?.Option.Name is { } option:
                    missing.Add(complaint.Field == Lambda && algorithm is "maml" or "fomaml" or "reptile" or "meta-sgd" ? $"{option} (or {_noProximal.Name})" : option);
                    if (given.GetValueOrDefault(complaint.Field) is { } instead)
                    {
                        unused.Add(instead);
                    }

                    break;
                case ComplaintKind.Missing when complaint.Field == Method:
                    if (wrong.Count == 0)
                    {
                        missing.Add(_algorithm.Name);
                    }

                    break;
                case ComplaintKind.Unknown when given.Keys.Where(path => Within(path, complaint.Field)).ToArray() is { Length: > 0 } paths:
                    unused.AddRange(paths.Select(path => given[path]));
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
            .. unused.Count > 0 ? [$"unused {(unused.Count == 1 ? "option" : "options")}: {string.Join(", ", unused)} (with {algorithm})"] : Array.Empty<string>(),
            .. invalid,
        ]);
    }

    private static bool Within(string path, string part) => path == part || path.StartsWith(part + ".", StringComparison.Ordinal);

    private static JsonNode? Find(JsonObject tree, string path) =>
        path.Split('.').Aggregate((JsonNode?)tree, (node, name) => node is JsonObject one && one.TryGetPropertyValue(name, out var value) ? value : null);

    private static void Set(JsonObject tree, string path, JsonNode? value)
    {
        var names = path.Split('.');
        var node = tree;
        foreach (var name in names[..^1])
        {
            if (node[name] is not JsonObject next)
            {
                node[name] = next = [];
            }

            node = next;
        }

        node[names[^1]] = value;
    }

    /// <summary>An option, the field that it stands for, and its value.</summary>
    private sealed record Field(Option Option, string Path, Func<ParseResult, JsonNode?> Value);

    private static Field Whole(string name, string path, string description, string placeholder)
    {
        var option = new Option<int?>(name) { Description = description, HelpName = placeholder };
        return new Field(option, path, parsed => JsonValue.Create(parsed.GetValue(option)));
    }

    private static Field Seed()
    {
        var option = new Option<ulong?>("--seed") { Description = "Seed of initial parameters and episodes", HelpName = "S" };
        return new Field(option, "seed", parsed => JsonValue.Create(parsed.GetValue(option)));
    }

    private static Field Number(string name, string path, string description, string placeholder)
    {
        var option = SharedOptions.Decimal(new Option<double?>(name) { Description = description, HelpName = placeholder });
        return new Field(option, path, parsed => parsed.GetValue(option) is { } value ? double.IsFinite(value) ? JsonValue.Create(value) : JsonValue.Create(value.ToString(System.Globalization.CultureInfo.InvariantCulture)) : null);
    }

    private static Field Word(string name, string path, string description, string placeholder)
    {
        var option = new Option<string?>(name) { Description = description, HelpName = placeholder };
        return new Field(option, path, parsed => JsonValue.Create(parsed.GetValue(option)));
    }

    private static Field OneOf(string name, string path, string description, string placeholder, params string[] words)
    {
        var option = SharedOptions.OneOf(new Option<string?>(name) { Description = description, HelpName = placeholder }, words);
        return new Field(option, path, parsed => JsonValue.Create(parsed.GetValue(option)!.ToLowerInvariant()));
    }

    private static Field Flag(string name, string path, string description)
    {
        var option = new Option<bool>(name) { Description = description };
        return new Field(option, path, parsed => JsonValue.Create(parsed.GetValue(option)));
    }
}
