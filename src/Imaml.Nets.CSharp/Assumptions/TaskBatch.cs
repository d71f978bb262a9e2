// B tasks at a state of a run, in double precision, with the method that the run uses: its inner solver, its linear solver with preconditioner, remedy
// and threshold, its λ even where it is learned. Every measurement starts from here, and other budgets are budgets of the same solvers.

using Imaml.Math;
using Imaml.Math.Interop;
using Imaml.Nets.Learning;
using Imaml.Nets.Methods;
using Imaml.Nets.Runs;
using Imaml.Nets.Tasks;
using Imaml.Nets.Tensors;
using static TorchSharp.torch;

namespace Imaml.Nets.Assumptions;

/// <summary>B tasks at θ. Its tensors belong to the scope that was open when it was made.</summary>
internal sealed class TaskBatch
{
    private readonly EpisodeBatch _episodes;
    private readonly ulong _seed;
    private readonly long _first;
    private readonly Func<TrainingOptions, Method> _method;

    public TaskBatch(MetaLearner learner, TrainingOptions options, EpisodeSampler sampler, long first, int count, CancellationToken stop)
    {
        (Options, _first, _seed) = (options, first, sampler.Seed);
        _episodes = sampler.Batch(first, count);
        Theta = learner.Theta.to_type(ScalarType.Float64).expand(count, -1).contiguous();
        Space = new TensorSpace(count, Theta);
        Images = new FewShotProblem(learner.Network, _episodes, Theta);
        Problem = new InterruptibleProblem<Tensor, Tensor>(Images, stop);
        _method = chosen => Method.Create(chosen, learner.Network, Theta.narrow(0, 0, 1), learner.Learned?.Numbers, (ulong)first);
        Regularizer = _method(options).Regularizer;
    }

    public TrainingOptions Options { get; }

    public int Count => _episodes.Count;

    public long Episode(int task) => _first + task;

    public TensorSpace Space { get; }

    public FewShotProblem Images { get; }

    public IBilevelProblem<Tensor, Tensor> Problem { get; }

    /// <summary>Λ = λI.</summary>
    public IRegularizer<Tensor, Tensor> Regularizer { get; }

    /// <summary>λ at this state.</summary>
    public double Lambda => Regularizer.SmallestEigenvalue;

    /// <summary>[B, d], alike in all rows.</summary>
    public Tensor Theta { get; }

    public int Parameters => (int)Theta.shape[1];

    /// <summary>The run's own meta-gradients.</summary>
    public MetaGradient<Tensor, Tensor> Run() => _method(Options).Compute(Space, Problem, Theta).Result;

    /// <summary>φ by the run's inner solver with this many steps.</summary>
    public Tensor Adapted(int steps) => _method(Options with { InnerSteps = steps }).Adapt(Space, Problem, Theta).Phi;

    /// <summary>The meta-gradients at a φ that is known, by the run's linear solver with this many steps.</summary>
    public MetaGradient<Tensor, Tensor> RunAt(Tensor phi, int linearSteps) => ImplicitMetaGradient.Compute(
        Space,
        Regularizer,
        Problem,
        Known(phi),
        Method.ImplicitSolverOf(Options with { CgSteps = linearSteps }, (ulong)_first),
        Thresholds.ofAccuracies(Space, Regularizer, Lambda, 0, Options.DeltaPrime ?? 0),
        Theta);

    /// <summary>Algorithm 2's linear solve at a φ that is known.</summary>
    public MetaGradient<Tensor, Tensor> ImplicitAt(Tensor phi, ILinearSolver<Tensor, Tensor> linear) =>
        Algorithm2.Compute(Space, Regularizer, Problem, Known(phi), linear, Theta);

    /// <summary>∇L(φ), the meta-gradient of FOMAML, at a φ that is known.</summary>
    public MetaGradient<Tensor, Tensor> FirstOrderAt(Tensor phi) =>
        Strategies.FirstOrder(Space, Known(phi), 0).Compute(Space, Regularizer, Problem, Theta);

    /// <summary>A normal vector for each task that depends on the seed, the purpose and the episode alone, [B, d]; drawn on the host, so that no device changes it.</summary>
    public Tensor RandomVectors(RandomPurpose purpose)
    {
        var numbers = new double[Count, Parameters];
        for (var task = 0; task < Count; task++)
        {
            var random = new CounterRandom(_seed, purpose, unchecked((ulong)Episode(task)));
            for (var i = 0; i < Parameters; i++)
            {
                numbers[task, i] = random.NextNormal();
            }
        }

        return tensor(numbers, ScalarType.Float64, Theta.device);
    }

    private IInnerSolver<Tensor, Tensor> Known(Tensor phi) => InnerSolvers.FromDelegate(Space, (_, _) => phi);
}
