// The methods that differentiate no inner step: first-order MAML and Reptile, after any inner solver.

using System.Text.Json.Serialization;
using Imaml.Math;
using Imaml.Nets.Storage;
using Imaml.Nets.Tensors;
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
        .. Rule.Part(inner, "inner", one => one.Complaints()),
        .. Rule.Positive(lambda, "lambda"),
        .. lambda is null && inner is Inner.HessianFree ? new[] { new Complaint("lambda", "is missing: a Hessian-free inner solver needs the proximal term", ComplaintKind.Missing) } : [],
        .. lambda is null && inner is Inner.GradientDescent { StepSize: null } ? new[] { new Complaint("inner.stepSize", "is missing: without a proximal term the step size must be given", ComplaintKind.Missing) } : [],
    ];
}

/// <summary>Reptile: g = θ − φ.</summary>
/// <param name="Inner">The inner solver.</param>
/// <param name="Lambda">λ of the proximal term, or null for none, as its authors have it.</param>
/// <param name="EvaluationSteps">Inner steps by which it adapts when it is evaluated, or null for those of training; its authors take ten times as many.</param>
/// <param name="KeepMoments">Whether Adam's second moments are kept from meta-step to meta-step, the mean over its tasks, as its authors keep them from task to task.</param>
public sealed record Reptile(
    Inner Inner,
    double? Lambda,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] int? EvaluationSteps = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] bool KeepMoments = false) : Method
{
    /// <inheritdoc/>
    public override string Name => "reptile";

    /// <inheritdoc/>
    public override int? InnerSteps => Inner.Steps;

    internal override int? EvaluationInnerSteps => EvaluationSteps ?? Inner.Steps;

    // 0 is where none have been kept yet.
    [JsonIgnore]
    internal override LearnedPart? Learns => KeepMoments ? new LearnedPart(LearnedPer.Parameter, 0, null, Replaced: true) : null;

    /// <inheritdoc/>
    public override Method WithInnerSteps(int steps) => this with { Inner = Inner with { Steps = steps }, EvaluationSteps = null };

    /// <inheritdoc/>
    public override IEnumerable<Complaint> Complaints() =>
    [
        .. FirstOrder.Of(Inner, Lambda),
        .. EvaluationSteps is { } steps ? Rule.Steps(steps, "evaluationSteps") : [],
        .. KeepMoments && Inner is not Inner.Adam ? [new Complaint("keepMoments", "needs the inner solver adam")] : Array.Empty<Complaint>(),
    ];

    /// <inheritdoc/>
    public override BoundMethod Bind(MethodContext context)
    {
        var adapting = Inner with { Steps = EvaluationSteps ?? Inner.Steps };
        if (!KeepMoments)
        {
            return new BoundMethod(Proximal(Lambda), adapting.Build(), new ReptileStrategy<Tensor, Tensor>(Inner.Build(), 0));
        }

        var moments = context.Learned!.ToArray();
        if (!Array.TrueForAll(moments, double.IsFinite))
        {
            throw new ArgumentException("Adam's second moments would not be finite");
        }

        AdamSolver<Tensor, Tensor> Kept(Inner inner) => ((Inner.Adam)inner).Solver(moments.Any(one => one != 0) ? new TensorCoordinates().OfRows(context.Like, [moments]) : null);
        return new BoundMethod(Proximal(Lambda), Kept(adapting), new ReptileKeepingMomentsStrategy<Tensor, Tensor>(Kept(Inner)));
    }
}
