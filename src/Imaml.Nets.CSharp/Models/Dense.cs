// y = xW + b: an image is one row, its positions and channels in the order row, column, channel. The classifier.

using TorchSharp;
using static TorchSharp.torch;

namespace Imaml.Nets.Models;

/// <summary>An affine map of whole images to O numbers. Parameters: W as I × O, row by row, then b; I = H·W·C.</summary>
/// <param name="input">H × W × C.</param>
/// <param name="outputs">O.</param>
/// <param name="gain">The factor of Xavier's uniform initialisation.</param>
/// <exception cref="ArgumentException">The input has no numbers, there is no output, or the gain is negative or not finite.</exception>
public sealed class Dense(ImageShape input, int outputs, double gain) : Layer
{
    private readonly double _gain = Xavier.Gain(gain);
    private readonly ImageShape _input = input;
    private readonly int _inputs = input.Sound().Count;

    /// <inheritdoc/>
    public override ImageShape? InputShape => _input;

    /// <inheritdoc/>
    public override ImageShape OutputShape { get; } = new ImageShape(1, 1, outputs).Sound();

    /// <inheritdoc/>
    public override int ParameterCount => (_inputs + 1) * outputs;

    /// <inheritdoc/>
    public override double ForwardFlops => 2.0 * _inputs * outputs;

    /// <summary>W uniform within ±gain·√(6 / (fan in + fan out)) (Glorot and Bengio 2010), b uniform in [0, 0.05], as the reference code has them.</summary>
    public override Tensor InitialParameters(Generator generator)
    {
        using var scope = NewDisposeScope();
        return cat([Xavier.Weights(_gain, _inputs, outputs, generator, _inputs * outputs), Xavier.Biases(outputs, generator)]).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override LayerPass Forward(Tensor parameters, Tensor input)
    {
        var x = TaskRows.Of(input, parameters.shape[0]); // [B, n, I]
        var (w, b) = Split(parameters);
        return new Pass(this, x, w, TaskRows.ToImages(AddProduct(b, x, w), OutputShape));
    }

    /// <summary>The layer with these of the outputs alone, and the places of its parameters among those of this one.</summary>
    internal (Dense Layer, IEnumerable<int> Places) WithOutputs(IReadOnlyList<int> kept) =>
        (new Dense(_input, kept.Count, _gain), Enumerable.Range(0, _inputs + 1).SelectMany(row => kept.Select(output => row * outputs + output)));

    /// <summary>The layer with another number of outputs.</summary>
    internal Dense WithOutputs(int count) => new(_input, count, _gain);

    private (Tensor Weights, Tensor Bias) Split(Tensor parameters) =>
        (parameters.narrow(1, 0, _inputs * outputs).view(-1, _inputs, outputs),
         parameters.narrow(1, _inputs * outputs, outputs).unsqueeze(1)); // [B, I, O], [B, 1, O]

    /// <summary>c + ab for every task.</summary>
    /// <remarks>TorchSharp's baddbmm takes the first factor as its subject and the summand last, unlike its parameters' names.</remarks>
    private static Tensor AddProduct(Tensor c, Tensor a, Tensor b) => a.baddbmm(b, c);

    private sealed class Pass(Dense layer, Tensor x, Tensor w, Tensor output) : LayerPass(output)
    {
        private Tensor? _dy, _v, _tangentX;

        public override IEnumerable<Tensor> Kept => _dy is null ? [x, w] : [x, w, _dy];

        public override LayerGradient Backward(Tensor outputGradient, bool toInput)
        {
            _dy = Rows(outputGradient);
            return Transpose(outputGradient, toInput);
        }

        public override LayerGradient Transpose(Tensor outputGradient, bool toInput)
        {
            using var scope = NewDisposeScope();
            var dy = Rows(outputGradient);
            return Gradient(scope, bmm(x.transpose(1, 2), dy), dy, toInput ? bmm(dy, w.transpose(1, 2)) : null);
        }

        public override Tensor? Tangent(Tensor parameterTangent, Tensor? inputTangent)
        {
            (_v, var c) = layer.Split(parameterTangent);
            _tangentX = inputTangent is null ? null : Rows(inputTangent);
            using var scope = NewDisposeScope();
            var dy = AddProduct(c, x, _v);
            return TaskRows.ToImages(_tangentX is null ? dy : AddProduct(dy, _tangentX, w), layer.OutputShape).MoveToOuterDisposeScope();
        }

        public override LayerGradient TangentBackward(Tensor outputGradientTangent, bool toInput)
        {
            using var scope = NewDisposeScope();
            var dy = Rows(outputGradientTangent);
            var dw = bmm(x.transpose(1, 2), dy);
            return Gradient(
                scope,
                _tangentX is null ? dw : AddProduct(dw, _tangentX.transpose(1, 2), _dy!),
                dy,
                toInput ? AddProduct(bmm(dy, w.transpose(1, 2)), _dy!, _v!.transpose(1, 2)) : null);
        }

        private Tensor Rows(Tensor images) => TaskRows.Of(images, x.shape[0]);

        private LayerGradient Gradient(DisposeScope scope, Tensor weights, Tensor dy, Tensor? dx)
        {
            var (dw, db) = scope.MoveToOuter(weights.view(weights.shape[0], -1), dy.sum(1));
            return new LayerGradient([dw, db], dx is null ? null : TaskRows.ToImages(dx, layer._input).MoveToOuterDisposeScope());
        }
    }
}
