// Experiments as JSON. A file is held against the types that it describes before it is read, so that all fields that are missing, misspelt or of
// another type are reported together; the types' own contracts (System.Text.Json) say which fields there are.

using System.Reflection;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Imaml.Nets.Learning;
using Imaml.Nets.Methods;
using Imaml.Nets.Models;
using Imaml.Nets.Storage;
using Imaml.Nets.Tasks;

namespace Imaml.Nets.Runs;

/// <summary>How JSON is written: readable names, numbers to the last bit, and infinities as words.</summary>
internal static class RunJson
{
    /// <summary>One line, for logs and headers.</summary>
    public static readonly JsonSerializerOptions Options = Create(JsonNamingPolicy.KebabCaseLower, indented: false);

    /// <summary>Indented, for result files.</summary>
    public static readonly JsonSerializerOptions Indented = Create(JsonNamingPolicy.KebabCaseLower, indented: true);

    /// <summary>Options whose enumerations are words by a naming policy.</summary>
    public static JsonSerializerOptions Create(JsonNamingPolicy words, bool indented) => new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        WriteIndented = indented,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        AllowOutOfOrderMetadataProperties = true,
        TypeInfoResolver = new DefaultJsonTypeInfoResolver { Modifiers = { LeaveOutIgnored } },
        Converters = { new JsonStringEnumConverter(words, allowIntegerValues: false) },
    };

    /// <summary>A document of a type, all of whose fields are there and of their types. Fields that the type does not have are ignored.</summary>
    /// <exception cref="JsonException">With all that is wrong.</exception>
    public static T Whole<T>(ReadOnlySpan<byte> json)
    {
        try
        {
            var tree = JsonNode.Parse(json, documentOptions: new JsonDocumentOptions { AllowDuplicateProperties = false }) as JsonObject ?? throw new JsonException("it is no JSON object");
            var faults = ExperimentFile.OfObject(tree, typeof(T), "").Where(one => one.Kind != ComplaintKind.Unknown).ToArray();
            return faults.Length > 0 ? throw new JsonException(string.Join("; ", (object[])faults)) : tree.Deserialize<T>(Options)!;
        }
        catch (Exception e) when (e is NotSupportedException or InvalidOperationException or ArgumentException)
        {
            throw new JsonException(e.Message, e);
        }
    }

    /// <summary>What is wrong with a document, in words that name no type of this program.</summary>
    public static string Describe(JsonException e)
    {
        ArgumentNullException.ThrowIfNull(e);
        // System.Text.Json's own reader has an exception of its own, which a deserializer wraps.
        var isSyntax = e.InnerException is JsonException || e.GetType() != typeof(JsonException);
        var place = e.LineNumber is { } line ? $" at line {line + 1}" : "";
        return e switch
        {
            _ when e.Message.Contains("does not contain any JSON tokens", StringComparison.Ordinal) => "it is empty",
            _ when isSyntax => $"it is not JSON{place}",
            { Path: null or "" } => e.Message.Split('\n')[0].TrimEnd('.'),
            _ when e.Message.Split("including: ") is [_, var missing] => $"it lacks {missing.Split('.')[0]}",
            { Path: "$" } => "it holds something else",
            { Path: var path } => $"{path.TrimStart('$', '.')} is not what it should be{place}",
        };
    }

    // System.Text.Json does not look for the attribute at what a property overrides. One that has a JSON name of its own is written all the same.
    private static void LeaveOutIgnored(JsonTypeInfo type)
    {
        foreach (var property in type.Properties.Where(one => one.AttributeProvider is PropertyInfo info && Attribute.GetCustomAttribute(info, typeof(JsonIgnoreAttribute), inherit: true) is JsonIgnoreAttribute { Condition: JsonIgnoreCondition.Always } && !Attribute.IsDefined(info, typeof(JsonPropertyNameAttribute), inherit: false)).ToArray())
        {
            type.Properties.Remove(property);
        }
    }
}

/// <summary>Reads and writes experiments, and opens those that come with the program.</summary>
public static class ExperimentFile
{
    /// <summary>The name of the field that says which record a part is.</summary>
    internal const string Kind = "kind";

    // Which some editors put before the text.
    private const char ByteOrderMark = '\uFEFF';

    /// <summary>The experiment as indented JSON.</summary>
    public static string Write(Experiment experiment)
    {
        ArgumentNullException.ThrowIfNull(experiment);
        return JsonSerializer.Serialize(experiment, RunJson.Indented) + "\n";
    }

    /// <summary>Reads a file.</summary>
    /// <exception cref="ExperimentException">With the file's name and all that is wrong in it.</exception>
    /// <exception cref="IOException">There is no such file, or it cannot be read.</exception>
    public static Experiment Read(string path) => Parse(Encoding.UTF8.GetString(FileContent.Whole(path)), path);

    /// <summary>Reads JSON text.</summary>
    /// <param name="json">The text.</param>
    /// <param name="origin">The name that messages give it, or null.</param>
    /// <exception cref="ExperimentException">With all that is wrong.</exception>
    public static Experiment Parse(string json, string? origin = null) => Of(Tree(json, origin), origin);

    /// <summary>The text as a tree.</summary>
    /// <exception cref="ExperimentException">It is no JSON object.</exception>
    internal static JsonObject Tree(string json, string? origin = null)
    {
        ArgumentNullException.ThrowIfNull(json);
        JsonNode? tree;
        try
        {
            tree = JsonNode.Parse(json.TrimStart(ByteOrderMark), documentOptions: new JsonDocumentOptions { AllowDuplicateProperties = false });
            // Half of a surrogate pair is found by whoever reads the text.
            _ = tree?.ToJsonString(RunJson.Options);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or ArgumentException)
        {
            if (string.IsNullOrWhiteSpace(json))
            {
                throw new ExperimentException([new Complaint("the text", "is empty")], origin);
            }

            var place = (e as JsonException)?.LineNumber is { } line ? $"line {line + 1}" : "the text";
            throw new ExperimentException([new Complaint(place, $"is not JSON ({e.Message.Split(" LineNumber")[0].ReplaceLineEndings(" ").TrimEnd('.')})")], origin);
        }

        return tree as JsonObject ?? throw new ExperimentException([new Complaint("an experiment", "must be a JSON object")], origin);
    }

    /// <summary>The experiment that a tree describes.</summary>
    /// <exception cref="ExperimentException">With all that is wrong.</exception>
    internal static Experiment Of(JsonObject tree, string? origin = null)
    {
        var complaints = Complaints(tree);
        if (complaints.Count == 0)
        {
            var experiment = tree.Deserialize<Experiment>(RunJson.Options)!;
            complaints = experiment.Complaints();
            if (complaints.Count == 0)
            {
                return experiment;
            }
        }

        else
        {
            complaints = [.. complaints, .. OfWholeParts(tree, complaints)];
        }

        throw new ExperimentException(complaints, origin);
    }

    // Parts of the right form are asked for their faults even where another part's form is wrong.
    private static IEnumerable<Complaint> OfWholeParts(JsonObject tree, IReadOnlyList<Complaint> form)
    {
        IEnumerable<Complaint> Of<T>(string part, Func<T, IEnumerable<Complaint>> complaints) =>
            form.Any(one => one.Field == part || one.Field.StartsWith(part + ".", StringComparison.Ordinal))
                ? []
                : complaints(tree[part].Deserialize<T>(RunJson.Options)!).Select(one => one.In(part));
        return
        [
            .. Of<TaskSpec>("tasks", one => one.Complaints()), .. Of<NetworkSpec>("network", one => one.Complaints()), .. Of<Method>("method", one => one.Complaints()),
            .. Of<Outer>("outer", one => one.Complaints()), .. Of<Budget>("budget", one => one.Complaints()),
        ];
    }

    /// <summary>Whether an experiment that a file was read into has all of its parts, and makes sense.</summary>
    internal static bool IsSound(Experiment read)
    {
        try
        {
            return JsonSerializer.SerializeToNode(read, RunJson.Options) is JsonObject tree && Complaints(tree).Count == 0 && read.Complaints().Count == 0;
        }
        catch (Exception e) when (e is JsonException or NotSupportedException)
        {
            return false;
        }
    }

    /// <summary>Where a tree does not have the form of an experiment.</summary>
    internal static IReadOnlyList<Complaint> Complaints(JsonObject tree) => [.. OfObject(tree, typeof(Experiment), "")];

    /// <summary>Where a tree does not have the form of a type; fields are named from <paramref name="path"/> on.</summary>
    internal static IEnumerable<Complaint> OfObject(JsonObject node, Type declared, string path)
    {
        string At(string field) => path.Length == 0 ? field : $"{path}.{field}";
        var contract = RunJson.Options.GetTypeInfo(declared);
        if (contract.PolymorphismOptions is { } kinds)
        {
            var known = string.Join(", ", kinds.DerivedTypes.Select(one => one.TypeDiscriminator));
            if (node[Kind] is not { } kind)
            {
                return [new Complaint(At(Kind), $"is missing; it is one of {known}", ComplaintKind.Missing)];
            }

            if (kinds.DerivedTypes.FirstOrDefault(one => kind is JsonValue text && text.TryGetValue<string>(out var word) && word == (string?)one.TypeDiscriminator).DerivedType is not { } derived)
            {
                return [new Complaint(At(Kind), $"{Rule.Printed(kind is JsonValue && kind.GetValueKind() == JsonValueKind.String ? $"{kind}" : kind.ToJsonString())} is not known; it is one of {known}")];
            }

            contract = RunJson.Options.GetTypeInfo(derived);
        }

        var fields = contract.Properties.Where(one => one.AssociatedParameter is not null).ToDictionary(one => one.Name);
        var unknown = node.Select(field => field.Key).Where(name => name != Kind && !fields.ContainsKey(name))
            .Select(name => new Complaint(At(name), $"is unknown; there are {string.Join(", ", fields.Keys)}", ComplaintKind.Unknown));
        return fields.Values.SelectMany(field => OfField(node, field, At(field.Name))).Concat(unknown);
    }

    private static IEnumerable<Complaint> OfField(JsonObject node, JsonPropertyInfo field, string path)
    {
        var there = node.TryGetPropertyValue(field.Name, out var value);
        var nullable = field.IsGetNullable || Nullable.GetUnderlyingType(field.PropertyType) is not null;
        if (!there && field.AssociatedParameter!.HasDefaultValue || there && value is null && nullable)
        {
            return [];
        }

        if (value is null)
        {
            return [new Complaint(path, "is missing", ComplaintKind.Missing)];
        }

        var type = Nullable.GetUnderlyingType(field.PropertyType) ?? field.PropertyType;
        if (RunJson.Options.GetTypeInfo(type).Kind == JsonTypeInfoKind.Object)
        {
            return value is JsonObject part ? OfObject(part, type, path) : [new Complaint(path, $"must be an object, not {Rule.Printed(value.ToJsonString())}")];
        }

        try
        {
            _ = value.Deserialize(type, RunJson.Options);
            return [];
        }
        catch (JsonException)
        {
            return [new Complaint(path, $"must be {Expected(type)}, not {Rule.Printed(value.ToJsonString())}")];
        }
    }

    private static string Expected(Type type) =>
        type.IsEnum ? $"one of {string.Join(", ", Enum.GetNames(type).Select(JsonNamingPolicy.KebabCaseLower.ConvertName))}"
        : type == typeof(string) ? "text"
        : type == typeof(bool) ? "true or false"
        : type == typeof(double) ? "a number"
        : "a whole number in its range";

    private const string Prefix = "preset:";

    /// <summary>The names of the experiments that come with the program: <c>omniglot-5w1s/imaml-gd</c> and so on.</summary>
    public static IReadOnlyList<string> Presets { get; } =
        [.. typeof(ExperimentFile).Assembly.GetManifestResourceNames().Where(one => one.StartsWith(Prefix, StringComparison.Ordinal)).Select(one => one[Prefix.Length..]).Order(StringComparer.Ordinal)];

    /// <summary>The experiment of a preset.</summary>
    /// <exception cref="ArgumentException">The name is not known.</exception>
    public static Experiment Preset(string name) => Parse(PresetText(name), name);

    /// <summary>The file of a preset.</summary>
    /// <exception cref="ArgumentException">The name is not known.</exception>
    public static string PresetText(string name)
    {
        using var stream = typeof(ExperimentFile).Assembly.GetManifestResourceStream(Prefix + name)
            ?? throw new ArgumentException($"there is no preset {name}; there are {string.Join(", ", Presets)}");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
