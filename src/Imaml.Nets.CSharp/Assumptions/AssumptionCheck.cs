// Theorem 1's assumptions at the states of a run, and what its meta-gradients are worth: all measurements, batch by batch, so that memory does
// not depend on the number of tasks.

using Imaml.Math;
using Imaml.Nets.Learning;
using Imaml.Nets.Methods;
using Imaml.Nets.Runs;
using Imaml.Nets.Tasks;
using static TorchSharp.torch;

namespace Imaml.Nets.Assumptions;

/// <summary>Checks the theory's assumptions on a network.</summary>
public static class AssumptionCheck
{
    private const int TasksAtOnce = 8;

    /// <summary>Why runs by this method cannot be measured, or null where they can: Λ = λI, and inner steps whose derivative is that of a descent of a fixed number of steps.</summary>
    public static string? Refusal(Method method) => method switch
    {
        ImplicitMaml { LearnedLambda.Per: LearnedPer.Layer or LearnedPer.Parameter } => "a run that learns more than one λ; diagnose looks at one λ for all parameters",
        ImplicitMaml { Delta: not null } => "a run that ends its inner solves at δ; diagnose compares with the derivative of a fixed number of inner steps",
        ImplicitMaml { Inner: Inner.GradientDescent } => null,
        _ => $"a run of {method.Name}; diagnose looks at imaml-gd",
    };

    /// <summary>Measures one state on episodes 0, 1, 2, … of a part of the classes.</summary>
    /// <param name="state">The state.</param>
    /// <param name="training">The run's experiment.</param>
    /// <param name="problem">The run's tasks and model.</param>
    /// <param name="options">What to look at.</param>
    /// <param name="device">Where to compute.</param>
    /// <param name="progress">How far the work is, from 0 to 1.</param>
    /// <param name="stop">Ends it with an <see cref="OperationCanceledException"/>.</param>
    public static StateAssumptions Measure(RunState state, Experiment training, LearningProblem problem, AssumptionOptions options, Device device, IProgress<double>? progress, CancellationToken stop)
    {
        using var learner = state.Load(training, problem);
        learner.MoveTo(device);
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
            var inBatch = tasks.Count % training.Budget.MetaBatch;
            var count = int.Min(int.Min(TasksAtOnce, training.Budget.MetaBatch - inBatch), options.Tasks - tasks.Count);
            var batch = new TaskBatch(learner, new TaskRange(options.Part, options.Seed, tasks.Count, count), stop);
            lambda = batch.Lambda;
            tasks.AddRange(OfBatch(batch, options, changes, out var gradients));
            whole.Add(gradients);
            metaBatch.Add(gradients);
            if (inBatch + count == training.Budget.MetaBatch)
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
        return new StateAssumptions(state.MetaStep, problem.ParameterCount, lambda, tasks, Summarize(changes), metaBatches, whole.Take().Compare()[0], errors);
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

    private static HessianChangeSummary[] Summarize(List<HessianChanges> changes) =>
    [
        .. from change in changes
           group change by (change.Direction, change.Distance) into one
           select new HessianChangeSummary(one.Key.Direction, one.Key.Distance, Quantiles.Of(one.SelectMany(change => change.PerTask))),
    ];

    /// <summary>Sums of meta-gradients that outlive the batches; a mean has the direction of its sum.</summary>
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

        /// <summary>The sums, which then belong to the scope that is open; and begins anew.</summary>
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
