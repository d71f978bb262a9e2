// The methods that differentiate the inner steps themselves: MAML and Meta-SGD through all of them, truncated back-propagation through the
// last ones.

using System.Text.Json.Serialization;
using Imaml.Math;
using Imaml.Nets.Storage;
using Imaml.Nets.Tensors;
using static TorchSharp.torch;

namespace Imaml.Nets.Methods;

/// <summary>MAML, second-order.</summary>
/// <param name="Inner">Descent by fixed steps.</param>
/// <param name="Lambda">λ of the proximal term, or null for none, as its authors have it.</param>
/// <param name="Recompute">Whether about 2√n inner iterates are kept and the others computed again: less memory, more time, the same numbers.</param>
public sealed record Maml(Inner Inner, double? Lambda, bool Recompute = false) : Method
{
    /// <inheritdoc/>
    public override string Name => "maml";

    /// <inheritdoc/>
    public override int? InnerSteps => Inner.Steps;

    /// <inheritdoc/>
    public override Method WithInnerSteps(int steps) => this with { Inner = Inner with { Steps = steps } };

    /// <inheritdoc/>
    public override IEnumerable<Complaint> Complaints() => OfPath(Inner, Lambda);

    /// <inheritdoc/>
    public override BoundMethod Bind(MethodContext context) =>
        new(Proximal(Lambda), Inner.Build(), new UnrolledStrategy<Tensor, Tensor>(Inner.Path(), Memory(Recompute)));

    internal static IEnumerable<Complaint> OfPath(Inner inner, double? lambda) =>
        [.. Rule.Part(inner, "inner", one => one.Complaints().Concat(one.NotFixed())), .. Rule.Positive(lambda, "lambda")];

    internal static PathMemory Memory(bool recompute) => recompute ? PathMemory.Recompute : PathMemory.EveryIterate;
}

/// <summary>Back-propagation through the last inner steps.</summary>
/// <param name="Inner">Descent by fixed steps.</param>
/// <param name="Lambda">λ of the proximal term.</param>
/// <param name="Last">How many of the last steps are differentiated.</param>
public sealed record TruncatedMaml(Inner Inner, double Lambda, int Last) : Method
{
    /// <inheritdoc/>
    public override string Name => "truncated";

    /// <inheritdoc/>
    public override int? InnerSteps => Inner.Steps;

    /// <inheritdoc/>
    public override Method WithInnerSteps(int steps) => this with { Inner = Inner with { Steps = steps }, Last = int.Min(Last, steps) };

    /// <inheritdoc/>
    public override IEnumerable<Complaint> Complaints() =>
    [
        .. Maml.OfPath(Inner, Lambda),
        .. Rule.AtLeast(1, Last, "last"),
        .. Inner is null || Last <= Inner.Steps ? [] : new[] { new Complaint("last", $"must be at most the {Inner.Steps} inner steps, not {Last}") },
    ];

    /// <inheritdoc/>
    public override BoundMethod Bind(MethodContext context) =>
        new(Proximal(Lambda), Inner.Build(), new TruncatedStrategy<Tensor, Tensor>(Inner.Path(), Last));
}

/// <summary>Meta-SGD: MAML with learned step sizes (Li et al. 2017).</summary>
/// <param name="Inner">Gradient descent; its step size is where the learned ones begin.</param>
/// <param name="Lambda">λ of the proximal term, or null for none, as its authors have it.</param>
/// <param name="Per">What has a step size of its own: a layer, or every parameter, as its authors have it.</param>
/// <param name="Rate">Adam's step size for the learned step sizes, or null for that of θ, as its authors have it.</param>
/// <param name="Recompute">As for MAML.</param>
public sealed record MetaSgd(Inner Inner, double? Lambda, LearnedPer Per = LearnedPer.Parameter, double? Rate = null, bool Recompute = false) : Method
{
    private static readonly TensorCoordinates Coordinates = new();

    /// <inheritdoc/>
    public override string Name => "meta-sgd";

    /// <inheritdoc/>
    public override int? InnerSteps => Inner.Steps;

    [JsonIgnore]
    internal override LearnedPart? Learns => Inner is Inner.GradientDescent { StepSize: { } first } ? new LearnedPart(Per, first, Rate) : null;

    /// <inheritdoc/>
    public override Method WithInnerSteps(int steps) => this with { Inner = Inner with { Steps = steps } };

    /// <inheritdoc/>
    public override IEnumerable<Complaint> Complaints() =>
    [
        .. Maml.OfPath(Inner, Lambda),
        .. Inner is null or Inner.GradientDescent ? [] : new[] { new Complaint("inner.kind", "must be gradient-descent: momentum and learned step sizes do not go together") },
        .. Per is LearnedPer.Layer or LearnedPer.Parameter ? [] : new[] { new Complaint("per", "must be layer or parameter") },
        .. Rule.Positive(Rate, "rate"),
    ];

    /// <inheritdoc/>
    public override BoundMethod Bind(MethodContext context)
    {
        var sharing = Learns!.Sharing(context.LayerSizes);
        var numbers = context.Learned!.ToArray();
        var sizes = new StepSizeOptions<Tensor>(Coordinates, sharing.Vector(Coordinates, context.Like, numbers), Inner.Steps);
        var strategy = new MetaSgdStrategy<Tensor, Tensor>(sizes, Maml.Memory(Recompute), sharing);
        return new BoundMethod(Proximal(Lambda), new StepSizeSolver<Tensor, Tensor>(sizes), strategy) { Learned = LearnedRange.Of("α", numbers) };
    }
}
