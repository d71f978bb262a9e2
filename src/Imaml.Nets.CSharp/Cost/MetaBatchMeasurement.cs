// Time and memory of one meta-batch. Memory is counted from just before the first meta-step, when libtorch is loaded, the images are drawn
// and θ is there: what remains is what the method takes, and what the libraries take at their first use.

using System.Diagnostics;
using Imaml.Math.Interop;
using Imaml.Nets.Learning;
using Imaml.Nets.LibTorch;
using Imaml.Nets.Methods;
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
    /// <exception cref="DataException">The options make no sense.</exception>
    /// <exception cref="TrainingDivergedException">No task of a meta-batch had a finite meta-gradient.</exception>
    /// <exception cref="OperationCanceledException">Asked to stop between two meta-steps.</exception>
    public static Measurement Take(MeasurementRequest request, CancellationToken stop)
    {
        var options = request.Options;
        options.Validate();
        var device = ComputeDevice.Open(request.Device, request.Tf32);
        var source = TaskSource.Open(options, null, null, _ => { });
        var sampler = source.Sampler(options, ClassPart.Train, options.Queries, options.Seed);
        using var learner = MetaLearner.Create(options, TaskSource.Network(options));
        learner.MoveTo(device.Device);
        ProcessMemory.StartAnew();
        return request.Work == MeasuredWork.MetaStep ? MetaSteps(request, sampler, learner, stop) : Gradients(request, sampler, learner, stop);
    }

    private static Measurement MetaSteps(MeasurementRequest request, EpisodeSampler sampler, MetaLearner learner, CancellationToken stop)
    {
        var batch = request.Options.MetaBatch;
        var memory = DeviceMemory.Of(learner.Theta.device);
        var seconds = new List<double>();
        for (var step = 0; step <= request.Steps; step++)
        {
            stop.ThrowIfCancellationRequested();
            seconds.Add(Seconds(learner, () => learner.Step(sampler.Batch((long)step * batch, batch))));
        }

        var peak = memory.Peak();
        // The first step also paid for the libraries' start.
        var work = Count(request, sampler, learner) with { QueryPasses = 1 };
        return new Measurement(Environment.ProcessId, Cost(request, learner, seconds[1..].Median(), work), memory.Before, peak);
    }

    // In chunks of tasks and by as many threads as a meta-step.
    private static Measurement Gradients(MeasurementRequest request, EpisodeSampler sampler, MetaLearner learner, CancellationToken stop)
    {
        var memory = DeviceMemory.Of(learner.Theta.device);
        var batch = sampler.Batch(0, request.Options.MetaBatch);
        for (var time = 0; time < 2; time++)
        {
            learner.InChunks(batch, (part, _) => OnChunk(learner, part, (problem, theta) =>
            {
                problem.InnerGradient(theta);
                return part.Count;
            }));
        }

        var peak = memory.Peak();
        var chunks = learner.InChunks(batch, (part, _) => OnChunk(learner, part, (problem, theta) => InTurns(learner, problem, theta, request.Steps, stop)));
        var threads = int.Min(request.Options.Threads, chunks.Length);
        return new Measurement(
            Environment.ProcessId,
            Cost(request, learner, chunks.Sum(chunk => chunk.Gradient) / threads, TaskWork.OneGradient),
            memory.Before,
            peak,
            Cost(request, learner, chunks.Sum(chunk => chunk.Product) / threads, TaskWork.OneHessianProduct));
    }

    // While the chunk is in the cache, as in a solve, and the other threads are at work: the medians.
    private static (double Gradient, double Product) InTurns(MetaLearner learner, FewShotProblem problem, Tensor theta, int times, CancellationToken stop)
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

    private static TaskCost Cost(MeasurementRequest request, MetaLearner learner, double seconds, TaskWork work)
    {
        var options = request.Options;
        return new TaskCost(seconds / options.MetaBatch, work, work.Flops(learner.Network.Flops, options.Ways * options.Shots, options.Ways * options.Queries));
    }

    // The counts of the meta-batch that would come next.
    private static TaskWork Count(MeasurementRequest request, EpisodeSampler sampler, MetaLearner learner)
    {
        var batch = sampler.Batch((long)learner.MetaStep * request.Options.MetaBatch, request.Options.MetaBatch);
        return TaskWork.Mean([.. learner.InChunks(batch, (part, first) => OnChunk(learner, part, (problem, theta) =>
        {
            var space = new TensorSpace(part.Count, learner.Theta);
            var method = Method.Create(request.Options, learner.Network, learner.Theta.unsqueeze(0), learner.Learned?.Numbers, (ulong)first);
            return method.Compute(space, problem, theta).Result.Cost(space);
        })).SelectMany(chunk => chunk)]);
    }

    private static T OnChunk<T>(MetaLearner learner, EpisodeBatch part, Func<FewShotProblem, Tensor, T> work)
    {
        using var scope = NewDisposeScope();
        return work(new FewShotProblem(learner.Network, part, learner.Theta), learner.Theta.expand(part.Count, -1));
    }

    private static double Seconds(MetaLearner learner, Action work)
    {
        var start = Stopwatch.GetTimestamp();
        work();
        ComputeDevice.WaitFor(learner.Theta.device);
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }
}
