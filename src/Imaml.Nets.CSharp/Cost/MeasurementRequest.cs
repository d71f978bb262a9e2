
using Imaml.Nets.LibTorch;
using Imaml.Nets.Runs;

namespace Imaml.Nets.Cost;

/// <summary>What is measured of a meta-batch.</summary>
public enum MeasuredWork
{
    /// <summary>Meta-steps as training makes them.</summary>
    MetaStep,

    /// <summary>One gradient of the support loss at θ for every task; and beside it, in time alone, one Hessian–vector product.</summary>
    Gradient,
}

/// <summary>One measurement, which wants a process of its own: its peak memory is the process's.</summary>
/// <param name="Experiment">The run whose meta-batch is measured.</param>
/// <param name="Threads">Threads that share out the tasks.</param>
/// <param name="Work">What of it.</param>
/// <param name="Steps">Meta-steps that are measured after one that is not; for a gradient the least number of repetitions.</param>
/// <param name="Device">Where, by its name on the command line.</param>
/// <param name="Tf32">Whether a GPU may compute in TF32.</param>
public sealed record MeasurementRequest(Experiment Experiment, int Threads, MeasuredWork Work, int Steps, string Device = ComputeDevice.ProcessorName, bool Tf32 = false);
