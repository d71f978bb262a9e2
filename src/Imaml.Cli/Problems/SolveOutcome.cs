using System.Text.Json.Serialization;
using Imaml.Math;

namespace Imaml.Cli.Problems;

/// <summary>How a problem's solution ended, in one word.</summary>
internal enum Outcome
{
    /// <summary>The accuracy that was asked for is met; exact: φ is the minimiser to rounding.</summary>
    Converged,

    /// <summary>The budget of steps is spent: the usual end where a budget was asked for.</summary>
    StepLimit,

    /// <summary>The accuracy is below what double precision can certify on this problem.</summary>
    RoundingLimit,

    /// <summary>No further step lowers G.</summary>
    Stalled,

    /// <summary>H + Λ is not positive definite: raise λ.</summary>
    NonPositiveCurvature,

    /// <summary>Something was not finite: the inner solver has diverged.</summary>
    NonFinite,
}

/// <summary>The answer, as `--json` prints it. What is not known, or is not finite, is null.</summary>
/// <param name="Status">How it ended.</param>
/// <param name="Message">The status in words.</param>
/// <param name="Method">The way to the meta-gradient.</param>
/// <param name="Phi">φ.</param>
/// <param name="MetaGradient">g.</param>
/// <param name="RegularizerGradient">dL/dΛ in the shape of Λ; only a method that solves a linear system has it.</param>
/// <param name="InnerLoss">L̂(φ).</param>
/// <param name="OuterLoss">L(φ).</param>
/// <param name="InnerGradientNorm">‖∇G(φ, θ)‖.</param>
/// <param name="InnerError">A bound on δ = ‖φ − Alg*(θ)‖.</param>
/// <param name="SolveError">A bound on δ′.</param>
/// <param name="ErrorBound">A bound on ‖g − d_θL(Alg*(θ))‖.</param>
/// <param name="BoundKind">What the bounds are worth.</param>
/// <param name="Exact">The same by dense solves, where d ≤ 500 and G has a minimum.</param>
/// <param name="Error">‖g − exact g‖ (Definition 3).</param>
/// <param name="Counts">What it cost.</param>
internal sealed record SolveOutcome(
    Outcome Status,
    string Message,
    Method Method,
    double?[] Phi,
    double?[] MetaGradient,
    object? RegularizerGradient,
    double? InnerLoss,
    double? OuterLoss,
    double? InnerGradientNorm,
    double? InnerError,
    double? SolveError,
    double? ErrorBound,
    BoundKind BoundKind,
    ExactSolution? Exact,
    double? Error,
    SolveCounts Counts);

/// <summary>The exact solution, by dense solves.</summary>
/// <param name="Phi">φ* = Alg*(θ).</param>
/// <param name="MetaGradient">d_θL(Alg*(θ)).</param>
/// <param name="Jacobian">dAlg*/dθ = (H+Λ)⁻¹Λ, by rows.</param>
/// <param name="RegularizerGradient">dL/dΛ in the shape of Λ.</param>
internal sealed record ExactSolution(double[] Phi, double[] MetaGradient, double[][] Jacobian, object RegularizerGradient);

/// <summary>What a solution cost.</summary>
/// <param name="Gradients">Evaluations of ∇L̂.</param>
/// <param name="HessianProducts">Products with ∇²L̂.</param>
/// <param name="OuterGradients">Evaluations of ∇L.</param>
/// <param name="InnerSteps">Steps that moved φ.</param>
/// <param name="LinearSteps">Steps that moved u.</param>
internal sealed record SolveCounts(int Gradients, int HessianProducts, int OuterGradients, int InnerSteps, int LinearSteps)
{
    /// <summary>Dense solves, which count nothing.</summary>
    [JsonIgnore]
    public static SolveCounts None { get; } = new(0, 0, 0, 0, 0);
}
