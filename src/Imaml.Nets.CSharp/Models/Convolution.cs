// y = x ∗ W + b, in B groups: the tasks' channels lie side by side, and each task's kernels see its own.
//
// The convolution is bilinear in (x, W), so its tangent is ẋ ∗ W + x ∗ V, and the transpose of that map at ∂y is what the tangent of
// backward adds to backward's own value at ∂ẏ.

using Imaml.Nets.Kernels;
using Imaml.Nets.Tensors;
using static TorchSharp.torch;

namespace Imaml.Nets.Models;

/// <summary>Whether a bias has an effect.</summary>
public enum Bias
{
    /// <summary>It is added.</summary>
    Added,

    /// <summary>A normalisation follows that removes it: it has its place in the parameters, no effect, and gradient zero.</summary>
    NormalizedAway,
}

/// <summary>
/// A convolution with square kernels and zeros around the image. Parameters: W as O × k × k × C, then b, [O].
/// </summary>
public sealed class Convolution : Layer
{
    private readonly ImageShape _input;
    private readonly int _filters, _size, _stride, _padding;
    private readonly Bias _bias;
    private readonly double _gain;

    /// <param name="input">H × W × C.</param>
    /// <param name="filters">O.</param>
    /// <param name="size">k.</param>
    /// <param name="stride">Rows and columns between neighbouring outputs.</param>
    /// <param name="padding">Zeros on each side of the image.</param>
    /// <param name="bias">Whether b has an effect.</param>
    /// <param name="gain">The factor of Xavier's uniform initialisation.</param>
    /// <exception cref="ArgumentException">The kernel does not fit into the padded image, there is no filter, or the gain is negative or not finite.</exception>
    public Convolution(ImageShape input, int filters, int size, int stride, int padding, Bias bias, double gain)
    {
        _ = input.Sound();
        ArgumentOutOfRangeException.ThrowIfLessThan(filters, 1);
        if (size < 1 || stride < 1 || padding < 0 || input.Height + 2 * padding < size || input.Width + 2 * padding < size)
        {
            throw new ArgumentException($"kernels of {size}×{size} with stride {stride} and padding {padding} do not fit an image of {input.Height}×{input.Width}");
        }

        (_input, _filters, _size, _stride, _padding, _bias, _gain) = (input, filters, size, stride, padding, bias, Xavier.Gain(gain));
        OutputShape = new ImageShape(Positions(input.Height), Positions(input.Width), filters);
    }

    /// <inheritdoc/>
    public override ImageShape? InputShape => _input;

    /// <inheritdoc/>
    public override ImageShape OutputShape { get; }

    /// <inheritdoc/>
    public override int ParameterCount => Weights + _filters;

    /// <inheritdoc/>
    public override double ForwardFlops => 2.0 * OutputShape.Height * OutputShape.Width * Weights;

    /// <summary>Whether b has an effect.</summary>
    internal Bias BiasOfConvolution => _bias;

    /// <summary>The convolution of a task's images.</summary>
    internal ConvolutionShape Shape(int images) => new(images, _input.Height, _input.Width, _input.Channels, _filters, _size, _stride, _padding);

    /// <summary>The same as a product with the patches of them.</summary>
    internal ConvolutionShape OfPatches(int images) => new(images, OutputShape.Height, OutputShape.Width, Patch, _filters, 1, 1, 0);

    private int Weights => _filters * Patch;

    private int Patch => _size * _size * _input.Channels;

    /// <summary>W uniform within ±gain·√(6 / (fan in + fan out)) (Glorot and Bengio 2010), b uniform in [0, 0.05], as the reference code has them.</summary>
    public override Tensor InitialParameters(Generator generator)
    {
        using var scope = NewDisposeScope();
        var weights = Xavier.Weights(_gain, Patch, _size * _size * _filters, generator, Patch, _filters).t(); // [O, k·k·C]
        return cat([weights.reshape(Weights), Xavier.Biases(_filters, generator)]).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override LayerPass Forward(Tensor parameters, Tensor input)
    {
        using var scope = NewDisposeScope();
        var (w, b) = Split(parameters);
        Tensor[] variables = [Operation.Variable(input), Operation.Variable(w), .. b is null ? (Tensor[])[] : [Operation.Variable(b)]];
        var y = Operation.Recorded(() => Apply(variables[0], variables[1], variables.ElementAtOrDefault(2), parameters.shape[0]));
        var pass = new Pass(this, parameters.shape[0], variables, y);
        foreach (var tensor in pass.Kept.Append(pass.Output))
        {
            tensor.MoveToOuterDisposeScope();
        }

        return pass;
    }

    private int Positions(int length) => (length + 2 * _padding - _size) / _stride + 1;

    private Tensor Apply(Tensor x, Tensor w, Tensor? b, long tasks) =>
        nn.functional.conv2d(x, w, b, [_stride, _stride], [_padding, _padding], [1, 1], tasks);

    /// <summary>W as libtorch takes it, [B·O, C, k, k] with channels last, and b, [B·O], or null where it has no effect.</summary>
    private (Tensor Weights, Tensor? Bias) Split(Tensor parameters) =>
        (parameters.narrow(1, 0, Weights).reshape(-1, _size, _size, _input.Channels).permute(0, 3, 1, 2),
         _bias == Bias.Added ? parameters.narrow(1, Weights, _filters).reshape(-1) : null);

    /// <summary>The variables are x, W and, where it is added, b.</summary>
    private sealed class Pass(Convolution layer, long tasks, Tensor[] variables, Tensor y) : LayerPass(y.detach())
    {
        private Tensor? _dy;
        private Tensor[] _tangents = [];

        public override IEnumerable<Tensor> Kept => [.. variables, y, .. _dy is null ? (Tensor[])[] : [_dy]];

        public override LayerGradient Backward(Tensor outputGradient, bool toInput)
        {
            _dy = outputGradient;
            return Transpose(outputGradient, toInput);
        }

        public override LayerGradient Transpose(Tensor outputGradient, bool toInput) => Pull([y], [outputGradient], toInput);

        public override Tensor? Tangent(Tensor parameterTangent, Tensor? inputTangent)
        {
            using var scope = NewDisposeScope();
            var (v, c) = layer.Split(parameterTangent);
            var moved = Operation.Recorded(() => layer.Apply(variables[0], v, c, tasks));
            if (inputTangent is null)
            {
                _tangents = [moved];
                _ = moved.MoveToOuterDisposeScope();
                return moved.detach().MoveToOuterDisposeScope();
            }

            var carried = Operation.Recorded(() => layer.Apply(inputTangent, variables[1], null, tasks));
            _tangents = [moved, carried];
            _ = scope.MoveToOuter(moved, carried);
            return moved.detach().Plus(carried.detach()).MoveToOuterDisposeScope();
        }

        public override LayerGradient TangentBackward(Tensor outputGradientTangent, bool toInput)
        {
            // x ∗ V does not depend on W, nor ẋ ∗ W on x; where the input's gradient is not wanted x ∗ V is not needed.
            var tangents = toInput ? _tangents : _tangents[1..];
            return Pull([y, .. tangents], [outputGradientTangent, .. tangents.Select(_ => _dy!)], toInput);
        }

        private LayerGradient Pull(Tensor[] outputs, Tensor[] gradients, bool toInput)
        {
            using var scope = NewDisposeScope();
            var pulled = Operation.Pull(outputs, gradients, toInput ? variables : variables[1..]);
            var (dx, dw) = toInput ? (pulled[0], pulled[1]) : (null, pulled[0]);
            var db = layer._bias == Bias.Added ? pulled[^1].view(tasks, -1) : zeros(tasks, layer._filters, dw.dtype, dw.device);
            var weights = dw.permute(0, 2, 3, 1).reshape(tasks, -1);
            _ = scope.MoveToOuter(weights, db);
            return new LayerGradient([weights, db], dx?.MoveToOuterDisposeScope());
        }
    }
}
