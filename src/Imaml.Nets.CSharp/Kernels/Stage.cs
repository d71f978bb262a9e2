// A layer on the numbers of one task in memory, with the same four maps as Models/Layer.cs: forward, backward, and the tangent of each.
//
// Images lie one after another, each as H × W × C. Nothing is allocated: the caller owns all memory, and its size
// depends on the network and the images alone.

namespace Imaml.Nets.Kernels;

/// <summary>Where a stage is evaluated.</summary>
/// <param name="parameters">The task's, of this stage.</param>
/// <param name="input">What comes in.</param>
/// <param name="kept">What the stage keeps at this point, for the maps after the forward one.</param>
/// <param name="scratch">Room for numbers that no map leaves for another, at least <see cref="Stage.Scratch"/>.</param>
internal readonly ref struct StagePoint(ReadOnlySpan<float> parameters, ReadOnlySpan<float> input, Span<float> kept, Span<float> scratch)
{
    public ReadOnlySpan<float> Parameters { get; } = parameters;

    public ReadOnlySpan<float> Input { get; } = input;

    public Span<float> Kept { get; } = kept;

    public Span<float> Scratch { get; } = scratch;
}

/// <summary>A direction at a point.</summary>
/// <param name="parameters">The direction in the parameters.</param>
/// <param name="input">The derivative of the input, or nothing where it is zero.</param>
internal readonly ref struct StageDirection(ReadOnlySpan<float> parameters, ReadOnlySpan<float> input)
{
    public ReadOnlySpan<float> Parameters { get; } = parameters;

    public ReadOnlySpan<float> Input { get; } = input;
}

/// <summary>One layer for the images of one task.</summary>
internal abstract class Stage
{
    /// <summary>Numbers of a task's parameters that belong to it.</summary>
    public abstract int Parameters { get; }

    /// <summary>Numbers that come in, of all images.</summary>
    public abstract int Inputs { get; }

    /// <summary>Numbers that go out, of all images.</summary>
    public abstract int Outputs { get; }

    /// <summary>Numbers that it keeps at a point.</summary>
    public abstract int Kept { get; }

    /// <summary>Numbers that its maps need while they work.</summary>
    public virtual int Scratch => 0;

    /// <summary>The output.</summary>
    public abstract void Forward(StagePoint at, Span<float> output);

    /// <summary>∂loss/∂parameters and ∂loss/∂input from ∂loss/∂output.</summary>
    /// <param name="at">After Forward at the same point.</param>
    /// <param name="outputGradient">∂loss/∂output.</param>
    /// <param name="parameters">Becomes ∂loss/∂parameters.</param>
    /// <param name="input">Becomes ∂loss/∂input; nothing where it is not wanted.</param>
    public abstract void Backward(StagePoint at, ReadOnlySpan<float> outputGradient, Span<float> parameters, Span<float> input);

    /// <summary>The derivative of the output in a direction.</summary>
    public abstract void Tangent(StagePoint at, StageDirection along, Span<float> output);

    /// <summary>The derivative of Backward in the direction last given to Tangent.</summary>
    /// <param name="at">After Backward at the same point.</param>
    /// <param name="along">The direction.</param>
    /// <param name="outputGradient">∂loss/∂output at the point.</param>
    /// <param name="outputTangent">Its derivative.</param>
    /// <param name="parameters">Becomes the derivative of ∂loss/∂parameters.</param>
    /// <param name="input">Becomes that of ∂loss/∂input; nothing where it is not wanted.</param>
    public abstract void TangentBackward(
        StagePoint at, StageDirection along, ReadOnlySpan<float> outputGradient, ReadOnlySpan<float> outputTangent, Span<float> parameters, Span<float> input);
}

/// <summary>y = x ∗ W + b, linear in x and in W: all four maps are the product and its two transposes, the tangents two of each.</summary>
internal abstract class BilinearStage : Stage
{
    /// <inheritdoc/>
    public sealed override int Kept => 0;

    /// <inheritdoc/>
    public sealed override void Forward(StagePoint at, Span<float> output) => Apply(at.Input, at.Parameters, constants: true, output, add: false, at.Scratch);

    /// <inheritdoc/>
    public sealed override void Backward(StagePoint at, ReadOnlySpan<float> outputGradient, Span<float> parameters, Span<float> input)
    {
        ToParameters(at.Input, outputGradient, parameters, add: false, at.Scratch);
        if (!input.IsEmpty)
        {
            ToInput(outputGradient, at.Parameters, input, add: false, at.Scratch);
        }
    }

    /// <inheritdoc/>
    public sealed override void Tangent(StagePoint at, StageDirection along, Span<float> output)
    {
        Apply(at.Input, along.Parameters, constants: true, output, add: false, at.Scratch);
        if (!along.Input.IsEmpty)
        {
            Apply(along.Input, at.Parameters, constants: false, output, add: true, at.Scratch);
        }
    }

    /// <inheritdoc/>
    public sealed override void TangentBackward(
        StagePoint at, StageDirection along, ReadOnlySpan<float> outputGradient, ReadOnlySpan<float> outputTangent, Span<float> parameters, Span<float> input)
    {
        ToParameters(at.Input, outputTangent, parameters, add: false, at.Scratch);
        if (!along.Input.IsEmpty)
        {
            ToParameters(along.Input, outputGradient, parameters, add: true, at.Scratch);
        }

        if (!input.IsEmpty)
        {
            ToInput(outputTangent, at.Parameters, input, add: false, at.Scratch);
            ToInput(outputGradient, along.Parameters, input, add: true, at.Scratch);
        }
    }

    /// <summary>y (+)= x ∗ W, and b with the constants.</summary>
    protected abstract void Apply(ReadOnlySpan<float> x, ReadOnlySpan<float> parameters, bool constants, Span<float> y, bool add, Span<float> scratch);

    /// <summary>dx (+)= the transpose in x of dy.</summary>
    protected abstract void ToInput(ReadOnlySpan<float> dy, ReadOnlySpan<float> parameters, Span<float> dx, bool add, Span<float> scratch);

    /// <summary>dW (+)= the transpose in W of dy; b's part, which does not depend on x, where nothing is added.</summary>
    protected abstract void ToParameters(ReadOnlySpan<float> x, ReadOnlySpan<float> dy, Span<float> parameters, bool add, Span<float> scratch);
}
