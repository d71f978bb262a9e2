// y = xW + b for one task, as Models/Dense.cs has it: x is [n, I], W is [I, O]. The kernels write whole blocks of columns, so W, y and ∂y have
// copies whose rows are filled up with zeros.

using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Imaml.Nets.Kernels;

/// <summary>The classifier. I is a multiple of a block of columns.</summary>
/// <param name="images">n.</param>
/// <param name="inputs">I.</param>
/// <param name="outputs">O.</param>
internal sealed class DenseStage<V>(int images, int inputs, int outputs) : BilinearStage
    where V : struct, ILanes<V>
{
    private static readonly int[] OneTap = [0];

    // F: O filled up to whole blocks.
    private readonly int _filled = FilledUp(outputs);

    private readonly int[] _inputRows = RowsOf(images, inputs), _filledRows = RowsOf(images, FilledUp(outputs));

    /// <summary>Whether the kernels support these inputs.</summary>
    public static bool Serves(int inputs) => inputs % Products.Columns<V>() == 0;

    /// <inheritdoc/>
    public override int Parameters => (inputs + 1) * outputs;

    /// <inheritdoc/>
    public override int Inputs => images * inputs;

    /// <inheritdoc/>
    public override int Outputs => images * outputs;

    /// <inheritdoc/>
    public override int Scratch => (images + inputs) * _filled;

    /// <inheritdoc/>
    protected override void Apply(ReadOnlySpan<float> x, ReadOnlySpan<float> parameters, bool constants, Span<float> y, bool add, Span<float> scratch)
    {
        Span<float> product = scratch[..(images * _filled)], weights = scratch.Slice(images * _filled, inputs * _filled);
        FillUp(parameters, inputs, weights);
        Multiply(x, inputs, weights, _filled, product, _filled, add: false);
        for (var row = 0; row < images; row++)
        {
            for (var column = 0; column < outputs; column++)
            {
                var value = product[(row * _filled) + column] + (constants ? parameters[(inputs * outputs) + column] : 0);
                y[(row * outputs) + column] = add ? y[(row * outputs) + column] + value : value;
            }
        }
    }

    /// <inheritdoc/>
    protected override void ToInput(ReadOnlySpan<float> dy, ReadOnlySpan<float> parameters, Span<float> dx, bool add, Span<float> scratch)
    {
        var turned = scratch[..(inputs * outputs)];
        Transposition.Of(parameters, inputs, outputs, turned);
        Multiply(dy, outputs, turned, inputs, dx, inputs, add);
    }

    /// <inheritdoc/>
    protected override void ToParameters(ReadOnlySpan<float> x, ReadOnlySpan<float> dy, Span<float> parameters, bool add, Span<float> scratch)
    {
        Span<float> filled = scratch[..(images * _filled)], weights = scratch.Slice(images * _filled, inputs * _filled);
        FillUp(dy, images, filled);
        Products.SumAll<V>(ref MemoryMarshal.GetReference(x), _inputRows, inputs, ref filled[0], _filledRows, _filled, ref weights[0], _filled, add: false);
        for (var row = 0; row < inputs; row++)
        {
            for (var column = 0; column < outputs; column++)
            {
                var value = weights[(row * _filled) + column];
                parameters[(row * outputs) + column] = add ? parameters[(row * outputs) + column] + value : value;
            }
        }
        if (!add)
        {
            var bias = parameters[(inputs * outputs)..];
            bias.Clear();
            for (var i = 0; i < dy.Length; i++)
            {
                bias[i % outputs] += dy[i];
            }
        }
    }

    private static int FilledUp(int outputs) => (outputs + Products.Columns<V>() - 1) / Products.Columns<V>() * Products.Columns<V>();

    private static int[] RowsOf(int rows, int length) => [.. Enumerable.Range(0, rows).Select(row => row * length)];

    /// <summary>The rows of a matrix [rows, O] as the first columns of [rows, F].</summary>
    private void FillUp(ReadOnlySpan<float> x, int rows, Span<float> filled)
    {
        filled[..(rows * _filled)].Clear();
        for (var row = 0; row < rows; row++)
        {
            x.Slice(row * outputs, outputs).CopyTo(filled[(row * _filled)..]);
        }
    }

    /// <summary>c (+)= ab, for the rows of all images.</summary>
    private void Multiply(ReadOnlySpan<float> a, int length, ReadOnlySpan<float> b, int stride, Span<float> c, int columns, bool add)
    {
        Span<int> from = stackalloc int[Products.Rows], to = stackalloc int[Products.Rows];
        for (var row = 0; row < images; row += Products.Rows)
        {
            for (var i = 0; i < Products.Rows; i++)
            {
                from[i] = int.Min(row + i, images - 1) * length;
                to[i] = row + i < images ? (row + i) * columns : -1;
            }

            for (var column = 0; column < columns; column += Products.Columns<V>())
            {
                Products.Gather<V>(
                    ref MemoryMarshal.GetReference(a), from, OneTap, length, ref Unsafe.Add(ref MemoryMarshal.GetReference(b), column), OneTap, stride, ref Unsafe.Add(ref MemoryMarshal.GetReference(c), column), to, add);
            }
        }
    }
}
