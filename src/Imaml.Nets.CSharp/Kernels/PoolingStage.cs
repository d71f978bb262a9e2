// The largest number of each k × k window, as Models/MaxPooling.cs has it. Of equal numbers the first one counts. Which one it was is found
// again where it is needed.

using System.Runtime.InteropServices;

namespace Imaml.Nets.Kernels;

/// <summary>Max-pooling by windows side by side.</summary>
/// <param name="images">n.</param>
/// <param name="height">H.</param>
/// <param name="width">W.</param>
/// <param name="channels">C, a multiple of a register.</param>
/// <param name="size">k.</param>
internal sealed class PoolingStage<V>(int images, int height, int width, int channels, int size) : Stage
    where V : struct, ILanes<V>
{
    /// <summary>Whether the kernel supports these channels.</summary>
    public static bool Serves(int channels) => channels % V.Count == 0;

    /// <inheritdoc/>
    public override int Parameters => 0;

    /// <inheritdoc/>
    public override int Inputs => images * height * width * channels;

    /// <inheritdoc/>
    public override int Outputs => images * (height / size) * (width / size) * channels;

    /// <inheritdoc/>
    public override int Kept => 0;

    /// <inheritdoc/>
    public override void Forward(StagePoint at, Span<float> output)
    {
        ref var x = ref MemoryMarshal.GetReference(at.Input);
        ref var y = ref MemoryMarshal.GetReference(output);
        foreach (var (window, to) in Windows())
        {
            for (var c = 0; c < channels; c += V.Count)
            {
                V.Store(Largest(ref x, window + c), ref y, to + c);
            }
        }
    }

    /// <inheritdoc/>
    public override void Backward(StagePoint at, ReadOnlySpan<float> outputGradient, Span<float> parameters, Span<float> input)
    {
        ref var x = ref MemoryMarshal.GetReference(at.Input);
        ref var dy = ref MemoryMarshal.GetReference(outputGradient);
        ref var dx = ref MemoryMarshal.GetReference(input);
        input.Clear();
        foreach (var (window, from) in Windows())
        {
            for (var c = 0; c < channels; c += V.Count)
            {
                var largest = Largest(ref x, window + c);
                var left = V.Load(ref dy, from + c);
                for (var i = 0; i < size; i++)
                {
                    for (var j = 0; j < size; j++)
                    {
                        var place = window + c + Step(i, j);
                        var share = V.WhereEqual(V.Load(ref x, place), largest, left);
                        left -= share;
                        V.Store(share, ref dx, place);
                    }
                }
            }
        }
    }

    /// <inheritdoc/>
    public override void Tangent(StagePoint at, StageDirection along, Span<float> output)
    {
        ref var x = ref MemoryMarshal.GetReference(at.Input);
        ref var moved = ref MemoryMarshal.GetReference(along.Input);
        ref var y = ref MemoryMarshal.GetReference(output);
        foreach (var (window, to) in Windows())
        {
            for (var c = 0; c < channels; c += V.Count)
            {
                var largest = Largest(ref x, window + c);
                var (tangent, open) = (V.Zero, V.Of(1));
                for (var i = 0; i < size; i++)
                {
                    for (var j = 0; j < size; j++)
                    {
                        var place = window + c + Step(i, j);
                        var chosen = V.WhereEqual(V.Load(ref x, place), largest, open);
                        open -= chosen;
                        tangent = V.FusedMultiplyAdd(chosen, V.Load(ref moved, place), tangent);
                    }
                }

                V.Store(tangent, ref y, to + c);
            }
        }
    }

    /// <inheritdoc/>
    public override void TangentBackward(
        StagePoint at, StageDirection along, ReadOnlySpan<float> outputGradient, ReadOnlySpan<float> outputTangent, Span<float> parameters, Span<float> input) =>
        Backward(at, outputTangent, parameters, input);

    private int Step(int i, int j) => ((i * width) + j) * channels;

    private V Largest(ref float x, int window)
    {
        var largest = V.Load(ref x, window);
        for (var i = 0; i < size; i++)
        {
            for (var j = 0; j < size; j++)
            {
                largest = V.Max(largest, V.Load(ref x, window + Step(i, j)));
            }
        }

        return largest;
    }

    /// <summary>Where each window begins, and its output.</summary>
    private IEnumerable<(int Window, int Output)> Windows()
    {
        var to = 0;
        for (var image = 0; image < images; image++)
        {
            for (var y = 0; y + size <= height; y += size)
            {
                for (var x = 0; x + size <= width; x += size, to += channels)
                {
                    yield return (((((image * height) + y) * width) + x) * channels, to);
                }
            }
        }
    }
}
