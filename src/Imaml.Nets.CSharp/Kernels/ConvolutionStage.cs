// y = x ∗ W for one task: see ConvolutionPlan. The weights are O × k × k × C; a bias after them has no effect, since a normalisation follows.

using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Imaml.Nets.Kernels;

/// <summary>A convolution whose bias is removed by a normalisation.</summary>
internal sealed class ConvolutionStage<V> : BilinearStage
    where V : struct, ILanes<V>
{
    // Positions that are worked on at once, so that they stay in the cache while the weights are read.
    private const int PanelPositions = 1024;

    private readonly ConvolutionShape _shape;
    private readonly ConvolutionPlan[] _panels;

    public ConvolutionStage(ConvolutionShape shape)
    {
        _shape = shape;
        var panels = int.Clamp((shape.Images * shape.OutputPositions) / PanelPositions, 1, shape.Images);
        // At most two sizes, whose plans the panels share.
        var plans = new Dictionary<int, ConvolutionPlan>();
        ConvolutionPlan Plan(int images) => plans.TryGetValue(images, out var plan) ? plan : plans[images] = new ConvolutionPlan(shape with { Images = images });
        _panels = [.. Enumerable.Range(0, panels).Select(panel => Plan((shape.Images * (panel + 1) / panels) - (shape.Images * panel / panels)))];
    }

    /// <summary>Whether the kernels support this shape; channels that do not fill whole blocks are supported for a kernel of one tap, without ∂x.</summary>
    public static bool Serves(ConvolutionShape shape) =>
        shape.Filters % Products.Columns<V>() == 0 && (shape.Channels % Products.Columns<V>() == 0 || (shape.Size == 1 && shape.Channels >= Products.Rows));

    /// <inheritdoc/>
    public override int Parameters => Weights + _shape.Filters;

    /// <inheritdoc/>
    public override int Inputs => _shape.Images * ImageInputs;

    /// <inheritdoc/>
    public override int Outputs => _shape.Images * ImageOutputs;

    /// <inheritdoc/>
    public override int Scratch => (_shape.Channels % Products.Columns<V>() == 0 ? 1 : 2) * Weights;

    private int Weights => _shape.Patch * _shape.Filters;

    private int ImageInputs => _shape.Height * _shape.Width * _shape.Channels;

    private int ImageOutputs => _shape.OutputPositions * _shape.Filters;

    /// <inheritdoc/>
    protected override void Apply(ReadOnlySpan<float> x, ReadOnlySpan<float> parameters, bool constants, Span<float> y, bool add, Span<float> scratch)
    {
        var turned = scratch[..Weights];
        Transposition.Of(parameters, _shape.Filters, _shape.Patch, turned);
        foreach (var plan in _panels)
        {
            Gather(plan.Forward, x, _shape.Channels, turned, _shape.Filters, y, _shape.Filters, add);
            x = x[(plan.Shape.Images * ImageInputs)..];
            y = y[(plan.Shape.Images * ImageOutputs)..];
        }
    }

    /// <inheritdoc/>
    protected override void ToInput(ReadOnlySpan<float> dy, ReadOnlySpan<float> parameters, Span<float> dx, bool add, Span<float> scratch)
    {
        foreach (var plan in _panels)
        {
            Gather(plan.Backward, dy, _shape.Filters, parameters, _shape.Patch, dx, _shape.Channels, add);
            dy = dy[(plan.Shape.Images * ImageOutputs)..];
            dx = dx[(plan.Shape.Images * ImageInputs)..];
        }
    }

    /// <inheritdoc/>
    protected override void ToParameters(ReadOnlySpan<float> x, ReadOnlySpan<float> dy, Span<float> parameters, bool add, Span<float> scratch)
    {
        if (!add)
        {
            parameters[Weights..].Clear();
        }

        foreach (var plan in _panels)
        {
            if (_shape.Channels % Products.Columns<V>() == 0)
            {
                ByChannels(plan, x, dy, parameters, add);
            }
            else
            {
                ByFilters(plan, x, dy, parameters, add, scratch);
            }

            x = x[(plan.Shape.Images * ImageInputs)..];
            dy = dy[(plan.Shape.Images * ImageOutputs)..];
            add = true;
        }
    }

    private static void Gather(
        IReadOnlyList<RowGroup> groups, ReadOnlySpan<float> from, int length, ReadOnlySpan<float> weights, int stride, Span<float> to, int columns, bool add)
    {
        ref var a = ref MemoryMarshal.GetReference(from);
        ref var b = ref MemoryMarshal.GetReference(weights);
        ref var c = ref MemoryMarshal.GetReference(to);
        foreach (var group in groups)
        {
            for (var column = 0; column < columns; column += Products.Columns<V>())
            {
                for (var row = 0; row < group.From.Length; row += Products.Rows)
                {
                    Products.Gather<V>(
                        ref a, group.From.AsSpan(row, Products.Rows), group.Taps, length, ref Unsafe.Add(ref b, column), group.Weights, stride, ref Unsafe.Add(ref c, column), group.To.AsSpan(row, Products.Rows), add);
                }
            }
        }
    }

    /// <summary>∂W a register of channels at a time.</summary>
    private void ByChannels(ConvolutionPlan plan, ReadOnlySpan<float> x, ReadOnlySpan<float> dy, Span<float> parameters, bool add)
    {
        for (var tap = 0; tap < plan.Taps.Count; tap++)
        {
            var at = plan.Taps[tap];
            Products.SumAll<V>(
                ref MemoryMarshal.GetReference(dy), at.Outputs, _shape.Filters, ref MemoryMarshal.GetReference(x), at.Inputs, _shape.Channels, ref parameters[tap * _shape.Channels], _shape.Patch, add);
        }
    }

    /// <summary>∂W a register of filters at a time, as [C, O], then transposed: for kernels of one tap whose channels fill no register.</summary>
    private void ByFilters(ConvolutionPlan plan, ReadOnlySpan<float> x, ReadOnlySpan<float> dy, Span<float> parameters, bool add, Span<float> scratch)
    {
        Span<float> turned = scratch[..Weights], weights = scratch.Slice(Weights, Weights);
        var at = plan.Taps[0];
        Products.SumAll<V>(ref MemoryMarshal.GetReference(x), at.Inputs, _shape.Channels, ref MemoryMarshal.GetReference(dy), at.Outputs, _shape.Filters, ref turned[0], _shape.Filters, add: false);
        Transposition.Of(turned, _shape.Channels, _shape.Filters, weights);
        for (var i = 0; i < Weights; i++)
        {
            parameters[i] = add ? parameters[i] + weights[i] : weights[i];
        }
    }
}
