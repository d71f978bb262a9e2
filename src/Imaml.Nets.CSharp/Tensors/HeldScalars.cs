// Arithmetic of tensors with plain numbers, safe while other threads run.
//
// TorchSharp passes a number to libtorch as a Scalar: a few bytes outside the managed heap, which a finalizer frees. There is no reference to
// the Scalar while libtorch reads them, so a garbage collection at that moment, caused by any other thread, frees them first: the call then
// fails, or computes with another number. (TorchSharp 0.107.0, while one thread allocates: x.add(y), which passes a 1 of its own, failed 247
// times in 1.9 million calls.) Here every Scalar is kept until libtorch has returned; the rest of the library makes none, which a test checks.

using TorchSharp;
using static TorchSharp.torch;

namespace Imaml.Nets.Tensors;

/// <summary>The operations that take or return a TorchSharp Scalar.</summary>
public static class HeldScalars
{
    private static readonly Scalar One = 1, MinusOne = -1;

    /// <summary>x + y</summary>
    public static Tensor Plus(this Tensor x, Tensor y) => x.add(y, One);

    /// <summary>x + a</summary>
    public static Tensor Plus(this Tensor x, double a)
    {
        using Scalar held = a;
        return x.add(held, One);
    }

    /// <summary>x + a·y</summary>
    public static Tensor PlusMultiple(this Tensor x, double a, Tensor y)
    {
        using Scalar held = a;
        return x.add(y, held);
    }

    /// <summary>x + yz, coordinate by coordinate.</summary>
    public static Tensor PlusProduct(this Tensor x, Tensor y, Tensor z) => x.addcmul(y, z, One);

    /// <summary>x − yz, coordinate by coordinate.</summary>
    public static Tensor MinusProduct(this Tensor x, Tensor y, Tensor z) => x.addcmul(y, z, MinusOne);

    /// <summary>a·x</summary>
    public static Tensor Times(this Tensor x, double a)
    {
        using Scalar held = a;
        return x.mul(held);
    }

    /// <summary>x becomes x + y.</summary>
    public static Tensor Add(this Tensor x, Tensor y) => x.add_(y, One);

    /// <summary>x becomes x + yz.</summary>
    public static Tensor AddProduct(this Tensor x, Tensor y, Tensor z) => x.addcmul_(y, z, One);

    /// <summary>x becomes x − yz.</summary>
    public static Tensor SubtractProduct(this Tensor x, Tensor y, Tensor z) => x.addcmul_(y, z, MinusOne);

    /// <summary>x becomes x/a.</summary>
    public static Tensor DivideBy(this Tensor x, double a)
    {
        using Scalar held = a;
        return x.div_(held);
    }

    /// <summary>x/a</summary>
    public static Tensor DividedBy(this Tensor x, double a)
    {
        using Scalar held = a;
        return x.div(held);
    }

    /// <summary>x &gt; a</summary>
    public static Tensor Exceeds(this Tensor x, double a)
    {
        using Scalar held = a;
        return x.gt(held);
    }

    /// <summary>x &lt; a</summary>
    public static Tensor IsBelow(this Tensor x, double a)
    {
        using Scalar held = a;
        return x.lt(held);
    }

    /// <summary>x ≠ a</summary>
    public static Tensor Differs(this Tensor x, double a)
    {
        using Scalar held = a;
        return x.ne(held);
    }

    /// <summary>The number a in every coordinate of a tensor like x.</summary>
    public static Tensor Filled(this Tensor x, double a)
    {
        using Scalar held = a;
        return full_like(x, held);
    }

    /// <summary>The number in a tensor of one. On a device this waits for it.</summary>
    public static double Number(this Tensor x)
    {
        using var held = x.ToScalar();
        GC.KeepAlive(x);
        return held.ToDouble();
    }

    /// <summary>The truth in a tensor of one. On a device this waits for it.</summary>
    public static bool Truth(this Tensor x)
    {
        using var held = x.ToScalar();
        GC.KeepAlive(x);
        return held.ToBoolean();
    }
}
