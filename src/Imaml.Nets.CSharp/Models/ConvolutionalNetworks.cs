// The networks of the few-shot literature (Vinyals et al. 2016; Finn, Abbeel and Levine 2017).


namespace Imaml.Nets.Models;

/// <summary>What follows every normalisation.</summary>
public enum Activation
{
    /// <summary>max(0, x), as in the literature.</summary>
    Rectifier,

    /// <summary>ln(1 + eˣ), without a kink.</summary>
    Softplus,
}

/// <summary>Convolutional networks for few-shot image classification: four blocks, then a linear classifier.</summary>
public static class ConvolutionalNetworks
{
    /// <summary>The filters of every block of the Omniglot network, and of the mini-ImageNet network.</summary>
    public const int OmniglotFilters = 64, MiniImageNetFilters = 32;

    /// <summary>The least rows and columns of the images that four poolings leave something of.</summary>
    public const int SmallestPooled = 1 << Blocks;

    private const int Blocks = 4, KernelSize = 3, Padding = 1, Window = 2;

    // Xavier gain 1.73 ≈ √3 for convolutions and 1 for the classifier, as in the reference code.
    private const double ConvolutionGain = 1.73, ClassifierGain = 1;

    /// <summary>
    /// The Omniglot network, conv4-strided: blocks of 3×3 convolution with stride 2 → batch normalisation → rectifier;
    /// 28 → 14 → 7 → 4 → 2 and 113,221 parameters for 64 filters and 5 ways.
    /// </summary>
    /// <param name="input">The images' shape.</param>
    /// <param name="filters">Filters of every block.</param>
    /// <param name="ways">N, the classes of an episode.</param>
    /// <param name="activation">What follows every normalisation.</param>
    public static Network Strided(ImageShape input, int filters, int ways, Activation activation = Activation.Rectifier) =>
        Of(input, filters, ways, activation, stride: 2, _ => []);

    /// <summary>
    /// The mini-ImageNet network, conv4-pooled: blocks of 3×3 convolution → batch normalisation → rectifier → 2×2 max-pooling;
    /// 84 → 42 → 21 → 10 → 5 and 32,901 parameters for 32 filters, three channels and 5 ways.
    /// </summary>
    /// <inheritdoc cref="Strided"/>
    /// <exception cref="ArgumentException">The images have fewer than <see cref="SmallestPooled"/> rows or columns.</exception>
    public static Network Pooled(ImageShape input, int filters, int ways, Activation activation = Activation.Rectifier) =>
        int.Min(input.Height, input.Width) < SmallestPooled
            ? throw new ArgumentException($"images of {input.Height}×{input.Width} are too small for four poolings; they need {SmallestPooled}×{SmallestPooled}", nameof(input))
            : Of(input, filters, ways, activation, stride: 1, shape => [new MaxPooling(shape, Window)]);

    private static Network Of(ImageShape input, int filters, int ways, Activation activation, int stride, Func<ImageShape, Layer[]> last)
    {
        var layers = new List<Layer>();
        var shape = input;
        for (var block = 0; block < Blocks; block++)
        {
            var convolution = new Convolution(shape, filters, KernelSize, stride, Padding, Bias.NormalizedAway, ConvolutionGain);
            shape = convolution.OutputShape;
            layers.AddRange([convolution, new BatchNormalization(shape), activation == Activation.Softplus ? new Softplus(shape) : new Rectifier(shape), .. last(shape)]);
            shape = layers[^1].OutputShape;
        }

        layers.Add(new Dense(shape, ways, ClassifierGain));
        return new Network(input, [.. layers]);
    }
}
