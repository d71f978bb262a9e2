// B tasks at a state of a run, in double precision, with the solvers that the run uses: what every measurement starts from.

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

    public TaskBatch(MetaLearner learner, TaskRange tasks, CancellationToken stop)
    {
        _tasks = tasks;
        Method = learner.Plan.Method as ImplicitMaml ?? throw new ArgumentException($"the assumptions of {learner.Plan.Method.Name} are not Theorem 1's");
        Theta = learner.Theta.to_type(ScalarType.Float64).expand(tasks.Count, -1).contiguous();
        Space = new TensorSpace(tasks.Count, Theta);
        _problem = learner.Problem.Problem(tasks, Theta);
        Problem = new InterruptibleProblem<Tensor, Tensor>(_problem, stop);
        Regularizer = new ScalarRegularizer<Tensor, Tensor>(Method.Lambda);
    }

    /// <summary>The run's method.</summary>
    public ImplicitMaml Method { get; }

    public int Count => _tasks.Count;

    public long Episode(int task) => _tasks.First + task;

    public TensorSpace Space { get; }

    /// <summary>Accuracy of φ on the query sets, or the outer loss where the tasks are no classification.</summary>
    public double[] Measure(Tensor phi) => LearningProblem.Measure(_problem, phi);

    public IBilevelProblem<Tensor, Tensor> Problem { get; }

    public ScalarRegularizer<Tensor, Tensor> Regularizer { get; }

    /// <summary>[B, d], alike in all rows.</summary>
    public Tensor Theta { get; }

    public int Parameters => (int)Theta.shape[1];

    /// <summary>The rule of the run's inner step.</summary>
    public StepRule StepRule => Method.Inner is Inner.GradientDescent { StepSize: { } step } ? StepRule.NewConstantStep(step) : StepRule.MeasuredCurvature;

    /// <summary>Gradient descent by the run's rule.</summary>
    public IInnerSolver<Tensor, Tensor> Descent(int steps) => new GradientDescentSolver<Tensor, Tensor>(StepRule, steps);

    /// <summary>The run's conjugate gradients, with this many steps.</summary>
    public static ILinearSolver<Tensor, Tensor> ConjugateGradients(int steps) =>
        new ConjugateGradientSolver<Tensor, Tensor>(new LinearSolveOptions(steps, relativeResidual: 0, checkEvery: 0, recomputeResidual: false));

    /// <summary>Algorithm 2 with fixed budgets.</summary>
    public MetaGradient<Tensor, Tensor> Implicit(IInnerSolver<Tensor, Tensor> inner, ILinearSolver<Tensor, Tensor> linear) =>
        ImplicitMetaGradient.Compute(Space, Regularizer, Problem, inner, linear, Theta);

    /// <summary>Algorithm 2's linear solve at a φ that is known.</summary>
    public MetaGradient<Tensor, Tensor> ImplicitAt(Tensor phi, ILinearSolver<Tensor, Tensor> linear) => Implicit(Known(phi), linear);

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
