// The methods that differentiate no inner step: first-order MAML and Reptile, after any inner solver.

using System.Text.Json.Serialization;
using Imaml.Math;
using Imaml.Nets.Storage;
using static TorchSharp.torch;

namespace Imaml.Nets.Methods;

/// <summary>First-order MAML: g = ∇L(φ).</summary>
/// <param name="Inner">The inner solver.</param>
/// <param name="Lambda">λ of the proximal term, or null for none, as its authors have it.</param>
public sealed record FirstOrder(Inner Inner, double? Lambda) : Method
{
    /// <inheritdoc/>
    public override string Name => "fomaml";

    /// <inheritdoc/>
    public override int? InnerSteps => Inner.Steps;

    /// <inheritdoc/>
    public override Method WithInnerSteps(int steps) => this with { Inner = Inner with { Steps = steps } };

    /// <inheritdoc/>
    public override IEnumerable<Complaint> Complaints() => Of(Inner, Lambda);

    /// <inheritdoc/>
    public override BoundMethod Bind(MethodContext context)
    {
        var inner = Inner.Build();
        return new BoundMethod(Proximal(Lambda), inner, new FirstOrderStrategy<Tensor, Tensor>(inner, 0));
    }

    // Without a proximal term nothing bounds the curvature from below, and the rule of the measured curvature has no step to take.
    internal static IEnumerable<Complaint> Of(Inner inner, double? lambda) =>
    [
        .. inner.Complaints().Select(one => one.In("inner")),
        .. Rule.Positive(lambda, "lambda"),
        .. lambda is null && inner is Inner.GradientDescent { StepSize: null } ? new[] { new Complaint("inner.stepSize", "is missing: without a proximal term the step size must be given", ComplaintKind.Missing) } : [],
    ];
}

/// <summary>Reptile: g = θ − φ.</summary>
/// <param name="Inner">The inner solver.</param>
/// <param name="Lambda">λ of the proximal term, or null for none, as its authors have it.</param>
/// <param name="EvaluationSteps">Inner steps by which it adapts when it is evaluated, or null for those of training; its authors take ten times as many.</param>
public sealed record Reptile(Inner Inner, double? Lambda, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] int? EvaluationSteps = null) : Method
{
    /// <inheritdoc/>
    public override string Name => "reptile";

    /// <inheritdoc/>
    public override int? InnerSteps => Inner.Steps;

    internal override int? EvaluationInnerSteps => EvaluationSteps ?? Inner.Steps;

    /// <inheritdoc/>
    public override Method WithInnerSteps(int steps) => this with { Inner = Inner with { Steps = steps }, EvaluationSteps = null };

    /// <inheritdoc/>
    public override IEnumerable<Complaint> Complaints() => [.. FirstOrder.Of(Inner, Lambda), .. EvaluationSteps is { } steps ? Rule.Steps(steps, "evaluationSteps") : []];

    /// <inheritdoc/>
    public override BoundMethod Bind(MethodContext context)
    {
        var inner = Inner.Build();
        var adapting = (Inner with { Steps = EvaluationSteps ?? Inner.Steps }).Build();
        return new BoundMethod(Proximal(Lambda), adapting, new ReptileStrategy<Tensor, Tensor>(inner, 0));
    }
}
