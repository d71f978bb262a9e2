namespace Imaml.Cli.Benchmarks;

/// <summary>An N-way K-shot setting of the benchmarks, with as many query images as support images: as the published code was timed.</summary>
/// <param name="Name">Its name: <c>5w1s</c>.</param>
/// <param name="Ways">N.</param>
/// <param name="Shots">K.</param>
/// <param name="MetaBatch">B, as MAML's authors have it.</param>
/// <param name="InnerSteps">Steps of gradient descent, the paper's.</param>
internal sealed record BenchSetting(string Name, int Ways, int Shots, int MetaBatch, int InnerSteps)
{
    /// <summary>The one of Figure 2(b).</summary>
    public const string Largest = "20w5s";

    /// <summary>All of them.</summary>
    public static IReadOnlyList<BenchSetting> All { get; } =
        [new("5w1s", 5, 1, 32, 16), new("5w5s", 5, 5, 32, 16), new("20w1s", 20, 1, 16, 25), new(Largest, 20, 5, 16, 25)];

    /// <summary>The setting of this name, of which there is one.</summary>
    public static BenchSetting Of(string name) => All.Single(one => one.Name == name);
}
