using System.Text.Json;
using Imaml.Nets.Learning;
using Imaml.Nets.Storage;

namespace Imaml.Nets.Runs;

/// <summary>Why a run has no next meta-step, which it says again whenever it is continued: the content of diverged.json.</summary>
/// <param name="MetaStep">Meta-steps made; the state after them is finite.</param>
/// <param name="Message">What <see cref="TrainingDivergedException"/> said.</param>
internal sealed record Divergence(int MetaStep, string Message)
{
    /// <summary>That of a run's folder, or null where it has none.</summary>
    public static Divergence? Read(RunFolder folder)
    {
        try
        {
            return File.Exists(folder.DivergencePath) ? JsonSerializer.Deserialize<Divergence>(FileContent.Whole(folder.DivergencePath), RunJson.Options) : null;
        }
        catch (JsonException)
        {
            // Training that is continued finds it again.
            return null;
        }
    }
}
