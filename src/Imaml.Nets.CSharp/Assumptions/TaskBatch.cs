// B tasks at a state of a run, in double precision, with the solvers that the run uses: what every measurement starts from.

using Imaml.Math;
using Imaml.Math.Interop;
using Imaml.Nets.Learning;
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

    public TaskBatch(MetaLearner learner, TrainingOptions options, EpisodeSampler sampler, long first, int count, CancellationToken stop)
    {
        (Options, _first, _seed) = (options, first, sampler.Seed);
        _episodes = sampler.Batch(first, count);
        Theta = learner.Theta.to_type(ScalarType.Float64).expand(count, -1).contiguous();
        Space = new TensorSpace(count, Theta);
        Images = new FewShotProblem(learner.Network, _episodes, Theta);
        Problem = new InterruptibleProblem<Tensor, Tensor>(Images, stop);
        Regularizer = new ScalarRegularizer<Tensor, Tensor>(options.Lambda!.Value);
    }

    public TrainingOptions Options { get; }

    public int Count => _episodes.Count;

    public long Episode(int task) => _first + task;

    public TensorSpace Space { get; }

    public FewShotProblem Images { get; }

    public IBilevelProblem<Tensor, Tensor> Problem { get; }

    public ScalarRegularizer<Tensor, Tensor> Regularizer { get; }

    /// <summary>[B, d], alike in all rows.</summary>
    public Tensor Theta { get; }

    public int Parameters => (int)Theta.shape[1];

    /// <summary>Gradient descent by the run's rule.</summary>
    public IInnerSolver<Tensor, Tensor> Descent(int steps) => InnerSolvers.GradientDescent(Space, Options.StepRule, steps);

    /// <summary>The run's conjugate gradients, with this many steps.</summary>
    public static ILinearSolver<Tensor, Tensor> ConjugateGradients(int steps) =>
        new ConjugateGradientSolver<Tensor, Tensor>(new LinearSolveOptions(steps, relativeResidual: 0, checkEvery: 0, recomputeResidual: false));

    /// <summary>Algorithm 2 with fixed budgets.</summary>
    public MetaGradient<Tensor, Tensor> Implicit(IInnerSolver<Tensor, Tensor> inner, ILinearSolver<Tensor, Tensor> linear) =>
        Algorithm2.Compute(Space, Regularizer, Problem, inner, linear, Theta);

    /// <summary>Algorithm 2's linear solve at a φ that is known.</summary>
    public MetaGradient<Tensor, Tensor> ImplicitAt(Tensor phi, ILinearSolver<Tensor, Tensor> linear) => Implicit(Known(phi), linear);

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
