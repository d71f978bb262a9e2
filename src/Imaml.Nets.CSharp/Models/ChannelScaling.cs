// y = a·x + c, channel by channel: a normalisation whose statistics are fixed.
//
// The map is bilinear in (x, a), so its tangent is aẋ + ȧx + ċ, and the tangent of backward has one term for each factor.

using Imaml.Nets.Tensors;
using static TorchSharp.torch;

namespace Imaml.Nets.Models;

/// <summary>Scales and shifts every channel. Parameters: a, then c, [C] each.</summary>
public sealed class ChannelScaling(ImageShape shape) : Layer
{
    private static readonly long[] Rows = [0, 2, 3];

    /// <inheritdoc/>
    public override ImageShape? InputShape => shape;

    /// <inheritdoc/>
    public override ImageShape OutputShape { get; } = shape.Sound();

    /// <inheritdoc/>
    public override int ParameterCount => 2 * shape.Channels;

    /// <summary>a = 1, c = 0.</summary>
    public override Tensor InitialParameters(Generator generator)
    {
        using var scope = NewDisposeScope();
        return cat([ones(shape.Channels, device: CPU), zeros(shape.Channels, device: CPU)]).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override LayerPass Forward(Tensor parameters, Tensor input)
    {
        using var scope = NewDisposeScope();
        var (a, c) = Split(parameters);
        var (x, y) = (input.detach(), c.PlusProduct(input, a));
        _ = scope.MoveToOuter(x, a, y);
        return new Pass(this, parameters.shape[0], x, a, y);
    }

    /// <summary>a and c, [1, B·C, 1, 1] each.</summary>
    private (Tensor Scale, Tensor Shift) Split(Tensor parameters) =>
        (parameters.narrow(1, 0, shape.Channels).reshape(1, -1, 1, 1), parameters.narrow(1, shape.Channels, shape.Channels).reshape(1, -1, 1, 1));

    private sealed class Pass(ChannelScaling layer, long tasks, Tensor x, Tensor a, Tensor y) : LayerPass(y)
    {
        private Tensor? _dy, _inputTangent, _scaleTangent;

        public override IEnumerable<Tensor> Kept => _dy is null ? [x, a] : [x, a, _dy];

        public override LayerGradient Backward(Tensor outputGradient, bool toInput)
        {
            _dy = outputGradient;
            return Transpose(outputGradient, toInput);
        }

        public override LayerGradient Transpose(Tensor outputGradient, bool toInput)
        {
            using var scope = NewDisposeScope();
            var (da, dc) = scope.MoveToOuter(outputGradient.mul(x).sum(Rows).view(tasks, -1), outputGradient.sum(Rows).view(tasks, -1));
            return new LayerGradient([da, dc], toInput ? outputGradient.mul(a).MoveToOuterDisposeScope() : null);
        }

        public override Tensor? Tangent(Tensor parameterTangent, Tensor? inputTangent)
        {
            using var scope = NewDisposeScope();
            (_scaleTangent, var shift) = layer.Split(parameterTangent);
            (_inputTangent, _) = (inputTangent, _scaleTangent.MoveToOuterDisposeScope());
            var dy = shift.PlusProduct(x, _scaleTangent);
            return (inputTangent is null ? dy : dy.AddProduct(inputTangent, a)).MoveToOuterDisposeScope();
        }

        public override LayerGradient TangentBackward(Tensor outputGradientTangent, bool toInput)
        {
            using var scope = NewDisposeScope();
            var result = Transpose(outputGradientTangent, toInput);
            var (da, dc, dx) = (result.Parameters[0], result.Parameters[1], result.Input);
            dx?.AddProduct(_dy!, _scaleTangent!);
            if (_inputTangent is not null)
            {
                da = da.Plus(_dy!.mul(_inputTangent).sum(Rows).view(tasks, -1));
            }

            _ = scope.MoveToOuter(da, dc);
            return new LayerGradient([da, dc], dx?.MoveToOuterDisposeScope());
        }
    }
}
