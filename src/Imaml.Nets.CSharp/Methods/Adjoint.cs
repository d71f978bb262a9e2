// The solve of (H + Λ)u = ∇L(φ), line 4 of Algorithm 2, as a value.

using System.Text.Json.Serialization;
using Imaml.Math;
using Imaml.Nets.Storage;
using Imaml.Nets.Tensors;
using static TorchSharp.torch;

namespace Imaml.Nets.Methods;

/// <summary>What solves (H + Λ)u = v.</summary>
/// <param name="Steps">Its budget of products with H.</param>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "kind")]
[JsonDerivedType(typeof(Adjoint.ConjugateGradients), "cg")]
[JsonDerivedType(typeof(Adjoint.PreconditionedConjugateGradients), "pcg")]
[JsonDerivedType(typeof(Adjoint.MinimalResidual), "minres")]
[JsonDerivedType(typeof(Adjoint.NeumannSeries), "neumann")]
public abstract record Adjoint(int Steps)
{
    /// <summary>The paper's number of steps.</summary>
    public const int PaperSteps = 5;

    /// <summary>All that is wrong with it.</summary>
    public virtual IEnumerable<Complaint> Complaints() => Rule.Steps(Steps, "steps");

    internal abstract IAdjointSolver<Tensor, Tensor> Build(LinearSolveOptions budget, MethodContext context);

    internal static IAdjointSolver<Tensor, Tensor> Plain(ILinearSolver<Tensor, Tensor> solver) => new LinearAdjointSolver<Tensor, Tensor>(solver);

    /// <summary>Conjugate gradients, the paper's.</summary>
    /// <param name="Steps">Their number.</param>
    public sealed record ConjugateGradients(int Steps) : Adjoint(Steps)
    {
        internal override IAdjointSolver<Tensor, Tensor> Build(LinearSolveOptions budget, MethodContext context) => Plain(new ConjugateGradientSolver<Tensor, Tensor>(budget));
    }

    /// <summary>Conjugate gradients, preconditioned by an estimate of the diagonal.</summary>
    /// <param name="Steps">Their number.</param>
    /// <param name="Probes">Products that estimate the diagonal of H.</param>
    public sealed record PreconditionedConjugateGradients(int Steps, int Probes) : Adjoint(Steps)
    {
        /// <inheritdoc/>
        public override IEnumerable<Complaint> Complaints() => [.. base.Complaints(), .. Rule.Steps(Probes, "probes")];

        internal override IAdjointSolver<Tensor, Tensor> Build(LinearSolveOptions budget, MethodContext context) =>
            new EstimatedDiagonalSolver<Tensor, Tensor>(new TensorCoordinates(), budget, Probes, RandomSigns.Of(context.Seed, context.FirstTask));
    }

    /// <summary>MINRES, which needs no definite matrix.</summary>
    /// <param name="Steps">Its steps.</param>
    public sealed record MinimalResidual(int Steps) : Adjoint(Steps)
    {
        internal override IAdjointSolver<Tensor, Tensor> Build(LinearSolveOptions budget, MethodContext context) => Plain(new MinresSolver<Tensor, Tensor>(budget));
    }

    /// <summary>The Neumann series.</summary>
    /// <param name="Steps">Its terms.</param>
    /// <param name="StepSize">Its step, below 2/(h_max + λ).</param>
    public sealed record NeumannSeries(int Steps, double StepSize) : Adjoint(Steps)
    {
        /// <inheritdoc/>
        public override IEnumerable<Complaint> Complaints() => [.. base.Complaints(), .. Rule.Positive(StepSize, "stepSize")];

        internal override IAdjointSolver<Tensor, Tensor> Build(LinearSolveOptions budget, MethodContext context) => Plain(new NeumannSolver<Tensor, Tensor>(StepSize, budget));
    }
}

/// <summary>What is done for a task whose H + Λ is not positive definite.</summary>
public enum CurvatureRemedy
{
    /// <summary>The solver's own solution is kept: conjugate gradients' iterate before the direction.</summary>
    Truncate,

    /// <summary>Λ is doubled until H + Λ is positive definite.</summary>
    RaiseLambda,

    /// <summary>MINRES.</summary>
    Minres,

    /// <summary>The Gauss–Newton matrix in place of H.</summary>
    GaussNewton,
}
