// The network of an experiment as a value: one of the literature's by name, or one that a program of the user's own has.

using System.Text.Json.Serialization;
using Imaml.Nets.Storage;

namespace Imaml.Nets.Models;

/// <summary>Which network is trained.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "kind")]
[JsonDerivedType(typeof(StridedConvolutions), "conv4-strided")]
[JsonDerivedType(typeof(PooledConvolutions), "conv4-pooled")]
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
    public override IEnumerable<Complaint> Complaints() => Rule.Named(Name);
}

/// <summary>
/// A network of the few-shot literature (Vinyals et al. 2016; Finn, Abbeel and Levine 2017): four blocks of 3×3 convolution → batch normalisation →
/// activation, then a linear classifier.
/// </summary>
/// <param name="Filters">Filters of each convolution.</param>
/// <param name="Activation">What follows every normalisation.</param>
/// <param name="BatchNorm">Whose statistics normalise the query images.</param>
public abstract record ConvolutionalNetwork(int Filters, Activation Activation, BatchNormMode BatchNorm) : NetworkSpec
{
    private protected const int Blocks = 4;

    private const int KernelSize = 3, Padding = 1;

    // Xavier gain 1.73 ≈ √3 for convolutions and 1 for the classifier, as in the reference code.
    private const double ConvolutionGain = 1.73, ClassifierGain = 1;

    /// <summary>The network for images of a shape and N classes.</summary>
    /// <exception cref="ArgumentException">The images are too small for it.</exception>
    public abstract Network Build(ImageShape input, int ways);

    /// <inheritdoc/>
    public override IEnumerable<Complaint> Complaints() =>
    [
        .. Rule.AtLeast(1, Filters, "filters"),
        // Each of the three convolutions after the first has 9·filters² weights.
        .. Rule.AtMost(100_000_000, 27.0 * Filters * Filters, "filters", Filters, "weights of the convolutions"),
        .. Rule.Defined(Activation, "activation"),
        .. Rule.Defined(BatchNorm, "batchNorm"),
    ];

    /// <summary>The weights of its last layer at most, for images of a size.</summary>
    internal double ClassifierWeights(int size, int ways)
    {
        var side = double.Ceiling(size / (double)(1 << Blocks));
        return side * side * Filters * ways;
    }

    private protected Network Build(ImageShape input, int ways, int stride, Func<ImageShape, Layer[]> last)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(ways, 1);
        if (Complaints().FirstOrDefault() is { } complaint)
        {
            throw new ArgumentException(complaint.ToString());
        }

        var layers = new List<Layer>();
        var shape = input;
        for (var block = 0; block < Blocks; block++)
        {
            var convolution = new Convolution(shape, Filters, KernelSize, stride, Padding, Bias.NormalizedAway, ConvolutionGain);
            shape = convolution.OutputShape;
            layers.AddRange([convolution, new BatchNormalization(shape), Activation == Activation.Softplus ? new Softplus(shape) : new Rectifier(shape), .. last(shape)]);
            shape = layers[^1].OutputShape;
        }

        layers.Add(new Dense(shape, ways, ClassifierGain));
        return new Network(input, [.. layers]);
    }
}

/// <summary>The Omniglot network, whose convolutions have stride 2: 28 → 14 → 7 → 4 → 2 and 113,221 parameters for 64 filters and 5 ways.</summary>
/// <inheritdoc cref="ConvolutionalNetwork"/>
public sealed record StridedConvolutions(int Filters, Activation Activation = Activation.Rectifier, BatchNormMode BatchNorm = BatchNormMode.Transductive)
    : ConvolutionalNetwork(Filters, Activation, BatchNorm)
{
    /// <summary>The filters of the literature.</summary>
    public const int OmniglotFilters = 64;

    /// <inheritdoc/>
    public override Network Build(ImageShape input, int ways) => Build(input, ways, stride: 2, _ => []);
}

/// <summary>
/// The mini-ImageNet network, whose blocks end in 2×2 max-pooling: 84 → 42 → 21 → 10 → 5 and 32,901 parameters for 32 filters, three channels and 5 ways.
/// </summary>
/// <inheritdoc cref="ConvolutionalNetwork"/>
public sealed record PooledConvolutions(int Filters, Activation Activation = Activation.Rectifier, BatchNormMode BatchNorm = BatchNormMode.Transductive)
    : ConvolutionalNetwork(Filters, Activation, BatchNorm)
{
    /// <summary>The filters of the literature.</summary>
    public const int MiniImageNetFilters = 32;

    private const int Window = 2, Smallest = 1 << Blocks;

    /// <inheritdoc/>
    public override Network Build(ImageShape input, int ways) => int.Min(input.Height, input.Width) >= Smallest
        ? Build(input, ways, stride: 1, shape => [new MaxPooling(shape, Window)])
        : throw new ArgumentException($"images of {input.Height}×{input.Width} are too small for conv4-pooled, which halves them four times; they need {Smallest}×{Smallest}");
}
