using Imaml.Theory;

namespace Imaml.Cli.Problems;

/// <summary>What a problem file says: the task, and the names that it gives to its parts.</summary>
/// <param name="Task">The two losses, Λ and θ, checked.</param>
/// <param name="InnerKind">One of <see cref="LossReader.Kinds"/>.</param>
/// <param name="OuterKind">One of <see cref="LossReader.Kinds"/>.</param>
/// <param name="RegularizerKind">One of <see cref="RegularizerReader.Kinds"/>.</param>
internal sealed record Problem(BilevelTask Task, string InnerKind, string OuterKind, string RegularizerKind);
