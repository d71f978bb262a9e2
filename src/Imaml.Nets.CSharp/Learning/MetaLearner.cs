// Algorithm 1 on networks: θ, and the outer optimiser's state, moved one meta-batch at a time by an algorithm's meta-gradient.

using Imaml.Math;
using Imaml.Nets.Methods;
using Imaml.Nets.Models;
using Imaml.Nets.Runs;
using Imaml.Nets.Tasks;
using Imaml.Nets.Tensors;
using MathNet.Numerics.LinearAlgebra;
using TorchSharp;
using static TorchSharp.torch;
using LearnedNumbers = Imaml.Nets.Methods.LearnedNumbers;

namespace Imaml.Nets.Learning;

/// <summary>Meta-training has no finite number to go on with.</summary>
public sealed class TrainingDivergedException(string message) : Exception(message);

/// <summary>The meta-parameters θ with the outer optimiser that moves them.</summary>
public sealed class MetaLearner : IDisposable
{
    // Support images of a chunk: enough that an operation's start costs less than the operation, few enough for the cache; and chunks of a
    // meta-batch, if it has so many tasks, for that many threads. Neither depends on the threads there are, so that no number does.
    private const int ImagesAtOnce = 20, ChunksAtLeast = 8;

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
    /// <param name="firstTask">The number of its first task in the run, from which random probes are drawn.</param>
    private Method CurrentMethod(long firstTask) => Method.Create(_options, Network, Theta.unsqueeze(0), Learned?.Numbers, (ulong)firstTask);

    /// <summary>One outer step on the tasks of <paramref name="batch"/>.</summary>
    /// <exception cref="TrainingDivergedException">No task of the batch had a finite meta-gradient; θ is as it was.</exception>
    public StepReport Step(EpisodeBatch batch)
    {
        using var scope = NewDisposeScope();
        using var alone = new OneThread();
        var chunks = InChunks(batch, MetaGradients);
        var tasks = chunks.SelectMany(chunk => chunk.Tasks).ToArray();
        var healthy = tasks.Where(task => task.Healthy).ToArray();
        foreach (var chunk in chunks)
        {
            scope.Attach(chunk.Sum);
        }

        if (healthy.Length == 0)
        {
            throw new TrainingDivergedException(
                $"meta-step {MetaStep + 1}: no task has a finite meta-gradient ({SolveStatusModule.describe(SolveStatus.NonFinite)}); lower --outer-rate or --inner-step-size, or raise --lambda or --inner-steps");
        }

        var mean = chunks[0].Sum; // [d]
        foreach (var chunk in chunks[1..])
        {
            mean.Add(chunk.Sum);
        }

        mean.DivideBy(healthy.Length);
        var (moved, outer) = Adam.Step(Coordinates, AdamOptions.Authors, _options.OuterRateAt(MetaStep), Outer, mean, Theta);
        var report = StepReport.Create(_options, CurrentMethod(0), outer.Steps, tasks, mean.norm().Number());
        var learned = Learned is null ? null : StepLearned([.. healthy.Select(task => task.LearnedGradient!)]);
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
        return CurrentMethod(0).Adapt(space, problem, theta).Phi.MoveToOuterDisposeScope();
    }

    /// <summary>Moves the state to a device, where all that is computed from it then is.</summary>
    public void MoveTo(Device device)
    {
        using var scope = NewDisposeScope();
        Tensor To(Tensor x) => x.to(device, copy: true);
        Replace(To(Theta), new AdamState<Tensor>(Outer.Steps, To(Outer.FirstMoment), To(Outer.SecondMoment)));
    }

    /// <summary>Work on the tasks of a batch in chunks, by the options' threads, see <see cref="TaskChunks.Map"/>; on a device, which is the faster the more it gets, in one.</summary>
    internal T[] InChunks<T>(EpisodeBatch batch, Func<EpisodeBatch, int, T> work)
    {
        var (atOnce, threads) = Theta.device_type == DeviceType.CPU
            ? (int.Max(1, int.Min(ImagesAtOnce / (batch.Ways * batch.Shots), batch.Count / ChunksAtLeast)), _options.Threads)
            : (batch.Count, 1);
        return TaskChunks.Map(batch.Count, atOnce, threads, (first, count) => work(batch.Part(first, count), first));
    }

    private ChunkResult MetaGradients(EpisodeBatch batch, int first)
    {
        using var scope = NewDisposeScope();
        var space = new TensorSpace(batch.Count, Theta);
        var problem = new FewShotProblem(Network, batch, Theta);
        var result = CurrentMethod((long)MetaStep * _options.MetaBatch + first).Compute(space, problem, Theta.expand(batch.Count, -1));
        var tasks = TaskReport.Read(space, result, problem.QueryAccuracy(result.Result.Phi));
        var gradient = result.Result.Gradient;
        var healthy = tensor(tasks.Select(task => task.Healthy).ToArray(), ScalarType.Bool, gradient.device).unsqueeze(1); // [B, 1]
        return new ChunkResult(where(healthy, gradient, zeros_like(gradient)).sum([0]).DetachFromDisposeScope(), tasks);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Theta.Dispose();
        Outer.FirstMoment.Dispose();
        Outer.SecondMoment.Dispose();
    }

    private LearnedNumbers StepLearned(double[][] gradients)
    {
        var mean = gradients.Select(Vector<double>.Build.Dense).Aggregate((a, b) => a + b) / gradients.Length;
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
