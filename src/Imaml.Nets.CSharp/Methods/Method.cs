// The algorithms as values of the core: Λ, an inner solver and a way to the meta-gradient, chosen by the options. Nothing else changes when
// one is swapped for another.

using Imaml.Math;
using Imaml.Nets.Learning;
using Imaml.Nets.Models;
using Imaml.Nets.Runs;
using Imaml.Nets.Tensors;
using MathNet.Numerics.LinearAlgebra;
using static TorchSharp.torch;

namespace Imaml.Nets.Methods;

/// <summary>A meta-gradient in θ, and that of every task in the learned numbers, where there are any.</summary>
public sealed record MethodGradient(MetaGradient<Tensor, Tensor> Result, double[][]? Learned);

/// <summary>An algorithm at one value of its learned numbers. Its vectors are in the dispose scope that it was made in.</summary>
public sealed class Method
{
    private static readonly TensorCoordinates Coordinates = new();

    private readonly Func<TensorSpace, IBilevelProblem<Tensor, Tensor>, Tensor, MethodGradient> _compute;
    private readonly IInnerSolver<Tensor, Tensor> _innerSolver;
    private readonly Func<TensorSpace, Tensor> _innerGradientNorm;

    private Method(
        IRegularizer<Tensor, Tensor> regularizer,
        IInnerSolver<Tensor, Tensor> innerSolver,
        Func<TensorSpace, IBilevelProblem<Tensor, Tensor>, Tensor, MethodGradient> compute,
        Func<TensorSpace, Tensor>? innerGradientNorm = null) =>
        (Regularizer, _innerSolver, _compute, _innerGradientNorm) = (regularizer, innerSolver, compute, innerGradientNorm ?? (space => space.Scalar(0)));

    /// <summary>Λ; NoProximalTerm where there is none.</summary>
    public IRegularizer<Tensor, Tensor> Regularizer { get; }

    /// <summary>The numbers that are learned beside θ, or null.</summary>
    public LearnedRange? Learned { get; private init; }

    /// <summary>How the algorithm adapts to tasks from θ, [B, d], in training and at test time.</summary>
    public InnerIterate<Tensor, Tensor> Adapt(TensorSpace space, IBilevelProblem<Tensor, Tensor> problem, Tensor theta) =>
        _innerSolver.Solve(space, Regularizer, problem, theta, theta, _innerGradientNorm(space));

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
    /// <param name="firstTask">The number of the first task in the run, from which random probes are drawn.</param>
    public static Method Create(TrainingOptions options, Network network, Tensor like, Vector<double>? learned, ulong firstTask)
    {
        IRegularizer<Tensor, Tensor> regularizer = options.Lambda is { } lambda ? new ScalarRegularizer<Tensor, Tensor>(lambda) : new NoProximalTerm<Tensor, Tensor>();
        if (Algorithm.Find(options.Algorithm)!.IsImplicit)
        {
            return Implicit(options, network, regularizer, like, learned, firstTask);
        }

        UnrolledOptions Path() => new(Imaml.Math.Momentum.NoMomentum, options.InnerStepSize!.Value, options.InnerSteps);
        var descent = new GradientDescentSolver<Tensor, Tensor>(options.StepRule, options.InnerSteps);
        var memory = options.Recompute ? PathMemory.Recompute : PathMemory.EveryIterate;
        switch (options.Algorithm)
        {
            case Algorithm.Maml:
                return Plain(regularizer, descent, _ => new UnrolledStrategy<Tensor, Tensor>(Path(), memory));
            case Algorithm.Truncated:
                return Plain(regularizer, descent, _ => new TruncatedStrategy<Tensor, Tensor>(Path(), options.Truncate!.Value));
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
                })
                {
                    Learned = Range("α", learned!.ToArray()),
                };
            default:
                throw new ArgumentOutOfRangeException(nameof(options), options.Algorithm, "not an algorithm");
        }
    }

    private static LearnedRange Range(string name, double[] numbers) => new(name, numbers.Min(), numbers.Average(), numbers.Max());

    private static Method Plain(
        IRegularizer<Tensor, Tensor> regularizer, IInnerSolver<Tensor, Tensor> innerSolver, Func<TensorSpace, IMetaGradientStrategy<Tensor, Tensor>> strategy) =>
        new(regularizer, innerSolver, (space, problem, theta) => new MethodGradient(strategy(space).Compute(space, regularizer, problem, theta), null));

    private static Method Implicit(TrainingOptions options, Network network, IRegularizer<Tensor, Tensor> fixedRegularizer, Tensor like, Vector<double>? learned, ulong firstTask)
    {
        var innerSolver = InnerSolverOf(options);
        var solver = ImplicitSolverOf(options, firstTask);
        var sharing = Sharing(options, network);
        var learnable = sharing is null ? null : new LearnedRegularizer<Tensor, Tensor>(Coordinates, sharing, like, learned!.ToArray());
        var regularizer = learnable?.Regularizer ?? fixedRegularizer;
        Thresholds<Tensor> Accuracies(TensorSpace space) => Thresholds.ofAccuracies(space, regularizer, regularizer.SmallestEigenvalue, options.Delta ?? 0, options.DeltaPrime ?? 0);
        return new Method(
            regularizer,
            innerSolver,
            (space, problem, theta) =>
            {
                var result = ImplicitMetaGradient.Compute(space, regularizer, problem, innerSolver, solver, Accuracies(space), theta);
                return new MethodGradient(result, learnable?.LogGradient(space, result, theta));
            },
            space => Accuracies(space).InnerGradientNorm)
        {
            Learned = learnable is null ? null : Range("λ", learnable.Lambda),
        };
    }

    private static IInnerSolver<Tensor, Tensor> InnerSolverOf(TrainingOptions options) => options.Algorithm == Algorithm.ImamlHf
        ? new NewtonConjugateGradientSolver<Tensor, Tensor>(options.InnerSteps, options.DirectionSteps ?? NewtonConjugateGradient.PaperDirectionSteps)
        : new GradientDescentSolver<Tensor, Tensor>(options.StepRule, options.InnerMomentum, options.InnerSteps, options.Delta is null ? 0 : 1);

    /// <summary>What solves (H + Λ)u = v, with its remedy.</summary>
    internal static IImplicitSolver<Tensor, Tensor> ImplicitSolverOf(TrainingOptions options, ulong firstTask)
    {
        var budget = new LinearSolveOptions(options.CgSteps!.Value, relativeResidual: 0, checkEvery: options.DeltaPrime is null ? 0 : 1, recomputeResidual: false);
        IImplicitSolver<Tensor, Tensor> Plain(ILinearSolver<Tensor, Tensor> solver) => new LinearImplicitSolver<Tensor, Tensor>(solver);
        var solver = options.LinearSolver switch
        {
            null or LinearSolverKind.Cg => Plain(new ConjugateGradientSolver<Tensor, Tensor>(budget)),
            LinearSolverKind.Pcg => new EstimatedDiagonalSolver<Tensor, Tensor>(Coordinates, budget, options.Probes!.Value, RandomSigns.Of(options.Seed, firstTask)),
            LinearSolverKind.Minres => Plain(new MinresSolver<Tensor, Tensor>(budget)),
            LinearSolverKind.Neumann => Plain(new NeumannSolver<Tensor, Tensor>(options.NeumannStep!.Value, budget)),
            _ => throw new ArgumentOutOfRangeException(nameof(options), options.LinearSolver, "not a solver"),
        };
        return options.OnNegativeCurvature switch
        {
            null or CurvatureRemedy.Truncate => solver,
            CurvatureRemedy.RaiseLambda => new RemediedSolver<Tensor, Tensor>(solver, NegativeCurvatureRemedy.RaiseLambda, budget),
            CurvatureRemedy.Minres => new RemediedSolver<Tensor, Tensor>(solver, NegativeCurvatureRemedy.SolveIndefinite, budget),
            CurvatureRemedy.GaussNewton => new RemediedSolver<Tensor, Tensor>(solver, NegativeCurvatureRemedy.GaussNewton, budget),
            _ => throw new ArgumentOutOfRangeException(nameof(options), options.OnNegativeCurvature, "not a remedy"),
        };
    }
}
