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

    /// <summary>Requires that a folder holds no measurements that these would replace: with other options, or of states that are not among these.</summary>
    /// <exception cref="CheckpointException">It does.</exception>
    public static void RequireNoOthers(string folder, AssumptionOptions options, IReadOnlyList<int> states)
    {
        var measured = Directory.Exists(folder)
            ? Directory.EnumerateFiles(folder, "state-*.json").Order(StringComparer.Ordinal).Select(Read).OfType<StateFile>().Select(file => (file.Options, file.State.MetaStep)).Concat(Reported(folder)).ToArray()
            : [];
        if (Array.Find(measured, one => one.Options != options) is { Options: { } other })
        {
            throw new CheckpointException($"{folder} holds a diagnosis with other options ({Difference(other, options)}); repeat them, or name another folder with --out");
        }

        if (measured.Select(one => one.MetaStep).Except(states).Distinct().ToArray() is [_, ..] left)
        {
            throw new CheckpointException($"{folder} holds a diagnosis of the states {string.Join(", ", left)} too; add them to --states, or name another folder with --out");
        }
    }

    private static string Difference(AssumptionOptions old, AssumptionOptions now) => string.Join(", ",
        typeof(AssumptionOptions).GetProperties().Select(one => (one.Name, Old: one.GetValue(old), Now: one.GetValue(now))).Where(one => !Equals(one.Old, one.Now))
            .Select(one => $"{JsonNamingPolicy.CamelCase.ConvertName(one.Name)} {one.Old} → {one.Now}"));

    // The options and the states of diagnosis.json.
    private static IEnumerable<(AssumptionOptions Options, int MetaStep)> Reported(string folder) =>
        RunFolder.ReadJson<DiagnosedStates>(Path.Combine(folder, "diagnosis.json")) is { Options: { } options, States: { } states } ? states.OfType<DiagnosedState>().Select(state => (options, state.MetaStep)) : [];

    private sealed record DiagnosedStates(AssumptionOptions? Options, IReadOnlyList<DiagnosedState?>? States);

    private sealed record DiagnosedState(int MetaStep);

    // SHA-256 in hexadecimal digits.
    private static string Hash(MetaLearner learner) =>
        Convert.ToHexStringLower(SHA256.HashData([.. learner.StateHash(), .. JsonSerializer.SerializeToUtf8Bytes(learner.Plan.Method, RunJson.Options)]));

    // Null where it is missing, damaged or of another version: it is measured anew.
    private static StateFile? Read(string path) => RunFolder.ReadJson<StateFile>(path) is { Options: not null, State: not null } file ? file : null;
}
