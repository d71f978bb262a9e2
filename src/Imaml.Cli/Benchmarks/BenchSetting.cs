using Imaml.Nets.Methods;
using Imaml.Nets.Models;
using Imaml.Nets.Tasks;

namespace Imaml.Cli.Benchmarks;

/// <summary>An N-way K-shot setting of the benchmarks, with as many query images as support images: as the published code was timed.</summary>
/// <param name="Name">Its name: <c>5w1s</c>.</param>
/// <param name="Tasks">N, K, and images that need no download.</param>
/// <param name="Network">The literature's network for such images.</param>
/// <param name="MetaBatch">B, as MAML's authors have it.</param>
/// <param name="InnerSteps">Steps of gradient descent, the paper's.</param>
/// <param name="Lambda">λ, the paper's.</param>
internal sealed record BenchSetting(string Name, EpisodeSpec Tasks, ConvolutionalNetwork Network, int MetaBatch, int InnerSteps, double Lambda)
{
    /// <summary>The one of Figure 2(b).</summary>
    public const string Largest = "20w5s";

    /// <summary>mini-ImageNet's 5-way 1-shot: 84×84 pixels in colour, a network that pools.</summary>
    public const string MiniImageNet = "mini-5w1s";

    // The paper's for mini-ImageNet (appendix C).
    private const int MiniImageNetInnerSteps = 10, MiniImageNetMetaBatch = 4;
    private const double MiniImageNetLambda = 0.5;

    /// <summary>All of them.</summary>
    public static IReadOnlyList<BenchSetting> All { get; } =
    [
        Drawn("5w1s", 5, 1, 32, 16), Drawn("5w5s", 5, 5, 32, 16), Drawn("20w1s", 20, 1, 16, 25), Drawn(Largest, 20, 5, 16, 25),
        new(
            MiniImageNet, new RandomImages(Ways: 5, Shots: 1, Queries: 1, PhotographEpisodes.UsualSize, Channels: 3), new PooledConvolutions(PooledConvolutions.MiniImageNetFilters),
            MiniImageNetMetaBatch, MiniImageNetInnerSteps, MiniImageNetLambda),
    ];

    /// <summary>The setting of this name, of which there is one.</summary>
    public static BenchSetting Of(string name) => All.Single(one => one.Name == name);

    private static BenchSetting Drawn(string name, int ways, int shots, int metaBatch, int innerSteps) => new(
        name, new ImageEpisodes(ImageEpisodes.Glyphs, ImageEpisodes.SeededSplit, ValidationClasses: 0, ways, shots, Queries: shots),
        new StridedConvolutions(StridedConvolutions.OmniglotFilters), metaBatch, innerSteps, ImplicitMaml.PaperOmniglotLambda);
}
