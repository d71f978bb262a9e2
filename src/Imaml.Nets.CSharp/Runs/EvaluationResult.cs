
using Imaml.Nets.Tasks;

namespace Imaml.Nets.Runs;

/// <summary>A result file: one measured accuracy with all that is needed to measure it again.</summary>
/// <param name="Options">How the run was trained, its seed among them.</param>
/// <param name="Manifest">The classes of each part, with their hash.</param>
/// <param name="Provenance">Program and machine of the evaluation.</param>
/// <param name="MetaStep">Meta-steps of training.</param>
/// <param name="Part">The part of the classes that was measured.</param>
/// <param name="EpisodeSeed">Seed of the episodes.</param>
/// <param name="Queries">Query images per class.</param>
/// <param name="InnerSteps">Steps of the inner solver.</param>
/// <param name="BatchNormalization">Whose statistics normalise the query images.</param>
/// <param name="Episodes">n.</param>
/// <param name="Accuracy">Mean over episodes.</param>
/// <param name="HalfWidth95">1.96·s/√n.</param>
/// <param name="TrainingSecondsPerTask">Wall seconds of training over tasks.</param>
/// <param name="TrainingSeconds">Wall seconds of training.</param>
/// <param name="EvaluationSecondsPerEpisode">Wall seconds of evaluation over episodes.</param>
/// <param name="AccuracyPerEpisode">In the order of the episodes' numbers.</param>
public sealed record EvaluationResult(
    TrainingOptions Options,
    ClassManifest Manifest,
    Provenance Provenance,
    int MetaStep,
    ClassPart Part,
    ulong EpisodeSeed,
    int Queries,
    int InnerSteps,
    string BatchNormalization,
    int Episodes,
    double Accuracy,
    double HalfWidth95,
    double TrainingSecondsPerTask,
    double TrainingSeconds,
    double EvaluationSecondsPerEpisode,
    IReadOnlyList<double> AccuracyPerEpisode)
{
    /// <summary>The query batch's own statistics normalise it, as in all published figures.</summary>
    public const string Transductive = "transductive";
}
