using Imaml.Math;

namespace Imaml.Interop.Tests;

/// <summary>ℝᵈ as arrays: a space that a user writes in C#. The garbage collector frees its values, so that a region has nothing to do.</summary>
internal sealed class ArraySpace : IInnerProductSpace<double[], double>
{
    private sealed class Region : IRegion<double[], double>
    {
        public double[] KeepVector(double[] value) => value;

        public double KeepScalar(double value) => value;

        public double[] AdoptVector(double[] value) => value;

        public double AdoptScalar(double value) => value;

        public void Dispose()
        {
        }
    }

    public double[] Zero(double[] like) => new double[like.Length];

    public double[] Scale(double a, double[] x) => [.. x.Select(value => a * value)];

    public double[] Axpy(double a, double[] x, double[] y) => a == 0.0 ? y : [.. x.Zip(y, (left, right) => (a * left) + right)];

    public double Inner(double[] x, double[] y) => x.Zip(y, (left, right) => left * right).Sum();

    public double Norm(double[] x) => System.Math.Sqrt(Inner(x, x));

    public double Scalar(double value) => value;

    public double PerTask(double[] values) => values.Single();

    public double Add(double a, double b) => a + b;

    public double Multiply(double a, double b) => a * b;

    public double SquareRoot(double a) => System.Math.Sqrt(a);

    public double DivideOrZero(double numerator, double denominator) => denominator > 0.0 ? numerator / denominator : 0.0;

    public double Exceeds(double a, double b) => a > b ? 1.0 : 0.0;

    public double Select(double mask, double a, double b) => mask > 0.5 ? a : b;

    public bool Any(double mask) => mask > 0.5;

    public double[] Read(double value) => [value];

    public double[] Spread(double[] theta) => theta;

    public double[] Gather(double mask, double[] x) => mask > 0.5 ? x : Zero(x);

    public double[] Divide(double[] x, double divisor) => [.. x.Select(value => value / divisor)];

    public IRegion<double[], double> OpenRegion() => new Region();
}
