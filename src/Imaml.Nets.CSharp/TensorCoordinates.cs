// Coordinate-wise arithmetic on tensors, for the outer optimiser.

using Imaml.Math;
using static TorchSharp.torch;

namespace Imaml.Nets;

/// <summary>Tensors of one shape as vectors with coordinates.</summary>
public sealed class TensorCoordinates : ICoordinates<Tensor>
{
    /// <inheritdoc/>
    public Tensor Combine(double a, Tensor x, double b, Tensor y)
    {
        using var scope = NewDisposeScope();
        return x.Times(a).PlusMultiple(b, y).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public Tensor Product(Tensor x, Tensor y) => x.mul(y);

    /// <inheritdoc/>
    public Tensor DivideByRoot(Tensor x, Tensor y, double epsilon)
    {
        using var scope = NewDisposeScope();
        return x.div(y.sqrt().Plus(epsilon)).MoveToOuterDisposeScope();
    }
}
