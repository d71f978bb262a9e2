// y = max(0, x), the network's only kink. Its second derivative is taken as zero, as everywhere but at 0 it is.

using static TorchSharp.torch;

namespace Imaml.Nets.Models;

/// <summary>The rectified linear unit, coordinate by coordinate.</summary>
public sealed class Rectifier(ImageShape shape) : Layer
{
    /// <inheritdoc/>
    public override ImageShape OutputShape => shape;

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
