// How an error falls with the number of tasks: e(n) = c·n^(−b), a line in logarithms.

using MathNet.Numerics.LinearRegression;

namespace Imaml.Cli.Tables;

/// <summary>c·n^(−b), by least squares in the logarithms.</summary>
/// <param name="Factor">c.</param>
/// <param name="Exponent">b.</param>
/// <param name="ExponentHalfWidth95">1.96 standard errors of b, of the points' distances from the line; the points of one run are not independent, so it is a lower limit.</param>
/// <param name="Points">How many points it was fitted to.</param>
internal sealed record PowerLaw(double Factor, double Exponent, double ExponentHalfWidth95, int Points)
{
    /// <summary>Fewer points say nothing of how far they are from a line.</summary>
    public const int LeastPoints = 5;

    /// <summary>n with e(n) = error; infinite where the law does not fall.</summary>
    public double Reaches(double error) => Exponent > 0 ? double.Pow(Factor / error, 1 / Exponent) : double.PositiveInfinity;

    /// <summary>The law of the second half of these points, in which a run has left its beginning behind; null where it has too few points of a positive error.</summary>
    /// <param name="points">n and e(n), n ascending.</param>
    public static PowerLaw? OfSecondHalf(IReadOnlyList<(double Count, double Error)> points)
    {
        (double X, double Y)[] logs = [.. points.Skip(points.Count / 2).Where(point => point.Error > 0).Select(point => (double.Log(point.Count), double.Log(point.Error)))];
        if (logs.Length < LeastPoints)
        {
            return null;
        }

        var (intercept, slope) = SimpleRegression.Fit([.. logs.Select(one => one.X)], [.. logs.Select(one => one.Y)]);
        var mean = logs.Average(one => one.X);
        var residual = logs.Sum(one => Square(one.Y - intercept - (slope * one.X)));
        var deviation = double.Sqrt(residual / (logs.Length - 2) / logs.Sum(one => Square(one.X - mean)));
        return new PowerLaw(double.Exp(intercept), -slope, 1.96 * deviation, logs.Length);
    }

    private static double Square(double x) => x * x;
}
