// Runs that were evaluated on the same episodes, compared episode by episode.

using Imaml.Nets.Models;
using Imaml.Nets.Runs;
using Imaml.Nets.Tasks;

namespace Imaml.Cli.Reports;

/// <summary>Two evaluations of the same episodes.</summary>
/// <param name="First">The run whose accuracy counts as positive.</param>
/// <param name="FirstEvaluation">Its evaluation.</param>
/// <param name="Second">The other run.</param>
/// <param name="SecondEvaluation">Its evaluation.</param>
/// <param name="Difference">The first one's accuracy minus the second one's.</param>
internal sealed record EpisodeComparison(RunContents First, EvaluationFile FirstEvaluation, RunContents Second, EvaluationFile SecondEvaluation, PairedDifference Difference)
{
    /// <summary>All pairs of evaluations of two different runs that are of the same episodes, normalised in the same way; of equal ones the first.</summary>
    public static IReadOnlyList<EpisodeComparison> Of(IReadOnlyList<RunContents> runs)
    {
        var found = new List<EpisodeComparison>();
        for (var i = 0; i < runs.Count; i++)
        {
            for (var j = i + 1; j < runs.Count; j++)
            {
                foreach (var first in runs[i].Evaluations)
                {
                    foreach (var second in runs[j].Evaluations.Where(one => SameEpisodes(first.Result, one.Result)))
                    {
                        found.Add(new EpisodeComparison(runs[i], first, runs[j], second, PairedDifference.Of(first.Result.AccuracyPerEpisode!, second.Result.AccuracyPerEpisode!)));
                    }
                }
            }
        }

        // A state may have been evaluated twice, as with baselines and without.
        return [.. found.DistinctBy(one => (one.First, one.FirstEvaluation.Result.State, one.FirstEvaluation.Result.InnerSteps, one.Second, one.SecondEvaluation.Result.State, one.SecondEvaluation.Result.InnerSteps, Episodes(one.FirstEvaluation.Result), one.Difference))];
    }

    // The tasks' identity holds the images, the classes and N, K and Q.
    private static bool SameEpisodes(EvaluationResult a, EvaluationResult b) =>
        a.AccuracyPerEpisode is { Count: > 1 } first && b.AccuracyPerEpisode is { } second && first.Count == second.Count
        && a.NotFinite == 0 && b.NotFinite == 0
        && Episodes(a) == Episodes(b);

    private static (string, ClassPart, ulong, BatchNormMode?, int) Episodes(EvaluationResult one) => (one.Tasks, one.Part, one.EpisodeSeed, one.BatchNormalization, one.Episodes);
}
