// The space of Algorithm 2 on networks: B parameter vectors as one tensor [B, d], one number per task as a tensor [B, 1].
//
// A scalar that is the same for all tasks (1, λ, −1) is a tensor of no dimension on the CPU: libtorch takes it as a plain number on any
// device, and arithmetic between two such scalars never reaches the device. Every other scalar stays on the device until Read or Any.
// libtorch's `where` is the exception: it would copy such a number to the device and wait for it, so it gets tensors of the device alone.

using Imaml.Math;
using Imaml.Nets.Kernels;
using Imaml.Nets.LibTorch;
using TorchSharp;
using static TorchSharp.torch;

namespace Imaml.Nets.Tensors;

/// <summary>B vectors of ℝᵈ as the rows of a tensor [B, d]; scalars are [B, 1], or of no dimension where all tasks share them.</summary>
/// <remarks>Its results have no graph, though a vector may come with <c>requires_grad</c>.</remarks>
public sealed class TensorSpace : IInnerProductSpace<Tensor, Tensor>, IFusedOperations<Tensor, Tensor>
{
    /// <param name="tasks">B, at least 1.</param>
    /// <param name="dtype">float32 or float64; every vector must be of it.</param>
    /// <param name="device">Where every vector must be.</param>
    /// <exception cref="ArgumentException">A number of tasks below 1, or a type that is not a real floating-point type of libtorch's solvers.</exception>
    /// <exception cref="LibTorchLoadException">libtorch cannot be loaded.</exception>
    public TensorSpace(int tasks, ScalarType dtype, Device device)
    {
        if (tasks < 1)
        {
            throw new ArgumentException($"the number of tasks must be at least 1, not {tasks}", nameof(tasks));
        }

        if (dtype is not (ScalarType.Float32 or ScalarType.Float64))
        {
            throw new ArgumentException($"the type must be Float32 or Float64, not {dtype}", nameof(dtype));
        }

        LibTorchLoader.EnsureLoaded();
        (Tasks, DType, Device) = (tasks, dtype, device);
    }

    /// <summary>The space of vectors in the type of <paramref name="like"/>, where it is.</summary>
    /// <inheritdoc cref="TensorSpace(int, ScalarType, Device)"/>
    public TensorSpace(int tasks, Tensor like)
        : this(tasks, like.dtype, like.device)
    {
    }

    /// <summary>B.</summary>
    public int Tasks { get; }

    /// <summary>The floating-point type of vectors and scalars.</summary>
    public ScalarType DType { get; }

    /// <summary>Where vectors are, and every scalar that tasks do not share.</summary>
    public Device Device { get; }

    /// <inheritdoc/>
    public Tensor Zero(Tensor like) => zeros_like(Checked(like));

    /// <exception cref="ArgumentException">It is not a vector of this space for each task.</exception>
    private Tensor Checked(Tensor x) => x.dim() == 2 && x.shape[0] == Tasks && x.dtype == DType ? x
        : throw new ArgumentException($"vectors must be [{Tasks}, d] in {DType}, not [{string.Join(", ", x.shape)}] in {x.dtype}");

    /// <inheritdoc/>
    public int Dimension(Tensor like) => checked((int)Checked(like).shape[1]);

    /// <inheritdoc/>
    public Tensor Scale(Tensor a, Tensor x)
    {
        using var off = Unrecorded.Begin();
        return x.mul(a);
    }

    /// <inheritdoc/>
    public Tensor Axpy(Tensor a, Tensor x, Tensor y)
    {
        using var off = Unrecorded.Begin();
        if (a.dim() == 0)
        {
            var number = a.Number();
            return number == 0 ? y.detach() : y.PlusMultiple(number, x);
        }

        using var scope = NewDisposeScope();
        var moves = a.Differs(0);
        // On the CPU reading B numbers is cheaper than a pass over the vectors; on a device it would wait for the device.
        var (all, none) = a.device_type == DeviceType.CPU ? (!moves.bytes.Contains((byte)0), !moves.bytes.Contains((byte)1)) : (false, false);
        return (none ? y.detach() : all ? y.PlusProduct(a, x) : where(moves, y.PlusProduct(a, x), y)).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public Tensor Inner(Tensor x, Tensor y)
    {
        using var off = Unrecorded.Begin();
        using var scope = NewDisposeScope();
        return (HostRows.Serve(x, y) ? HostRows.PerTask(x, y, VectorSums.Inner) : x.mul(y).sum([1], keepdim: true)).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public Tensor SquaredDistance(Tensor x, Tensor y)
    {
        using var off = Unrecorded.Begin();
        using var scope = NewDisposeScope();
        if (HostRows.Serve(x, y))
        {
            return HostRows.PerTask(x, y, VectorSums.SquaredDistance).MoveToOuterDisposeScope();
        }

        var difference = x.PlusMultiple(-1, y);
        return difference.mul(difference).sum([1], keepdim: true).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public Tensor AddMultipleOfDifference(double a, Tensor x, Tensor y, Tensor z)
    {
        using var off = Unrecorded.Begin();
        using var scope = NewDisposeScope();
        return (HostRows.Serve(x, y) && HostRows.Serve(z, z) ? HostRows.AddMultipleOfDifference(a, x, y, z) : x.PlusMultiple(-1, y).Times(a).Plus(z)).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public Tensor Norm(Tensor x)
    {
        _ = Checked(x);
        using var off = Unrecorded.Begin();
        using var scope = NewDisposeScope();
        if (HostRows.Serve(x, x))
        {
            return HostRows.PerTask(x, x, (a, b) => double.Sqrt(VectorSums.Inner(a, b))).MoveToOuterDisposeScope();
        }

        var largest = x.abs().amax([1], keepdim: true); // [B, 1]
        var divisor = where(largest.Exceeds(0) & largest.IsBelow(double.PositiveInfinity), largest, ones_like(largest));
        var unit = x / divisor;
        return Inner(unit, unit).sqrt().mul(divisor).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public Tensor Scalar(double a) => tensor(a, DType, CPU);

    /// <inheritdoc/>
    public Tensor PerTask(double[] a) => a.Length == Tasks
        ? tensor(a, [Tasks, 1], DType, Device)
        : throw new ArgumentException($"{a.Length} numbers for {Tasks} tasks", nameof(a));

    /// <inheritdoc/>
    public Tensor Add(Tensor a, Tensor b)
    {
        using var off = Unrecorded.Begin();
        return a.Plus(b);
    }

    /// <inheritdoc/>
    public Tensor Multiply(Tensor a, Tensor b)
    {
        using var off = Unrecorded.Begin();
        return a.mul(b);
    }

    /// <inheritdoc/>
    public Tensor SquareRoot(Tensor a)
    {
        using var off = Unrecorded.Begin();
        return a.sqrt();
    }

    /// <inheritdoc/>
    public Tensor DivideOrZero(Tensor numerator, Tensor denominator)
    {
        using var off = Unrecorded.Begin();
        using var scope = NewDisposeScope();
        var divisor = Beside(numerator, denominator);
        var positive = divisor.Exceeds(0);
        var safe = where(positive, divisor, ones_like(divisor));
        var quotient = numerator.div(safe);
        return where(positive, quotient, zeros_like(quotient)).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public Tensor Exceeds(Tensor a, Tensor b)
    {
        using var off = Unrecorded.Begin();
        using var scope = NewDisposeScope();
        return a.gt(b).to_type(DType).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public Tensor Select(Tensor mask, Tensor a, Tensor b)
    {
        using var off = Unrecorded.Begin();
        using var scope = NewDisposeScope();
        var like = mask.dim() > 0 ? mask : a.dim() > 0 ? a : b;
        return where(Beside(like, mask).Exceeds(0.5), Beside(like, a), Beside(like, b)).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public bool Any(Tensor mask)
    {
        using var off = Unrecorded.Begin();
        using var scope = NewDisposeScope();
        return mask.max().Number() > 0.5;
    }

    /// <inheritdoc/>
    public double[] Read(Tensor scalar)
    {
        using var off = Unrecorded.Begin();
        using var scope = NewDisposeScope();
        return scalar.to_type(ScalarType.Float64).cpu().expand(Tasks, 1).contiguous().data<double>().ToArray();
    }

    /// <inheritdoc/>
    public Tensor Spread(Tensor theta)
    {
        // Even unrecorded a view of a vector with requires_grad has it.
        using var scope = NewDisposeScope();
        return theta.shape is [1, _]
            ? theta.detach().expand(Tasks, -1).MoveToOuterDisposeScope()
            : throw new ArgumentException($"one vector [1, d] is needed, not [{string.Join(", ", theta.shape)}]", nameof(theta));
    }

    /// <inheritdoc/>
    public Tensor Gather(Tensor mask, Tensor x)
    {
        using var off = Unrecorded.Begin();
        using var scope = NewDisposeScope();
        var zero = zeros_like(x); // [B, d]
        var part = mask.dim() > 0 ? where(mask.Exceeds(0.5), x, zero) : mask.Number() > 0.5 ? x : zero;
        return part.sum([0], keepdim: true).MoveToOuterDisposeScope(); // [1, d]
    }

    /// <inheritdoc/>
    public Tensor Divide(Tensor x, double divisor)
    {
        using var off = Unrecorded.Begin();
        return x.DividedBy(divisor);
    }

    /// <inheritdoc/>
    public IRegion<Tensor, Tensor> OpenRegion() => new TensorRegion();

    /// <summary>The scalar, as one number for each task where <paramref name="other"/> is that: on the device, without waiting for it.</summary>
    private static Tensor Beside(Tensor other, Tensor scalar) => scalar.dim() == 0 && other.dim() > 0 ? other.Filled(scalar.Number()) : scalar;

    private sealed class TensorRegion : IRegion<Tensor, Tensor>
    {
        private readonly DisposeScope? _outer = CurrentDisposeScope;
        private readonly DisposeScope _scope = NewDisposeScope();

        public Tensor KeepVector(Tensor x) => Keep(x);

        public Tensor KeepScalar(Tensor x) => Keep(x);

        public Tensor AdoptVector(Tensor x) => Move(x, _scope);

        public Tensor AdoptScalar(Tensor x) => Move(x, _scope);

        public void Dispose() => _scope.Dispose();

        /// <summary>A value that is not this region's is not freed with it: it may belong to a region further out.</summary>
        private Tensor Keep(Tensor x) => _scope.Contains(x) ? Move(x, _outer) : x;

        /// <summary>Detaches first: TorchSharp loses a tensor that is moved to the scope it is in already.</summary>
        private static Tensor Move(Tensor x, DisposeScope? scope)
        {
            x.DetachFromDisposeScope();
            scope?.Attach(x);
            return x;
        }
    }
}
