// The algorithms as values of the core: Λ, an inner solver and a way to the meta-gradient, chosen by the options. Nothing else changes when
// one is swapped for another.

using Imaml.Math;
using Imaml.Nets.Models;
using MathNet.Numerics.LinearAlgebra;
using static TorchSharp.torch;

namespace Imaml.Nets.Training;

/// <summary>A meta-gradient in θ, and that of every task in the learned numbers, where there are any.</summary>
public sealed record MethodGradient(MetaGradient<Tensor, Tensor> Result, double[][]? Learned);

/// <summary>An algorithm at one value of its learned numbers. Its vectors are in the dispose scope that it was made in.</summary>
public sealed class Method
{
    private static readonly TensorCoordinates Coordinates = new();

    private readonly Func<TensorSpace, IBilevelProblem<Tensor, Tensor>, Tensor, MethodGradient> _compute;

    private Method(
        IRegularizer<Tensor, Tensor> regularizer,
        IInnerSolver<Tensor, Tensor> innerSolver,
        Func<TensorSpace, IBilevelProblem<Tensor, Tensor>, Tensor, MethodGradient> compute) =>
        (Regularizer, InnerSolver, _compute) = (regularizer, innerSolver, compute);

    /// <summary>Λ; NoProximalTerm where there is none.</summary>
    public IRegularizer<Tensor, Tensor> Regularizer { get; }

    /// <summary>What adapts to a task, here and at test time.</summary>
    public IInnerSolver<Tensor, Tensor> InnerSolver { get; }

    /// <summary>The meta-gradients of every task at θ, [B, d].</summary>
    public MethodGradient Compute(TensorSpace space, IBilevelProblem<Tensor, Tensor> problem, Tensor theta) => _compute(space, problem, theta);

    /// <summary>Which coordinates share a learned number, or null where none is learned.</summary>
    public static Sharing? Sharing(TrainingOptions options, Network network) => options.Learns switch
    {
        null => null,
        LearnedPer.Task => Imaml.Math.Sharing.OneForAll,
        LearnedPer.Layer => Imaml.Math.Sharing.NewOnePerLayer(network.LayerSizes),
        LearnedPer.Parameter => Imaml.Math.Sharing.OnePerCoordinate,
        _ => throw new ArgumentOutOfRangeException(nameof(options), options.Learns, "not a sharing"),
    };

    /// <summary>The learned numbers before the first step, or null where none is learned.</summary>
    public static LearnedNumbers? Start(TrainingOptions options, Network network) =>
        Sharing(options, network) is { } sharing
            ? LearnedNumbers.Start(SharingModule.count(sharing, network.ParameterCount), options.Algorithm == Algorithm.MetaSgd ? options.InnerStepSize!.Value : double.Log(options.Lambda!.Value))
            : null;

    /// <summary>The algorithm of the options.</summary>
    /// <param name="options">The options, valid.</param>
    /// <param name="network">The network.</param>
    /// <param name="like">A vector of one row for all tasks, [1, d].</param>
    /// <param name="learned">The learned numbers, or null where none is learned.</param>
    public static Method Create(TrainingOptions options, Network network, Tensor like, Vector<double>? learned)
    {
        IRegularizer<Tensor, Tensor> regularizer = options.Lambda is { } lambda ? new ScalarRegularizer<Tensor, Tensor>(lambda) : new NoProximalTerm<Tensor, Tensor>();
        if (Algorithm.Find(options.Algorithm)!.IsImplicit)
        {
            return Implicit(options, regularizer, InnerSolverOf(options));
        }

        var path = new UnrolledOptions(Imaml.Math.Momentum.NoMomentum, options.InnerStepSize!.Value, options.InnerSteps);
        var descent = new GradientDescentSolver<Tensor, Tensor>(options.StepRule, options.InnerSteps);
        var memory = options.Recompute ? PathMemory.Recompute : PathMemory.EveryIterate;
        switch (options.Algorithm)
        {
            case Algorithm.Maml:
                return Plain(regularizer, descent, _ => new UnrolledStrategy<Tensor, Tensor>(path, memory));
            case Algorithm.Truncated:
                return Plain(regularizer, descent, _ => new TruncatedStrategy<Tensor, Tensor>(path, options.Truncate!.Value));
            case Algorithm.Fomaml:
                return Plain(regularizer, descent, space => new FirstOrderStrategy<Tensor, Tensor>(descent, space.Scalar(0)));
            case Algorithm.Reptile:
                return Plain(regularizer, descent, space => new ReptileStrategy<Tensor, Tensor>(descent, space.Scalar(0)));
            case Algorithm.MetaSgd:
                var sharing = Sharing(options, network)!;
                var sizes = new StepSizeOptions<Tensor>(Coordinates, SharingModule.vector(Coordinates, sharing, like, learned!.ToArray()), options.InnerSteps);
                var strategy = new MetaSgdStrategy<Tensor, Tensor>(sizes, memory);
                return new Method(regularizer, new StepSizeSolver<Tensor, Tensor>(sizes), (space, problem, theta) =>
                {
                    var both = strategy.ComputeBoth(space, regularizer, problem, theta);
                    return new MethodGradient(both.Result, SharingModule.gradient(Coordinates, sharing, both.StepSizes));
                });
            default:
                throw new ArgumentOutOfRangeException(nameof(options), options.Algorithm, "not an algorithm");
        }
    }

    private static Method Plain(
        IRegularizer<Tensor, Tensor> regularizer, IInnerSolver<Tensor, Tensor> innerSolver, Func<TensorSpace, IMetaGradientStrategy<Tensor, Tensor>> strategy) =>
        new(regularizer, innerSolver, (space, problem, theta) => new MethodGradient(strategy(space).Compute(space, regularizer, problem, theta), null));

    private static Method Implicit(TrainingOptions options, IRegularizer<Tensor, Tensor> regularizer, IInnerSolver<Tensor, Tensor> innerSolver)
    {
        var linearSolver = new ConjugateGradientSolver<Tensor, Tensor>(new LinearSolveOptions(options.CgSteps!.Value, relativeResidual: 0, checkEvery: 0, recomputeResidual: false));
        return Plain(regularizer, innerSolver, space => new ImplicitStrategy<Tensor, Tensor>(innerSolver, linearSolver, Thresholds.none(space)));
    }

    private static IInnerSolver<Tensor, Tensor> InnerSolverOf(TrainingOptions options) => options.Algorithm == Algorithm.ImamlHf
        ? new NewtonConjugateGradientSolver<Tensor, Tensor>(options.InnerSteps, options.DirectionSteps ?? NewtonConjugateGradient.PaperDirectionSteps)
        : new GradientDescentSolver<Tensor, Tensor>(options.StepRule, options.InnerMomentum, options.InnerSteps, 0);
}
