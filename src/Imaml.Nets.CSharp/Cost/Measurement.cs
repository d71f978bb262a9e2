// Time and memory of one meta-batch, and what its tasks evaluate. The process's memory is counted from just before the first meta-step, when libtorch is
// loaded, the images are drawn and θ is there. The rest is what the method takes, what the libraries take at their first use, and what the allocator and the
// runtime keep. The bytes of its tensors alone are counted afterwards, on chunks of tasks that are computed one after the other.
//
// Floating-point operations are the counts of the core's own records (MetaGradient.Cost) times what one evaluation costs an image. Operations on
// parameter vectors are not counted: a few for each parameter and evaluation, against hundreds.

using System.Diagnostics;
using System.Text.Json.Serialization;
using Imaml.Math;
using Imaml.Nets.Learning;
using Imaml.Nets.LibTorch;
using Imaml.Nets.Models;
using Imaml.Nets.Runs;
using Imaml.Nets.Storage;
using Imaml.Nets.Tasks;
using Imaml.Nets.Tensors;
using MathNet.Numerics.Statistics;
using TorchSharp;
using static TorchSharp.torch;

namespace Imaml.Nets.Cost;

/// <summary>What is measured of a meta-batch.</summary>
public enum MeasuredWork
{
    /// <summary>Meta-steps as training makes them.</summary>
    MetaStep,

    /// <summary>One gradient of the support loss at θ for every task; and, for its time alone, one Hessian–vector product.</summary>
    Gradient,
}

/// <summary>One measurement, which needs a process of its own: its peak memory is the process's.</summary>
/// <param name="Experiment">The run whose meta-batch is measured.</param>
/// <param name="Threads">Threads that share out the tasks.</param>
/// <param name="Work">What of it.</param>
/// <param name="Steps">Meta-steps that are measured after the time of one has settled; for a gradient the minimum number of repetitions.</param>
/// <param name="Device">Where, by its name on the command line.</param>
/// <param name="Tf32">Whether a GPU may compute in TF32.</param>
public sealed record MeasurementRequest(Experiment Experiment, int Threads, MeasuredWork Work, int Steps, string Device = ComputeDevice.ProcessorName, bool Tf32 = false);

/// <summary>How often one task evaluates what; means where tasks differ.</summary>
/// <param name="Gradients">∇L̂ on the support images; a linearization counts as one.</param>
/// <param name="HessianProducts">∇²L̂·w on the support images.</param>
/// <param name="Losses">L̂ alone, on the support images.</param>
/// <param name="OuterGradients">∇L on the query images.</param>
/// <param name="QueryPasses">Forward passes over the query images that are made for the accuracy alone, which a meta-step reports.</param>
public sealed record TaskWork(double Gradients, double HessianProducts, double Losses, double OuterGradients, double QueryPasses = 0)
{
    /// <summary>One gradient of the support loss.</summary>
    public static TaskWork OneGradient { get; } = new(1, 0, 0, 0);

    /// <summary>One Hessian–vector product at a point whose gradient is known.</summary>
    public static TaskWork OneHessianProduct { get; } = new(0, 1, 0, 0);

    /// <summary>The mean over these tasks, of which there is at least one.</summary>
    public static TaskWork Mean(IReadOnlyCollection<WorkCount> tasks) => new(
        tasks.Average(task => task.Gradients),
        tasks.Average(task => task.HessianProducts),
        tasks.Average(task => task.Losses),
        tasks.Average(task => task.OuterGradients));

    /// <summary>Floating-point operations of the task.</summary>
    /// <param name="image">Those of the network for one image.</param>
    /// <param name="supportImages">N·K.</param>
    /// <param name="queryImages">N·Q.</param>
    internal double Flops(NetworkFlops image, int supportImages, int queryImages) =>
        (supportImages * ((Gradients * image.Gradient) + (HessianProducts * image.HessianProduct) + (Losses * image.Forward)))
        + (queryImages * ((OuterGradients * image.Gradient) + (QueryPasses * image.Forward)));
}

/// <summary>What one task of a meta-batch takes.</summary>
/// <param name="Seconds">Wall seconds of the meta-batch over its tasks, by medians of the repetitions; of a meta-step, drawing its episodes included; of a gradient or product, the chunks' seconds over the threads, as if these shared them evenly.</param>
/// <param name="Work">What the task evaluates.</param>
/// <param name="Flops">What that is in floating-point operations.</param>
/// <param name="Use">Processor time and page faults, the mean over the repetitions; of a meta-step those of the process; null where the system does not report them.</param>
public sealed record TaskCost(double Seconds, TaskWork Work, double Flops, ProcessorUse? Use = null);

/// <summary>What a meta-batch took, in the process that it was measured in.</summary>
/// <param name="ProcessId">The process.</param>
/// <param name="Task">One task's share.</param>
/// <param name="ResidentBytes">Memory just before the first meta-step: the process's resident one, or what is taken of the GPU's.</param>
/// <param name="PeakBytes">Its peak less that; null where the system reports none, or only an earlier one.</param>
/// <param name="Statuses">How the tasks' solves ended in the meta-steps that are timed; where some are not finite, what they took is not what training takes. Null where a gradient is measured.</param>
/// <param name="HessianProduct">One Hessian–vector product, where one gradient is measured; both at the same point, in turns.</param>
/// <param name="TensorBytes">Peak bytes of the tensors of one chunk of tasks: each thread works on one chunk at a time. Counted, so it does not depend on allocator, runtime or threads; null where they cannot be counted, as on a GPU.</param>
/// <param name="MatrixMultiplyGflops">10⁹ float32 operations per second of matrix multiplication, by as many threads, right after the repetitions.</param>
/// <param name="WarmUp">What came before the repetitions; null where a gradient is measured.</param>
public sealed record Measurement(
    int ProcessId,
    TaskCost Task,
    long ResidentBytes,
    long? PeakBytes,
    TaskCost? HessianProduct = null,
    TaskStatuses? Statuses = null,
    long? TensorBytes = null,
    double MatrixMultiplyGflops = double.NaN,
    WarmUpReport? WarmUp = null)
{
    // A chunk's gradient takes milliseconds: it is repeated for as long as this.
    private static readonly TimeSpan LeastTime = TimeSpan.FromSeconds(0.2);

    /// <summary>Tasks whose inner solve or meta-gradient is not finite.</summary>
    [JsonIgnore]
    public int NotFinite => Statuses?.NotFinite ?? 0;

    /// <summary>Measures a meta-batch, in this process.</summary>
    /// <exception cref="ExperimentException">The experiment is invalid.</exception>
    /// <exception cref="TrainingDivergedException">No task of a meta-batch had a finite meta-gradient.</exception>
    /// <exception cref="OperationCanceledException">Asked to stop between two meta-steps.</exception>
    public static Measurement Take(MeasurementRequest request, CancellationToken stop = default)
    {
        var experiment = request.Experiment;
        experiment.Validate();
        var device = ComputeDevice.Open(request.Device, request.Tf32);
        var (images, model) = experiment.Open();
        var problem = LearningProblem.Of(images, model);
        MetaLearner Begin()
        {
            var learner = MetaLearner.Create(experiment.Plan, problem, request.Threads);
            learner.MoveTo(device.Device);
            return learner;
        }

        using var learner = Begin();
        ProcessMemory.StartAnew();
        var measured = new Measured(request, images, model, learner, Begin);
        return request.Work == MeasuredWork.MetaStep ? MetaSteps(measured, stop) : Gradients(measured, stop);
    }

    /// <summary>What is measured.</summary>
    private sealed record Measured(MeasurementRequest Request, ImageTasks Images, ImageClassifier Model, MetaLearner Learner, Func<MetaLearner> Begin)
    {
        public TaskRange Tasks(int step) => new(ClassPart.Train, Learner.Plan.Seed, (long)step * Learner.Plan.MetaBatch, Learner.Plan.MetaBatch);
    }

    private static Measurement MetaSteps(Measured measured, CancellationToken stop)
    {
        var (request, learner) = (measured.Request, measured.Learner);
        var memory = DeviceMemory.Of(learner.Theta.device);
        var statuses = new List<TaskStatuses>();
        double Step(MetaLearner one)
        {
            stop.ThrowIfCancellationRequested();
            return Seconds(one, () => statuses.Add(one.Step(measured.Tasks(one.MetaStep)).Ended!));
        }

        // The first step of a learner of its own each time, so that the steps that are timed do not depend on how long this takes.
        var warmUp = new WarmUp();
        do
        {
            using var one = measured.Begin();
            warmUp.Add(Step(one));
        }
        while (!warmUp.Over);
        statuses.Clear();

        var before = ProcessorUse.OfProcess();
        double[] seconds = [.. Enumerable.Range(0, request.Steps).Select(_ => Step(learner))];
        var use = before is null ? null : ProcessorUse.OfProcess()?.Since(before, (double)request.Steps * learner.Plan.MetaBatch);
        var peak = memory.Peak();
        var rate = Throughput.Of(learner.Theta.device, request.Threads).Gflops;
        var (work, bytes) = Count(measured);
        return new Measurement(
            Environment.ProcessId, Cost(measured, seconds.Median(), work with { QueryPasses = 1 }, use), memory.Before, peak, Statuses: TaskStatuses.Sum(statuses),
            TensorBytes: bytes, MatrixMultiplyGflops: rate, WarmUp: warmUp.Report);
    }

    // In chunks of tasks and by as many threads as a meta-step.
    private static Measurement Gradients(Measured measured, CancellationToken stop)
    {
        var (request, learner) = (measured.Request, measured.Learner);
        var memory = DeviceMemory.Of(learner.Theta.device);
        var batch = measured.Tasks(0);
        int Gradient(TaskRange part) => OnChunk(learner, part, (problem, theta) =>
        {
            problem.InnerGradient(theta);
            return part.Count;
        });
        for (var time = 0; time < 2; time++)
        {
            learner.Batch.InChunks(batch, Gradient);
        }

        var peak = memory.Peak();
        var chunks = learner.Batch.InChunks(batch, part => OnChunk(learner, part, (problem, theta) => InTurns(learner, problem, theta, request.Steps, stop)));
        var rate = Throughput.Of(learner.Theta.device, request.Threads).Gflops;
        var (_, bytes) = OneAtATime(measured, Gradient);
        var threads = int.Min(request.Threads, chunks.Length);
        TaskCost Mean(Func<Turns, Turn> which, TaskWork work)
        {
            Turn[] all = [.. chunks.Select(which)];
            var use = all.Any(one => one.Use is null) ? null : new ProcessorUse(all.Sum(one => one.Use!.CpuSeconds), all.Sum(one => one.Use!.PageFaults)).Since(new ProcessorUse(0, 0), learner.Plan.MetaBatch);
            return Cost(measured, all.Sum(one => one.Seconds) / threads, work, use);
        }

        return new Measurement(
            Environment.ProcessId, Mean(turns => turns.Gradient, TaskWork.OneGradient), memory.Before, peak, Mean(turns => turns.Product, TaskWork.OneHessianProduct),
            TensorBytes: bytes, MatrixMultiplyGflops: rate);
    }

    /// <summary>What one of the two took on a chunk: the median of its times, the mean of its use.</summary>
    private sealed record Turn(double Seconds, ProcessorUse? Use);

    private sealed record Turns(Turn Gradient, Turn Product);

    // While the chunk is in the cache, as in a solve, and the other threads are at work.
    private static Turns InTurns(MetaLearner learner, IBilevelProblem<Tensor, Tensor> problem, Tensor theta, int times, CancellationToken stop)
    {
        using var linearization = problem.LinearizeInner(theta);
        var (gradients, products) = (new List<Turn>(), new List<Turn>());
        Turn Taken(Func<Tensor> work)
        {
            var before = ProcessorUse.OfThread();
            var seconds = Seconds(learner, () => work().Dispose());
            return new Turn(seconds, before is null ? null : ProcessorUse.OfThread()?.Since(before, 1));
        }

        Turn Gradient() => Taken(() => problem.InnerGradient(theta));
        Turn Product() => Taken(() => linearization.HessianProduct(linearization.Gradient));
        Product();
        var start = Stopwatch.GetTimestamp();
        while (gradients.Count < times || Stopwatch.GetElapsedTime(start) < LeastTime)
        {
            stop.ThrowIfCancellationRequested();
            gradients.Add(Gradient());
            products.Add(Product());
        }

        static Turn Typical(List<Turn> all) => new(
            all.Select(one => one.Seconds).Median(),
            all[0].Use is null ? null : new ProcessorUse(all.Average(one => one.Use!.CpuSeconds), all.Average(one => one.Use!.PageFaults)));
        return new Turns(Typical(gradients), Typical(products));
    }

    private static TaskCost Cost(Measured measured, double seconds, TaskWork work, ProcessorUse? use)
    {
        var (images, model) = (measured.Images, measured.Model);
        // Inductive, the support images pass through the network with the query images.
        var outer = images.Queries + (model.BatchNorm == BatchNormMode.Inductive ? images.Shots : 0);
        return new TaskCost(seconds / measured.Learner.Plan.MetaBatch, work, work.Flops(model.Network.Flops, images.Ways * images.Shots, images.Ways * outer), use);
    }

    // The counts of the meta-batch that would come next, and the bytes of its tensors.
    private static (TaskWork Work, long? TensorBytes) Count(Measured measured)
    {
        var learner = measured.Learner;
        var (tasks, bytes) = OneAtATime(measured, part => OnChunk(learner, part, (problem, theta) =>
        {
            var space = new TensorSpace(part.Count, learner.Theta);
            return learner.CurrentMethod(part.First).Compute(space, problem, theta).Cost(space);
        }));
        return (TaskWork.Mean([.. tasks.SelectMany(chunk => chunk)]), bytes);
    }

    /// <summary>Work on the chunks of the next meta-batch, one chunk after the other, and the peak bytes of the tensors of one of them.</summary>
    private static (T[] Results, long? TensorBytes) OneAtATime<T>(Measured measured, Func<TaskRange, T> work)
    {
        var learner = measured.Learner;
        var chunks = learner.Batch.InChunks(measured.Tasks(learner.MetaStep), part => TensorMemory.During(() => work(part)));
        var counted = learner.Theta.device_type == DeviceType.CPU;
        return ([.. chunks.Select(chunk => chunk.Result)], counted ? chunks.Max(chunk => chunk.Bytes) : null);
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
