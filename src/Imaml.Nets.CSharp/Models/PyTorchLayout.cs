// A network's parameters as PyTorch has them: tensors by the names of modules, in PyTorch's layouts. Here a convolution's weights are O × k × k × C and
// a classifier's I × O with I in the order row, column, channel; there they are [O, C, k, k] and [O, I] with I in the order channel, row, column.
//
//     conv1.weight [O, C, k, k] · conv1.bias [O] · norm1.weight [O] (γ) · norm1.bias [O] (β) · … · classifier.weight [N, I] · classifier.bias [N]

namespace Imaml.Nets.Models;

/// <summary>A tensor of PyTorch's, and where its numbers are in the parameter vector.</summary>
/// <param name="Name">Module and parameter.</param>
/// <param name="Shape">Its shape.</param>
/// <param name="Places">The place of each of its numbers, row by row; made as it is read.</param>
internal sealed record NamedParameters(string Name, long[] Shape, IEnumerable<int> Places)
{
    /// <summary>Its numbers, row by row.</summary>
    /// <param name="parameters">The parameter vector, [d].</param>
    public float[] Of(float[] parameters) => [.. Places.Select(place => parameters[place])];

    /// <summary>Type and shape, for messages, as a file has them.</summary>
    public override string ToString() => $"F32 [{string.Join(", ", Shape)}]";
}

/// <summary>Names and places of the parameters of a network of the library's layers.</summary>
internal static class PyTorchLayout
{
    /// <summary>The tensors in the order of the parameter vector.</summary>
    /// <exception cref="ArgumentException">A layer with parameters is of another kind, or a dense one is not the last.</exception>
    public static IReadOnlyList<NamedParameters> Of(Network network)
    {
        var (all, offset, convolutions, normalizations) = (new List<NamedParameters>(), 0, 0, 0);
        foreach (var layer in network.Layers)
        {
            all.AddRange(layer switch
            {
                Convolution convolution => OfConvolution($"conv{++convolutions}", convolution, offset),
                BatchNormalization or ChannelScaling => OfChannels($"norm{++normalizations}", layer.OutputShape.Channels, offset),
                Dense dense when dense == network.Layers[^1] => OfDense("classifier", dense, offset),
                { ParameterCount: 0 } => [],
                _ => throw new ArgumentException($"{layer.GetType().Name} has no counterpart in PyTorch's layout"),
            });
            offset += layer.ParameterCount;
        }

        return all;
    }

    private static NamedParameters[] OfConvolution(string name, Convolution layer, int offset)
    {
        var shape = layer.Shape(1);
        var (filters, channels, size) = (shape.Filters, shape.Channels, shape.Size);
        var places =
            from o in Enumerable.Range(0, filters)
            from c in Enumerable.Range(0, channels)
            from y in Enumerable.Range(0, size)
            from x in Enumerable.Range(0, size)
            select offset + ((o * size + y) * size + x) * channels + c;
        return [new(Weight(name), [filters, channels, size, size], places), new(Bias(name), [filters], Enumerable.Range(offset + filters * shape.Patch, filters))];
    }

    private static NamedParameters[] OfChannels(string name, int channels, int offset) =>
        [new(Weight(name), [channels], Enumerable.Range(offset, channels)), new(Bias(name), [channels], Enumerable.Range(offset + channels, channels))];

    private static NamedParameters[] OfDense(string name, Dense layer, int offset)
    {
        var (input, outputs) = (layer.InputShape!.Value, layer.OutputShape.Channels);
        var places =
            from o in Enumerable.Range(0, outputs)
            from c in Enumerable.Range(0, input.Channels)
            from y in Enumerable.Range(0, input.Height)
            from x in Enumerable.Range(0, input.Width)
            select offset + ((y * input.Width + x) * input.Channels + c) * outputs + o;
        return [new(Weight(name), [outputs, input.Count], places), new(Bias(name), [outputs], Enumerable.Range(offset + input.Count * outputs, outputs))];
    }

    private static string Weight(string module) => $"{module}.weight";

    private static string Bias(string module) => $"{module}.bias";
}
