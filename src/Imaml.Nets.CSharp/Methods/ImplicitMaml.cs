// Implicit MAML, Algorithm 2: adapt by any inner solver, solve (H + Λ)u = ∇L(φ), take g = Λu.

using System.Text.Json.Serialization;
using Imaml.Math;
using Imaml.Nets.Storage;
using Imaml.Nets.Tensors;
using static TorchSharp.torch;

namespace Imaml.Nets.Methods;

/// <summary>Algorithm 2.</summary>
/// <param name="Inner">The inner solver.</param>
/// <param name="Lambda">λ of the proximal term (λ/2)‖φ − θ‖²; where λ is learned, its first value.</param>
/// <param name="Adjoint">What solves (H + Λ)u = ∇L(φ).</param>
/// <param name="LearnedLambda">How λ is learned with θ, or null where it is fixed.</param>
/// <param name="Delta">δ at which a task's inner solve ends, taking λ for the convexity of G; null for the inner solver's budget alone.</param>
/// <param name="DeltaPrime">δ′ at which a task's linear solve ends, likewise.</param>
/// <param name="Remedy">What is done where H + Λ is not positive definite.</param>
public sealed record ImplicitMaml(
    Inner Inner,
    double Lambda,
    Adjoint Adjoint,
    LearnedLambda? LearnedLambda = null,
    double? Delta = null,
    double? DeltaPrime = null,
    CurvatureRemedy Remedy = CurvatureRemedy.Truncate) : Method
{
    /// <summary>The paper's λ for Omniglot.</summary>
    public const double PaperOmniglotLambda = 2.0;

    /// <summary>The paper's number of inner steps for Omniglot 5-way.</summary>
    public const int PaperOmniglotInnerSteps = 16;

    private static readonly TensorCoordinates Coordinates = new();

    /// <inheritdoc/>
    public override string Name => Inner switch
    {
        Inner.GradientDescent => "imaml-gd",
        Inner.Nesterov => "imaml-nesterov",
        Inner.HeavyBall => "imaml-heavy-ball",
        Inner.HessianFree => "imaml-hf",
        _ => "imaml",
    };

    /// <inheritdoc/>
    public override int? InnerSteps => Inner.Steps;

    [JsonIgnore]
    internal override LearnedPart? Learns => LearnedLambda is { } learned ? new LearnedPart(learned.Per, double.Log(Lambda), learned.Rate) : null;

    // φ* does not depend on the steps that lead to it, and one classifier can afford more of them than every task of a training.
    internal override Method ForPrediction => (this with { Delta = null }).WithInnerSteps(int.Max(Inner.Steps, Inner is Inner.HessianFree ? 10 : 100));

    /// <inheritdoc/>
    public override Method WithInnerSteps(int steps) => this with { Inner = Inner with { Steps = steps } };

    /// <inheritdoc/>
    public override IEnumerable<Complaint> Complaints() =>
    [
        .. Rule.Part(Inner, "inner", one => one.Complaints()),
        .. Rule.Positive(Lambda, "lambda"),
        .. Rule.Part(Adjoint, "adjoint", one => one.Complaints()),
        .. LearnedLambda?.Complaints().Select(one => one.In("learnedLambda")) ?? [],
        .. Rule.Positive(Delta, "delta"),
        .. Delta is not null && Inner is Inner.Adam ? new[] { new Complaint("delta", "needs an inner solver that can stop at an accuracy; adam takes all of its steps") } : [],
        .. Rule.Positive(DeltaPrime, "deltaPrime"),
        .. Rule.Defined(Remedy, "remedy"),
    ];

    /// <inheritdoc/>
    public override BoundMethod Bind(MethodContext context)
    {
        var inner = Inner.Build(Delta is null ? 0 : 1);
        var solver = Solver(context);
        var learnable = Learns is { } learns ? new LearnedRegularizer<Tensor, Tensor>(Coordinates, learns.Sharing(context.LayerSizes), context.Like, context.Learned!.ToArray()) : null;
        var regularizer = learnable?.Regularizer ?? Proximal(Lambda);
        var accuracies = Thresholds.OfAccuracies(regularizer, regularizer.SmallestEigenvalue, Delta ?? 0, DeltaPrime ?? 0);
        IMetaGradientStrategy<Tensor, Tensor> strategy = new ImplicitStrategy<Tensor, Tensor>(inner, solver, accuracies);
        return new BoundMethod(
            regularizer,
            inner,
            learnable is null ? strategy : new LearnedRegularizerStrategy<Tensor, Tensor>(strategy, learnable),
            accuracies.InnerGradientNorm)
        {
            Learned = learnable is null ? null : LearnedRange.Of("λ", learnable.Lambda),
        };
    }

    /// <summary>The adjoint solve with the remedy that the method has for negative curvature.</summary>
    internal IAdjointSolver<Tensor, Tensor> Solver(MethodContext context)
    {
        var budget = new LinearSolveOptions(Adjoint.Steps, relativeResidual: 0, checkEvery: DeltaPrime is null ? 0 : 1, recomputeResidual: false);
        var solver = Adjoint.Build(budget, context);
        return Remedy switch
        {
            CurvatureRemedy.Truncate => solver,
            CurvatureRemedy.RaiseLambda => new RemediedSolver<Tensor, Tensor>(solver, NegativeCurvatureRemedy.RaiseLambda, budget),
            CurvatureRemedy.Minres => new RemediedSolver<Tensor, Tensor>(solver, NegativeCurvatureRemedy.SolveIndefinite, budget),
            CurvatureRemedy.GaussNewton => new RemediedSolver<Tensor, Tensor>(solver, NegativeCurvatureRemedy.GaussNewton, budget),
            _ => throw new InvalidOperationException($"{Remedy} is not a remedy"),
        };
    }
}

/// <summary>λ learned with θ, by Adam on log λ.</summary>
/// <param name="Per">What has a λ of its own.</param>
/// <param name="Rate">Adam's step size for log λ.</param>
public sealed record LearnedLambda(LearnedPer Per, double Rate)
{
    /// <summary>All that is wrong with it.</summary>
    public IEnumerable<Complaint> Complaints() => [.. Rule.Defined(Per, "per"), .. Rule.Positive(Rate, "rate")];
}
