// What is learned with θ: log λ, Meta-SGD's step sizes, or the moments that Reptile keeps.

using Imaml.Math;
using MathNet.Numerics.LinearAlgebra;

namespace Imaml.Nets.Methods;

/// <summary>What has a learned number of its own.</summary>
public enum LearnedPer
{
    /// <summary>One number for all parameters.</summary>
    One,

    /// <summary>Every layer.</summary>
    Layer,

    /// <summary>Every parameter.</summary>
    Parameter,
}

/// <summary>The learned numbers of a method.</summary>
/// <param name="Per">What has one of its own.</param>
/// <param name="Start">Their first value.</param>
/// <param name="Rate">Adam's first step size for them, or null for that of θ.</param>
/// <param name="Replaced">Whether each meta-step replaces them by the mean over its tasks, in place of Adam.</param>
internal sealed record LearnedPart(LearnedPer Per, double Start, double? Rate, bool Replaced = false)
{
    /// <summary>Which coordinates share a number.</summary>
    public Sharing Sharing(IReadOnlyList<int> layerSizes) => Per switch
    {
        LearnedPer.One => Imaml.Math.Sharing.OneForAll,
        LearnedPer.Layer => Imaml.Math.Sharing.NewOnePerLayer([.. layerSizes]),
        LearnedPer.Parameter => Imaml.Math.Sharing.OnePerCoordinate,
        _ => throw new InvalidOperationException($"{Per} is not a sharing"),
    };

    /// <summary>The numbers before the first step.</summary>
    public Vector<double> Numbers(IReadOnlyList<int> layerSizes) =>
        Vector<double>.Build.Dense(Sharing(layerSizes).Count(layerSizes.Sum()), Start);
}

/// <summary>The range of the numbers that are learned with θ.</summary>
/// <param name="Name">What they are: λ, or α for step sizes.</param>
/// <param name="Smallest">The smallest of them.</param>
/// <param name="Mean">Their mean.</param>
/// <param name="Largest">The largest of them.</param>
public sealed record LearnedRange(string Name, double Smallest, double Mean, double Largest)
{
    internal static LearnedRange Of(string name, double[] numbers) => new(name, numbers.Min(), numbers.Average(), numbers.Max());
}
