// What follows a layer, coordinate by coordinate.
//
//     rectifier   y = max(0, x), the network's only kink; y″ is taken as zero, as everywhere but at 0 it is
//     softplus    y = ln(1 + eˣ), without the kink: the losses are as smooth as Theorem 1 requires; y′ = σ(x), y″ = σ(x)(1 − σ(x))

using Imaml.Nets.Tensors;
using static TorchSharp.torch;

namespace Imaml.Nets.Models;

/// <summary>What follows every normalisation.</summary>
public enum Activation
{
    /// <summary>max(0, x), as in the literature.</summary>
    Rectifier,

    /// <summary>ln(1 + eˣ), without a kink.</summary>
    Softplus,
}

/// <summary>The rectified linear unit, coordinate by coordinate.</summary>
public sealed class Rectifier(ImageShape shape) : Layer
{
    /// <inheritdoc/>
    public override ImageShape? InputShape => shape;

    /// <inheritdoc/>
    public override ImageShape OutputShape { get; } = shape.Sound();

    /// <inheritdoc/>
    public override LayerPass Forward(Tensor parameters, Tensor input) => new Pass(input.relu());

    private sealed class Pass(Tensor output) : LayerPass(output)
    {
        // y ≥ 0, so its sign is its slope: 1 or 0.
        private Tensor? _slope;

        public override IEnumerable<Tensor> Kept => _slope is null ? [] : [_slope];

        public override LayerGradient Backward(Tensor outputGradient, bool toInput)
        {
            _slope ??= Output.sign();
            return Transpose(outputGradient, toInput);
        }

        public override LayerGradient Transpose(Tensor outputGradient, bool toInput) => LayerGradient.OfInput(toInput ? outputGradient.mul(_slope!) : null);

        public override Tensor? Tangent(Tensor parameterTangent, Tensor? inputTangent) => inputTangent?.mul(_slope!);

        public override LayerGradient TangentBackward(Tensor outputGradientTangent, bool toInput) => Transpose(outputGradientTangent, toInput);
    }
}

/// <summary>The soft rectifier (Dugas et al. 2001), coordinate by coordinate.</summary>
public sealed class Softplus(ImageShape shape) : Layer
{
    /// <inheritdoc/>
    public override ImageShape? InputShape => shape;

    /// <inheritdoc/>
    public override ImageShape OutputShape { get; } = shape.Sound();

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
