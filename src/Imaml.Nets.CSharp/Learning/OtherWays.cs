// Tasks of other numbers of classes than a network was trained for. Training gives the labels of an episode at random, so its outputs are equivalent, and some
// of them are used for fewer classes: a seeded choice. Where outputs start at 0 there may be any number of them.

using Imaml.Nets.Methods;
using Imaml.Nets.Models;
using Imaml.Nets.Tensors;

namespace Imaml.Nets.Learning;

/// <summary>The network for tasks of another number of classes than it was trained for.</summary>
internal static class OtherWays
{
    private const ulong Seed = 1;

    /// <summary>The network for tasks of so many classes, and the places of its parameters in the trained one's vector; −1 for those that start at 0.</summary>
    /// <exception cref="ArgumentException">As for <see cref="Outputs"/>.</exception>
    public static (Network Network, int[] Places) Of(Method method, Network network, int trained, int ways) =>
        ways == trained ? (network, [.. Enumerable.Range(0, network.ParameterCount)])
        : method.ServesAnyWays ? network.WithNewOutputs(ways)
        : network.WithOutputs(Outputs(trained, ways));

    /// <summary>The outputs, a random choice that is the same every time; all of them in their order for N.</summary>
    /// <param name="trained">N.</param>
    /// <param name="ways">Classes of a task.</param>
    /// <exception cref="ArgumentException">There are more classes than outputs, or fewer than 2.</exception>
    public static int[] Outputs(int trained, int ways)
    {
        if (ways < 2 || ways > trained)
        {
            throw new ArgumentException(
                ways < 2 ? $"a task needs at least 2 classes, not {ways}" : $"{ways} classes are more than the network has outputs: it was trained on {trained}-way tasks; take at most {trained}, or a model of the algorithm head without --learn-start, which takes any number");
        }

        var outputs = Enumerable.Range(0, trained).ToArray();
        if (ways < trained)
        {
            new CounterRandom(Seed, RandomPurpose.Outputs, 0).ShuffleFront(outputs.AsSpan(), ways);
        }

        return outputs[..ways];
    }
}
