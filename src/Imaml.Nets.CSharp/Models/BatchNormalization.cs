// Batch normalisation (Ioffe and Szegedy 2015) with the statistics of the batch at hand, per task and channel.
//
//     x̂ = (x − m)/s,  m = mean(x),  s = √(mean((x − m)²) + ε),   y = γx̂ + β
//
// The statistics are each task's own, so tasks stay independent. At test time they are the query batch's (transductive), as in all
// published few-shot figures.

using static TorchSharp.torch;

namespace Imaml.Nets.Models;

/// <summary>Normalises every channel over a task's rows: [B, R, C] → [B, R, C]. Parameters: γ, then β.</summary>
public sealed class BatchNormalization(ImageShape shape) : Layer
{
    /// <summary>ε, the usual 10⁻⁵.</summary>
    public const double Epsilon = 1e-5;

    /// <inheritdoc/>
    public override ImageShape OutputShape => shape;

    /// <inheritdoc/>
    public override int ParameterCount => 2 * shape.Channels;

    /// <summary>γ = 1, β = 0.</summary>
    public override Tensor InitialParameters(Generator generator)
    {
        using var scope = NewDisposeScope();
        return cat([ones(shape.Channels), zeros(shape.Channels)]).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override LayerPass Forward(Tensor parameters, Tensor input)
    {
        var (gamma, beta) = Split(parameters);
        using var scope = NewDisposeScope();
        var centred = input - Mean(input);
        var inverse = Mean(centred * centred).Plus(Epsilon).rsqrt(); // 1/s, [B, 1, C]
        var normalized = centred * inverse;
        var output = beta.PlusProduct(normalized, gamma);
        _ = scope.MoveToOuter(inverse, normalized, output);
        return new Pass(this, normalized, inverse, gamma, output);
    }

    private static Tensor Mean(Tensor x) => x.mean([1], keepdim: true);

    private (Tensor Gamma, Tensor Beta) Split(Tensor parameters) =>
        (parameters.narrow(1, 0, shape.Channels).unsqueeze(1), parameters.narrow(1, shape.Channels, shape.Channels).unsqueeze(1));

    /// <summary>At a point: x̂, 1/s and γ. With q = γ·∂y, the input's gradient is (q − mean(q) − x̂·mean(q·x̂))/s.</summary>
    private sealed class Pass(BatchNormalization layer, Tensor normalized, Tensor inverse, Tensor gamma, Tensor output) : LayerPass(output)
    {
        private Tensor? _dy, _correlation, _dx, _normalizedTangent, _scaleTangent, _gammaTangent;

        public override IEnumerable<Tensor> Kept => _dy is null
            ? [normalized, inverse, gamma]
            : _dx is null ? [normalized, inverse, gamma, _dy] : [normalized, inverse, gamma, _dy, _correlation!, _dx];

        public override Tensor? Backward(Tensor outputGradient, IList<Tensor> parameterGradients, bool toInput)
        {
            _dy = outputGradient;
            (_correlation, _dx) = Pull(outputGradient, parameterGradients, toInput);
            return _dx;
        }

        public override Tensor? Transpose(Tensor outputGradient, IList<Tensor> parameterGradients, bool toInput)
        {
            var (correlation, dx) = Pull(outputGradient, parameterGradients, toInput);
            correlation?.Dispose();
            return dx;
        }

        private (Tensor? Correlation, Tensor? InputGradient) Pull(Tensor outputGradient, IList<Tensor> parameterGradients, bool toInput)
        {
            using var scope = NewDisposeScope();
            var product = outputGradient * normalized;
            parameterGradients.Add(cat([product.sum(1), outputGradient.sum(1)], 1).MoveToOuterDisposeScope());
            if (!toInput)
            {
                return (null, null);
            }

            var q = outputGradient * gamma;
            var correlation = gamma * Mean(product);
            return scope.MoveToOuter(correlation, (q - Mean(q)).MinusProduct(normalized, correlation).mul_(inverse));
        }

        public override Tensor? Tangent(Tensor parameterTangent, Tensor? inputTangent)
        {
            (_gammaTangent, var betaTangent) = layer.Split(parameterTangent);
            using var scope = NewDisposeScope();
            var dy = betaTangent.PlusProduct(normalized, _gammaTangent);
            if (inputTangent is null)
            {
                (_normalizedTangent, _scaleTangent) = (null, null);
                return dy.MoveToOuterDisposeScope();
            }

            // ṡ/s = mean(x̂·ẋ)/s and x̂' = (ẋ − mean(ẋ))/s − x̂·ṡ/s
            _scaleTangent = Mean(normalized * inputTangent) * inverse;
            _normalizedTangent = (inputTangent - Mean(inputTangent)).mul_(inverse).MinusProduct(normalized, _scaleTangent);
            _ = scope.MoveToOuter(_scaleTangent, _normalizedTangent);
            return dy.AddProduct(_normalizedTangent, gamma).MoveToOuterDisposeScope();
        }

        public override Tensor? TangentBackward(Tensor outputGradientTangent, IList<Tensor> parameterGradientTangents, bool toInput)
        {
            using var scope = NewDisposeScope();
            var product = outputGradientTangent * normalized;
            if (_normalizedTangent is not null)
            {
                product.AddProduct(_dy!, _normalizedTangent);
            }

            parameterGradientTangents.Add(cat([product.sum(1), outputGradientTangent.sum(1)], 1).MoveToOuterDisposeScope());
            if (!toInput)
            {
                return null;
            }

            // The derivative of (q − mean(q) − x̂·c)/s with c = mean(q·x̂), q' = γ'·∂y + γ·∂y', and c' by the same product rule.
            var q = (outputGradientTangent * gamma).PlusProduct(_dy!, _gammaTangent!);
            var correlation = (gamma * Mean(product)).PlusProduct(_gammaTangent!, Mean(_dy! * normalized));
            var dx = (q - Mean(q)).MinusProduct(normalized, correlation);
            if (_normalizedTangent is not null)
            {
                dx.SubtractProduct(_normalizedTangent, _correlation!);
            }

            dx.mul_(inverse);
            return (_scaleTangent is null ? dx : dx.SubtractProduct(_dx!, _scaleTangent)).MoveToOuterDisposeScope();
        }
    }
}
