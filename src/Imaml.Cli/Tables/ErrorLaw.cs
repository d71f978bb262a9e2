// How an error falls with the number of tasks: a power law, a line in logarithms.

using Imaml.Theory;

namespace Imaml.Cli.Tables;

/// <summary>e(n) ≈ c·n^(−b), fitted to a run's errors on validation classes. Its interval is too narrow, since the points of one run are not independent.</summary>
internal static class ErrorLaw
{
    /// <summary>With fewer points the distance from a line is not known well enough.</summary>
    public const int LeastPoints = 5;

    /// <summary>The law of the second half of these points, without the beginning of the run; null where it has too few points of a positive error.</summary>
    /// <param name="points">n and e(n), n ascending.</param>
    public static FittedSlope? OfSecondHalf(IReadOnlyList<(double Count, double Error)> points)
    {
        (double Count, double Error)[] half = [.. points.Skip(points.Count / 2).Where(point => point.Error > 0)];
        return half.Length < LeastPoints ? null : PowerLaw.fit([.. half.Select(one => one.Count)], [.. half.Select(one => one.Error)]);
    }

    /// <summary>n with e(n) = error; infinite where the law does not fall.</summary>
    public static double Reaches(FittedSlope law, double error) => law.Slope < 0 ? double.Exp((double.Log(error) - law.Intercept) / law.Slope) : double.PositiveInfinity;
}
