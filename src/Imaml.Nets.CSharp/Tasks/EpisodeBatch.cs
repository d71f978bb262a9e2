// An episode, by the numbers of its images; and episodes as the flat arrays that a network takes: pixels as byte/255, with quarter turns applied.

using System.Collections.Immutable;

namespace Imaml.Nets.Tasks;

/// <summary>
/// One N-way K-shot task with Q query images per class: which images, not their pixels. Both image lists are grouped by label (0,…,0, 1,…,1, …);
/// which class has which label is random, and so is the order of a class's drawings.
/// </summary>
/// <param name="Number">The number it was sampled with.</param>
/// <param name="Classes">Class names by label: [N]; with rotations as classes they end in <c>/rotDDD</c>.</param>
/// <param name="QuarterTurns">Counter-clockwise quarter turns (0 … 3) of the images of each label: [N].</param>
/// <param name="Shots">K, support images per class.</param>
/// <param name="Queries">Q, query images per class.</param>
/// <param name="SupportImages">Indices into the image set: [N·K].</param>
/// <param name="QueryImages">Indices into the image set: [N·Q], none of them in <paramref name="SupportImages"/>.</param>
public sealed record Episode(
    long Number,
    ImmutableArray<string> Classes,
    ImmutableArray<int> QuarterTurns,
    int Shots,
    int Queries,
    ImmutableArray<int> SupportImages,
    ImmutableArray<int> QueryImages)
{
    /// <summary>N, the number of classes.</summary>
    public int Ways => Classes.Length;

    /// <summary>The label of each support image: [N·K].</summary>
    public ImmutableArray<long> SupportLabels => Grouped(Ways, Shots);

    /// <summary>The label of each query image: [N·Q].</summary>
    public ImmutableArray<long> QueryLabels => Grouped(Ways, Queries);

    private static ImmutableArray<long> Grouped(int ways, int each) => [.. Enumerable.Range(0, ways * each).Select(i => (long)(i / each))];
}

/// <summary>B episodes of equal N, K and Q as flat row-major arrays.</summary>
/// <param name="Episodes">The episodes, in the order of the first dimension.</param>
/// <param name="Support">Pixels in [0, 1]: [B, N·K, H, W, C].</param>
/// <param name="SupportLabels">Labels 0 … N − 1: [B, N·K].</param>
/// <param name="Query">Pixels in [0, 1]: [B, N·Q, H, W, C].</param>
/// <param name="QueryLabels">Labels 0 … N − 1: [B, N·Q].</param>
/// <param name="Height">H, rows of an image.</param>
/// <param name="Width">W, columns of an image.</param>
/// <param name="Channels">C, channels of an image.</param>
public sealed record EpisodeBatch(
    IReadOnlyList<Episode> Episodes,
    float[] Support,
    long[] SupportLabels,
    float[] Query,
    long[] QueryLabels,
    int Height,
    int Width,
    int Channels)
{
    private static readonly float[] Unit = [.. Enumerable.Range(0, 256).Select(value => value / 255f)];

    /// <summary>B, the number of episodes.</summary>
    public int Count => Episodes.Count;

    /// <summary>N, classes of each episode.</summary>
    public int Ways => Episodes[0].Ways;

    /// <summary>K, support images per class.</summary>
    public int Shots => Episodes[0].Shots;

    /// <summary>Q, query images per class.</summary>
    public int Queries => Episodes[0].Queries;

    /// <summary>Copies the images of <paramref name="episodes"/>, turned as the episodes say, into flat arrays.</summary>
    /// <exception cref="ArgumentException">There is no episode, they differ in N, K or Q, one of these is less than 1, or an episode has not as many images.</exception>
    public static EpisodeBatch Pack(ImageSet set, IReadOnlyList<Episode> episodes)
    {
        ArgumentNullException.ThrowIfNull(set);
        ArgumentNullException.ThrowIfNull(episodes);
        if (episodes.Count == 0)
        {
            throw new ArgumentException("a batch needs at least one episode", nameof(episodes));
        }

        var (ways, shots, queries) = (episodes[0].Ways, episodes[0].Shots, episodes[0].Queries);
        if (ways < 1 || shots < 1 || queries < 1)
        {
            throw new ArgumentException($"an episode needs at least one class, shot and query, not {ways}, {shots} and {queries}", nameof(episodes));
        }

        if (episodes.Any(one => one.Ways != ways || one.Shots != shots || one.Queries != queries))
        {
            throw new ArgumentException("the episodes of a batch must agree in ways, shots and queries", nameof(episodes));
        }

        if (episodes.FirstOrDefault(one => one.SupportImages.Length != ways * shots || one.QueryImages.Length != ways * queries || one.QuarterTurns.Length != ways) is { } part)
        {
            throw new ArgumentException($"episode {part.Number} must name {ways * shots} support and {ways * queries} query images, and turns of {ways} classes", nameof(episodes));
        }

        var support = GC.AllocateUninitializedArray<float>(episodes.Count * ways * shots * set.ImageSize);
        var query = GC.AllocateUninitializedArray<float>(episodes.Count * ways * queries * set.ImageSize);
        for (var b = 0; b < episodes.Count; b++)
        {
            var one = episodes[b];
            CopyAll(set, one.SupportImages.AsSpan(), one.QuarterTurns.AsSpan(), shots, support.AsSpan(b * ways * shots * set.ImageSize));
            CopyAll(set, one.QueryImages.AsSpan(), one.QuarterTurns.AsSpan(), queries, query.AsSpan(b * ways * queries * set.ImageSize));
        }

        return new EpisodeBatch(
            episodes, support, Labels(episodes.Count, ways, shots), query, Labels(episodes.Count, ways, queries), set.Height, set.Width, set.Channels);
    }

    private static void CopyAll(ImageSet set, ReadOnlySpan<int> images, ReadOnlySpan<int> turns, int each, Span<float> target)
    {
        for (var i = 0; i < images.Length; i++)
        {
            CopyTurned(set.Image(images[i]), set.Height, set.Width, set.Channels, turns[i / each], target.Slice(i * set.ImageSize, set.ImageSize));
        }
    }

    /// <summary>Row r, column c of the target is the source at start + r·down + c·right; a counter-clockwise quarter turn takes the last column to the first row.</summary>
    private static void CopyTurned(ReadOnlySpan<byte> source, int height, int width, int channels, int quarterTurns, Span<float> target)
    {
        var row = width * channels;
        var (start, down, right) = quarterTurns switch
        {
            0 => (0, row, channels),
            1 => ((width - 1) * channels, -channels, row),
            2 => (((height - 1) * row) + ((width - 1) * channels), -row, -channels),
            3 => ((height - 1) * row, channels, -row),
            _ => throw new ArgumentOutOfRangeException(nameof(quarterTurns), quarterTurns, "quarter turns are 0, 1, 2 or 3"),
        };
        var unit = Unit;
        for (var r = 0; r < height; r++)
        {
            var line = target.Slice(r * row, row);
            if (channels == 1)
            {
                var pixel = start + (r * down);
                for (var c = 0; c < line.Length; c++, pixel += right)
                {
                    line[c] = unit[source[pixel]];
                }

                continue;
            }

            for (var c = 0; c < width; c++)
            {
                var pixel = start + (r * down) + (c * right);
                for (var k = 0; k < channels; k++)
                {
                    line[(c * channels) + k] = unit[source[pixel + k]];
                }
            }
        }
    }

    private static long[] Labels(int count, int ways, int each)
    {
        var labels = new long[count * ways * each];
        for (var i = 0; i < labels.Length; i++)
        {
            labels[i] = i / each % ways;
        }

        return labels;
    }
}
