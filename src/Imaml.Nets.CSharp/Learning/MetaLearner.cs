// Algorithm 1 on networks: θ, and the outer optimiser's state, moved one meta-batch at a time by an algorithm's meta-gradient.

using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Imaml.Math;
using Imaml.Nets.LibTorch;
using Imaml.Nets.Machines;
using Imaml.Nets.Methods;
using Imaml.Nets.Tasks;
using Imaml.Nets.Tensors;
using MathNet.Numerics.LinearAlgebra;
using static TorchSharp.torch;

namespace Imaml.Nets.Learning;

/// <summary>Meta-training cannot continue, since its numbers are not finite.</summary>
public sealed class TrainingDivergedException(string message) : Exception(message);

/// <summary>How θ is learned: all that Algorithm 1 depends on apart from the tasks and the model.</summary>
/// <param name="Method">How a task is adapted to, and how its meta-gradient is made.</param>
/// <param name="Outer">What moves θ.</param>
/// <param name="MetaSteps">T, outer steps.</param>
/// <param name="MetaBatch">B, tasks of an outer step.</param>
/// <param name="Seed">Seed of the initial parameters and of the tasks.</param>
public sealed record LearningPlan(Method Method, Outer Outer, int MetaSteps, int MetaBatch, ulong Seed);

/// <summary>The meta-parameters θ with the outer optimiser that moves them. One thread at a time may use it.</summary>
public sealed class MetaLearner : IDisposable
{
    private readonly int _threads;
    private readonly IRanks _ranks;
    private MetaLearningState<Tensor, Tensor> _state;

    /// <summary>Starts from a state, whose tensors are the learner's from now on.</summary>
    private MetaLearner(LearningPlan plan, LearningProblem problem, int threads, IRanks ranks, MetaLearningState<Tensor, Tensor> state)
    {
        (Plan, Problem, _threads, _ranks, _state) = (plan, problem, threads, ranks, state);
        foreach (var tensor in Tensors(state))
        {
            tensor.DetachFromDisposeScope();
        }
    }

    /// <summary>New meta-parameters by the plan's seed.</summary>
    /// <param name="plan">How they are learned.</param>
    /// <param name="problem">The tasks and the model.</param>
    /// <param name="threads">Threads that share out the tasks; no number depends on how many there are.</param>
    public static MetaLearner Create(LearningPlan plan, LearningProblem problem, int threads) => Create(plan, problem, threads, Ranks.Alone);

    /// <summary>The same on every rank, each of which computes a share of the chunks.</summary>
    internal static MetaLearner Create(LearningPlan plan, LearningProblem problem, int threads, IRanks ranks)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(problem);
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        LibTorchLoader.EnsureLoaded();
        using var scope = NewDisposeScope();
        var theta = problem.InitialParameters(plan.Seed).detach(); // A user's may be recorded.
        return theta.shape is [var d] && d == problem.ParameterCount && theta.dtype == ScalarType.Float32
            ? new MetaLearner(plan, problem, threads, ranks, Start(plan, problem, plan.Method.Start(theta.unsqueeze(0), problem.LayerSizes)))
            : throw new ArgumentException($"the initial parameters must be [{problem.ParameterCount}] in float32, the sum of the layers' sizes, not [{string.Join(", ", theta.shape)}] in {theta.dtype}");
    }

    /// <summary>The learner that a saved state belongs to.</summary>
    /// <param name="plan">How it goes on.</param>
    /// <param name="problem">The tasks and the model.</param>
    /// <param name="threads">Threads.</param>
    /// <param name="theta">θ, [1, d].</param>
    /// <param name="outer">The state of its outer optimiser.</param>
    /// <param name="learned">The numbers that are learned with θ with their optimiser's state, or null.</param>
    /// <param name="ranks">The processes that share out the chunks.</param>
    /// <exception cref="ArgumentException">The state is that of another optimiser.</exception>
    internal static MetaLearner Restore(
        LearningPlan plan, LearningProblem problem, int threads, Tensor theta, OptimizerState<Tensor> outer, (Vector<double> Numbers, OptimizerState<Vector<double>> Outer)? learned, IRanks ranks)
    {
        using var scope = NewDisposeScope();
        var start = Start(plan, problem, theta);
        var numbers = learned is { } saved ? new LearnedNumbers(saved.Numbers, start.Learned!.Optimizer.Restore(new EuclideanSpace(), saved.Outer)) : null;
        return new MetaLearner(plan, problem, threads, ranks, new MetaLearningState<Tensor, Tensor>(outer.Steps, theta, start.Optimizer.Restore(new TensorSpace(1, theta), outer), numbers));
    }

    /// <summary>A learner of the parameters in some places alone, and of the learned numbers that belong to them, for a model that has no others.</summary>
    /// <param name="problem">The tasks and that model.</param>
    /// <param name="places">Where each of its parameters is in θ; −1 for one that is 0.</param>
    internal MetaLearner Restrict(LearningProblem problem, IReadOnlyList<int> places)
    {
        using var scope = NewDisposeScope();
        var padded = cat([Theta, zeros([1, 1], Theta.dtype, Theta.device)], 1);
        var theta = padded.index_select(1, tensor([.. places.Select(place => place < 0 ? Problem.ParameterCount : (long)place)], ScalarType.Int64, Theta.device));
        var numbers = Learned?.Numbers;
        var kept = numbers?.Count == Problem.ParameterCount ? Vector<double>.Build.Dense(places.Count, i => numbers[places[i]]) : numbers;
        return Trained(Plan, problem, _threads, MetaStep, theta, kept, _ranks);
    }

    /// <summary>A learner of the average of the last iterates, of θ and of what is learned with it; null where the outer optimiser does not average, or has not yet.</summary>
    internal MetaLearner? Averaged()
    {
        using var scope = NewDisposeScope();
        var outer = Outer;
        return AveragingOptimizer<Tensor, Tensor>.HasAverage(outer)
            ? Trained(
                Plan, Problem, _threads, MetaStep, AveragingOptimizer<Tensor, Tensor>.AverageOf(outer).clone(),
                Learned is null ? null : AveragingOptimizer<Vector<double>, double>.AverageOf(Learned.Optimizer.State(new EuclideanSpace())), _ranks)
            : null;
    }

    /// <summary>A learner of what training ended with, to adapt it to tasks: its optimiser has no state.</summary>
    internal static MetaLearner Trained(LearningPlan plan, LearningProblem problem, int threads, int metaStep, Tensor theta, Vector<double>? learned, IRanks? ranks = null)
    {
        using var scope = NewDisposeScope();
        var start = Start(plan, problem, theta);
        var numbers = learned is null ? null : new LearnedNumbers(learned, start.Learned!.Optimizer);
        return new MetaLearner(plan, problem, threads, ranks ?? Ranks.Alone, new MetaLearningState<Tensor, Tensor>(metaStep, theta, start.Optimizer, numbers));
    }

    private static MetaLearningState<Tensor, Tensor> Start(LearningPlan plan, LearningProblem problem, Tensor theta)
    {
        LearnedNumbers? learned = null;
        if (plan.Method.Learns is { } part)
        {
            var numbers = part.Numbers(problem.LayerSizes);
            learned = new LearnedNumbers(numbers, plan.Outer.StartLearned(numbers, part, plan.MetaSteps));
        }

        return new MetaLearningState<Tensor, Tensor>(0, theta, plan.Outer.Start(new TensorSpace(1, theta), theta, plan.MetaSteps), learned);
    }

    /// <summary>How θ is learned.</summary>
    public LearningPlan Plan { get; }

    /// <summary>The tasks and the model.</summary>
    public LearningProblem Problem { get; }

    /// <summary>θ, [1, d].</summary>
    public Tensor Theta => _state.Theta;

    /// <summary>The state of the outer optimiser. The tensors are the learner's.</summary>
    public OptimizerState<Tensor> Outer => _state.Optimizer.State(new TensorSpace(1, Theta));

    /// <summary>What is learned with θ, or null.</summary>
    public LearnedNumbers? Learned => _state.Learned;

    /// <summary>Meta-steps made.</summary>
    public int MetaStep => _state.Steps;

    /// <summary>The method at the learned numbers as they are now. Its vectors are in the dispose scope that is open.</summary>
    /// <param name="firstTask">The number of its first task in the run, from which random probes are drawn.</param>
    internal BoundMethod CurrentMethod(long firstTask = 0) => Bind(Learned, firstTask);

    private BoundMethod Bind(LearnedNumbers? learned, long firstTask) =>
        Plan.Method.Bind(new MethodContext(Problem.LayerSizes, Theta, learned?.Numbers, Plan.Seed, (ulong)firstTask));

    /// <summary>The tasks of the next meta-step.</summary>
    public TaskRange NextTasks => new(ClassPart.Train, Plan.Seed, (long)MetaStep * Plan.MetaBatch, Plan.MetaBatch);

    /// <summary>One outer step on these tasks.</summary>
    /// <exception cref="TrainingDivergedException">No task had a finite meta-gradient, or θ would not be finite; θ is as it was.</exception>
    /// <exception cref="ArgumentException">No task.</exception>
    public StepReport Step(TaskRange range)
    {
        ObjectDisposedException.ThrowIf(Theta.IsInvalid, this);
        ArgumentNullException.ThrowIfNull(range);
        if (range is not { Count: >= 1, First: >= 0 })
        {
            throw new ArgumentException($"a meta-step needs at least 1 task, from number 0 on, not {range.Count} from number {range.First}", nameof(range));
        }

        using var scope = NewDisposeScope();
        using var alone = new OneThread();
        var space = new TensorSpace(1, Theta);
        var (sum, accuracies) = Batch.Sum(range);
        scope.Attach(sum.Sum);
        var (next, step) = MetaLearning.Next(space, [sum], _state);
        if (step.Usable == 0)
        {
            throw new TrainingDivergedException(
                $"meta-step {MetaStep + 1}: no task has a finite meta-gradient: {Plan.Method.IfNoneIsFinite}");
        }

        var report = StepReport.Create(Plan.MetaBatch, CurrentMethod(), step, accuracies);
        RefuseOutOfRange(next);
        Replace(next);
        return report;
    }

    /// <summary>φ ≈ Alg*(θ) for B tasks, [B, d], and how it was found. Its tensors belong to the scope that is open.</summary>
    public InnerIterate<Tensor, Tensor> Adapt(IBilevelProblem<Tensor, Tensor> problem, int tasks)
    {
        ObjectDisposedException.ThrowIf(Theta.IsInvalid, this);
        ArgumentNullException.ThrowIfNull(problem);
        using var scope = NewDisposeScope();
        var space = new TensorSpace(tasks, Theta);
        ICarried<Tensor, Tensor, InnerIterate<Tensor, Tensor>> adapted = CurrentMethod().Adapt(space, problem, space.Spread(Theta));
        return adapted.Carry(tensor => tensor.MoveToOuterDisposeScope(), tensor => tensor.MoveToOuterDisposeScope());
    }

    /// <summary>Moves the state to a device, where all that is computed from it then is.</summary>
    public void MoveTo(Device device)
    {
        using var scope = NewDisposeScope();
        Tensor To(Tensor x) => x.to(device, copy: true);
        Replace(Carry(_state, To));
    }

    /// <summary>What shares tasks out over threads and processes.</summary>
    internal MetaBatch Batch => new(Problem, Theta, CurrentMethod, _threads, _ranks);

    /// <summary>The processes that share out the chunks.</summary>
    internal IRanks Processes => _ranks;

    /// <summary>A hash of θ and of what is learned with it: SHA-256 of their bytes.</summary>
    internal byte[] StateHash()
    {
        using var scope = NewDisposeScope();
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(MemoryMarshal.AsBytes<float>(MetaBatch.OnHost(Theta)));
        if (Learned is { } learned)
        {
            hash.AppendData(MemoryMarshal.AsBytes<double>(learned.Numbers.ToArray()));
        }

        return hash.GetHashAndReset();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var tensor in Tensors(_state))
        {
            tensor.Dispose();
        }
    }

    // A rate may be too large for the range of numbers, and λ = e^ρ may leave it.
    private void RefuseOutOfRange(MetaLearningState<Tensor, Tensor> next)
    {
        try
        {
            if (!Tensors(next).Select(tensor => tensor.isfinite().all()).Aggregate((all, one) => all.logical_and(one)).Truth())
            {
                throw new TrainingDivergedException($"meta-step {MetaStep + 1}: θ, or its optimiser's state, would not be finite; lower the outer rate");
            }

            _ = Bind(next.Learned, 0);
        }
        catch (Exception e) when (e is ArgumentException or TrainingDivergedException)
        {
            Tensors(_state).ForEach(tensor => tensor.DetachFromDisposeScope());
            throw e as TrainingDivergedException ?? new TrainingDivergedException($"meta-step {MetaStep + 1}: {e.Message.Split(" (")[0]}; lower the rate of the learned numbers, or the inner one");
        }
    }

    // Values that do not change may be shared by one state and the next.
    private void Replace(MetaLearningState<Tensor, Tensor> next)
    {
        var kept = Tensors(next);
        Tensors(_state).Except(kept, ReferenceEqualityComparer.Instance).OfType<Tensor>().ToList().ForEach(tensor => tensor.Dispose());
        kept.ForEach(tensor => tensor.DetachFromDisposeScope());
        _state = next;
    }

    private static MetaLearningState<Tensor, Tensor> Carry(MetaLearningState<Tensor, Tensor> state, Func<Tensor, Tensor> map) =>
        ((ICarried<Tensor, Tensor, MetaLearningState<Tensor, Tensor>>)state).Carry(map, map);

    private static List<Tensor> Tensors(MetaLearningState<Tensor, Tensor> state)
    {
        var all = new List<Tensor>();
        Carry(state, tensor =>
        {
            all.Add(tensor);
            return tensor;
        });
        return all;
    }
}
