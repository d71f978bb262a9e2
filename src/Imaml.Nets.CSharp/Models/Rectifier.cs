// y = max(0, x), the network's only kink. Its second derivative is taken as zero, as everywhere but at 0 it is.

using static TorchSharp.torch;

namespace Imaml.Nets.Models;

/// <summary>The rectified linear unit, coordinate by coordinate.</summary>
public sealed class Rectifier(ImageShape shape) : Layer
{
    /// <inheritdoc/>
    public override ImageShape OutputShape => shape;

    /// <inheritdoc/>
    public override int ParameterCount => 0;

    /// <inheritdoc/>
    public override Tensor InitialParameters(Generator generator) => zeros(0);

    /// <inheritdoc/>
    public override LayerPass Forward(Tensor parameters, Tensor input) => new Pass(input.relu());

    private sealed class Pass(Tensor output) : LayerPass(output)
    {
        private Tensor? _mask;

        public override IEnumerable<Tensor> Kept => _mask is null ? [] : [_mask];

        public override Tensor? Backward(Tensor outputGradient, IList<Tensor> parameterGradients, bool toInput)
        {
            using var scope = NewDisposeScope();
            _mask ??= Output.Exceeds(0).to_type(outputGradient.dtype).MoveToOuterDisposeScope();
            return toInput ? outputGradient.mul(_mask).MoveToOuterDisposeScope() : null;
        }

        public override Tensor? Transpose(Tensor outputGradient, IList<Tensor> parameterGradients, bool toInput) =>
            toInput ? outputGradient.mul(_mask!) : null;

        public override Tensor? Tangent(Tensor parameterTangent, Tensor? inputTangent) => inputTangent?.mul(_mask!);

        public override Tensor? TangentBackward(Tensor outputGradientTangent, IList<Tensor> parameterGradientTangents, bool toInput) =>
            toInput ? outputGradientTangent.mul(_mask!) : null;
    }
}
