using Imaml.Nets.Learning;

namespace Imaml.Nets.Runs;

/// <summary>Why a run has no next meta-step, which it says again whenever it is continued: the content of diverged.json.</summary>
/// <param name="MetaStep">Meta-steps made; the state after them is finite.</param>
/// <param name="Message">What <see cref="TrainingDivergedException"/> said.</param>
internal sealed record Divergence(int MetaStep, string Message)
{
    /// <summary>That of a run's folder; null where it has none, or a damaged one: training that is continued finds it again.</summary>
    public static Divergence? Read(RunFolder folder) => RunFolder.ReadJson<Divergence>(folder.DivergencePath);
}
