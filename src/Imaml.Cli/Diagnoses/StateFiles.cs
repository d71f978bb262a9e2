// What was measured at one state, kept as soon as it is known: a diagnosis takes minutes a state, and one that was stopped continues after the states that are there.
//
//     state-000500.json         in the folder of the results

using System.Security.Cryptography;
using System.Text.Json;
using Imaml.Nets.Assumptions;
using Imaml.Nets.Learning;
using Imaml.Nets.LibTorch;
using Imaml.Nets.Runs;

namespace Imaml.Cli.Diagnoses;

/// <summary>The measurements of one state with what they depend on: figures of other options, data or parameters are not used.</summary>
/// <param name="Options">What was measured.</param>
/// <param name="Tasks">The run's tasks.</param>
/// <param name="StateHash">The parameters, the numbers learned with them, and the method.</param>
/// <param name="Version">The program's version and commit.</param>
/// <param name="Device">The device that computed them.</param>
/// <param name="State">The figures.</param>
internal sealed record StateFile(AssumptionOptions Options, string Tasks, string StateHash, string Version, string Device, StateAssumptions State)
{
    /// <summary>The figures of a state from its file where they fit, else measured and written there.</summary>
    public static StateAssumptions ReadOrMeasure(string folder, MetaLearner learner, string tasks, AssumptionOptions options, ComputeDevice device, Func<StateAssumptions> measure)
    {
        var path = Path.Combine(folder, $"state-{learner.MetaStep:D6}.json");
        var unmeasured = new StateFile(options, tasks, Hash(learner), Provenance.Current(device).Version, device.Description, null!);
        if (Read(path) is { } file && file with { State = null! } == unmeasured)
        {
            return file.State;
        }

        var measured = measure();
        RunFolder.WriteJson(path, unmeasured with { State = measured });
        return measured;
    }

    // SHA-256 in hexadecimal digits.
    private static string Hash(MetaLearner learner) =>
        Convert.ToHexStringLower(SHA256.HashData([.. learner.StateHash(), .. JsonSerializer.SerializeToUtf8Bytes(learner.Plan.Method, RunJson.Options)]));

    private static StateFile? Read(string path)
    {
        try
        {
            return JsonSerializer.Deserialize<StateFile>(File.ReadAllBytes(path), RunJson.Options);
        }
        catch (Exception e) when (e is IOException or JsonException)
        {
            // Missing, or of another version: it is measured anew.
            return null;
        }
    }
}
