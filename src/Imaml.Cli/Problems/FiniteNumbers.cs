// Numbers as JSON has them: null for what is not finite, and 0 for -0, which compares equal and may confuse a reader.

using Imaml.Theory;
using MathNet.Numerics.LinearAlgebra;

namespace Imaml.Cli.Problems;

/// <summary>Turns results into numbers that JSON has.</summary>
internal static class FiniteNumbers
{
    /// <summary>The number, or null.</summary>
    public static double? Of(double value) => double.IsFinite(value) ? value + 0.0 : null;

    /// <summary>The vector's numbers.</summary>
    public static double?[] Of(Vector<double> vector) => [.. vector.Select(Of)];

    /// <summary>The matrix by rows.</summary>
    public static double?[][] Of(Matrix<double> matrix) => [.. matrix.EnumerateRows().Select(Of)];

    /// <summary>A number, a vector or a matrix, as Λ is.</summary>
    public static object? Of(ProximalGradient gradient) => gradient switch
    {
        ProximalGradient.Scalar scalar => Of(scalar.value),
        ProximalGradient.Diagonal diagonal => Of(diagonal.values),
        ProximalGradient.Matrix matrix => Of(matrix.matrix),
        _ => throw new InvalidOperationException($"{gradient} is not a gradient of a regulariser"),
    };
}
