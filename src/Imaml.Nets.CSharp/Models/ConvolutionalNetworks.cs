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

/// <summary>Convolutional networks for few-shot image classification.</summary>
public static class ConvolutionalNetworks
{
    /// <summary>The filters of every block of the Omniglot network.</summary>
    public const int OmniglotFilters = 64;

    private const int Blocks = 4, KernelSize = 3, Stride = 2, Padding = 1;

    // Xavier gain 1.73 ≈ √3 for convolutions and 1 for the classifier, as in the reference code.
    private const double ConvolutionGain = 1.73, ClassifierGain = 1;

    /// <summary>
    /// Four blocks of 3×3 convolution with stride 2 → batch normalisation → rectifier, then a linear classifier:
    /// 28 → 14 → 7 → 4 → 2 and 113,221 parameters for 64 filters and 5 ways.
    /// </summary>
    /// <param name="input">The images' shape.</param>
    /// <param name="filters">Filters of every block.</param>
    /// <param name="ways">N, the classes of an episode.</param>
    /// <param name="activation">What follows every normalisation.</param>
    public static Network Strided(ImageShape input, int filters, int ways, Activation activation = Activation.Rectifier)
    {
        var layers = new List<Layer>();
        var shape = input;
        for (var block = 0; block < Blocks; block++)
        {
            var convolution = new Convolution(shape, filters, KernelSize, Stride, Padding, Bias.NormalizedAway, ConvolutionGain);
            shape = convolution.OutputShape;
            layers.AddRange([convolution, new BatchNormalization(shape), activation == Activation.Softplus ? new Softplus(shape) : new Rectifier(shape)]);
        }

        layers.Add(new Dense(shape, ways, ClassifierGain));
        return new Network(input, [.. layers]);
    }
}
