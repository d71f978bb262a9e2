// Time and memory of one meta-batch. Memory is counted from just before the first meta-step, when libtorch is loaded, the images are drawn
// and θ is there: what remains is what the method itself takes.

using System.Diagnostics;
using Imaml.Math;
using Imaml.Math.Interop;
using Imaml.Nets.Episodes;
using Imaml.Nets.LibTorch;
using Imaml.Nets.MetaLearners;
using Imaml.Nets.Training;
using MathNet.Numerics.Statistics;
using static TorchSharp.torch;

namespace Imaml.Nets.Diagnostics;

/// <summary>Takes a <see cref="Measurement"/> in the process that it runs in.</summary>
public static class MetaBatchMeasurement
{
    // A gradient of a small batch is over in milliseconds: it is repeated for as long as this.
    private static readonly TimeSpan LeastTime = TimeSpan.FromSeconds(1);

    /// <summary>Measures, in this process.</summary>
    /// <exception cref="Data.DataException">The options make no sense.</exception>
    /// <exception cref="TrainingDivergedException">No task of a meta-batch had a finite meta-gradient.</exception>
    /// <exception cref="OperationCanceledException">Asked to stop between two meta-steps.</exception>
    public static Measurement Take(MeasurementRequest request, CancellationToken stop)
    {
        var options = request.Options;
        options.Validate();
        LibTorchLoader.EnsureLoaded();
        set_num_threads(options.Threads);
        var source = TaskSource.Open(options, null, null, _ => { });
        var sampler = source.Sampler(options, ClassPart.Train, options.Queries, options.Seed);
        using var learner = MetaLearner.Create(options, TaskSource.Network(options));
        ProcessMemory.StartAnew();
        return request.Work == MeasuredWork.MetaStep ? MetaSteps(request, sampler, learner, stop) : Gradients(request, sampler, learner, stop);
    }

    private static Measurement MetaSteps(MeasurementRequest request, EpisodeSampler sampler, MetaLearner learner, CancellationToken stop)
    {
        var batch = request.Options.MetaBatch;
        var (resident, earlierPeak) = (ProcessMemory.Resident(), ProcessMemory.Peak());
        var seconds = new List<double>();
        for (var step = 0; step <= request.Steps; step++)
        {
            stop.ThrowIfCancellationRequested();
            seconds.Add(Seconds(() => learner.Step(sampler.Batch((long)step * batch, batch))));
            // As a training run does after each step.
            GC.Collect(0);
        }

        var peak = Peak(resident, earlierPeak);
        // The first step also paid for the libraries' start.
        var work = Count(sampler, learner, (request.Steps + 1L) * batch, batch, stop);
        return new Measurement(Environment.ProcessId, Cost(request, seconds[1..], work), resident, peak);
    }

    private static Measurement Gradients(MeasurementRequest request, EpisodeSampler sampler, MetaLearner learner, CancellationToken stop)
    {
        using var scope = NewDisposeScope();
        var (resident, earlierPeak) = (ProcessMemory.Resident(), ProcessMemory.Peak());
        var batch = sampler.Batch(0, request.Options.MetaBatch);
        // All tasks at once, as MetaLearner.Step takes them.
        var problem = new FewShotProblem(learner.Network, batch, learner.Theta.dtype);
        var theta = learner.Theta.expand(batch.Count, -1);
        void Gradient() => problem.InnerGradient(theta).Dispose();

        Gradient();
        Gradient();
        var peak = Peak(resident, earlierPeak);
        using var linearization = problem.LinearizeInner(theta);
        void Product() => linearization.HessianProduct(linearization.Gradient).Dispose();

        Product();
        var (gradients, products) = (new List<double>(), new List<double>());
        var watch = Stopwatch.StartNew();
        while (gradients.Count < request.Steps || watch.Elapsed < LeastTime)
        {
            stop.ThrowIfCancellationRequested();
            gradients.Add(Seconds(Gradient));
            products.Add(Seconds(Product));
        }

        return new Measurement(Environment.ProcessId, Cost(request, gradients, TaskWork.OneGradient), resident, peak, Cost(request, products, TaskWork.OneHessianProduct));
    }

    private static TaskCost Cost(MeasurementRequest request, IEnumerable<double> seconds, TaskWork work)
    {
        var options = request.Options;
        var image = NetworkFlops.Strided(TaskSource.Network(options).Input, options.Filters, options.Ways);
        return new TaskCost(seconds.Median() / options.MetaBatch, work, work.Flops(image, options.Ways * options.Shots, options.Ways * options.Queries));
    }

    // The counts of the meta-batch that would come next, task by task: a batch gives every task what it would get alone.
    private static TaskWork Count(EpisodeSampler sampler, MetaLearner learner, long first, int count, CancellationToken stop)
    {
        var tasks = new List<WorkCount>();
        for (var task = 0; task < count; task++)
        {
            stop.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            var space = new TensorSpace(1, learner.Theta.dtype);
            var problem = new FewShotProblem(learner.Network, sampler.Batch(first + task, 1), learner.Theta.dtype);
            tasks.AddRange(learner.CurrentMethod().Compute(space, problem, learner.Theta.unsqueeze(0)).Result.Cost(space));
        }

        return TaskWork.Mean(tasks);
    }

    private static long? Peak(long resident, long earlierPeak) => ProcessMemory.Peak() is var peak && peak > earlierPeak ? peak - resident : null;

    private static double Seconds(Action work)
    {
        var start = Stopwatch.GetTimestamp();
        work();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }
}
