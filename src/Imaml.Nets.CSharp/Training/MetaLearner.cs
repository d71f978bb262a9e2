// Algorithm 1 on networks: θ, and the outer optimiser's state, moved one meta-batch at a time by Algorithm 2's meta-gradient.

using Imaml.Math;
using Imaml.Math.Interop;
using Imaml.Nets.Episodes;
using Imaml.Nets.MetaLearners;
using Imaml.Nets.Models;
using static TorchSharp.torch;

namespace Imaml.Nets.Training;

/// <summary>Meta-training has no finite number to go on with.</summary>
public sealed class TrainingDivergedException(string message) : Exception(message);

/// <summary>The meta-parameters θ with the outer optimiser that moves them.</summary>
public sealed class MetaLearner : IDisposable
{
    private static readonly TensorCoordinates Coordinates = new();

    private readonly TrainingOptions _options;
    private readonly ScalarRegularizer<Tensor, Tensor> _regularizer;
    private readonly ConjugateGradientSolver<Tensor, Tensor> _linearSolver;

    /// <summary>Starts from given meta-parameters, [d].</summary>
    internal MetaLearner(TrainingOptions options, Network network, Tensor theta, AdamState<Tensor> outer)
    {
        (_options, Network, Theta, Outer) = (options, network, theta.DetachFromDisposeScope(), outer);
        outer.FirstMoment.DetachFromDisposeScope();
        outer.SecondMoment.DetachFromDisposeScope();
        _regularizer = new ScalarRegularizer<Tensor, Tensor>(options.Lambda);
        _linearSolver = new ConjugateGradientSolver<Tensor, Tensor>(new LinearSolveOptions(options.CgSteps, relativeResidual: 0, checkEvery: 0, recomputeResidual: false));
        InnerSolver = new GradientDescentSolver<Tensor, Tensor>(options.StepRule, options.InnerSteps);
    }

    /// <summary>New meta-parameters by the options' seed.</summary>
    public static MetaLearner Create(TrainingOptions options, Network network)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(options.Seed, CPU);
        var theta = network.InitialParameters(generator);
        return new MetaLearner(options, network, theta, new AdamState<Tensor>(0, zeros_like(theta), zeros_like(theta)));
    }

    /// <summary>The network.</summary>
    public Network Network { get; }

    /// <summary>θ, [d].</summary>
    public Tensor Theta { get; private set; }

    /// <summary>The outer optimiser's state.</summary>
    public AdamState<Tensor> Outer { get; private set; }

    /// <summary>Meta-steps made.</summary>
    public int MetaStep => Outer.Steps;

    /// <summary>What solves the inner problem, here and at test time.</summary>
    public IInnerSolver<Tensor, Tensor> InnerSolver { get; }

    /// <summary>One outer step on the tasks of <paramref name="batch"/>.</summary>
    /// <exception cref="TrainingDivergedException">No task of the batch had a finite meta-gradient; θ is as it was.</exception>
    public StepReport Step(EpisodeBatch batch)
    {
        using var scope = NewDisposeScope();
        var space = new TensorSpace(batch.Count, Theta.dtype);
        var problem = new FewShotProblem(Network, batch, Theta.dtype);
        var theta = Theta.expand(batch.Count, -1);
        var result = Strategy(space).Compute(space, _regularizer, problem, theta);
        var solves = LinearSolver.read(space, result.Solve);
        var norms = space.Read(space.Norm(result.Gradient));
        var healthy = Enumerable.Range(0, batch.Count).Where(task => solves[task].Status != SolveStatus.NonFinite && double.IsFinite(norms[task])).ToArray();
        if (healthy.Length == 0)
        {
            throw new TrainingDivergedException(
                $"meta-step {MetaStep + 1}: no task has a finite meta-gradient ({SolveStatusModule.describe(SolveStatus.NonFinite)}); lower --outer-rate, or raise --lambda or --inner-steps");
        }

        var mean = result.Gradient.index_select(0, tensor(healthy.Select(task => (long)task).ToArray())).mean([0]); // [d]
        var (moved, outer) = Adam.Step(Coordinates, AdamOptions.Authors, _options.OuterRateAt(MetaStep), Outer, mean, Theta);
        var report = StepReport.Create(space, _options, outer.Steps, result, solves, problem.LastOuterAccuracy, healthy, mean.norm().Number());
        Replace(moved, outer);
        return report;
    }

    /// <summary>φ ≈ Alg*(θ) for every task of a problem, [B, d].</summary>
    public Tensor Adapt(FewShotProblem problem, int tasks)
    {
        using var scope = NewDisposeScope();
        var space = new TensorSpace(tasks, Theta.dtype);
        var theta = Theta.expand(tasks, -1);
        return InnerSolver.Solve(space, _regularizer, problem, theta, theta, space.Scalar(0)).Phi.MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Theta.Dispose();
        Outer.FirstMoment.Dispose();
        Outer.SecondMoment.Dispose();
    }

    private IMetaGradientStrategy<Tensor, Tensor> Strategy(TensorSpace space) => _options.Algorithm == TrainingOptions.Fomaml
        ? Strategies.FirstOrder(space, InnerSolver, innerGradientNorm: 0)
        : Strategies.Implicit(space, InnerSolver, _linearSolver);

    private void Replace(Tensor theta, AdamState<Tensor> outer)
    {
        Dispose();
        (Theta, Outer) = (theta.DetachFromDisposeScope(), outer);
        outer.FirstMoment.DetachFromDisposeScope();
        outer.SecondMoment.DetachFromDisposeScope();
    }
}
