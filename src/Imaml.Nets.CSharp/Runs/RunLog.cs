// The lines of a run's logs.

using System.Text.Json.Serialization;
using Imaml.Math;
using Imaml.Nets.Learning;

namespace Imaml.Nets.Runs;

/// <summary>A line of progress.jsonl.</summary>
/// <param name="MetaStep">Meta-steps made.</param>
/// <param name="Seconds">Wall seconds that they took.</param>
/// <param name="Step">The last of them, or the last <see cref="Steps"/> of them together.</param>
/// <param name="ComputeSeconds">As <see cref="TrainingRun.ComputeSeconds"/>; null in logs of earlier versions.</param>
/// <param name="Steps">How many.</param>
/// <param name="Note">What was found when the run was continued before them: an unusable checkpoint, a gap in this log.</param>
internal sealed record ProgressLine(
    int MetaStep, double Seconds, StepReport Step, double? ComputeSeconds = null, int Steps = 1, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Note = null)
{
    /// <summary>Whether a run can have written it: a line that was damaged, or another program's, may say anything.</summary>
    [JsonIgnore]
    public bool IsSound =>
        MetaStep > 0 && Steps > 0 && RunSeconds.AreSound(Seconds)
        // Never more than wall time, but for rounding.
        && (ComputeSeconds is not { } compute || (compute >= 0 && compute <= Seconds + 1))
        && Step is { Ended: null or { Inner: not null, Linear: not null } } && Step.HasCounts;

    /// <summary>The meta-step that it begins after.</summary>
    [JsonIgnore]
    public int After => MetaStep - Steps;
}

/// <summary>A line of curve.jsonl: validation accuracy, and the worst of the meta-steps since the line before.</summary>
/// <param name="MetaStep">Meta-steps made.</param>
/// <param name="Tasks">Tasks seen.</param>
/// <param name="Seconds">Wall seconds of training, without validation.</param>
/// <param name="Accuracy">Mean accuracy on the validation episodes; null where the problem is not a classification, not a number where an adapted network is not finite.</param>
/// <param name="Loss">Mean outer loss on them, where the problem is not a classification.</param>
/// <param name="HalfWidth95">Half the 95 % interval over these tasks, which are of one seed.</param>
/// <param name="InnerGradientNorm">Largest ‖∇G(φ)‖.</param>
/// <param name="CgResidual">Largest relative CG residual.</param>
/// <param name="LargestCurvature">Largest estimate of ∇²L̂'s top eigenvalue.</param>
/// <param name="NonPositiveCurvature">Tasks whose solve met a direction of non-positive curvature.</param>
/// <param name="NonFinite">Tasks left out because their meta-gradient was not finite.</param>
/// <param name="Inner">How many validation tasks' inner solves ended how.</param>
/// <param name="Averaged">The accuracy, or where there is none the loss, of the average of the last iterates; null where the outer optimiser does not average.</param>
/// <param name="AveragedHalfWidth95">Half its 95 % interval.</param>
/// <param name="Note">The gap in this log before it, where there is one.</param>
public sealed record CurveLine(
    int MetaStep,
    long Tasks,
    double Seconds,
    double? Accuracy,
    double? Loss,
    double HalfWidth95,
    double InnerGradientNorm,
    double CgResidual,
    double LargestCurvature,
    int NonPositiveCurvature,
    int NonFinite,
    IReadOnlyDictionary<InnerStatus, int> Inner,
    double? Averaged = null,
    double? AveragedHalfWidth95 = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Note = null)
{
    /// <summary>Whether a run can have written it: a line that was damaged, or another program's, may say anything.</summary>
    [JsonIgnore]
    internal bool IsSound =>
        MetaStep > 0 && RunSeconds.AreSound(Seconds) && !(HalfWidth95 < 0) && !(AveragedHalfWidth95 < 0) && StepReport.AreCounts(Inner?.Values ?? [])
        && (Accuracy is not { } accuracy || (IsShare(accuracy) && (Averaged is not { } averaged || IsShare(averaged))));

    // An accuracy is from 0 to 1; not a number where an adapted network is not finite.
    internal static bool IsShare(double accuracy) => accuracy is (>= 0 and <= 1) or double.NaN;
}
