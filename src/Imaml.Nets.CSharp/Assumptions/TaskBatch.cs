// B tasks at a state of a run, in double precision, with the method that the run uses: its inner solver, its linear solver with preconditioner, remedy
// and threshold, its λ even where it is learned. Every measurement starts from here, and other budgets are budgets of the same solvers.

using Imaml.Math;
using Imaml.Nets.Learning;
using Imaml.Nets.Methods;
using Imaml.Nets.Tasks;
using Imaml.Nets.Tensors;
using static TorchSharp.torch;

namespace Imaml.Nets.Assumptions;

/// <summary>B tasks at θ. Its tensors belong to the scope that was open when it was made.</summary>
internal sealed class TaskBatch
{
    private readonly TaskRange _tasks;
    private readonly IBilevelProblem<Tensor, Tensor> _problem;
    private readonly MethodContext _context;

    public TaskBatch(MetaLearner learner, TaskRange tasks, CancellationToken stop)
    {
        _tasks = tasks;
        Method = learner.Plan.Method as ImplicitMaml ?? throw new ArgumentException($"the assumptions of {learner.Plan.Method.Name} are not Theorem 1's");
        Theta = learner.Theta.to_type(ScalarType.Float64).expand(tasks.Count, -1).contiguous();
        Space = new TensorSpace(tasks.Count, Theta);
        _problem = learner.Problem.Problem(tasks, Theta);
        Problem = new InterruptibleProblem<Tensor, Tensor>(_problem, stop);
        _context = new MethodContext(learner.Problem.LayerSizes, Theta.narrow(0, 0, 1), learner.Learned?.Numbers, learner.Plan.Seed, (ulong)tasks.First);
        Regularizer = Method.Bind(_context).Regularizer;
    }

    /// <summary>The run's method.</summary>
    public ImplicitMaml Method { get; }

    public int Count => _tasks.Count;

    public long Episode(int task) => _tasks.First + task;

    public TensorSpace Space { get; }

    /// <summary>Accuracy of φ on the query sets, or the outer loss where the tasks are not classification tasks.</summary>
    public double[] Measure(Tensor phi) => LearningProblem.Measure(_problem, phi);

    public IBilevelProblem<Tensor, Tensor> Problem { get; }

    /// <summary>Λ = λI.</summary>
    public IRegularizer<Tensor, Tensor> Regularizer { get; }

    /// <summary>λ at this state.</summary>
    public double Lambda => Regularizer.SmallestEigenvalue;

    /// <summary>[B, d], alike in all rows.</summary>
    public Tensor Theta { get; }

    public int Parameters => (int)Theta.shape[1];

    /// <summary>The rule of the run's inner step.</summary>
    public StepRule StepRule => Method.Inner is Inner.GradientDescent { StepSize: { } step } ? StepRule.NewConstantStep(step) : StepRule.MeasuredCurvature;

    /// <summary>The run's own meta-gradients.</summary>
    public MetaGradient<Tensor, Tensor> Run() => Method.Bind(_context).Compute(Space, Problem, Theta);

    /// <summary>φ by the run's inner solver with this many steps.</summary>
    public Tensor Adapted(int steps) => Method.WithInnerSteps(steps).Bind(_context).Adapt(Space, Problem, Theta).Phi;

    /// <summary>The meta-gradients at a φ that is known, by the run's linear solver with this many steps.</summary>
    public MetaGradient<Tensor, Tensor> RunAt(Tensor phi, int linearSteps) => ImplicitMetaGradient.Compute(
        Space,
        Regularizer,
        Problem,
        Known(phi),
        (Method with { Adjoint = Method.Adjoint with { Steps = linearSteps } }).Solver(_context),
        Thresholds.OfAccuracies(Regularizer, Lambda, 0, Method.DeltaPrime ?? 0),
        Theta);

    /// <summary>Algorithm 2's linear solve at a φ that is known.</summary>
    public MetaGradient<Tensor, Tensor> ImplicitAt(Tensor phi, ILinearSolver<Tensor, Tensor> linear) =>
        ImplicitMetaGradient.Compute(Space, Regularizer, Problem, Known(phi), linear, Theta);

    /// <summary>∇L(φ), the meta-gradient of FOMAML, at a φ that is known.</summary>
    public MetaGradient<Tensor, Tensor> FirstOrderAt(Tensor phi) =>
        ((IMetaGradientStrategy<Tensor, Tensor>)new FirstOrderStrategy<Tensor, Tensor>(Known(phi), 0)).Compute(Space, Regularizer, Problem, Theta);

    /// <summary>A normal vector for each task that depends on the seed, the purpose and the episode alone, [B, d]; drawn on the host, so that no device changes it.</summary>
    public Tensor RandomVectors(RandomPurpose purpose)
    {
        var numbers = new double[Count, Parameters];
        for (var task = 0; task < Count; task++)
        {
            var random = new CounterRandom(_tasks.Seed, purpose, unchecked((ulong)Episode(task)));
            for (var i = 0; i < Parameters; i++)
            {
                numbers[task, i] = random.NextNormal();
            }
        }

        return tensor(numbers, ScalarType.Float64, Theta.device);
    }

    private IInnerSolver<Tensor, Tensor> Known(Tensor phi) => new DelegateInnerSolver<Tensor, Tensor>((_, _) => phi);
}
