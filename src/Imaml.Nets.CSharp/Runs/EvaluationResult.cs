// A result file: one measurement of a trained run with all that is needed to take it again.

using System.Diagnostics;
using System.Text.Json.Serialization;
using Imaml.Math;
using Imaml.Nets.Learning;
using Imaml.Nets.LibTorch;
using Imaml.Nets.Models;
using Imaml.Nets.Tasks;

namespace Imaml.Nets.Runs;

/// <summary>What is measured of a run.</summary>
/// <param name="Part">The part of the tasks.</param>
/// <param name="Episodes">How many tasks, from number 0 on.</param>
/// <param name="Seed">Their seed.</param>
internal sealed record EvaluationRequest(ClassPart Part, int Episodes, ulong Seed = ImageTasks.EvaluationSeed)
{
    /// <summary>The minimum that the literature's protocol asks for.</summary>
    public const int DefaultEpisodes = 600;
}

/// <summary>The content of evaluation-*.json.</summary>
/// <param name="Experiment">How the run was trained, its seed among it.</param>
/// <param name="Manifest">The classes of each part, with their hash; null where the tasks are not images.</param>
/// <param name="Tasks">What determines the tasks.</param>
/// <param name="Provenance">Program and machine of the evaluation.</param>
/// <param name="MetaStep">Meta-steps of training.</param>
/// <param name="Part">The part of the tasks that was measured.</param>
/// <param name="EpisodeSeed">Seed of the episodes: the interval is over episodes of this one seed and this one run.</param>
/// <param name="InnerSteps">Steps of the inner solver, where they are known.</param>
/// <param name="Episodes">n.</param>
/// <param name="Accuracy">Mean over episodes; null where the problem is not a classification, not a number where an adapted network is not finite.</param>
/// <param name="Loss">Mean outer loss over episodes, where the problem is not a classification.</param>
/// <param name="HalfWidth95">Half its 95 % interval over the episodes, as <see cref="Evaluation.HalfWidth95"/> has it.</param>
/// <param name="NotFinite">Episodes of which nothing can be said, since the adapted network is not finite.</param>
/// <param name="Inner">How many episodes' inner solves ended how.</param>
/// <param name="TrainingSecondsPerTask">Wall seconds of training over tasks.</param>
/// <param name="TrainingSeconds">Wall seconds of training.</param>
/// <param name="EvaluationSecondsPerEpisode">Wall seconds of evaluation over episodes.</param>
/// <param name="AccuracyPerEpisode">In the order of the episodes' numbers; null where the problem is not a classification.</param>
/// <param name="LossPerEpisode">Likewise, where it is none.</param>
/// <param name="State">Which of the run's states: <see cref="Best"/> on validation, the <see cref="Last"/>, the <see cref="Average"/> of the last ones, <see cref="Several"/> that were kept, or a <see cref="Model"/>'s.</param>
/// <param name="Ways">Classes of an episode; null where the tasks are not images.</param>
/// <param name="Shots">Support images per class, likewise.</param>
/// <param name="Queries">Query images per class, likewise.</param>
/// <param name="BatchNormalization">Whose statistics normalise the query images; null where the network is the user's own.</param>
/// <param name="Baselines">Other classifiers on the same episodes; null where none was asked for.</param>
/// <param name="Ensemble">The meta-steps of the states whose probabilities were averaged, the best first; null for one state.</param>
public sealed record EvaluationResult(
    Experiment Experiment,
    ClassSplit? Manifest,
    string Tasks,
    Provenance Provenance,
    int MetaStep,
    ClassPart Part,
    ulong EpisodeSeed,
    int? InnerSteps,
    int Episodes,
    double? Accuracy,
    double? Loss,
    double HalfWidth95,
    int NotFinite,
    IReadOnlyDictionary<InnerStatus, int> Inner,
    double TrainingSecondsPerTask,
    double TrainingSeconds,
    double EvaluationSecondsPerEpisode,
    IReadOnlyList<double>? AccuracyPerEpisode,
    IReadOnlyList<double>? LossPerEpisode,
    string State = EvaluationResult.Last,
    int? Ways = null,
    int? Shots = null,
    int? Queries = null,
    BatchNormMode? BatchNormalization = null,
    IReadOnlyList<Baseline>? Baselines = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<int>? Ensemble = null)
{
    /// <summary>The state of the best validation, the last one, the average of the last ones, several that were kept, and the only one of a model.</summary>
    public const string Best = "best", Last = "last", Average = "average", Several = "ensemble", Model = "model";

    /// <summary>The name of its file. What departs from the usual is in it, so that a quick look does not replace a full measurement.</summary>
    [JsonIgnore]
    public string FileName => string.Concat(
        $"evaluation-{Part.ToString().ToLowerInvariant()}",
        Episodes == EvaluationRequest.DefaultEpisodes ? "" : $"-episodes{Episodes}",
        EpisodeSeed == ImageTasks.EvaluationSeed ? "" : $"-seed{EpisodeSeed}",
        Other("ways", Ways, (Experiment.Tasks as EpisodeSpec)?.Ways),
        Other("shots", Shots, (Experiment.Tasks as EpisodeSpec)?.Shots),
        Other("queries", Queries, (Experiment.Tasks as EpisodeSpec)?.Queries),
        Other("steps", InnerSteps, Experiment.Method.EvaluationInnerSteps),
        BatchNormalization is null || BatchNormalization == Trained ? "" : $"-{BatchNormalization.ToString()!.ToLowerInvariant()}",
        State is Best or Average ? $"-{State}" : State == Several ? $"-{State}{Ensemble!.Count}" : "",
        Baselines is null ? "" : "-baselines",
        ".json");

    private BatchNormMode? Trained => (Experiment.Network as ConvolutionalNetwork)?.BatchNorm;

    private static string Other(string name, int? value, int? usual) => value is null || value == usual ? "" : $"-{name}{value}";

    /// <summary>Measures a learner by its own problem.</summary>
    internal static EvaluationResult Measure(
        MetaLearner learner, Experiment experiment, ClassSplit? manifest, ComputeDevice device, double trainingSeconds, EvaluationRequest request, CancellationToken cancel) =>
        Measure([learner], [learner.Problem], experiment, manifest, device, trainingSeconds, request, cancel)[0];

    /// <summary>Measures a learner by several problems of one inner problem.</summary>
    /// <param name="learners">The learner, or the learners of an ensemble.</param>
    /// <param name="problems">The problems.</param>
    /// <param name="experiment">How it was trained.</param>
    /// <param name="manifest">The classes, where the tasks are images.</param>
    /// <param name="device">What computes.</param>
    /// <param name="trainingSeconds">Wall seconds of training.</param>
    /// <param name="request">What to measure.</param>
    /// <param name="cancel">Ends it with an <see cref="OperationCanceledException"/>.</param>
    /// <param name="progress">How far the work is, from 0 to 1.</param>
    internal static EvaluationResult[] Measure(
        IReadOnlyList<MetaLearner> learners,
        IReadOnlyList<LearningProblem> problems,
        Experiment experiment,
        ClassSplit? manifest,
        ComputeDevice device,
        double trainingSeconds,
        EvaluationRequest request,
        CancellationToken cancel,
        IProgress<double>? progress = null)
    {
        var watch = Stopwatch.StartNew();
        var all = Evaluation.AfterAdapting(learners, problems, new TaskRange(request.Part, request.Seed, 0, request.Episodes), cancel, progress);
        return [.. all.Zip(problems, Of)];

        EvaluationResult Of(Evaluation measured, LearningProblem problem)
        {
            var accuracy = measured.Metric == LearningProblem.Accuracy;
            return new EvaluationResult(
                experiment,
                manifest,
                problem.Identity,
                Provenance.Current(device),
                learners[0].MetaStep,
                request.Part,
                request.Seed,
                learners[0].Plan.Method.EvaluationInnerSteps,
                request.Episodes,
                accuracy ? measured.Mean : null,
                accuracy ? null : measured.Mean,
                measured.HalfWidth95,
                measured.NotFinite,
                measured.Inner,
                trainingSeconds / ((double)learners[0].MetaStep * experiment.Budget.MetaBatch),
                trainingSeconds,
                watch.Elapsed.TotalSeconds / request.Episodes,
                accuracy ? measured.PerTask : null,
                accuracy ? null : measured.PerTask,
                BatchNormalization: (experiment.Network as ConvolutionalNetwork)?.BatchNorm);
        }
    }
}
