// y = the largest number of each k × k window, the windows side by side; rows and columns that fill no window are omitted (84 → 42 → 21 → 10 → 5).
//
// Where no two numbers of a window are equal the layer is linear near x: with M = 1 at each window's largest number and 0 elsewhere, the tangent
// is the window's sum of M∘ẋ and the transpose spreads ∂y over M. Of equal numbers libtorch takes the first.

using static TorchSharp.torch;

namespace Imaml.Nets.Models;

/// <summary>The largest number of each window, channel by channel.</summary>
public sealed class MaxPooling : Layer
{
    private readonly long[] _window;

    /// <param name="input">H × W × C.</param>
    /// <param name="size">k, rows and columns of a window.</param>
    /// <exception cref="ArgumentException">Not one window fits into the image.</exception>
    public MaxPooling(ImageShape input, int size)
    {
        _ = input.Sound();
        if (size < 1 || size > int.Min(input.Height, input.Width))
        {
            throw new ArgumentException($"windows of {size}×{size} do not fit an image of {input.Height}×{input.Width}");
        }

        (InputShape, _window, OutputShape) = (input, [size, size], new ImageShape(input.Height / size, input.Width / size, input.Channels));
    }

    /// <inheritdoc/>
    public override ImageShape? InputShape { get; }

    /// <inheritdoc/>
    public override ImageShape OutputShape { get; }

    /// <summary>k</summary>
    internal int Window => (int)_window[0];

    /// <inheritdoc/>
    public override LayerPass Forward(Tensor parameters, Tensor input)
    {
        using var scope = NewDisposeScope();
        var x = Operation.Variable(input);
        var y = Operation.Recorded(() => nn.functional.max_pool2d(x, _window, _window));
        var pass = new Pass(this, x, y);
        _ = scope.MoveToOuter(x, y, pass.Output);
        return pass;
    }

    private sealed class Pass(MaxPooling layer, Tensor x, Tensor y) : LayerPass(y.detach())
    {
        // M, of x's shape.
        private Tensor? _largest;

        public override IEnumerable<Tensor> Kept => _largest is null ? [x, y] : [x, y, _largest];

        public override LayerGradient Backward(Tensor outputGradient, bool toInput) => Transpose(outputGradient, toInput);

        public override LayerGradient Transpose(Tensor outputGradient, bool toInput) =>
            LayerGradient.OfInput(toInput ? Operation.Pull([y], [outputGradient], x)[0] : null);

        public override void PrepareProducts() => _largest = Operation.Pull([y], [ones_like(y)], x)[0];

        public override Tensor? Tangent(Tensor parameterTangent, Tensor? inputTangent)
        {
            if (inputTangent is null)
            {
                return null;
            }

            using var scope = NewDisposeScope();
            return nn.functional.avg_pool2d(inputTangent.mul(_largest!), layer._window, layer._window, divisor_override: 1).MoveToOuterDisposeScope();
        }

        public override LayerGradient TangentBackward(Tensor outputGradientTangent, bool toInput) => Transpose(outputGradientTangent, toInput);
    }
}
