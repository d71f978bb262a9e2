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

/// <summary>The Omniglot network of the few-shot literature, <see cref="ConvolutionalNetworks.Strided"/>.</summary>
/// <param name="Filters">Filters of each convolution.</param>
/// <param name="Activation">What follows every normalisation.</param>
public sealed record StridedConvolutions(int Filters, Activation Activation = Activation.Rectifier) : NetworkSpec
{
    /// <summary>The network for images of a shape and N classes.</summary>
    public Network Build(ImageShape input, int ways) => ConvolutionalNetworks.Strided(input, Filters, ways, Activation);

    /// <inheritdoc/>
    public override IEnumerable<Complaint> Complaints() =>
    [
        .. Rule.AtLeast(1, Filters, "filters"),
        // Each of the three convolutions after the first has 9·filters² weights.
        .. Rule.AtMost(100_000_000, 27.0 * Filters * Filters, "filters", Filters, "weights of the convolutions"),
        .. Rule.Defined(Activation, "activation"),
    ];
}
