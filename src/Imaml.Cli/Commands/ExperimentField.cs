// The fields of an experiment that have an option: the option's name, the field's path in the file, and its default. Where the paper gives no value,
// the default is here; --help prints it, and every result file contains it.

using System.CommandLine;
using System.CommandLine.Parsing;
using System.Text.Json.Nodes;
using Imaml.Nets.Methods;
using Imaml.Nets.Models;
using Imaml.Nets.Tasks;

namespace Imaml.Cli.Commands;

/// <summary>An option and the field of an experiment that it sets.</summary>
/// <param name="Option">The option.</param>
/// <param name="Path">The field, as in <c>method.inner.steps</c>.</param>
/// <param name="Value">The option's value as JSON.</param>
internal sealed record ExperimentField(Option Option, string Path, Func<ParseResult, JsonNode?> Value)
{
    /// <summary>Fields whose values decide which others there are.</summary>
    public const string TasksKind = "tasks.kind", Method = "method.kind", InnerKind = "method.inner.kind", Lambda = "method.lambda", ValidateEvery = "budget.validateEvery", OuterKind = "outer.kind";

    /// <summary>The tasks and the network that options describe.</summary>
    public const string Images = "images", Photographs = "photographs", Strided = "conv4-strided", Pooled = "conv4-pooled";

    private const string NetworkKind = "network.kind", AdjointKind = "method.adjoint.kind";
    private const int DefaultQueries = 5, DefaultPhotographQueries = 15, DefaultValidateEvery = 250, DefaultValidationEpisodes = 200, DefaultCheckpointEvery = 100;
    private const double DefaultOuterRate = 1e-3;

    /// <summary>The value of a field that is not given, as the experiment is so far; null for none.</summary>
    public Func<JsonObject, JsonNode?> Default { get; private init; } = _ => null;

    /// <summary>All of them. A default may depend on the fields before it.</summary>
    public static ExperimentField[] All() =>
    [
        Word("--dataset", "tasks.dataset", "omniglot, glyphs (built in), mini-imagenet, grocery_84, or folder:DIR for a folder or zip archive of images", "NAME", ImageEpisodes.Omniglot, ImageEpisodes.Glyphs, "mini-imagenet", "grocery_84", "folder:"),
        Word("--split", "tasks.split", "Division of the classes: seeded, or (omniglot) vinyals, or (photographs) given: by folders or csv files [default: seeded; for photographs auto: given where there is a division, else seeded]", "NAME", "seeded", "vinyals", "given", "auto") with { Default = When(TasksKind, Images, ImageEpisodes.SeededSplit) },
        Whole("--validation-classes", "tasks.validationClasses", "Training classes reserved for validation [default: 100; 172 for vinyals; for photographs 16 %, or the given ones]", "n", least: 0) with { Default = tree => tree.Kind(TasksKind) == Images ? ImageEpisodes.DefaultValidationClasses(tree.Kind("tasks.split")) : null },
        Whole("--test-classes", "tasks.testClasses", "Classes reserved for tests by a seeded division of photographs [default: 20 %]", "n"),
        Whole("--size", "tasks.size", $"Rows and columns of the images (photographs) [default: {PhotographEpisodes.UsualSize}]", "n"),
        Whole("--channels", "tasks.channels", "3 for colour, 1 for grey (photographs) [default: 3]", "n"),
        OneOf("--fit", "tasks.fit", "How a photograph becomes a square: crop (its middle) or squeeze [default: crop]", "NAME", "crop", "squeeze"),
        Flag("--skip-damaged", "tasks.skipDamaged", "Skip damaged photographs and list them"),
        Whole("--ways", "tasks.ways", "Classes of an episode (N)", "N", least: 2),
        Whole("--shots", "tasks.shots", "Support images per class (K)", "K"),
        Whole("--training-shots", "tasks.trainingShots", "Support images per class of the training episodes [default: --shots]", "K"),
        Whole("--queries", "tasks.queries", $"Query images per class (Q) [default: {DefaultQueries}; {DefaultPhotographQueries} for photographs]", "Q") with { Default = tree => tree.Kind(TasksKind) switch { Images => DefaultQueries, Photographs => DefaultPhotographQueries, _ => null } },
        OneOf("--network", NetworkKind, $"{Strided}, or {Pooled} (mini-ImageNet's) [default: {Strided}]", "NAME", Strided, Pooled) with { Default = _ => Strided },
        Whole("--filters", "network.filters", $"Filters of each convolution [default: {StridedConvolutions.OmniglotFilters}; {PooledConvolutions.MiniImageNetFilters} for {Pooled}]", "n") with { Default = tree => tree.Kind(NetworkKind) switch { Strided => StridedConvolutions.OmniglotFilters, Pooled => PooledConvolutions.MiniImageNetFilters, _ => null } },
        OneOf("--batch-norm", "network.batchNorm", "transductive: query images are normalised by their own statistics; or inductive: by those of the support images [default: transductive]", "MODE", "transductive", "inductive"),
        OneOf("--activation", "network.activation", "rectifier, or softplus: without kinks [default: rectifier]", "NAME", "rectifier", "softplus"),
        OneOf("--inner-solver", InnerKind, "gradient-descent, or adam: without momentum (fomaml, reptile) [default: gradient-descent]", "NAME", "gradient-descent", "adam"),
        Whole("--inner-batch", "method.inner.batch", "Support images of an inner step, in turns (adam) [default: all of them]", "n"),
        Whole("--inner-steps", "method.inner.steps", "Steps of the inner solver (paper, Omniglot 5-way: 16)", "n"),
        Whole("--evaluation-steps", "method.evaluationSteps", "Inner steps when it is evaluated (reptile) [default: --inner-steps]", "n"),
        Flag("--keep-moments", "method.keepMoments", "Keep Adam's second moments from meta-step to meta-step, as its authors do from task to task (reptile)"),
        Number("--inner-step-size", "method.inner.stepSize", "Inner step size; the initial one for meta-sgd [default: imaml-gd, fomaml and reptile follow the measured curvature of each task]", "α"),
        Number("--momentum", "method.inner.momentum", "Momentum of the inner solver (imaml-nesterov, imaml-heavy-ball)", "b"),
        Whole("--direction-steps", "method.inner.directionSteps", $"Conjugate-gradient steps of a Newton direction (imaml-hf) [default: the paper's {Inner.HessianFree.PaperDirectionSteps}]", "n") with { Default = When(InnerKind, "hessian-free", Inner.HessianFree.PaperDirectionSteps) },
        OneOf("--direction-matrix", "method.inner.matrix", "hessian, or gauss-newton: positive definite (imaml-hf) [default: hessian]", "NAME", "hessian", "gauss-newton"),
        Number("--lambda", Lambda, "Proximal regularisation λ (paper, Omniglot: 2)", "λ"),
        Whole("--cg-steps", "method.adjoint.steps", $"Steps of the meta-gradient's linear solve (imaml-*; paper: {Adjoint.PaperSteps})", "n"),
        OneOf("--linear-solver", AdjointKind, "cg, pcg (a diagonal estimated by --probes), minres, or neumann (with --neumann-step) (imaml-*) [default: cg, the paper's]", "NAME", "cg", "pcg", "minres", "neumann") with { Default = When(Method, "imaml", "cg") },
        Whole("--probes", "method.adjoint.probes", "Products that estimate the diagonal of the Hessian (pcg)", "n"),
        Number("--neumann-step", "method.adjoint.stepSize", "Step of the Neumann series, below 2/(h_max + λ) (neumann)", "α"),
        Number("--delta", "method.delta", "Inner accuracy δ at which a task stops, with λ as G's strong convexity; --inner-steps is then the upper limit (imaml-*)", "δ"),
        Number("--delta-prime", "method.deltaPrime", "Accuracy δ′ at which a linear solve stops, likewise; --cg-steps is then the upper limit (imaml-*)", "δ′"),
        OneOf("--on-negative-curvature", "method.remedy", "truncate, raise-lambda, minres, or gauss-newton (imaml-*) [default: truncate]", "NAME", "truncate", "raise-lambda", "minres", "gauss-newton"),
        OneOf("--learn-lambda", "method.learnedLambda.per", "Learn λ together with θ, starting at --lambda: one, one for each layer, or one for each parameter (imaml-*; head: one)", "one|layer|parameter", "one", "layer", "parameter"),
        Number("--lambda-rate", "method.learnedLambda.rate", "Adam's step size for log λ (--learn-lambda)", "η"),
        Number("--nudge", "method.nudge", "Share β of the query loss in the nudged inner problems (imaml-nudged)", "β"),
        OneOf("--difference", "method.difference", "one-sided, symmetric, or four-point (imaml-nudged) [default: symmetric]", "NAME", "one-sided", "symmetric", "four-point"),
        OneOf("--head-loss", "method.loss", "Loss that the head is adapted by: cross-entropy, or squares (a ridge head) (head) [default: cross-entropy]", "NAME", "cross-entropy", "squares"),
        Number("--accuracy", "method.accuracy", "Certified bound on the relative error of the meta-gradient in the features that the solves go on to (head) [default: solves to the features' rounding]", "ε"),
        Flag("--learn-start", "method.learnStart", "Learn the head's start W₀; otherwise it is 0 (head)"),
        Whole("--truncate", "method.last", "Number of last inner steps that are differentiated (truncated)", "K"),
        Flag("--recompute", "method.recompute", "Keep about 2√n inner iterates and recompute the others (maml, meta-sgd): less memory, more time, the same numbers"),
        OneOf("--step-sizes", "method.per", "One for each layer or parameter (meta-sgd) [default: parameter, as in its paper]", "layer|parameter", "layer", "parameter"),
        Number("--step-size-rate", "method.rate", "Adam's step size for learned step sizes (meta-sgd) [default: --outer-rate, as in its paper]", "η"),
        OneOf("--outer-optimizer", OuterKind, "adam, gradient-descent, or lbfgs [default: adam, the paper's]", "NAME", "adam", "gradient-descent", "lbfgs") with { Default = _ => "adam" },
        Number("--outer-rate", "outer.rate", $"The outer optimiser's step size [default: {DefaultOuterRate}]", "η") with { Default = _ => DefaultOuterRate },
        OneOf("--outer-schedule", "outer.schedule", "constant, or cosine: decreasing to zero over the run [default: cosine]", "NAME", "constant", "cosine") with { Default = tree => tree.Kind(OuterKind) == "lbfgs" ? null : "cosine" },
        Whole("--outer-memory", "outer.memory", "Pairs of L-BFGS (--outer-optimizer lbfgs)", "n"),
        Number("--outer-averaging", "outer.averaging", "Average the last iterates too, with weights (γ+1)/(γ+t): about the last 1/(γ+1) of a run of any length", "γ"),
        Whole("--meta-steps", "budget.metaSteps", "Outer steps; a larger number continues a finished run of a constant schedule", "T"),
        Whole("--meta-batch", "budget.metaBatch", "Tasks of one outer step", "B"),
        Whole("--validate-every", ValidateEvery, $"Meta-steps between validations; 0 for none [default: {DefaultValidateEvery}, or 0 without validation classes]", "n", least: 0) with { Default = tree => HasNoValidation(tree) ? 0 : DefaultValidateEvery },
        Whole("--validation-episodes", "budget.validationEpisodes", $"Episodes of one validation [default: {DefaultValidationEpisodes}]", "n", least: 2) with { Default = _ => DefaultValidationEpisodes },
        Whole("--checkpoint-every", "budget.checkpointEvery", $"Meta-steps between checkpoints [default: {DefaultCheckpointEvery}]", "n") with { Default = _ => DefaultCheckpointEvery },
        Whole("--log-every", "budget.logEvery", "Meta-steps that a line of progress.jsonl is about; --validate-every is a multiple of it [default: 1]", "n"),
        Whole("--keep-every", "budget.keepEvery", "Meta-steps between checkpoints that are kept in addition to the last one, for `imaml diagnose` [default: none]", "n", least: 0),
        Of(SharedOptions.AtLeast(new Option<ulong?>("--seed")), "seed", "Seed of initial parameters and episodes", "S"),
    ];

    /// <summary>Whether the experiment has no validation classes.</summary>
    public static bool HasNoValidation(JsonObject tree) => tree.Find("tasks.validationClasses")?.GetValue<int>() == 0;

    private static Func<JsonObject, JsonNode?> When(string path, string kind, JsonNode value) => tree => tree.Kind(path) == kind ? value.DeepClone() : null;

    private static ExperimentField Of<T>(Option<T> option, string path, string description, string? placeholder)
    {
        (option.Description, option.HelpName) = (description, placeholder);
        return new ExperimentField(option, path, parsed => JsonValue.Create(parsed.GetValue(option)));
    }

    private static ExperimentField Whole(string name, string path, string description, string placeholder, int least = 1) =>
        Of(SharedOptions.AtLeast(new CountOption(name, least)), path, description, placeholder);

    private static ExperimentField Number(string name, string path, string description, string placeholder) =>
        Of(SharedOptions.Decimal(new Option<double?>(name)), path, description, placeholder);

    private static ExperimentField Word(string name, string path, string description, string placeholder, params string[] usual) =>
        Of(SharedOptions.Completing(new Option<string?>(name), usual), path, description, placeholder);

    private static ExperimentField Flag(string name, string path, string description) => Of(new Option<bool>(name), path, description, null);

    private static ExperimentField OneOf(string name, string path, string description, string placeholder, params string[] words)
    {
        var option = new Option<string?>(name);
        return Of(SharedOptions.OneOf(option, words), path, description, placeholder) with { Value = parsed => JsonValue.Create(parsed.GetValue(option)!.ToLowerInvariant()) };
    }
}

/// <summary>A whole number of an experiment. The experiment refuses smaller ones, with all else that is wrong with it; a command line of which no experiment can be made names them too.</summary>
/// <param name="name">The option's name.</param>
/// <param name="least">The smallest number allowed.</param>
internal sealed class CountOption(string name, int least) : Option<int?>(name)
{
    /// <summary>What is wrong with its value, or null.</summary>
    public string? Fault(OptionResult result) => !result.Errors.Any() && result.GetValueOrDefault<int?>() is { } value && value < least ? $"{Name} must be at least {least}, not {value}" : null;
}
