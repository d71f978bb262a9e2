using System.Text.Json.Nodes;

namespace Imaml.Cli.Commands;

/// <summary>An experiment as a JSON tree, whose fields are named by paths such as <c>method.inner.steps</c>.</summary>
internal static class ExperimentTree
{
    /// <summary>The field, or null where it is missing.</summary>
    public static JsonNode? Find(this JsonObject tree, string path) =>
        path.Split('.').Aggregate((JsonNode?)tree, (node, name) => node is JsonObject one && one.TryGetPropertyValue(name, out var value) ? value : null);

    /// <summary>The word in a field, or null where it is missing.</summary>
    public static string? Kind(this JsonObject tree, string path) => tree.Find(path)?.GetValue<string>();

    /// <summary>Sets a field, and makes the objects that it is in.</summary>
    public static void Set(this JsonObject tree, string path, JsonNode? value)
    {
        var names = path.Split('.');
        var node = tree;
        foreach (var name in names[..^1])
        {
            if (node[name] is not JsonObject next)
            {
                node[name] = next = [];
            }

            node = next;
        }

        node[names[^1]] = value;
    }

    /// <summary>Sets a field that is missing; a null changes nothing.</summary>
    public static void SetIfMissing(this JsonObject tree, string path, JsonNode? value)
    {
        if (value is not null && tree.Find(path) is null)
        {
            tree.Set(path, value);
        }
    }

    /// <summary>Whether a path is that of a part or of a field in it.</summary>
    public static bool Within(string path, string part) => path == part || path.StartsWith(part + ".", StringComparison.Ordinal);
}
