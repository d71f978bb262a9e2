
using Imaml.Nets.Tasks;

namespace Imaml.Nets.Assumptions;

/// <summary>What <c>imaml diagnose</c> looks at, and how closely.</summary>
public sealed record AssumptionOptions
{
    /// <summary>Lanczos steps that show both ends of a spectrum whose outer eigenvalues stand apart.</summary>
    public const int DefaultLanczosSteps = 40;

    /// <summary>Up to this many parameters the reference's linear system is solved by its dense matrix.</summary>
    public const int LargestDense = 1000;

    /// <summary>
    /// The chance that a statement on spectra is wrong: of one task's where it speaks of a task, of any task's where it speaks of all of a state together,
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
