using Imaml.Math;

namespace Imaml.Cli.Problems;

/// <summary>How a problem's solution ended, in one word.</summary>
internal enum Outcome
{
    /// <summary>The requested accuracy is reached; exact: φ is the minimiser to rounding.</summary>
    Converged,

    /// <summary>The budget of steps was used: the usual end where a budget was asked for.</summary>
    StepLimit,

    /// <summary>The accuracy is below what double precision can certify on this problem.</summary>
    RoundingLimit,

    /// <summary>No further step lowers G.</summary>
    Stalled,

    /// <summary>H + Λ is not positive definite: raise λ.</summary>
    NonPositiveCurvature,

    /// <summary>φ is worse than θ, where the inner solver started: its step is too long.</summary>
    Diverged,

    /// <summary>Something was not finite: the inner solver has diverged, or the numbers overflow.</summary>
    NonFinite,

    /// <summary>A curvature below µ, or the dense solution, disproves the constants that the bound was made of.</summary>
    ConstantsRefuted,
}

/// <summary>The answer, as `--json` prints it. What is not known, or is not finite, is null.</summary>
/// <param name="Status">How it ended.</param>
/// <param name="Message">The status in words.</param>
/// <param name="Method">The way to the meta-gradient.</param>
/// <param name="Dimension">d</param>
/// <param name="Accuracy">ε, where the method looked for an accuracy.</param>
/// <param name="StepSize">The constant step of the inner solver, where it had one.</param>
/// <param name="Phi">φ.</param>
/// <param name="MetaGradient">g; d nulls where it was not computed.</param>
/// <param name="RegularizerGradient">dL/dΛ in the shape of Λ, from u = (H+Λ)⁻¹∇L(φ) and φ* − θ as one Newton step from φ has it; only implicit and exact have a u.</param>
/// <param name="RegularizerGradientBound">A bound on its error in the Euclidean norm of its entries, of the kind BoundKind; null where there is none. Large where λ is as small as rounding.</param>
/// <param name="InnerLoss">L̂(φ).</param>
/// <param name="OuterLoss">L(φ).</param>
/// <param name="InnerGradientNorm">‖∇G(φ, θ)‖.</param>
/// <param name="InnerError">A bound on δ = ‖φ − Alg*(θ)‖.</param>
/// <param name="SolveError">A bound on δ′.</param>
/// <param name="ErrorBound">A bound on ‖g − d_θL(Alg*(θ))‖.</param>
/// <param name="RoundingError">The part of ErrorBound that is rounding: no accuracy below it can be certified.</param>
/// <param name="BoundKind">Whether the bounds are certified or estimated.</param>
/// <param name="BoundReason">Why there is no bound; null where there is one.</param>
/// <param name="Constants">What the bounds are made of.</param>
/// <param name="LinearSolve">How the solve of (H+Λ)u = ∇L(φ) by conjugate gradients went; null where there was none.</param>
/// <param name="Exact">The same by dense solves, where d ≤ 500 and a minimum of G is found.</param>
/// <param name="Error">‖g − exact g‖ (Definition 3).</param>
/// <param name="Counts">What it cost.</param>
/// <param name="Parameters">The gradient in the parameters of the file; null where it has none.</param>
/// <param name="Answer">Bounds and true errors of the file's own φ and gradient; null where it has none.</param>
internal sealed record SolveOutcome(
    Outcome Status,
    string Message,
    Method Method,
    int Dimension,
    double? Accuracy,
    double? StepSize,
    double?[] Phi,
    double?[] MetaGradient,
    object? RegularizerGradient,
    double? RegularizerGradientBound,
    double? InnerLoss,
    double? OuterLoss,
    double? InnerGradientNorm,
    double? InnerError,
    double? SolveError,
    double? ErrorBound,
    double? RoundingError,
    BoundKind BoundKind,
    string? BoundReason,
    TheoremConstants Constants,
    LinearSolve? LinearSolve,
    ExactSolution? Exact,
    double? Error,
    SolveCounts Counts,
    ParameterOutcome? Parameters,
    AnswerOutcome? Answer);

/// <summary>∇F(z) = ∂_z f − Cᵀu in the outer variables z of the file.</summary>
/// <param name="Kind">As the file has it.</param>
/// <param name="Gradient">∇F(z); null where no linear system was solved.</param>
/// <param name="ErrorBound">A bound on its error.</param>
/// <param name="RoundingError">The part of ErrorBound that is rounding.</param>
/// <param name="BoundKind">Whether the bound is certified or estimated.</param>
/// <param name="BoundReason">Why there is no bound; null where there is one.</param>
/// <param name="Exact">∇F(z) by dense solves, where there are some.</param>
/// <param name="ExactErrorBound">A bound on its error.</param>
/// <param name="Error">The distance to Exact.</param>
internal sealed record ParameterOutcome(
    string Kind,
    double?[]? Gradient,
    double? ErrorBound,
    double? RoundingError,
    BoundKind BoundKind,
    string? BoundReason,
    double?[]? Exact,
    double? ExactErrorBound,
    double? Error);

/// <summary>Bounds and true errors of the file's own φ and gradient.</summary>
/// <param name="InnerGradientNorm">‖∇G(φ, θ)‖ at that φ.</param>
/// <param name="InnerError">A bound on ‖φ − Alg*(θ)‖.</param>
/// <param name="PhiError">‖φ − exact φ‖, where there is a dense solution.</param>
/// <param name="ErrorBound">A bound on the error of that gradient.</param>
/// <param name="BoundKind">Whether the bounds are certified or estimated.</param>
/// <param name="BoundReason">Why there is no bound; null where there is one.</param>
/// <param name="Error">The distance to the exact gradient, where there is a dense solution.</param>
internal sealed record AnswerOutcome(
    double? InnerGradientNorm,
    double? InnerError,
    double? PhiError,
    double? ErrorBound,
    BoundKind BoundKind,
    string? BoundReason,
    double? Error);

/// <summary>Theorem 1's constants, known or measured at φ.</summary>
/// <param name="Kind">Certified where they are proved, estimated where they are measured, none where they give no bound.</param>
/// <param name="StrongConvexity">µ of G; not positive where H + Λ may be indefinite.</param>
/// <param name="Smoothness">β of G.</param>
/// <param name="Condition">κ = β/µ.</param>
/// <param name="OuterSmoothness">L of the outer loss.</param>
/// <param name="HessianLipschitz">ρ of the inner loss.</param>
internal sealed record TheoremConstants(BoundKind Kind, double? StrongConvexity, double? Smoothness, double? Condition, double? OuterSmoothness, double? HessianLipschitz)
{
    /// <summary>The constants as JSON has them.</summary>
    public static TheoremConstants Of(ErrorConstants c) => new(
        c.Kind,
        FiniteNumbers.Of(c.StrongConvexity),
        FiniteNumbers.Of(c.Smoothness),
        c.StrongConvexity > 0 ? FiniteNumbers.Of(c.Condition) : null,
        FiniteNumbers.Of(c.OuterSmoothness),
        FiniteNumbers.Of(c.HessianLipschitz));
}

/// <summary>Conjugate gradients' results on H + Λ.</summary>
/// <param name="Status">How the solve ended; null with an accuracy, for which the certificate decides.</param>
/// <param name="RelativeResidual">‖∇L(φ) − (H+Λ)u‖/‖∇L(φ)‖, computed anew from u.</param>
/// <param name="SmallestCurvature">The smallest ⟨p, (H+Λ)p⟩/⟨p, p⟩ seen: at least the smallest eigenvalue.</param>
/// <param name="SmallestRitzValue">From above, the smallest eigenvalue with a component of ∇L(φ); null with an accuracy.</param>
/// <param name="LargestRitzValue">From below, the largest; null with an accuracy.</param>
internal sealed record LinearSolve(SolveStatus? Status, double? RelativeResidual, double? SmallestCurvature, double? SmallestRitzValue, double? LargestRitzValue);

/// <summary>The exact solution, by dense solves.</summary>
/// <param name="Phi">φ* = Alg*(θ).</param>
/// <param name="MetaGradient">d_θL(Alg*(θ)).</param>
/// <param name="Jacobian">dAlg*/dθ = (H+Λ)⁻¹Λ, by rows.</param>
/// <param name="RegularizerGradient">dL/dΛ in the shape of Λ.</param>
/// <param name="ErrorBound">A bound on the error of this meta-gradient: dense solves round too.</param>
internal sealed record ExactSolution(double?[] Phi, double?[] MetaGradient, double?[][] Jacobian, object? RegularizerGradient, double? ErrorBound);

/// <summary>What a solution cost.</summary>
/// <param name="Gradients">Evaluations of ∇L̂.</param>
/// <param name="HessianProducts">Products with ∇²L̂.</param>
/// <param name="OuterGradients">Evaluations of ∇L.</param>
/// <param name="InnerSteps">Steps that moved φ.</param>
/// <param name="LinearSteps">Steps that moved u.</param>
internal sealed record SolveCounts(int Gradients, int HessianProducts, int OuterGradients, int InnerSteps, int LinearSteps)
{
    /// <summary>Dense solves, which count nothing.</summary>
    public static SolveCounts None { get; } = new(0, 0, 0, 0, 0);
}

/// <summary>A bound on the error of g, or why there is none, with the constants that it is made of.</summary>
internal sealed record SolveBound(BoundKind Kind, string Reason, double InnerError, double SolveError, double Total, double Rounding, ErrorConstants Constants)
{
    /// <summary>That of a certificate.</summary>
    public static SolveBound Of(Certificate c) => new(c.Kind, c.Reason, c.InnerError, c.SolveError, c.Total, c.Rounding, c.Constants);

    /// <summary>No bound, for this reason.</summary>
    public static SolveBound None(string reason, ErrorConstants constants) =>
        new(BoundKind.None, reason, double.PositiveInfinity, double.PositiveInfinity, double.PositiveInfinity, double.PositiveInfinity, constants);
}
