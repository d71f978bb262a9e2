// y = xW + b, row by row. After Patches it is a convolution, after the last block the classifier.

using static TorchSharp.torch;

namespace Imaml.Nets.Models;

/// <summary>What becomes of a bias.</summary>
public enum Bias
{
    /// <summary>It is added.</summary>
    Added,

    /// <summary>A normalisation follows that takes it away again: it has its place in the parameters, no effect, and gradient zero.</summary>
    NormalizedAway,
}

/// <summary>An affine map of rows: [B, n·H·W, I] → [B, n·H·W, O]. Parameters: W as I × O, row by row, then b.</summary>
/// <param name="positions">The height and width of the images whose channels it maps; 1 × 1 to take an image as one row.</param>
/// <param name="outputs">O.</param>
/// <param name="bias">What becomes of b.</param>
/// <param name="gain">The factor of Xavier's uniform initialisation.</param>
public sealed class Dense(ImageShape positions, int outputs, Bias bias, double gain) : Layer
{
    private const double LargestInitialBias = 0.05;

    private readonly int _inputs = positions.Channels;

    /// <inheritdoc/>
    public override ImageShape OutputShape => positions with { Channels = outputs };

    /// <inheritdoc/>
    public override int ParameterCount => (_inputs + 1) * outputs;

    /// <summary>W uniform within ±gain·√(6 / (fan in + fan out)) (Glorot and Bengio 2010), b uniform in [0, 0.05], as the reference code has them.</summary>
    public override Tensor InitialParameters(Generator generator)
    {
        using var scope = NewDisposeScope();
        var bound = gain * double.Sqrt(6.0 / (_inputs + KernelPositions * outputs));
        var weights = rand(_inputs * outputs, generator: generator).Times(2).Plus(-1).Times(bound);
        return cat([weights, rand(outputs, generator: generator).Times(LargestInitialBias)]).MoveToOuterDisposeScope();
    }

    /// <summary>Positions of the kernel where this is a convolution, else 1; fan out is this many times the outputs.</summary>
    public int KernelPositions { get; init; } = 1;

    /// <inheritdoc/>
    public override LayerPass Forward(Tensor parameters, Tensor input)
    {
        var x = input.reshape(input.shape[0], -1, _inputs); // [B, R, I]
        var (w, b) = Split(parameters);
        return new Pass(this, x, w, bias == Bias.Added ? AddProduct(b, x, w) : bmm(x, w));
    }

    private (Tensor Weights, Tensor Bias) Split(Tensor parameters) =>
        (parameters.narrow(1, 0, _inputs * outputs).view(-1, _inputs, outputs),
         parameters.narrow(1, _inputs * outputs, outputs).unsqueeze(1)); // [B, I, O], [B, 1, O]

    private sealed class Pass(Dense layer, Tensor x, Tensor w, Tensor output) : LayerPass(output)
    {
        private Tensor? _dy, _v, _tangentX;

        public override IEnumerable<Tensor> Kept => _dy is null ? [x, w] : [x, w, _dy];

        public override Tensor? Backward(Tensor outputGradient, IList<Tensor> parameterGradients, bool toInput)
        {
            _dy = outputGradient;
            return Transpose(outputGradient, parameterGradients, toInput);
        }

        public override Tensor? Transpose(Tensor outputGradient, IList<Tensor> parameterGradients, bool toInput)
        {
            using var scope = NewDisposeScope();
            parameterGradients.Add(Join(bmm(x.transpose(1, 2), outputGradient), outputGradient).MoveToOuterDisposeScope());
            return toInput ? bmm(outputGradient, w.transpose(1, 2)).MoveToOuterDisposeScope() : null;
        }

        public override Tensor? Tangent(Tensor parameterTangent, Tensor? inputTangent)
        {
            (_v, var c) = layer.Split(parameterTangent);
            _tangentX = inputTangent?.reshape(x.shape);
            using var scope = NewDisposeScope();
            var dy = layer.AddsBias ? AddProduct(c, x, _v) : bmm(x, _v);
            return (_tangentX is null ? dy : AddProduct(dy, _tangentX, w)).MoveToOuterDisposeScope();
        }

        public override Tensor? TangentBackward(Tensor outputGradientTangent, IList<Tensor> parameterGradientTangents, bool toInput)
        {
            using var scope = NewDisposeScope();
            var dw = bmm(x.transpose(1, 2), outputGradientTangent);
            parameterGradientTangents.Add(
                Join(_tangentX is null ? dw : AddProduct(dw, _tangentX.transpose(1, 2), _dy!), outputGradientTangent).MoveToOuterDisposeScope());
            return toInput
                ? AddProduct(bmm(outputGradientTangent, w.transpose(1, 2)), _dy!, _v!.transpose(1, 2)).MoveToOuterDisposeScope()
                : null;
        }

        private Tensor Join(Tensor weights, Tensor outputGradient)
        {
            var tasks = weights.shape[0];
            var bias = layer.AddsBias ? outputGradient.sum(1) : zeros(tasks, outputGradient.shape[2], outputGradient.dtype, outputGradient.device);
            return cat([weights.reshape(tasks, -1), bias], 1);
        }
    }

    private bool AddsBias => bias == Bias.Added;

    /// <summary>c + ab for every task.</summary>
    /// <remarks>TorchSharp's baddbmm takes the first factor as its subject and the summand last, whatever its parameters' names say.</remarks>
    private static Tensor AddProduct(Tensor c, Tensor a, Tensor b) => a.baddbmm(b, c);
}
