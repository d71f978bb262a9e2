// A method at one value of its learned numbers: Λ, an inner solver and a way to the meta-gradient, as values of the core.

using Imaml.Math;
using Imaml.Nets.Tensors;
using static TorchSharp.torch;

namespace Imaml.Nets.Methods;

/// <summary>A method bound to vectors of one kind.</summary>
/// <param name="regularizer">Λ; NoProximalTerm where there is none.</param>
/// <param name="innerSolver">How it adapts to a task, in training and at test time.</param>
/// <param name="strategy">How it makes the meta-gradient.</param>
/// <param name="innerGradientNorm">‖∇G‖ at which the inner solver is done; 0 for its budget alone.</param>
public sealed class BoundMethod(
    IRegularizer<Tensor, Tensor> regularizer,
    IInnerSolver<Tensor, Tensor> innerSolver,
    IMetaGradientStrategy<Tensor, Tensor> strategy,
    double innerGradientNorm = 0)
{
    /// <summary>Λ; NoProximalTerm where there is none.</summary>
    public IRegularizer<Tensor, Tensor> Regularizer { get; } = regularizer;

    /// <summary>The range of the numbers that are learned beside θ, or null.</summary>
    public LearnedRange? Learned { get; internal init; }

    /// <summary>How the algorithm adapts to tasks from θ, [B, d], in training and at test time.</summary>
    public InnerIterate<Tensor, Tensor> Adapt(TensorSpace space, IBilevelProblem<Tensor, Tensor> problem, Tensor theta) =>
        innerSolver.Solve(space, Regularizer, problem, theta, theta, space.Scalar(innerGradientNorm));

    /// <summary>The meta-gradients of every task at θ, [B, d], and those in the learned numbers, where there are any.</summary>
    public MetaGradient<Tensor, Tensor> Compute(TensorSpace space, IBilevelProblem<Tensor, Tensor> problem, Tensor theta) =>
        strategy.Compute(space, Regularizer, problem, theta);
}
