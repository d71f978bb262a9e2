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
