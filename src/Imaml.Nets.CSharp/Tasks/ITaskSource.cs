// Where tasks come from. A task is a pure function of (part, seed, number): training is resumed by a number, evaluation uses the same tasks in
// every run, and threads may draw tasks in parallel.

namespace Imaml.Nets.Tasks;

/// <summary>A part of the tasks. The parts are disjoint: a class of images is in one part only.</summary>
public enum ClassPart
{
    /// <summary>To train on.</summary>
    Train,

    /// <summary>To choose options by.</summary>
    Validation,

    /// <summary>To report on, and to use once.</summary>
    Test,
}

/// <summary>Consecutive tasks.</summary>
/// <param name="Part">Of which part.</param>
/// <param name="Seed">Tasks of different seeds are independent.</param>
/// <param name="First">The number of the first one, from 0.</param>
/// <param name="Count">How many, at least 1.</param>
public sealed record TaskRange(ClassPart Part, ulong Seed, long First, int Count)
{
    /// <summary>Tasks first … first + count − 1 of these.</summary>
    public TaskRange Slice(int first, int count) => this with { First = First + first, Count = count };
}

/// <summary>Tasks by number.</summary>
/// <typeparam name="TTasks">B tasks at once, in the form that the model takes: images with labels, numbers, anything.</typeparam>
public interface ITaskSource<out TTasks>
{
    /// <summary>What determines the tasks: data, division, sizes. A run is resumed on the same identity alone, and result files carry it.</summary>
    string Identity { get; }

    /// <summary>Whether there are tasks of the part. Validation may be missing.</summary>
    bool Has(ClassPart part) => true;

    /// <summary>Examples that a task is adapted to: with few of them many tasks are computed at once.</summary>
    int SupportExamples { get; }

    /// <summary>The tasks of a range, a function of it alone; called from several threads.</summary>
    TTasks Take(TaskRange range);
}
