// Batch normalisation (Ioffe and Szegedy 2015), per task and channel.
//
//     x̂ = (x − m)/s,  m = mean(x),  s = √(mean((x − m)²) + ε),   y = γx̂ + β
//
// The statistics are each task's own, so tasks stay independent. The query images have their own, all of them together (transductive, as in all
// published few-shot figures), or those of the support images that pass through the same network (inductive). In the second case m and s are
// functions of φ that the outer gradient goes through, and an image's logits do not depend on the images that it comes with.
//
// With P(q) = (q − mean(q) − x̂·mean(q·x̂))/s, which is symmetric, x's gradient is P(γ∂y) and x̂'s tangent is P(ẋ): one kernel is used for both.

using Imaml.Nets.Tensors;
using static TorchSharp.torch;

namespace Imaml.Nets.Models;

/// <summary>Whose statistics normalise the query images.</summary>
public enum BatchNormMode
{
    /// <summary>Those of the query images, all of a task together: a prediction depends on the images it comes with.</summary>
    Transductive,

    /// <summary>Those of the task's support images under the same parameters.</summary>
    Inductive,
}

/// <summary>Normalises every channel over a task's images and positions. Parameters: γ, then β.</summary>
public sealed class BatchNormalization(ImageShape shape) : Layer
{
    /// <summary>ε, the usual 10⁻⁵.</summary>
    public const double Epsilon = 1e-5;

    private static readonly long[] Rows = [0, 2, 3];

    /// <inheritdoc/>
    public override ImageShape? InputShape => shape;

    /// <inheritdoc/>
    public override ImageShape OutputShape { get; } = shape.Sound();

    /// <inheritdoc/>
    public override int ParameterCount => 2 * shape.Channels;

    /// <summary>γ = 1, β = 0.</summary>
    public override Tensor InitialParameters(Generator generator) => WithFixedStatistics.InitialParameters(generator);

    /// <inheritdoc/>
    public override LayerPass Forward(Tensor parameters, Tensor input)
    {
        using var scope = NewDisposeScope();
        var (gamma, beta) = Split(parameters);
        var (x, g, b) = (Operation.Variable(input), Operation.Variable(gamma), Operation.Variable(beta));
        var y = Operation.Recorded(() => Normalize(x, g, b));
        var pass = new Pass(this, parameters.shape[0], x, g, b, y);
        _ = scope.MoveToOuter(x, g, b);
        _ = scope.MoveToOuter(y, pass.Output);
        return pass;
    }

    /// <inheritdoc/>
    public override LayerPass Forward(Tensor parameters, Tensor input, long reference)
    {
        if (reference == input.shape[0])
        {
            return Forward(parameters, input);
        }

        using var scope = NewDisposeScope();
        var (gamma, beta) = Split(parameters);
        var (x, g, b) = (Operation.Variable(input), Operation.Variable(gamma), Operation.Variable(beta));
        var y = Operation.Recorded(() =>
        {
            var (scale, shift) = Scaling(x.narrow(0, 0, reference), PerChannel(g), PerChannel(b));
            return shift.PlusProduct(x, scale);
        });
        var pass = new ReferencePass(parameters.shape[0], x, g, b, y);
        _ = scope.MoveToOuter(x, g, b);
        _ = scope.MoveToOuter(y, pass.Output);
        return pass;
    }

    /// <inheritdoc/>
    public override Layer WithFixedStatistics => new ChannelScaling(shape);

    /// <inheritdoc/>
    public override Tensor FixStatistics(Tensor parameters, Tensor input)
    {
        using var scope = NewDisposeScope();
        var (gamma, beta) = Split(parameters);
        var (scale, shift) = Scaling(input, PerChannel(gamma), PerChannel(beta));
        Tensor Row(Tensor x) => x.view(parameters.shape[0], -1);
        return cat([Row(scale), Row(shift)], 1).MoveToOuterDisposeScope();
    }

    /// <summary>γ/s and β − mγ/s, [1, B·C, 1, 1] each, with the statistics of x.</summary>
    private static (Tensor Scale, Tensor Shift) Scaling(Tensor x, Tensor gamma, Tensor beta)
    {
        var mean = x.mean(Rows, keepdim: true);
        var centred = x - mean;
        var scale = centred.mul(centred).mean(Rows, keepdim: true).Plus(Epsilon).rsqrt().mul(gamma);
        return (scale, beta.MinusProduct(mean, scale));
    }

    private static Tensor Normalize(Tensor x, Tensor? gamma, Tensor? beta) => nn.functional.batch_norm(x, null, null, gamma, beta, training: true, eps: Epsilon);

    /// <summary>γ and β, [B·C] each.</summary>
    /// <remarks>In one piece: of a γ with gaps, as that of one channel is, libtorch 2.10 computes a wrong gradient without an error.</remarks>
    private (Tensor Gamma, Tensor Beta) Split(Tensor parameters) =>
        (parameters.narrow(1, 0, shape.Channels).reshape(-1).contiguous(), parameters.narrow(1, shape.Channels, shape.Channels).reshape(-1).contiguous());

    /// <summary>[B·C] as a factor of images.</summary>
    private static Tensor PerChannel(Tensor x) => x.view(1, -1, 1, 1);

    /// <summary>With the statistics of the first images, differentiated as one operation.</summary>
    private sealed class ReferencePass(long tasks, Tensor x, Tensor gamma, Tensor beta, Tensor y) : LayerPass(y.detach())
    {
        public override IEnumerable<Tensor> Kept => [x, gamma, beta, y];

        public override LayerGradient Backward(Tensor outputGradient, bool toInput)
        {
            var pulled = Operation.Pull([y], [outputGradient], toInput ? [gamma, beta, x] : [gamma, beta]);
            return new LayerGradient([pulled[0].view(tasks, -1), pulled[1].view(tasks, -1)], pulled.ElementAtOrDefault(2));
        }

        public override LayerGradient Transpose(Tensor outputGradient, bool toInput) => Backward(outputGradient, toInput);

        public override Tensor Tangent(Tensor parameterTangent, Tensor? inputTangent) => throw NoProducts();

        public override LayerGradient TangentBackward(Tensor outputGradientTangent, bool toInput) => throw NoProducts();

        private static InvalidOperationException NoProducts() => new("a pass with the statistics of its first images has first derivatives only");
    }

    private sealed class Pass(BatchNormalization layer, long tasks, Tensor x, Tensor gamma, Tensor beta, Tensor y) : LayerPass(y.detach())
    {
        private readonly double _count = x.numel() / (double)gamma.numel();

        // Of the point: ∂y, mean(∂y·x̂), x̂, 1/s and P(∂y).
        private Tensor? _dy, _correlation, _normalized, _inverse, _unscaled;

        // Of the direction: ẋ, γP(ẋ), ṡ/s and γ̇.
        private Tensor? _inputTangent, _scaled, _scaleTangent, _gammaTangent;

        public override IEnumerable<Tensor> Kept => new[] { x, gamma, beta, y, _dy, _correlation, _normalized, _inverse, _unscaled }.OfType<Tensor>();

        public override LayerGradient Backward(Tensor outputGradient, bool toInput)
        {
            var result = Transpose(outputGradient, toInput);
            (_dy, _correlation) = (outputGradient, Mean(result.Parameters[0].view(-1)));
            return result;
        }

        public override LayerGradient Transpose(Tensor outputGradient, bool toInput)
        {
            var pulled = Operation.Pull([y], [outputGradient], toInput ? [gamma, beta, x] : [gamma, beta]);
            return new LayerGradient([pulled[0].view(tasks, -1), pulled[1].view(tasks, -1)], pulled.ElementAtOrDefault(2));
        }

        public override void PrepareProducts()
        {
            using var scope = NewDisposeScope();
            var normalized = Operation.Recorded(() => Normalize(x, null, null));
            _unscaled = Operation.Pull([normalized], [_dy!], x)[0];
            _normalized = normalized.detach();
            var centred = x.detach() - x.detach().mean(Rows, keepdim: true);
            _inverse = centred.mul(centred).mean(Rows).Plus(Epsilon).rsqrt();
            _ = scope.MoveToOuter(_unscaled, _normalized, _inverse);
        }

        public override Tensor? Tangent(Tensor parameterTangent, Tensor? inputTangent)
        {
            using var scope = NewDisposeScope();
            (_gammaTangent, var betaTangent) = layer.Split(parameterTangent);
            _ = _gammaTangent.MoveToOuterDisposeScope();
            var dy = PerChannel(betaTangent).PlusProduct(_normalized!, PerChannel(_gammaTangent));
            _inputTangent = inputTangent;
            if (inputTangent is null)
            {
                return dy.MoveToOuterDisposeScope();
            }

            var pulled = Operation.Pull([y], [inputTangent], gamma, x);
            (_scaled, _scaleTangent) = (pulled[1], Mean(pulled[0]).mul(_inverse!)); // ṡ/s = mean(x̂·ẋ)/s
            _ = scope.MoveToOuter(_scaled, _scaleTangent);
            return dy.Add(_scaled).MoveToOuterDisposeScope();
        }

        public override LayerGradient TangentBackward(Tensor outputGradientTangent, bool toInput)
        {
            using var scope = NewDisposeScope();
            var result = Transpose(outputGradientTangent, toInput);
            var (dGamma, dBeta) = (result.Parameters[0], result.Parameters[1]);
            var dx = result.Input;

            // The derivative of P(γ∂y) minus P(γ∂ẏ): P(γ̇∂y) − (ṡ/s)·P(γ∂y) − (x̂'·mean(γ∂y·x̂) + x̂·mean(γ∂y·x̂'))/s with x̂' = P(ẋ).
            if (_inputTangent is null)
            {
                dx?.AddProduct(_unscaled!, PerChannel(_gammaTangent!));
            }
            else
            {
                var slope = _unscaled!.mul(_inputTangent).sum(Rows); // Σ ∂y·P(ẋ) = Σ P(∂y)·ẋ
                dGamma = dGamma.Plus(slope.view(tasks, -1));
                dx?.AddProduct(_unscaled!, PerChannel(_gammaTangent!.MinusProduct(_scaleTangent!, gamma.detach())))
                    .SubtractProduct(_scaled!, PerChannel(_correlation!.mul(_inverse!)))
                    .SubtractProduct(_normalized!, PerChannel(Mean(slope).mul(gamma.detach()).mul(_inverse!)));
            }

            _ = scope.MoveToOuter(dGamma, dBeta);
            return new LayerGradient([dGamma, dBeta], dx?.MoveToOuterDisposeScope());
        }

        private Tensor Mean(Tensor sum) => sum.Times(1 / _count);
    }
}
