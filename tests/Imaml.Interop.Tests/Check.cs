using Expecto;
using Expecto.CSharp;
using MathNet.Numerics.LinearAlgebra;

namespace Imaml.Interop.Tests;

/// <summary>What the statements are made of.</summary>
internal static class Check
{
    /// <summary>
    /// Closed forms here are of 2 × 2 systems with κ below 2 and numbers of order one: a few dozen roundings, 10⁻¹⁴. A hundred times that.
    /// </summary>
    public const double Rounding = 1e-12;

    public static Test Statement(string name, Action body) => Runner.TestCase(name, body);

    public static Test List(string name, params Test[] tests) => Runner.TestList(name, tests);

    public static void That(bool holds, string what) => Expect.isTrue(holds, what);

    public static void Equal<T>(T actual, T expected, string what) =>
        That(EqualityComparer<T>.Default.Equals(actual, expected), $"{what}: {actual}, not {expected}");

    public static void Close(double actual, double expected, string what, double tolerance = Rounding) =>
        That(System.Math.Abs(actual - expected) <= tolerance, $"{what}: {actual:R}, not {expected:R} ± {tolerance:R}");

    public static void Close(Vector<double> actual, Vector<double> expected, string what, double tolerance = Rounding) =>
        That((actual - expected).L2Norm() <= tolerance, $"{what}: {actual.ToVectorString()} not {expected.ToVectorString()} ± {tolerance:R}");

    public static void Close(Matrix<double> actual, Matrix<double> expected, string what) =>
        That((actual - expected).FrobeniusNorm() <= Rounding, $"{what}: {actual} not {expected}");

    /// <summary>A caller's mistake is an ArgumentException that names the value and the rule.</summary>
    public static void Refuses(Action mistake, string value, string rule)
    {
        try
        {
            mistake();
        }
        catch (ArgumentException e)
        {
            That(e.Message.Contains(value) && e.Message.Contains(rule), $"\"{e.Message}\" does not say {value} and {rule}");
            return;
        }

        That(false, $"accepted, though {rule}");
    }
}
