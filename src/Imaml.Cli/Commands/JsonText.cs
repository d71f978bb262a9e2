using System.Text.Encodings.Web;
using System.Text.Json;

namespace Imaml.Cli.Commands;

/// <summary>What <c>--json</c> prints: indented, names in camel case, letters of all languages as they are.</summary>
internal static class JsonText
{
    private static readonly JsonSerializerOptions Format = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>The value as JSON.</summary>
    public static string Of<T>(T value) => JsonSerializer.Serialize(value, Format);
}
