// Tasks of fewer classes than a network was trained for. Training gives the labels of an episode at random, so its outputs are alike, and some of
// them serve: a seeded choice.

using Imaml.Nets.Tensors;

namespace Imaml.Nets.Learning;

/// <summary>Which outputs of a network of N classes serve tasks of fewer.</summary>
internal static class FewerWays
{
    private const ulong Seed = 1;

    /// <summary>The outputs, a random choice that is the same every time; all of them in their order for N.</summary>
    /// <param name="trained">N.</param>
    /// <param name="ways">Classes of a task.</param>
    /// <exception cref="ArgumentException">There are more classes than outputs, or fewer than 2.</exception>
    public static int[] Outputs(int trained, int ways)
    {
        if (ways < 2 || ways > trained)
        {
            throw new ArgumentException(
                ways < 2 ? $"a task needs at least 2 classes, not {ways}" : $"{ways} classes are more than the network has outputs: it was trained on {trained}-way tasks; take at most {trained}");
        }

        var outputs = Enumerable.Range(0, trained).ToArray();
        if (ways < trained)
        {
            new CounterRandom(Seed, RandomPurpose.Outputs, 0).ShuffleFront(outputs.AsSpan(), ways);
        }

        return outputs[..ways];
    }
}
