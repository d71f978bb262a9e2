// The exponent of a power law y ≈ axᵇ: a straight line through (ln x, ln y) by least squares, with Student's interval for its slope.

namespace Imaml.Theory

open System
open MathNet.Numerics
open MathNet.Numerics.Distributions

/// y ≈ axᵇ as fitted, or y ≈ a + bx.
[<NoComparison>]
type FittedSlope =
    {
        /// b
        Slope: float
        /// ln a of a power law, a of a straight line.
        Intercept: float
        /// The 95 % confidence interval of b, for independent errors of one normal distribution.
        Low: float
        High: float
        /// The largest |residual|, of ln y or of y.
        LargestResidual: float
        /// How many points were fitted.
        Points: int
    }

[<RequireQualifiedAccess>]
module PowerLaw =

    /// The confidence of every interval here.
    [<Literal>]
    let Confidence = 0.95

    /// y ≈ a + bx by least squares. The interval is b ± t√(Σr²/(n−2)/Σ(x−x̄)²), t the quantile of Student's distribution of n − 2 degrees
    /// of freedom. Errors: fewer than three points, lengths that differ, all x the same, a number that is not finite.
    let line (x: float[]) (y: float[]) : FittedSlope =
        ArgumentNullException.ThrowIfNull(x, nameof x)
        ArgumentNullException.ThrowIfNull(y, nameof y)

        if x.Length <> y.Length then
            invalidArg (nameof y) $"{x.Length} values of x, but {y.Length} of y"

        if x.Length < 3 then
            invalidArg (nameof x) $"an interval needs at least 3 points, not {x.Length}"

        if not (Array.forall Double.IsFinite x && Array.forall Double.IsFinite y) then
            invalidArg (nameof x) "the points of a fit must be finite"

        if Array.forall (fun value -> value = x[0]) x then
            invalidArg (nameof x) $"the points of a fit must differ in x, all are at {x[0]}"

        let struct (a, b) = Fit.Line(x, y)
        let residuals = Array.map2 (fun x y -> y - (a + b * x)) x y
        let mean = Array.average x
        let spread = x |> Array.sumBy (fun value -> (value - mean) ** 2.0)
        let freedom = float (x.Length - 2)
        let deviation = sqrt ((residuals |> Array.sumBy (fun r -> r * r)) / freedom / spread)
        let half = StudentT.InvCDF(0.0, 1.0, freedom, 0.5 + Confidence / 2.0) * deviation

        {
            Slope = b
            Intercept = a
            Low = b - half
            High = b + half
            LargestResidual = residuals |> Array.map abs |> Array.max
            Points = x.Length
        }

    /// What is not known: every number is NaN.
    let unknown: FittedSlope =
        {
            Slope = nan
            Intercept = nan
            Low = nan
            High = nan
            LargestResidual = nan
            Points = 0
        }

    /// b of y ≈ axᵇ, on logarithmic axes. Errors: those of `line`, and a number that is not positive.
    let fit (x: float[]) (y: float[]) : FittedSlope =
        for value in Seq.append x y do
            if not (value > 0.0) then
                invalidArg (nameof x) $"a power law is fitted to positive numbers, not {value}"

        line (Array.map log x) (Array.map log y)
