// An experiment as a value: all that the numbers of a run depend on. It is written as JSON, in a file of the user's, in a preset, in the run's own
// folder and in every result file, and it is the same value however it was made.

using System.Text.Json;
using System.Text.Json.Serialization;
using Imaml.Nets.Learning;
using Imaml.Nets.LibTorch;
using Imaml.Nets.Methods;
using Imaml.Nets.Models;
using Imaml.Nets.Storage;
using Imaml.Nets.Tasks;

namespace Imaml.Nets.Runs;

/// <summary>How long a run is, and how often it looks up from its work; the latter changes no number.</summary>
/// <param name="MetaSteps">T, outer steps.</param>
/// <param name="MetaBatch">B, tasks of an outer step.</param>
/// <param name="ValidateEvery">Meta-steps between validations; 0 for none.</param>
/// <param name="ValidationEpisodes">Tasks of a validation.</param>
/// <param name="CheckpointEvery">Meta-steps between checkpoints.</param>
/// <param name="KeepEvery">Meta-steps between the checkpoints that are kept as well as the last one; 0 for none.</param>
/// <param name="LogEvery">Meta-steps that a line of the log is about; validations are at multiples of it.</param>
public sealed record Budget(
    int MetaSteps, int MetaBatch, int ValidateEvery = 0, int ValidationEpisodes = 200, int CheckpointEvery = 100, int KeepEvery = 0, int LogEvery = 1)
{
    /// <summary>All that is wrong with it.</summary>
    public IEnumerable<Complaint> Complaints() =>
    [
        .. Rule.AtLeast(1, MetaSteps, "metaSteps"),
        .. Rule.AtLeast(1, MetaBatch, "metaBatch"),
        .. Rule.AtLeast(0, ValidateEvery, "validateEvery"),
        .. Rule.AtLeast(2, ValidationEpisodes, "validationEpisodes"),
        .. Rule.AtLeast(1, CheckpointEvery, "checkpointEvery"),
        .. Rule.AtLeast(0, KeepEvery, "keepEvery"),
        .. Rule.AtLeast(1, LogEvery, "logEvery"),
        .. LogEvery > 1 && ValidateEvery % LogEvery != 0 ? [new Complaint("logEvery", $"{LogEvery} must divide the {ValidateEvery} meta-steps between two validations")] : Enumerable.Empty<Complaint>(),
    ];
}

/// <summary>Tasks, network, method, outer optimiser, budget and seed of a run.</summary>
/// <param name="Tasks">What is learned.</param>
/// <param name="Network">What learns it.</param>
/// <param name="Method">How a task is adapted to, and how its meta-gradient is made.</param>
/// <param name="Outer">What moves the meta-parameters.</param>
/// <param name="Budget">How long.</param>
/// <param name="Seed">Seed of the initial parameters and of the training tasks; the division of the classes does not depend on it.</param>
/// <param name="Note">Anything that is to be said about it; no number depends on it.</param>
public sealed record Experiment(TaskSpec Tasks, NetworkSpec Network, Method Method, Outer Outer, Budget Budget, ulong Seed, string? Note = null)
{
    // Far above any batch of use, far below what overflows an array.
    private const long LargestArray = 100_000_000;

    /// <summary>What the meta-learner needs of it.</summary>
    [JsonIgnore]
    public LearningPlan Plan => new(Method, Outer, Budget.MetaSteps, Budget.MetaBatch, Seed);

    /// <summary>All that is wrong with it; nothing where it can be run.</summary>
    public IReadOnlyList<Complaint> Complaints()
    {
        (string Field, object? Part)[] parts = [("tasks", Tasks), ("network", Network), ("method", Method), ("outer", Outer), ("budget", Budget)];
        if (parts.Where(one => one.Part is null).Select(one => new Complaint(one.Field, "is missing", ComplaintKind.Missing)).ToArray() is { Length: > 0 } missing)
        {
            return missing;
        }

        static IEnumerable<Complaint> In(string part, IEnumerable<Complaint> complaints) => complaints.Select(one => one.In(part));
        IEnumerable<Complaint> together = [];
        if (Budget.ValidateEvery > 0 && !Tasks.HasValidation)
        {
            together = [new Complaint("budget.validateEvery", $"{Budget.ValidateEvery} needs validation classes, of which there are none")];
        }

        if (Tasks is EpisodeSpec { Ways: > 0, Shots: > 0, Queries: > 0 } images && Budget.MetaBatch > 0)
        {
            var pixels = (double)Budget.MetaBatch * images.Ways * int.Max(int.Max(images.Shots, images.TrainingShots ?? 0), images.Queries) * images.Form.Bytes;
            together = together.Concat(Rule.AtMost(LargestArray, pixels, "budget.metaBatch", Budget.MetaBatch, "pixels of a meta-batch"));
        }

        if (Tasks is EpisodeSpec { Ways: > 0 } episodes && Network is ConvolutionalNetwork network)
        {
            together = together.Concat(Rule.AtMost(LargestArray, network.ClassifierWeights(episodes.Form.Size, episodes.Ways), "tasks.ways", episodes.Ways, "weights of the classifier"));
        }

        return
        [
            .. In("tasks", Tasks.Complaints()), .. In("network", Network.Complaints()), .. In("method", Method.Complaints()), .. In("outer", Outer.Complaints()),
            .. In("budget", Budget.Complaints()), .. together,
        ];
    }

    /// <summary>Refuses what cannot be run.</summary>
    /// <exception cref="ExperimentException">With all that is wrong.</exception>
    public void Validate()
    {
        if (Complaints() is { Count: > 0 } complaints)
        {
            throw new ExperimentException(complaints);
        }
    }

    /// <summary>The tasks and the network, where all parts come with the library: through the same doors that a user's own parts go through.</summary>
    /// <param name="dataFolder">See <see cref="ImageTasks.Open"/>.</param>
    /// <param name="progress">Likewise.</param>
    /// <param name="warn">Likewise.</param>
    /// <param name="cancel">Likewise.</param>
    /// <exception cref="ArgumentException">A part is the user's own, so the program that has it must do this.</exception>
    /// <exception cref="DataException">The data are missing or do not allow these episodes.</exception>
    public (ImageTasks Tasks, ImageClassifier Model) Open(string? dataFolder = null, IProgress<double>? progress = null, Action<string>? warn = null, CancellationToken cancel = default)
    {
        if (Method is OwnMethod method)
        {
            throw new OwnPartException($"the method {method.Name}");
        }

        var network = Network as ConvolutionalNetwork ?? throw new OwnPartException($"the network {(Network as OwnNetwork)?.Name}");
        var episodes = Tasks as EpisodeSpec ?? throw new OwnPartException($"the task source {(Tasks as OwnTasks)?.Name}");
        var tasks = ImageTasks.Open(episodes, dataFolder, progress, warn, cancel);
        var built = network.Build(new ImageShape(tasks.Images.Height, tasks.Images.Width, tasks.Images.Channels), tasks.Ways);
        return (tasks, new ImageClassifier(built, network.BatchNorm));
    }

    /// <summary>Begins or continues a run of it, where all parts come with the library.</summary>
    /// <param name="folder">See <see cref="TrainingRun.Open"/>.</param>
    /// <param name="dataFolder">See <see cref="Open"/>.</param>
    /// <param name="device">What computes, or null for the processor.</param>
    /// <param name="threads">Threads that share out the tasks, or null for as many as there are cores.</param>
    /// <inheritdoc cref="Open" path="/exception"/>
    public TrainingRun Train(RunFolder folder, string? dataFolder = null, ComputeDevice? device = null, int? threads = null)
    {
        var (tasks, model) = Open(dataFolder);
        return TrainingRun.Open(folder, this, tasks, model, device, threads);
    }

    /// <summary>The fields in which two experiments differ that their numbers depend on, each with both values; empty where they agree.</summary>
    /// <remarks>The number of meta-steps is not among them: see <see cref="TrainingRun"/> for when a run may be made longer.</remarks>
    public IReadOnlyList<string> DifferencesFrom(Experiment other) => [.. Differences("", Numbers(this), Numbers(other))];

    private static JsonElement Numbers(Experiment one) =>
        JsonSerializer.SerializeToElement(one with { Note = null, Budget = new Budget(1, one.Budget.MetaBatch), Tasks = Anywhere(one.Tasks) }, RunJson.Options);

    /// <summary>Tasks without the place of their images, which may be another on each machine: the images decide, not where they are.</summary>
    internal static TaskSpec Anywhere(TaskSpec tasks) => tasks is PhotographEpisodes photographs && photographs.Dataset.StartsWith(PhotographEpisodes.FolderPrefix, StringComparison.Ordinal)
        ? photographs with { Dataset = PhotographEpisodes.FolderPrefix } : tasks;

    private static IEnumerable<string> Differences(string path, JsonElement mine, JsonElement theirs)
    {
        if (mine.ValueKind != JsonValueKind.Object || theirs.ValueKind != JsonValueKind.Object)
        {
            return mine.GetRawText() == theirs.GetRawText() ? [] : [$"{path} {Text(theirs)} → {Text(mine)}"];
        }

        static string Text(JsonElement one) => one.ValueKind switch { JsonValueKind.Null => "none", JsonValueKind.String => $"{one}", _ => one.GetRawText() };
        static IEnumerable<string> Names(JsonElement one) => one.EnumerateObject().Select(field => field.Name);
        static JsonElement Field(JsonElement one, string name) => one.TryGetProperty(name, out var value) ? value : JsonSerializer.SerializeToElement<object?>(null);
        return Names(theirs).Union(Names(mine)).SelectMany(name => Differences(path.Length == 0 ? name : $"{path}.{name}", Field(mine, name), Field(theirs, name)));
    }
}
