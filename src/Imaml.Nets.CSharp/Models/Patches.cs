// The rearrangement that turns a convolution into a matrix product: every output position's receptive field as one row.
//
// Images are stored channels last, so a row of a patch is one contiguous copy. The map is linear: its tangent is itself, and its
// transpose adds every row back to where it came from.

using static TorchSharp.torch;
using static TorchSharp.torch.nn.functional;

namespace Imaml.Nets.Models;

/// <summary>Square patches of an image with zeros around it: [B, n·H·W, C] → [B, n·H′·W′, k·k·C], ordered by row, column, channel.</summary>
public sealed class Patches : Layer
{
    private readonly ImageShape _input;
    private readonly int _size, _stride, _padding;

    /// <exception cref="ArgumentException">The patch does not fit into the padded image.</exception>
    public Patches(ImageShape input, int size, int stride, int padding)
    {
        if (size < 1 || stride < 1 || padding < 0 || input.Height + 2 * padding < size || input.Width + 2 * padding < size)
        {
            throw new ArgumentException($"patches of {size}×{size} with stride {stride} and padding {padding} do not fit an image of {input.Height}×{input.Width}");
        }

        (_input, _size, _stride, _padding) = (input, size, stride, padding);
        OutputShape = new ImageShape(Positions(input.Height), Positions(input.Width), size * size * input.Channels);
    }

    /// <inheritdoc/>
    public override ImageShape OutputShape { get; }

    /// <inheritdoc/>
    public override int ParameterCount => 0;

    /// <inheritdoc/>
    public override Tensor InitialParameters(Generator generator) => zeros(0);

    /// <inheritdoc/>
    public override LayerPass Forward(Tensor parameters, Tensor input) => new Pass(this, input);

    private int Positions(int length) => (length + 2 * _padding - _size) / _stride + 1;

    private Tensor Gather(Tensor rows)
    {
        using var scope = NewDisposeScope();
        var image = rows.reshape(rows.shape[0], -1, _input.Height, _input.Width, _input.Channels);
        var padded = _padding == 0 ? image : pad(image, [0, 0, _padding, _padding, _padding, _padding]);
        return padded.unfold(2, _size, _stride).unfold(3, _size, _stride) // [B, n, H′, W′, C, k, k]
            .permute(0, 1, 2, 3, 5, 6, 4)
            .reshape(rows.shape[0], -1, OutputShape.Channels)
            .MoveToOuterDisposeScope();
    }

    private Tensor Scatter(Tensor rows)
    {
        using var scope = NewDisposeScope();
        var (height, width) = (OutputShape.Height, OutputShape.Width);
        var patches = rows.view(rows.shape[0], -1, height, width, _size * _size, _input.Channels);
        var padded = zeros(
            [patches.shape[0], patches.shape[1], _input.Height + 2 * _padding, _input.Width + 2 * _padding, _input.Channels], rows.dtype, rows.device);
        for (var row = 0; row < _size; row++)
        {
            for (var column = 0; column < _size; column++)
            {
                padded.slice(2, row, row + _stride * (height - 1) + 1, _stride).slice(3, column, column + _stride * (width - 1) + 1, _stride)
                    .Add(patches.select(4, row * _size + column));
            }
        }

        return padded.narrow(2, _padding, _input.Height).narrow(3, _padding, _input.Width)
            .reshape(rows.shape[0], -1, _input.Channels)
            .MoveToOuterDisposeScope();
    }

    private sealed class Pass(Patches layer, Tensor input) : LayerPass(layer.Gather(input))
    {
        public override IEnumerable<Tensor> Kept => [];

        public override Tensor? Backward(Tensor outputGradient, IList<Tensor> parameterGradients, bool toInput) =>
            toInput ? layer.Scatter(outputGradient) : null;

        public override Tensor? Transpose(Tensor outputGradient, IList<Tensor> parameterGradients, bool toInput) =>
            Backward(outputGradient, parameterGradients, toInput);

        public override Tensor? Tangent(Tensor parameterTangent, Tensor? inputTangent) =>
            inputTangent is null ? null : layer.Gather(inputTangent);

        public override Tensor? TangentBackward(Tensor outputGradientTangent, IList<Tensor> parameterGradientTangents, bool toInput) =>
            Backward(outputGradientTangent, parameterGradientTangents, toInput);
    }
}
