// y = ln(1 + eˣ), the rectifier without its kink: with it the losses are as smooth as Theorem 1 asks. y′ = σ(x), y″ = σ(x)(1 − σ(x)).

using static TorchSharp.torch;

namespace Imaml.Nets.Models;

/// <summary>The soft rectifier (Dugas et al. 2001), coordinate by coordinate.</summary>
public sealed class Softplus(ImageShape shape) : Layer
{
    /// <inheritdoc/>
    public override ImageShape OutputShape => shape;

    /// <inheritdoc/>
    public override int ParameterCount => 0;

    /// <inheritdoc/>
    public override Tensor InitialParameters(Generator generator) => zeros(0);

    /// <inheritdoc/>
    public override LayerPass Forward(Tensor parameters, Tensor input)
    {
        using var scope = NewDisposeScope();
        var (slope, output) = (input.sigmoid(), logaddexp(input, zeros_like(input)));
        _ = scope.MoveToOuter(slope, output);
        return new Pass(slope, output);
    }

    private sealed class Pass(Tensor slope, Tensor output) : LayerPass(output)
    {
        private Tensor? _dy, _slopeTangent;

        public override IEnumerable<Tensor> Kept => _dy is null ? [slope] : [slope, _dy];

        public override Tensor? Backward(Tensor outputGradient, IList<Tensor> parameterGradients, bool toInput)
        {
            _dy = outputGradient;
            return toInput ? outputGradient.mul(slope) : null;
        }

        public override Tensor? Transpose(Tensor outputGradient, IList<Tensor> parameterGradients, bool toInput) => toInput ? outputGradient.mul(slope) : null;

        public override Tensor? Tangent(Tensor parameterTangent, Tensor? inputTangent)
        {
            _slopeTangent = null;
            if (inputTangent is null)
            {
                return null;
            }

            using var scope = NewDisposeScope();
            var tangent = slope * inputTangent;
            // σ′ẋ = σẋ − σ·σẋ
            _slopeTangent = tangent.MinusProduct(slope, tangent);
            _ = scope.MoveToOuter(tangent, _slopeTangent);
            return tangent;
        }

        public override Tensor? TangentBackward(Tensor outputGradientTangent, IList<Tensor> parameterGradientTangents, bool toInput)
        {
            if (!toInput)
            {
                return null;
            }

            using var scope = NewDisposeScope();
            var dx = outputGradientTangent * slope;
            return (_slopeTangent is null ? dx : dx.AddProduct(_dy!, _slopeTangent)).MoveToOuterDisposeScope();
        }
    }
}
