// Reads JSON strictly by the standard. An error is one line that says where: line, column, and the path inside the document.
// The text is read once more for that path, which the parser that builds the document does not report.

using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Unicode;

namespace Imaml.Cli.Problems;

/// <summary>Reads JSON text.</summary>
internal static class JsonText
{
    private const int Shown = 40;

    /// <summary>The document. A byte order mark is skipped.</summary>
    /// <exception cref="ProblemFileException">The text is not JSON.</exception>
    public static JsonDocument Parse(ReadOnlyMemory<byte> utf8)
    {
        var text = utf8.Span.StartsWith(Encoding.UTF8.Preamble) ? utf8[Encoding.UTF8.Preamble.Length..] : utf8;
        if (!Utf8.IsValid(text.Span))
        {
            throw new ProblemFileException("the file is not text in UTF-8");
        }

        Walk(text.Span);
        return JsonDocument.Parse(text);
    }

    /// <summary>A piece of the file as it may be shown: not too long, on one line.</summary>
    public static string Quote(string piece)
    {
        var line = string.Concat(piece.Select(c => Terminal.BreaksLine(c) ? '\uFFFD' : c));
        return line.Length <= Shown ? line : line[..Shown] + "…";
    }

    /// <summary>The path of a property: <c>inner.A</c>, or <c>inner["a b"]</c> for a name that is not a word.</summary>
    public static string Join(string path, string name) =>
        !name.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-') || name.Length is 0 or > Shown ? $"{path}[\"{Quote(name)}\"]"
        : path.Length == 0 ? name
        : $"{path}.{name}";

    private static void Walk(ReadOnlySpan<byte> text)
    {
        var place = new Stack<Frame>();
        var reader = new Utf8JsonReader(text);
        try
        {
            while (reader.Read())
            {
                Follow(place, ref reader);
            }
        }
        catch (JsonException e)
        {
            throw Explain(text, Path(place), e.LineNumber ?? 0, e.BytePositionInLine ?? 0, place.Count);
        }
        catch (InvalidOperationException)
        {
            // Half of a surrogate pair, escaped.
            throw new ProblemFileException(Located(Path(place), "a name that is not text"));
        }
    }

    private static void Follow(Stack<Frame> place, ref Utf8JsonReader reader)
    {
        switch (reader.TokenType)
        {
            case JsonTokenType.PropertyName:
                place.Peek().Name = reader.GetString();
                return;
            case JsonTokenType.StartObject or JsonTokenType.StartArray:
                place.Push(new Frame(reader.TokenType == JsonTokenType.StartArray));
                return;
            case JsonTokenType.EndObject or JsonTokenType.EndArray:
                place.Pop();
                break;
        }

        if (place.TryPeek(out var parent))
        {
            parent.Values++;
            parent.Name = null;
        }
    }

    private static string Path(Stack<Frame> place) =>
        place.Reverse().Aggregate("", (path, frame) =>
            frame.IsArray ? $"{path}[{frame.Values}]"
            : frame.Name is { } name ? Join(path, name)
            : path);

    private static ProblemFileException Explain(ReadOnlySpan<byte> text, string path, long line, long bytes, int depth)
    {
        var start = 0;
        for (var skipped = 0L; skipped < line; skipped++)
        {
            start += text[start..].IndexOf((byte)'\n') + 1;
        }

        var offset = (int)System.Math.Min(start + bytes, text.Length);
        var word = Word(text, ref offset);
        var column = Encoding.UTF8.GetCharCount(text[start..offset]) + 1;
        var where = string.Create(CultureInfo.InvariantCulture, $" (line {line + 1}, column {column})");
        var blank = text.IndexOfAnyExcept(" \t\r\n"u8) < 0;
        return new ProblemFileException(blank ? "the file is empty" : Located(path, Mistake(text, offset, word, depth) + where));
    }

    private static string Located(string path, string mistake) => path.Length == 0 ? mistake : $"{path}: {mistake}";

    private static string Mistake(ReadOnlySpan<byte> text, int offset, string word, int depth)
    {
        if (offset >= text.Length)
        {
            return "the file ends too early";
        }

        var before = text[..offset].TrimEnd(" \t\r\n"u8);
        var character = (char)text[offset];
        return character switch
        {
            '/' or '#' => "JSON has no comments",
            ']' or '}' when before.EndsWith(","u8) => $"a comma before {character} is not JSON",
            '[' or '{' when depth >= 64 => "nested more than 64 deep",
            _ when depth == 0 && before.Length > 0 && before[^1] is (byte)'}' or (byte)']' => "more text after the end of the problem",
            '\'' => "JSON's quotation marks are double ones",
            _ when Figures.Contains(word.TrimStart('+', '-'), StringComparer.OrdinalIgnoreCase) => $"{word} is not a number that JSON has",
            _ when word.Length > 0 => $"{Quote(word)} is not JSON",
            _ => $"'{Rune(text, offset)}' is not JSON here",
        };
    }

    private static readonly string[] Figures = ["NaN", "Infinity", "Inf"];

    // The word or number at an offset, which moves to its start; nothing where there is none.
    private static string Word(ReadOnlySpan<byte> text, ref int offset)
    {
        static bool InWord(byte b) => char.IsAsciiLetterOrDigit((char)b) || b is (byte)'+' or (byte)'-' or (byte)'.' or (byte)'_';
        var last = offset;
        while (last < text.Length && InWord(text[last]) && last - offset <= Shown)
        {
            last++;
        }

        if (last == offset)
        {
            return "";
        }

        for (var back = 0; offset > 0 && InWord(text[offset - 1]) && back < Shown; back++)
        {
            offset--;
        }

        return Encoding.ASCII.GetString(text[offset..last]);
    }

    private static string Rune(ReadOnlySpan<byte> text, int offset)
    {
        _ = System.Text.Rune.DecodeFromUtf8(text[offset..], out var rune, out _);
        return Quote(rune.ToString());
    }

    // An object or array that has been entered, how many values it has had, and the property whose value comes next.
    private sealed class Frame(bool isArray)
    {
        public bool IsArray { get; } = isArray;

        public int Values { get; set; }

        public string? Name { get; set; }
    }
}
