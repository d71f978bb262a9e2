// A method's result before it is converted to words and JSON, and its correction by what else is known: overflow, indefiniteness, a dense solution.

using System.Globalization;
using Imaml.Math;
using Imaml.Theory;
using Vector = MathNet.Numerics.LinearAlgebra.Vector<double>;

namespace Imaml.Cli.Problems;

/// <summary>dL/dΛ, a bound on its error, and the products that it took.</summary>
internal sealed record LambdaGradient(ProximalGradient Gradient, double ErrorBound, int Products);

/// <summary>An answer with its status, its bound, and what it cost; dL/dΛ and u are null where no linear system was solved.</summary>
internal sealed record Finding(
    Outcome Outcome, string Message, Vector Phi, Vector Gradient, double InnerGradientNorm, LambdaGradient? ByLambda, SolveBound Bound, LinearSolve? LinearSolve, SolveCounts Counts, Vector? Solution = null)
{
    /// <summary>Why an estimate is withdrawn.</summary>
    public const string Missed = "the constants measured at φ are refuted by the dense solution, which lies outside the bounds made of them";

    /// <summary>Curvature below this is of numbers whose products overflow.</summary>
    public const double Overflowing = -1e150;

    /// <summary>Why nothing is known of a point.</summary>
    public const string Overflow = "numbers overflow: G, its derivatives or g are not finite where the dense solve ended";

    /// <summary>The result corrected by what else is known: numbers that are not finite, a point where H + Λ is indefinite, a dense solution outside an estimated bound.</summary>
    /// <param name="dense">Where Newton's method ended from θ, if it was asked.</param>
    /// <param name="exact">The lowest minimum known, if one is.</param>
    /// <param name="exactBound">Its certificate.</param>
    public Finding Judged(DenseSolution? dense, DenseSolution? exact, Certificate? exactBound)
    {
        var found = this;
        var claims = found.Outcome is Outcome.Converged or Outcome.RoundingLimit;
        if (claims && !(found.Phi.ForAll(double.IsFinite) && found.Gradient.ForAll(double.IsFinite) && double.IsFinite(found.InnerGradientNorm)))
        {
            return found with { Outcome = Outcome.NonFinite, Message = "numbers overflow: φ, its gradient or g is not finite", Bound = SolveBound.None("something is not finite", found.Bound.Constants) };
        }

        // Along directions of curvature that overflows no λ helps.
        if (found.Outcome is Outcome.NonPositiveCurvature or Outcome.Stalled && dense is { IsFinite: false } && found.LinearSolve is not { SmallestCurvature: <= 0 and > Overflowing })
        {
            return found with { Outcome = Outcome.NonFinite, Message = Overflow };
        }

        if (found.Outcome is Outcome.NonPositiveCurvature && found.Bound.Constants is { Kind: BoundKind.Certified, StrongConvexity: > 0 } constants)
        {
            found = found with
            {
                Outcome = Outcome.RoundingLimit,
                Message = string.Create(CultureInfo.InvariantCulture, $"H + Λ is positive definite, µ = {constants.StrongConvexity:G6}, but compared with β = {constants.Smoothness:G6} the curvature of a direction was lost in rounding"),
            };
        }
        else if (!claims && dense is { IsFinite: true, Stationarity: { SmallestCurvature: <= 0 } indefinite })
        {
            found = found with
            {
                Outcome = Outcome.NonPositiveCurvature,
                Message = string.Create(CultureInfo.InvariantCulture, $"the smallest eigenvalue of H + Λ is {indefinite.SmallestCurvature:G6} where Newton's method ended: no minimum of G is known; raise λ"),
            };
        }

        if (found.Bound.Kind is not BoundKind.Estimated || exact is null)
        {
            return found;
        }

        // Where the descent diverged, the constants were measured far from the minimum; where it did not, they may have been measured on too small a part of G.
        var misses = !(Rounding.norm(found.Phi - exact.Phi) <= found.Bound.InnerError + exactBound!.InnerError && Rounding.norm(found.Gradient - exact.Gradient!) <= found.Bound.Total + exactBound.Total);
        if (!misses && found.Outcome is not Outcome.Diverged)
        {
            return found;
        }

        return found with
        {
            Outcome = claims ? Outcome.ConstantsRefuted : found.Outcome,
            Message = claims ? Missed : found.Message,
            Bound = SolveBound.None(misses ? Missed : "φ is where the descent diverged to", found.Bound.Constants),
        };
    }
}
