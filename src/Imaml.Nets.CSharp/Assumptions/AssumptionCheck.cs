// Theorem 1's assumptions at the states of a run, and the errors of its meta-gradients: all measurements, batch by batch, so that memory does
// not depend on the number of tasks.

using Imaml.Math;
using Imaml.Nets.Learning;
using Imaml.Nets.Methods;
using Imaml.Nets.Runs;
using Imaml.Nets.Tasks;
using static TorchSharp.torch;

namespace Imaml.Nets.Assumptions;

/// <summary>What <c>imaml diagnose</c> measures, and how accurately.</summary>
public sealed record AssumptionOptions
{
    /// <summary>Lanczos steps that show both ends of a spectrum whose outer eigenvalues stand apart.</summary>
    public const int DefaultLanczosSteps = 40;

    /// <summary>Up to this many parameters the reference's linear system is solved by its dense matrix.</summary>
    public const int LargestDense = 1000;

    /// <summary>
    /// The chance that a statement on spectra is wrong: of one task's where it is about a task, of any task's where it is about all tasks of a state together,
    /// for which each task gets this chance over their number (union bound).
    /// </summary>
    public const double Failure = 0.01;

    /// <summary>The part of the classes that tasks are drawn from.</summary>
    public required ClassPart Part { get; init; }

    /// <summary>Seed of the episodes and of Lanczos's start vectors.</summary>
    public required ulong Seed { get; init; }

    /// <summary>Tasks at each state.</summary>
    public required int Tasks { get; init; }

    /// <summary>Of them the first ones, on which the exact meta-gradient is found too.</summary>
    public required int ReferenceTasks { get; init; }

    /// <summary>Lanczos steps.</summary>
    public required int LanczosSteps { get; init; }
}

/// <summary>One task.</summary>
/// <param name="Episode">Its number.</param>
/// <param name="Theta">The curvature at θ.</param>
/// <param name="Phi">The curvature at the φ that the run's inner solver reaches.</param>
/// <param name="Displacement">‖φ − θ‖.</param>
/// <param name="Inner">How the run's inner solve ended.</param>
/// <param name="Accuracy">Share of the query images that φ classifies correctly; not a number where the inner solve is not finite.</param>
/// <param name="CgResidual">Relative residual of the run's linear solve.</param>
/// <param name="Gradients">The meta-gradients compared.</param>
public sealed record TaskAssumptions(long Episode, PointCurvature Theta, PointCurvature Phi, double Displacement, InnerStatus Inner, double Accuracy, double CgResidual, Agreements Gradients);

/// <summary>One state.</summary>
/// <param name="MetaStep">Meta-steps made.</param>
/// <param name="Parameters">d.</param>
/// <param name="Lambda">λ at this state.</param>
/// <param name="Tasks">Every task.</param>
/// <param name="HessianChanges">Lower bounds on ρ at φ, for each direction and distance.</param>
/// <param name="MetaBatches">The meta-gradients of whole meta-batches, averaged as in training, compared.</param>
/// <param name="AllTasks">The meta-gradients averaged over all tasks, compared.</param>
/// <param name="Reference">Errors against the exact meta-gradient, of the first tasks.</param>
public sealed record StateAssumptions(
    int MetaStep,
    int Parameters,
    double Lambda,
    IReadOnlyList<TaskAssumptions> Tasks,
    IReadOnlyList<HessianChanges> HessianChanges,
    IReadOnlyList<Agreements> MetaBatches,
    Agreements AllTasks,
    IReadOnlyList<TaskErrors> Reference);

/// <summary>Checks the theory's assumptions on a network.</summary>
public static class AssumptionCheck
{
    private const int TasksAtOnce = 8;

    /// <summary>Why runs by this method cannot be measured, or null where they can: Λ = λI, and inner steps whose derivative is that of a descent of a fixed number of steps.</summary>
    public static string? Refusal(Method method) => method switch
    {
        ImplicitMaml { LearnedLambda.Per: LearnedPer.Layer or LearnedPer.Parameter } => "a run that learns more than one λ; diagnose measures one λ for all parameters",
        ImplicitMaml { Delta: not null } => "a run that ends its inner solves at δ; diagnose compares with the derivative of a fixed number of inner steps",
        ImplicitMaml { Inner: Inner.GradientDescent } => null,
        _ => $"a run of {method.Name}; diagnose measures imaml-gd",
    };

    /// <summary>Measures a learner as it is now on episodes 0, 1, 2, … of a part of the classes, where its state is.</summary>
    /// <param name="learner">The state: of a run (<see cref="TrainingRun.Learner"/>), or one that a run has kept (<see cref="RunFolder.Load"/>).</param>
    /// <param name="options">What to measure.</param>
    /// <param name="progress">How far the work is, from 0 to 1.</param>
    /// <param name="stop">Ends it with an <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="ArgumentException">The learner's method cannot be measured; the message is that of <see cref="Refusal"/>.</exception>
    public static StateAssumptions Measure(MetaLearner learner, AssumptionOptions options, IProgress<double>? progress = null, CancellationToken stop = default)
    {
        if (Refusal(learner.Plan.Method) is { } why)
        {
            throw new ArgumentException($"this is {why}", nameof(learner));
        }

        var metaBatchSize = learner.Plan.MetaBatch;
        var tasks = new List<TaskAssumptions>();
        var lambda = double.NaN;
        var changes = new List<HessianChanges>();
        var metaBatches = new List<Agreements>();
        using var whole = new RunningSum();
        using var metaBatch = new RunningSum();
        double work = options.Tasks + options.ReferenceTasks;
        while (tasks.Count < options.Tasks)
        {
            stop.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            var inBatch = tasks.Count % metaBatchSize;
            var count = int.Min(int.Min(TasksAtOnce, metaBatchSize - inBatch), options.Tasks - tasks.Count);
            var batch = new TaskBatch(learner, new TaskRange(options.Part, options.Seed, tasks.Count, count), stop);
            lambda = batch.Lambda;
            tasks.AddRange(OfBatch(batch, options, changes, out var gradients));
            whole.Add(gradients);
            metaBatch.Add(gradients);
            if (inBatch + count == metaBatchSize)
            {
                metaBatches.AddRange(metaBatch.Take().Compare());
            }

            progress?.Report(tasks.Count / work);
            GC.Collect(0);
        }

        var errors = new List<TaskErrors>();
        while (errors.Count < options.ReferenceTasks)
        {
            stop.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            errors.AddRange(ReferenceMeasurement.Of(new TaskBatch(learner, new TaskRange(options.Part, options.Seed, errors.Count, int.Min(TasksAtOnce, options.ReferenceTasks - errors.Count)), stop)));
            progress?.Report((options.Tasks + errors.Count) / work);
            GC.Collect(0);
        }

        using var last = NewDisposeScope();
        return new StateAssumptions(learner.MetaStep, learner.Problem.ParameterCount, lambda, tasks, Together(changes), metaBatches, whole.Take().Compare()[0], errors);
    }

    private static IEnumerable<TaskAssumptions> OfBatch(TaskBatch batch, AssumptionOptions options, List<HessianChanges> changes, out MetaGradients gradients)
    {
        (gradients, var run, var inner) = MetaGradients.Of(batch);
        var (theta, _) = CurvatureMeasurement.At(batch, batch.Theta, options);
        var (phi, top) = CurvatureMeasurement.At(batch, run.Phi, options);
        changes.AddRange(HessianChangeMeasurement.At(batch, run.Phi, top));
        var displacements = batch.Space.Read(batch.Space.Norm(run.Phi - batch.Theta));
        var residuals = batch.Space.Read(run.Solve.RelativeResidual);
        var accuracies = batch.Measure(run.Phi);
        var compared = gradients.Compare();
        return [.. Enumerable.Range(0, batch.Count).Select(task =>
            new TaskAssumptions(batch.Episode(task), theta[task], phi[task], displacements[task], inner[task], inner[task] == InnerStatus.NonFinite ? double.NaN : accuracies[task], residuals[task], compared[task]))];
    }

    private static HessianChanges[] Together(List<HessianChanges> batches) =>
    [
        .. from batch in batches
           group batch by (batch.Direction, batch.Distance) into one
           select new HessianChanges(one.Key.Direction, one.Key.Distance, [.. one.SelectMany(batch => batch.PerTask)]),
    ];

    /// <summary>Sums of meta-gradients that are kept over all batches; a mean has the direction of its sum.</summary>
    private sealed class RunningSum : IDisposable
    {
        private MetaGradients? _sum;

        public void Add(MetaGradients gradients)
        {
            var sum = gradients.SumWith(_sum);
            Dispose();
            Array.ForEach(Parts(sum), tensor => tensor.DetachFromDisposeScope());
            _sum = sum;
        }

        /// <summary>The sums, moved to the scope that is open; the next sums begin at zero.</summary>
        public MetaGradients Take()
        {
            var sum = _sum ?? throw new InvalidOperationException("nothing was added");
            Array.ForEach(Parts(sum), tensor => CurrentDisposeScope?.Attach(tensor));
            _sum = null;
            return sum;
        }

        public void Dispose()
        {
            Array.ForEach(_sum is null ? [] : Parts(_sum), tensor => tensor.Dispose());
            _sum = null;
        }

        private static Tensor[] Parts(MetaGradients sum) => [sum.Implicit, sum.FirstOrder, sum.Unrolled, sum.Converged];
    }
}
