// What is learned beside θ: log λ, or Meta-SGD's step sizes, with the moments of the Adam that moves them. On the host, in double precision.

using Imaml.Math;
using MathNet.Numerics.LinearAlgebra;

namespace Imaml.Nets.Methods;

/// <summary>Learned numbers with their outer optimiser's state.</summary>
public sealed record LearnedNumbers(Vector<double> Numbers, AdamState<Vector<double>> Outer)
{
    /// <summary>Before the first step.</summary>
    public static LearnedNumbers Start(int count, double value)
    {
        Vector<double> All(double one) => Vector<double>.Build.Dense(count, one);
        return new LearnedNumbers(All(value), new AdamState<Vector<double>>(0, All(0), All(0)));
    }

    /// <summary>After one step of Adam against <paramref name="gradient"/>.</summary>
    public LearnedNumbers Step(double rate, Vector<double> gradient)
    {
        var (numbers, outer) = Adam.Step(new EuclideanCoordinates(), AdamOptions.Authors, rate, Outer, gradient, Numbers);
        return new LearnedNumbers(numbers, outer);
    }
}
