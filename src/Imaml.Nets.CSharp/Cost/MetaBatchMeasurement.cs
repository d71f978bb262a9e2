// Time and memory of one meta-batch. Memory is counted from just before the first meta-step, when libtorch is loaded, the images are drawn
// and θ is there: what remains is what the method takes, and what the libraries take at their first use.

using System.Diagnostics;
using Imaml.Math;
using Imaml.Nets.Learning;
using Imaml.Nets.LibTorch;
using Imaml.Nets.Models;
using Imaml.Nets.Runs;
using Imaml.Nets.Storage;
using Imaml.Nets.Tasks;
using Imaml.Nets.Tensors;
using MathNet.Numerics.Statistics;
using static TorchSharp.torch;

namespace Imaml.Nets.Cost;

/// <summary>Takes a <see cref="Measurement"/> in the process that it runs in.</summary>
public static class MetaBatchMeasurement
{
    // A chunk's gradient is over in milliseconds: it is repeated for as long as this.
    private static readonly TimeSpan LeastTime = TimeSpan.FromSeconds(0.2);

    /// <summary>Measures, in this process.</summary>
    /// <exception cref="ExperimentException">The experiment makes no sense.</exception>
    /// <exception cref="TrainingDivergedException">No task of a meta-batch had a finite meta-gradient.</exception>
    /// <exception cref="OperationCanceledException">Asked to stop between two meta-steps.</exception>
    public static Measurement Take(MeasurementRequest request, CancellationToken stop)
    {
        var experiment = request.Experiment;
        experiment.Validate();
        var device = ComputeDevice.Open(request.Device, request.Tf32);
        var (images, network) = BuiltIn.Open(experiment);
        using var learner = MetaLearner.Create(experiment.Plan, LearningProblem.Of(images, new ImageClassifier(network)), request.Threads);
        learner.MoveTo(device.Device);
        ProcessMemory.StartAnew();
        var measured = new Measured(request, images, network, learner);
        return request.Work == MeasuredWork.MetaStep ? MetaSteps(measured, stop) : Gradients(measured, stop);
    }

    /// <summary>What is measured.</summary>
    private sealed record Measured(MeasurementRequest Request, ImageTasks Images, Network Network, MetaLearner Learner)
    {
        public TaskRange Tasks(int step) => new(ClassPart.Train, Learner.Plan.Seed, (long)step * Learner.Plan.MetaBatch, Learner.Plan.MetaBatch);
    }

    private static Measurement MetaSteps(Measured measured, CancellationToken stop)
    {
        var learner = measured.Learner;
        var memory = DeviceMemory.Of(learner.Theta.device);
        var seconds = new List<double>();
        var statuses = new List<TaskStatuses>();
        for (var step = 0; step <= measured.Request.Steps; step++)
        {
            stop.ThrowIfCancellationRequested();
            seconds.Add(Seconds(learner, () => statuses.Add(learner.Step(measured.Tasks(step)).Ended!)));
        }

        var peak = memory.Peak();
        // The first step also paid for the libraries' start.
        var work = Count(measured) with { QueryPasses = 1 };
        return new Measurement(Environment.ProcessId, Cost(measured, seconds[1..].Median(), work), memory.Before, peak, Statuses: TaskStatuses.Sum(statuses));
    }

    // In chunks of tasks and by as many threads as a meta-step.
    private static Measurement Gradients(Measured measured, CancellationToken stop)
    {
        var (request, learner) = (measured.Request, measured.Learner);
        var memory = DeviceMemory.Of(learner.Theta.device);
        var batch = measured.Tasks(0);
        for (var time = 0; time < 2; time++)
        {
            learner.InChunks(batch, part => OnChunk(learner, part, (problem, theta) =>
            {
                problem.InnerGradient(theta);
                return part.Count;
            }));
        }

        var peak = memory.Peak();
        var chunks = learner.InChunks(batch, part => OnChunk(learner, part, (problem, theta) => InTurns(learner, problem, theta, request.Steps, stop)));
        var threads = int.Min(request.Threads, chunks.Length);
        return new Measurement(
            Environment.ProcessId,
            Cost(measured, chunks.Sum(chunk => chunk.Gradient) / threads, TaskWork.OneGradient),
            memory.Before,
            peak,
            Cost(measured, chunks.Sum(chunk => chunk.Product) / threads, TaskWork.OneHessianProduct));
    }

    // While the chunk is in the cache, as in a solve, and the other threads are at work: the medians.
    private static (double Gradient, double Product) InTurns(MetaLearner learner, IBilevelProblem<Tensor, Tensor> problem, Tensor theta, int times, CancellationToken stop)
    {
        using var linearization = problem.LinearizeInner(theta);
        var (gradients, products) = (new List<double>(), new List<double>());
        linearization.HessianProduct(linearization.Gradient).Dispose();
        var start = Stopwatch.GetTimestamp();
        while (gradients.Count < times || Stopwatch.GetElapsedTime(start) < LeastTime)
        {
            stop.ThrowIfCancellationRequested();
            gradients.Add(Seconds(learner, () => problem.InnerGradient(theta).Dispose()));
            products.Add(Seconds(learner, () => linearization.HessianProduct(linearization.Gradient).Dispose()));
        }

        return (gradients.Median(), products.Median());
    }

    private static TaskCost Cost(Measured measured, double seconds, TaskWork work)
    {
        var images = measured.Images;
        return new TaskCost(seconds / measured.Learner.Plan.MetaBatch, work, work.Flops(measured.Network.Flops, images.Ways * images.Shots, images.Ways * images.Queries));
    }

    // The counts of the meta-batch that would come next.
    private static TaskWork Count(Measured measured)
    {
        var learner = measured.Learner;
        return TaskWork.Mean([.. learner.InChunks(measured.Tasks(learner.MetaStep), part => OnChunk(learner, part, (problem, theta) =>
        {
            var space = new TensorSpace(part.Count, learner.Theta);
            return learner.CurrentMethod(part.First).Compute(space, problem, theta).Cost(space);
        })).SelectMany(chunk => chunk)]);
    }

    private static T OnChunk<T>(MetaLearner learner, TaskRange part, Func<IBilevelProblem<Tensor, Tensor>, Tensor, T> work)
    {
        using var scope = NewDisposeScope();
        return work(learner.Problem.Problem(part, learner.Theta), learner.Theta.expand(part.Count, -1));
    }

    private static double Seconds(MetaLearner learner, Action work)
    {
        var start = Stopwatch.GetTimestamp();
        work();
        ComputeDevice.WaitFor(learner.Theta.device);
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }
}
