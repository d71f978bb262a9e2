// The network of an experiment as a value: one of the literature's by name, or one that a program of the user's own has.

using System.Text.Json.Serialization;
using Imaml.Nets.Storage;

namespace Imaml.Nets.Models;

/// <summary>Which network is trained.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "kind")]
[JsonDerivedType(typeof(StridedConvolutions), "conv4-strided")]
[JsonDerivedType(typeof(OwnNetwork), "own")]
public abstract record NetworkSpec
{
    /// <summary>All that is wrong with it.</summary>
    public abstract IEnumerable<Complaint> Complaints();
}

/// <summary>A network, or losses, of the user's own, which the program that has it gives.</summary>
/// <param name="Name">What result files call it.</param>
public sealed record OwnNetwork(string Name) : NetworkSpec
{
    /// <inheritdoc/>
    public override IEnumerable<Complaint> Complaints() => [];
}

/// <summary>
/// The Omniglot network of the few-shot literature (Vinyals et al. 2016; Finn, Abbeel and Levine 2017): four blocks of 3×3 convolution with stride 2 →
/// batch normalisation → activation, then a linear classifier. 28 → 14 → 7 → 4 → 2 and 113,221 parameters for 64 filters and 5 ways.
/// </summary>
/// <param name="Filters">Filters of each convolution.</param>
/// <param name="Activation">What follows every normalisation.</param>
public sealed record StridedConvolutions(int Filters, Activation Activation = Activation.Rectifier) : NetworkSpec
{
    /// <summary>The filters of the literature.</summary>
    public const int OmniglotFilters = 64;

    private const int Blocks = 4, KernelSize = 3, Stride = 2, Padding = 1;

    // Xavier gain 1.73 ≈ √3 for convolutions and 1 for the classifier, as in the reference code.
    private const double ConvolutionGain = 1.73, ClassifierGain = 1;

    /// <summary>The network for images of a shape and N classes.</summary>
    public Network Build(ImageShape input, int ways)
    {
        var layers = new List<Layer>();
        var shape = input;
        for (var block = 0; block < Blocks; block++)
        {
            var convolution = new Convolution(shape, Filters, KernelSize, Stride, Padding, Bias.NormalizedAway, ConvolutionGain);
            shape = convolution.OutputShape;
            layers.AddRange([convolution, new BatchNormalization(shape), Activation == Activation.Softplus ? new Softplus(shape) : new Rectifier(shape)]);
        }

        layers.Add(new Dense(shape, ways, ClassifierGain));
        return new Network(input, [.. layers]);
    }

    /// <inheritdoc/>
    public override IEnumerable<Complaint> Complaints() =>
    [
        .. Rule.AtLeast(1, Filters, "filters"),
        // Each of the three convolutions after the first has 9·filters² weights.
        .. Rule.AtMost(100_000_000, 27.0 * Filters * Filters, "filters", Filters, "weights of the convolutions"),
        .. Rule.Defined(Activation, "activation"),
    ];
}
