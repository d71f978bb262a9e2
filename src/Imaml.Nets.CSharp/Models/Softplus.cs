// y = ln(1 + eˣ), the rectifier without its kink: with it the losses are as smooth as Theorem 1 asks. y′ = σ(x), y″ = σ(x)(1 − σ(x)).

using Imaml.Nets.Tensors;
using static TorchSharp.torch;

namespace Imaml.Nets.Models;

/// <summary>The soft rectifier (Dugas et al. 2001), coordinate by coordinate.</summary>
public sealed class Softplus(ImageShape shape) : Layer
{
    /// <inheritdoc/>
    public override ImageShape OutputShape => shape;

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

        public override LayerGradient Backward(Tensor outputGradient, bool toInput)
        {
            _dy = outputGradient;
            return Transpose(outputGradient, toInput);
        }

        public override LayerGradient Transpose(Tensor outputGradient, bool toInput) => LayerGradient.OfInput(toInput ? outputGradient.mul(slope) : null);

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

        public override LayerGradient TangentBackward(Tensor outputGradientTangent, bool toInput)
        {
            var result = Transpose(outputGradientTangent, toInput);
            if (_slopeTangent is not null)
            {
                result.Input?.AddProduct(_dy!, _slopeTangent);
            }

            return result;
        }
    }
}
