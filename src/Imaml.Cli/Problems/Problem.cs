using Imaml.Theory;
using Vector = MathNet.Numerics.LinearAlgebra.Vector<double>;

namespace Imaml.Cli.Problems;

/// <summary>What a problem file says: the task, and the names that it gives to its parts.</summary>
/// <param name="Task">The two losses, Λ and θ, checked.</param>
/// <param name="InnerKind">One of <see cref="LossReader.Kinds"/>.</param>
/// <param name="OuterKind">One of <see cref="LossReader.Kinds"/>.</param>
/// <param name="RegularizerKind">One of <see cref="RegularizerReader.Kinds"/>.</param>
/// <param name="Parameters">The outer variables z where they are not θ.</param>
/// <param name="Answer">Someone's own φ and gradient, to be judged.</param>
internal sealed record Problem(BilevelTask Task, string InnerKind, string OuterKind, string RegularizerKind, OuterParameters? Parameters = null, OwnAnswer? Answer = null)
{
    /// <summary>Whether the file is of one task, and has no list of them.</summary>
    public bool IsAlone { get; init; }
}

/// <summary>Outer variables z of a general lower level.</summary>
/// <param name="Kind">One of <see cref="ParametersReader.Kinds"/>.</param>
/// <param name="Count">How many there are.</param>
/// <param name="PullBack">(φ, u) ↦ ∂_z f − Cᵀu at the file's z, and what is proved of it.</param>
internal sealed record OuterParameters(string Kind, int Count, KnownPullBack PullBack);

/// <summary>Someone's own φ and gradient: in θ, or in the parameters of the file.</summary>
internal sealed record OwnAnswer(Vector Phi, Vector Gradient);
