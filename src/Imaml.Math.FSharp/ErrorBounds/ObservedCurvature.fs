// Theorem 1's hypothesis on G seen from one point: what Lanczos's method on H = ∇²L̂(φ) says of µ, β and κ there, for Λ = λI.
//
// Ritz values lie inside the spectrum. So µ ≤ λ + min d and β ≥ λ + max d, κ may be larger than their quotient, and λ + min d < 0 proves,
// up to rounding, that G is not convex at φ. They never prove that it is: a lower bound on µ holds but for a chance (RitzSpectrum.Missed).

namespace Imaml.Math

/// What one Lanczos run knows of G's curvature at a point.
type ObservedCurvature =
    {
        /// λ + min d ≥ µ; not a number where nothing was seen.
        StrongConvexityAtMost: float
        /// λ + max d ≤ β.
        SmoothnessAtLeast: float
        /// By how much µ may be smaller, but for the chance that was allowed.
        Missed: float
    }

    /// From H's Ritz values. Errors: those of RitzSpectrum.Missed; λ that is not positive and finite.
    static member Of(spectrum: RitzSpectrum, lambda: float, dimension: int, failure: float) : ObservedCurvature =
        if not (lambda > 0.0 && lambda < infinity) then
            invalidArg (nameof lambda) $"λ must be positive and finite, not {lambda}"

        {
            StrongConvexityAtMost = lambda + spectrum.Smallest
            SmoothnessAtLeast = lambda + spectrum.Largest
            Missed = spectrum.Missed(dimension, failure)
        }

    /// G is not convex at the point: a direction of negative curvature was met.
    member o.IsRefuted = o.StrongConvexityAtMost < 0.0

    /// G is strongly convex at the point, but for the chance that was allowed.
    member o.IsProbable = o.StrongConvexityAtMost - o.Missed > 0.0

    /// κ ≥ β/µ as seen; infinite where µ is not positive.
    member o.ConditionAtLeast =
        if o.StrongConvexityAtMost > 0.0 then
            o.SmoothnessAtLeast / o.StrongConvexityAtMost
        else
            infinity

    /// ‖∇G(φ)‖/µ with the µ that was seen: an estimate of δ (Definition 1), never a bound; infinite where µ is not positive.
    member o.InnerError(gradientNorm: float) =
        if o.StrongConvexityAtMost > 0.0 then
            gradientNorm / o.StrongConvexityAtMost
        else
            infinity
