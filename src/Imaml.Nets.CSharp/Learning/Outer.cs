// The outer optimiser of Algorithm 1, line 7, as a value, with its schedule. It builds the core's.

using System.Text.Json.Serialization;
using Imaml.Math;
using Imaml.Nets.Methods;
using Imaml.Nets.Storage;
using Imaml.Nets.Tensors;
using MathNet.Numerics.LinearAlgebra;
using static TorchSharp.torch;

namespace Imaml.Nets.Learning;

/// <summary>How the outer step size changes over a run of T meta-steps.</summary>
public enum Schedule
{
    /// <summary>The same at every meta-step.</summary>
    Constant,

    /// <summary>rate·(1 + cos(πt/T))/2: from the rate to zero.</summary>
    Cosine,
}

/// <summary>What moves θ against the meta-gradient.</summary>
/// <param name="Rate">Its step size at the first meta-step.</param>
/// <param name="Averaging">γ of an average of its last iterates, see <see cref="AveragingOptimizer{V,S}"/>, or null for none.</param>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "kind")]
[JsonDerivedType(typeof(Adam), "adam")]
[JsonDerivedType(typeof(GradientDescent), "gradient-descent")]
[JsonDerivedType(typeof(Lbfgs), "lbfgs")]
public abstract record Outer(double Rate, double? Averaging)
{
    /// <summary>How its step size changes.</summary>
    private protected virtual Schedule Follows => Schedule.Constant;

    /// <summary>Whether its step sizes depend on the number of meta-steps, so that a longer run is another run from its first step on.</summary>
    [JsonIgnore]
    public bool DependsOnLength => Follows == Schedule.Cosine;

    /// <summary>All that is wrong with it.</summary>
    public virtual IEnumerable<Complaint> Complaints() => [.. Rule.Positive(Rate, "rate"), .. Rule.Defined(Follows, "schedule"), .. Rule.NotNegative(Averaging, "averaging")];

    /// <summary>The core's optimiser before the first of <paramref name="metaSteps"/> steps, for a θ like this one, [1, d].</summary>
    internal IOuterOptimizer<Tensor, Tensor> Start(TensorSpace space, Tensor theta, int metaSteps) => Averaged(Alone(space, theta, metaSteps));

    /// <summary>What moves the numbers that are learned with θ: Adam at a rate of their own or θ's, in θ's schedule, or whole steps.</summary>
    internal IOuterOptimizer<Vector<double>, double> StartLearned(Vector<double> numbers, LearnedPart part, int metaSteps) => Averaged<Vector<double>, double>(part.Replaced
        ? new GradientDescentOptimizer<Vector<double>, double>(1)
        : AdamOptimizer<Vector<double>, double>.Start(new EuclideanSpace(), new EuclideanCoordinates(), AdamOptions.Authors, Over(part.Rate ?? Rate, metaSteps), numbers));

    private protected abstract IOuterOptimizer<Tensor, Tensor> Alone(TensorSpace space, Tensor theta, int metaSteps);

    private IOuterOptimizer<TVector, TScalar> Averaged<TVector, TScalar>(IOuterOptimizer<TVector, TScalar> optimizer) =>
        Averaging is { } gamma ? AveragingOptimizer<TVector, TScalar>.Start(optimizer, gamma) : optimizer;

    private protected OuterSchedule Over(double rate, int metaSteps) => Follows switch
    {
        Schedule.Constant => OuterSchedule.Constant(rate),
        Schedule.Cosine => OuterSchedule.Cosine(rate, metaSteps),
        _ => throw new InvalidOperationException($"no schedule {Follows}"),
    };

    /// <summary>Adam with its authors' constants.</summary>
    /// <param name="Rate">Its step size at the first meta-step.</param>
    /// <param name="Schedule">How its step size changes.</param>
    /// <param name="Averaging">γ of an average of its last iterates, or null for none.</param>
    public sealed record Adam(double Rate, Schedule Schedule, double? Averaging = null) : Outer(Rate, Averaging)
    {
        private protected override Schedule Follows => Schedule;

        private protected override IOuterOptimizer<Tensor, Tensor> Alone(TensorSpace space, Tensor theta, int metaSteps) =>
            AdamOptimizer<Tensor, Tensor>.Start(space, new TensorCoordinates(), AdamOptions.Authors, Over(Rate, metaSteps), theta);
    }

    /// <summary>θ ← θ − ηg, the paper's outer step.</summary>
    /// <param name="Rate">η at the first meta-step.</param>
    /// <param name="Schedule">How its step size changes.</param>
    /// <param name="Averaging">γ of an average of its last iterates, or null for none.</param>
    public sealed record GradientDescent(double Rate, Schedule Schedule, double? Averaging = null) : Outer(Rate, Averaging)
    {
        private protected override Schedule Follows => Schedule;

        private protected override IOuterOptimizer<Tensor, Tensor> Alone(TensorSpace space, Tensor theta, int metaSteps) =>
            new GradientDescentOptimizer<Tensor, Tensor>(Over(Rate, metaSteps));
    }

    /// <summary>L-BFGS without a line search, for a meta-batch that does not change much from step to step.</summary>
    /// <param name="Rate">The first step is −rate·g; the later ones follow the curvature.</param>
    /// <param name="Memory">Pairs that it keeps.</param>
    /// <param name="Averaging">γ of an average of its last iterates, or null for none.</param>
    public sealed record Lbfgs(double Rate, int Memory, double? Averaging = null) : Outer(Rate, Averaging)
    {
        /// <inheritdoc/>
        public override IEnumerable<Complaint> Complaints() => [.. base.Complaints(), .. Rule.AtLeast(1, Memory, "memory")];

        private protected override IOuterOptimizer<Tensor, Tensor> Alone(TensorSpace space, Tensor theta, int metaSteps) =>
            LbfgsOptimizer<Tensor, Tensor>.Start(space, Memory, Rate);
    }
}
