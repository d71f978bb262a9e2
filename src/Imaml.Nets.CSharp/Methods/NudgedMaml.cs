// Implicit MAML without second derivatives: differences of inner solutions, of which some have a little of the outer loss in their objective.

using System.Text.Json.Serialization;
using Imaml.Math;
using Imaml.Nets.Storage;
using static TorchSharp.torch;

namespace Imaml.Nets.Methods;

/// <summary>Nudged solves, see <see cref="NudgedStrategy{V, S}"/>.</summary>
/// <param name="Inner">The inner solver.</param>
/// <param name="Lambda">λ of the proximal term (λ/2)‖φ − θ‖².</param>
/// <param name="Nudge">β, the share of the outer loss.</param>
/// <param name="Difference">The difference.</param>
public sealed record NudgedMaml(Inner Inner, double Lambda, double Nudge, NudgedDifference Difference = NudgedDifference.Symmetric) : Method
{
    /// <inheritdoc/>
    public override string Name => "imaml-nudged";

    /// <inheritdoc/>
    public override int? InnerSteps => Inner.Steps;

    [JsonIgnore]
    internal override string IfNoneIsFinite => "L̂ − βL with the proximal term does not curve upwards, its solutions are not nearly linear in β, a nudge is so small that rounding hides it, or numbers overflowed; choose another nudge β (in single precision from about 1e-3 to 1e-1), or raise λ";

    /// <inheritdoc/>
    public override Method WithInnerSteps(int steps) => this with { Inner = Inner with { Steps = steps } };

    /// <inheritdoc/>
    public override IEnumerable<Complaint> Complaints() =>
    [
        .. Rule.Part(Inner, "inner", one => one.Complaints()),
        .. Rule.Positive(Lambda, "lambda"),
        .. Rule.Positive(Nudge, "nudge"),
        .. Rule.Defined(Difference, "difference"),
        .. Inner is Inner.HessianFree { Matrix: DirectionMatrix.GaussNewton } ? [new Complaint("inner.matrix", "must be hessian: L̂ + βL has no Gauss–Newton products")] : Array.Empty<Complaint>(),
        .. Inner is Inner.Adam { Batch: not null } ? [new Complaint("inner.batch", "must be left out: a step on some of the images has no nudge")] : Array.Empty<Complaint>(),
    ];

    /// <inheritdoc/>
    public override BoundMethod Bind(MethodContext context)
    {
        var inner = Inner.Build();
        return new BoundMethod(Proximal(Lambda), inner, new NudgedStrategy<Tensor, Tensor>(inner, Difference, Nudge, 0));
    }
}
