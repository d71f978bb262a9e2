using System.Text.Json.Serialization;
using Imaml.Nets.Learning;

namespace Imaml.Nets.Cost;

/// <summary>What one task of a meta-batch takes.</summary>
/// <param name="Seconds">Wall seconds of the meta-batch over its tasks, by medians of the repetitions; of a meta-step, drawing its episodes included; of a gradient or product, the chunks' seconds over the threads, as if these shared them evenly.</param>
/// <param name="Work">What the task evaluates.</param>
/// <param name="Flops">What that is in floating-point operations.</param>
public sealed record TaskCost(double Seconds, TaskWork Work, double Flops);

/// <summary>What a meta-batch took, in the process that it was measured in.</summary>
/// <param name="ProcessId">The process.</param>
/// <param name="Task">One task's share.</param>
/// <param name="ResidentBytes">Memory just before the first meta-step: the process's resident one, or what is taken of the GPU's.</param>
/// <param name="PeakBytes">Its peak less that; null where the system knows none, or none but an earlier one.</param>
/// <param name="Statuses">How the tasks' solves ended in all meta-steps made; where some are not finite, what they took is not what training takes. Null where a gradient is measured.</param>
/// <param name="HessianProduct">One Hessian–vector product, where one gradient is measured; both at the same point, in turns.</param>
public sealed record Measurement(int ProcessId, TaskCost Task, long ResidentBytes, long? PeakBytes, TaskCost? HessianProduct = null, TaskStatuses? Statuses = null)
{
    /// <summary>Tasks whose inner solve or meta-gradient is not finite.</summary>
    [JsonIgnore]
    public int NotFinite => Statuses?.NotFinite ?? 0;
}
