// What a log lacks: its lines were removed, or damaged and cut out. It is said once: the next line carries it as a note, and gaps before a note are known.

namespace Imaml.Nets.Runs;

/// <summary>Gaps in a run's logs.</summary>
internal static class LogGap
{
    /// <summary>The meta-steps up to the last that no line is about; null where all are there.</summary>
    public static string? Of(IReadOnlyList<ProgressLine> lines, int reached)
    {
        var missing = new List<(int First, int Last)>();
        var upTo = 0;
        foreach (var line in lines)
        {
            if (line.Note is not null)
            {
                missing.Clear();
            }
            else if (line.After > upTo)
            {
                missing.Add((upTo + 1, line.After));
            }

            upTo = line.MetaStep;
        }

        if (reached > upTo)
        {
            missing.Add((upTo + 1, reached));
        }

        return Words("progress.jsonl lacks meta-steps", missing, "it was damaged or removed");
    }

    /// <summary>The validations before the last meta-step that no line is about; null where all are there. That after it is made up for.</summary>
    public static string? Of(IReadOnlyList<CurveLine> lines, int every, int reached)
    {
        if (every == 0)
        {
            return null;
        }

        var known = lines.LastOrDefault(line => line.Note is not null)?.MetaStep ?? 0;
        var there = lines.Select(line => line.MetaStep).ToHashSet();
        var missing = new List<(int First, int Last)>();
        for (var step = known - (known % every) + every; step < reached; step += every)
        {
            if (!there.Contains(step))
            {
                missing.Add((step, step));
            }
        }

        return Words("curve.jsonl lacks validations after meta-steps", missing, "it was damaged or removed, or the run was to validate less often then");
    }

    private static string? Words(string what, List<(int First, int Last)> missing, string why) => missing.Count == 0
        ? null
        : $"{what} {string.Join(", ", missing.Select(one => one.First == one.Last ? $"{one.First}" : $"{one.First} to {one.Last}"))}: {why}";
}
