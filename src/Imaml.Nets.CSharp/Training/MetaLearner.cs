// Algorithm 1 on networks: θ, and the outer optimiser's state, moved one meta-batch at a time by an algorithm's meta-gradient.

using Imaml.Math;
using Imaml.Nets.Episodes;
using Imaml.Nets.MetaLearners;
using Imaml.Nets.Models;
using MathNet.Numerics.LinearAlgebra;
using static TorchSharp.torch;

namespace Imaml.Nets.Training;

/// <summary>Meta-training has no finite number to go on with.</summary>
public sealed class TrainingDivergedException(string message) : Exception(message);

/// <summary>The meta-parameters θ with the outer optimiser that moves them.</summary>
public sealed class MetaLearner : IDisposable
{
    private static readonly TensorCoordinates Coordinates = new();

    private readonly TrainingOptions _options;

    /// <summary>Starts from given meta-parameters, [d].</summary>
    internal MetaLearner(TrainingOptions options, Network network, Tensor theta, AdamState<Tensor> outer, LearnedNumbers? learned)
    {
        (_options, Network, Theta, Outer, Learned) = (options, network, theta.DetachFromDisposeScope(), outer, learned);
        outer.FirstMoment.DetachFromDisposeScope();
        outer.SecondMoment.DetachFromDisposeScope();
    }

    /// <summary>New meta-parameters by the options' seed.</summary>
    public static MetaLearner Create(TrainingOptions options, Network network)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(options.Seed, CPU);
        var theta = network.InitialParameters(generator);
        return new MetaLearner(options, network, theta, new AdamState<Tensor>(0, zeros_like(theta), zeros_like(theta)), Method.Start(options, network));
    }

    /// <summary>The network.</summary>
    public Network Network { get; }

    /// <summary>θ, [d].</summary>
    public Tensor Theta { get; private set; }

    /// <summary>The outer optimiser's state.</summary>
    public AdamState<Tensor> Outer { get; private set; }

    /// <summary>What is learned beside θ, or null.</summary>
    public LearnedNumbers? Learned { get; private set; }

    /// <summary>Meta-steps made.</summary>
    public int MetaStep => Outer.Steps;

    /// <summary>The algorithm at the learned numbers as they are now. Its vectors are in the dispose scope that is open.</summary>
    public Method CurrentMethod() => Method.Create(_options, Network, Theta.unsqueeze(0), Learned?.Numbers, (ulong)MetaStep);

    /// <summary>One outer step on the tasks of <paramref name="batch"/>.</summary>
    /// <exception cref="TrainingDivergedException">No task of the batch had a finite meta-gradient; θ is as it was.</exception>
    public StepReport Step(EpisodeBatch batch)
    {
        using var scope = NewDisposeScope();
        var space = new TensorSpace(batch.Count, Theta);
        var problem = new FewShotProblem(Network, batch, Theta);
        var theta = Theta.expand(batch.Count, -1);
        var method = CurrentMethod();
        var (result, learnedGradients) = method.Compute(space, problem, theta);
        var solves = LinearSolver.read(space, result.Solve);
        var norms = space.Read(space.Norm(result.Gradient));
        var healthy = Enumerable.Range(0, batch.Count).Where(task => solves[task].Status != SolveStatus.NonFinite && double.IsFinite(norms[task])).ToArray();
        if (healthy.Length == 0)
        {
            throw new TrainingDivergedException(
                $"meta-step {MetaStep + 1}: no task has a finite meta-gradient ({SolveStatusModule.describe(SolveStatus.NonFinite)}); lower --outer-rate or --inner-step-size, or raise --lambda or --inner-steps");
        }

        var mean = result.Gradient.index_select(0, tensor(healthy.Select(task => (long)task).ToArray(), ScalarType.Int64, Theta.device)).mean([0]); // [d]
        var (moved, outer) = Adam.Step(Coordinates, AdamOptions.Authors, _options.OuterRateAt(MetaStep), Outer, mean, Theta);
        var report = StepReport.Create(space, _options, method, outer.Steps, result, solves, problem.LastOuterAccuracy, healthy, mean.norm().Number());
        var learned = learnedGradients is null ? Learned : StepLearned(learnedGradients, healthy);
        Replace(moved, outer);
        Learned = learned;
        return report;
    }

    /// <summary>φ ≈ Alg*(θ) for every task of a problem, [B, d].</summary>
    public Tensor Adapt(FewShotProblem problem, int tasks)
    {
        using var scope = NewDisposeScope();
        var space = new TensorSpace(tasks, Theta);
        var theta = Theta.expand(tasks, -1);
        return CurrentMethod().Adapt(space, problem, theta).Phi.MoveToOuterDisposeScope();
    }

    /// <summary>Moves the state to a device, where all that is computed from it then is.</summary>
    public void MoveTo(Device device)
    {
        using var scope = NewDisposeScope();
        Tensor To(Tensor x) => x.to(device, copy: true);
        Replace(To(Theta), new AdamState<Tensor>(Outer.Steps, To(Outer.FirstMoment), To(Outer.SecondMoment)));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Theta.Dispose();
        Outer.FirstMoment.Dispose();
        Outer.SecondMoment.Dispose();
    }

    private LearnedNumbers StepLearned(double[][] gradients, int[] healthy)
    {
        var mean = healthy.Select(task => Vector<double>.Build.Dense(gradients[task])).Aggregate((a, b) => a + b) / healthy.Length;
        var learned = Learned!.Step(_options.LearnedRateAt(MetaStep), mean);
        try
        {
            _ = Method.Create(_options, Network, Theta.unsqueeze(0), learned.Numbers, 0);
        }
        catch (ArgumentException e)
        {
            throw new TrainingDivergedException($"meta-step {MetaStep + 1}: {e.Message.Split(" (")[0]}; lower --lambda-rate or --step-size-rate");
        }

        return learned;
    }

    private void Replace(Tensor theta, AdamState<Tensor> outer)
    {
        Dispose();
        (Theta, Outer) = (theta.DetachFromDisposeScope(), outer);
        outer.FirstMoment.DetachFromDisposeScope();
        outer.SecondMoment.DetachFromDisposeScope();
    }
}
