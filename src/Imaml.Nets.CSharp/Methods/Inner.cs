// Inner solvers as values: line 3 of Algorithm 2, min_φ L̂(φ) + ½⟨φ − θ, Λ(φ − θ)⟩, from θ on.

using System.Text.Json.Serialization;
using Imaml.Math;
using Imaml.Nets.Models;
using Imaml.Nets.Storage;
using Imaml.Nets.Tensors;
using static TorchSharp.torch;

namespace Imaml.Nets.Methods;

/// <summary>What adapts to a task.</summary>
/// <param name="Steps">Its budget of steps.</param>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "kind")]
[JsonDerivedType(typeof(Inner.GradientDescent), "gradient-descent")]
[JsonDerivedType(typeof(Inner.Nesterov), "nesterov")]
[JsonDerivedType(typeof(Inner.HeavyBall), "heavy-ball")]
[JsonDerivedType(typeof(Inner.HessianFree), "hessian-free")]
[JsonDerivedType(typeof(Inner.Adam), "adam")]
public abstract record Inner(int Steps)
{
    /// <summary>All that is wrong with it.</summary>
    public virtual IEnumerable<Complaint> Complaints() => Rule.Steps(Steps, "steps");

    /// <summary>The core's solver.</summary>
    /// <param name="checkEvery">Steps between two checks of the tolerance; 0 for a fixed budget.</param>
    internal abstract IInnerSolver<Tensor, Tensor> Build(int checkEvery = 0);

    /// <summary>The steps as a path that can be differentiated.</summary>
    internal virtual UnrolledOptions Path() => throw new InvalidOperationException($"{GetType().Name} is not a path of fixed steps");

    /// <summary>Where the steps are not of a fixed size, so that nothing can be back-propagated through them.</summary>
    internal virtual IEnumerable<Complaint> NotFixed() => [new("kind", "must be a descent by fixed steps for back-propagation: gradient-descent, nesterov or heavy-ball")];

    /// <summary>Gradient descent, the inner solver of iMAML-GD.</summary>
    /// <param name="Steps">Its budget of steps.</param>
    /// <param name="StepSize">α, or null to follow the curvature that each task measures.</param>
    public sealed record GradientDescent(int Steps, double? StepSize = null) : Inner(Steps)
    {
        /// <inheritdoc/>
        public override IEnumerable<Complaint> Complaints() => [.. base.Complaints(), .. Rule.Positive(StepSize, "stepSize")];

        internal override IInnerSolver<Tensor, Tensor> Build(int checkEvery) =>
            new GradientDescentSolver<Tensor, Tensor>(StepSize is { } step ? StepRule.NewConstantStep(step) : StepRule.MeasuredCurvature, Momentum.NoMomentum, Steps, checkEvery);

        internal override UnrolledOptions Path() => new(Momentum.NoMomentum, StepSize!.Value, Steps);

        internal override IEnumerable<Complaint> NotFixed() => StepSize is null ? [new("stepSize", "is missing", ComplaintKind.Missing)] : [];
    }

    /// <summary>Gradient descent with Nesterov's momentum.</summary>
    /// <param name="Steps">Its budget of steps.</param>
    /// <param name="StepSize">α.</param>
    /// <param name="Momentum">What a step keeps of the one before it, in [0, 1).</param>
    public sealed record Nesterov(int Steps, double StepSize, double Momentum) : Inner(Steps)
    {
        /// <inheritdoc/>
        public override IEnumerable<Complaint> Complaints() => [.. base.Complaints(), .. Rule.Positive(StepSize, "stepSize"), .. OfMomentum(Momentum)];

        internal override IInnerSolver<Tensor, Tensor> Build(int checkEvery) =>
            new GradientDescentSolver<Tensor, Tensor>(StepRule.NewConstantStep(StepSize), Imaml.Math.Momentum.NewNesterov(Momentum), Steps, checkEvery);

        internal override UnrolledOptions Path() => new(Imaml.Math.Momentum.NewNesterov(Momentum), StepSize, Steps);

        internal override IEnumerable<Complaint> NotFixed() => [];

        internal static IEnumerable<Complaint> OfMomentum(double momentum) =>
            momentum is >= 0 and < 1 ? [] : [new("momentum", $"must be at least 0 and below 1, not {Rule.Text(momentum)}")];
    }

    /// <summary>Gradient descent with Polyak's heavy ball.</summary>
    /// <param name="Steps">Its budget of steps.</param>
    /// <param name="StepSize">α.</param>
    /// <param name="Momentum">What a step keeps of the one before it, in [0, 1).</param>
    public sealed record HeavyBall(int Steps, double StepSize, double Momentum) : Inner(Steps)
    {
        /// <inheritdoc/>
        public override IEnumerable<Complaint> Complaints() => [.. base.Complaints(), .. Rule.Positive(StepSize, "stepSize"), .. Nesterov.OfMomentum(Momentum)];

        internal override IInnerSolver<Tensor, Tensor> Build(int checkEvery) =>
            new GradientDescentSolver<Tensor, Tensor>(StepRule.NewConstantStep(StepSize), Imaml.Math.Momentum.NewHeavyBall(Momentum), Steps, checkEvery);

        internal override UnrolledOptions Path() => new(Imaml.Math.Momentum.NewHeavyBall(Momentum), StepSize, Steps);

        internal override IEnumerable<Complaint> NotFixed() => [];
    }

    /// <summary>The paper's Hessian-free solver: Newton directions by conjugate gradients, with a line search for each task.</summary>
    /// <param name="Steps">Its budget of Newton steps.</param>
    /// <param name="DirectionSteps">Conjugate-gradient steps of a direction; the paper's are 5.</param>
    /// <param name="Matrix">Of a direction: H + Λ, or Gauss and Newton's, which is positive definite.</param>
    public sealed record HessianFree(
        int Steps, int DirectionSteps, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] DirectionMatrix Matrix = DirectionMatrix.Hessian) : Inner(Steps)
    {
        /// <summary>The paper's number of conjugate-gradient steps of a direction.</summary>
        public static int PaperDirectionSteps => NewtonConjugateGradient.PaperDirectionSteps;

        /// <inheritdoc/>
        public override IEnumerable<Complaint> Complaints() => [.. base.Complaints(), .. Rule.Steps(DirectionSteps, "directionSteps"), .. Rule.Defined(Matrix, "matrix")];

        internal override IInnerSolver<Tensor, Tensor> Build(int checkEvery) => new NewtonConjugateGradientSolver<Tensor, Tensor>(Steps, DirectionSteps, Matrix);
    }

    /// <summary>Adam without momentum (β₁ = 0), the inner solver of Reptile's authors.</summary>
    /// <param name="Steps">Its budget of steps.</param>
    /// <param name="StepSize">α; the authors' is 0.001.</param>
    /// <param name="Batch">Support images of a step, in turns; null for all of them.</param>
    public sealed record Adam(int Steps, double StepSize, [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] int? Batch = null) : Inner(Steps)
    {
        private static readonly AdamOptions NoMomentum = new(beta1: 0, AdamOptions.Authors.Beta2, AdamOptions.Authors.Epsilon);

        /// <inheritdoc/>
        public override IEnumerable<Complaint> Complaints() => [.. base.Complaints(), .. Rule.Positive(StepSize, "stepSize"), .. Rule.AtLeast(1, Batch ?? 1, "batch")];

        internal override IInnerSolver<Tensor, Tensor> Build(int checkEvery) => Solver(null);

        /// <summary>The core's solver, from second moments that earlier tasks have left, [1, d], or from its own.</summary>
        internal AdamSolver<Tensor, Tensor> Solver(Tensor? kept)
        {
            var solver = new AdamSolver<Tensor, Tensor>(new TensorCoordinates(), NoMomentum, StepSize, Steps, (problem, step) => Batch is { } size ? Examples(problem).Batch(step, size) : problem);
            return kept is null ? solver : solver.Keeping(kept);
        }

        private static IBatchProblem Examples(IBilevelProblem<Tensor, Tensor> problem) =>
            problem as IBatchProblem ?? throw new ArgumentException("the inner solver's batch needs a network of layers on images", nameof(problem));
    }
}
