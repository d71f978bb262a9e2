// Coordinate-wise arithmetic on tensors: the outer optimiser's moments, a diagonal Λ, a dense solve as an oracle.

using Imaml.Math;
using static TorchSharp.torch;

namespace Imaml.Nets.Tensors;

/// <summary>Tensors of one shape as vectors with coordinates.</summary>
public sealed class TensorCoordinates : ICoordinates<Tensor>
{
    /// <inheritdoc/>
    public Tensor Combine(double a, Tensor x, double b, Tensor y)
    {
        using var off = Unrecorded.Begin();
        using var scope = NewDisposeScope();
        return x.Times(a).PlusMultiple(b, y).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public Tensor Product(Tensor x, Tensor y)
    {
        using var off = Unrecorded.Begin();
        return x.mul(y);
    }

    /// <inheritdoc/>
    public Tensor Quotient(Tensor x, Tensor y)
    {
        using var off = Unrecorded.Begin();
        return x.div(y);
    }

    /// <inheritdoc/>
    public Tensor DivideByRoot(Tensor x, Tensor y, double epsilon)
    {
        using var off = Unrecorded.Begin();
        using var scope = NewDisposeScope();
        return x.div(y.sqrt().Plus(epsilon)).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public double[][] ToRows(Tensor x)
    {
        using var off = Unrecorded.Begin();
        using var scope = NewDisposeScope();
        var numbers = x.to_type(ScalarType.Float64).cpu().contiguous().data<double>().ToArray();
        var d = (int)x.shape[^1];
        return [.. Enumerable.Range(0, numbers.Length / d).Select(row => numbers.AsSpan(row * d, d).ToArray())];
    }

    /// <inheritdoc/>
    public Tensor OfRows(Tensor like, double[][] rows) => tensor(rows is [var row] ? row : [.. rows.SelectMany(row => row)], [rows.Length, rows[0].Length], like.dtype, like.device);
}
