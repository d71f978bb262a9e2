// The options of runs, side by side: every field of run.json by its path.

using System.Text.Json.Nodes;
using Imaml.Nets.Runs;

namespace Imaml.Cli.Reports;

/// <summary>One option of several runs.</summary>
/// <param name="Path">The field, as in <c>method.inner.steps</c>.</param>
/// <param name="Values">Its value in each run; null where a run does not have it.</param>
internal sealed record OptionRow(string Path, IReadOnlyList<string?> Values)
{
    private const int LongestList = 8;

    /// <summary>Whether the runs differ in it.</summary>
    public bool Differs => Values.Distinct(StringComparer.Ordinal).Count() > 1;

    /// <summary>The options of runs, in the order of their files.</summary>
    public static IReadOnlyList<OptionRow> Of(IReadOnlyList<JsonObject> runs)
    {
        Dictionary<string, string>[] each = [.. runs.Select(run => Fields("", run).ToDictionary(StringComparer.Ordinal))];
        return [.. each.SelectMany(fields => fields.Keys).Distinct(StringComparer.Ordinal).Select(path => new OptionRow(path, [.. each.Select(fields => fields.GetValueOrDefault(path))]))];
    }

    private static IEnumerable<KeyValuePair<string, string>> Fields(string path, JsonNode? node) => node switch
    {
        JsonObject { Count: > 0 } one => one.SelectMany(field => Fields(path.Length == 0 ? field.Key : $"{path}.{field.Key}", field.Value)),
        JsonArray { Count: > LongestList } list => [new(path, $"{list.Count} values")],
        null => [new(path, "–")],
        JsonValue value when value.TryGetValue<string>(out var word) => [new(path, word)],
        _ => [new(path, node.ToJsonString(RunJson.Options))],
    };
}
