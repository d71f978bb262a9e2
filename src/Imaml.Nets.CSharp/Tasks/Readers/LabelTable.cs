// Tables that give the class of each file: mini-ImageNet's train.csv, val.csv and test.csv with the columns filename and label, and tables of a user's
// own with these and, if wanted, part. As spreadsheets write them: in any order of columns, with further columns, quotes, a byte-order mark, CRLF,
// or semicolons or tabs between the fields.

using System.Text;

namespace Imaml.Nets.Tasks;

/// <summary>A row of a table.</summary>
/// <param name="File">The file's name, or its path with / between names.</param>
/// <param name="Label">Its class.</param>
/// <param name="Part">Its part, or null where the table has no such column.</param>
/// <param name="Where">The table and line, for messages.</param>
internal sealed record LabelRow(string File, string Label, ClassPart? Part, string Where);

/// <summary>Reads tables.</summary>
internal static class LabelTable
{
    /// <summary>The upper limit of a table's bytes: a million rows.</summary>
    public const long LargestFile = 64 << 20;

    // Where bytes are replaced, names that differ become one.
    private static string Text(byte[] bytes, string name)
    {
        const string Remedy = "save it again as \"CSV UTF-8\"";
        string text;
        try
        {
            text = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true).GetString(bytes);
        }
        catch (DecoderFallbackException e)
        {
            throw new DataException($"{name} is not text in UTF-8; {Remedy}", e);
        }

        // UTF-16 without a byte order mark is UTF-8 with a null after every letter of English.
        return text.Contains('\0', StringComparison.Ordinal) ? throw new DataException($"{name} is not text in UTF-8; {Remedy}")
            : text.Contains('\r', StringComparison.Ordinal) && !text.Contains('\n', StringComparison.Ordinal) ? throw new DataException($"{name} has lines that end with a carriage return alone; {Remedy}")
            : text;
    }

    /// <summary>The rows of a table.</summary>
    /// <param name="bytes">The file.</param>
    /// <param name="name">Names it in messages.</param>
    /// <param name="part">The part of all its rows, where its name gives it.</param>
    /// <exception cref="DataException">A column is missing, a field is empty, or a file has two rows.</exception>
    public static IReadOnlyList<LabelRow> Read(byte[] bytes, string name, ClassPart? part)
    {
        var lines = Lines(Text(bytes, name).TrimStart('\uFEFF'), name);
        if (lines.Count == 0)
        {
            throw new DataException($"{name} is empty; its first line names the columns filename and label");
        }

        var columns = lines[0].Fields.Select(field => field.Trim().ToLowerInvariant()).ToList();
        var (file, label, partAt) = (columns.IndexOf("filename"), columns.IndexOf("label"), columns.IndexOf("part"));
        if (file < 0 || label < 0)
        {
            throw new DataException($"{name}: line 1 must name the columns filename and label, not {Short(string.Join(',', lines[0].Fields))}");
        }

        var rows = new List<LabelRow>(lines.Count);
        var seen = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var (number, fields) in lines.Skip(1))
        {
            var where = $"{name} line {number}";
            string Field(int at, string column) => at < fields.Count && fields[at].Trim() is { Length: > 0 } text ? text : throw new DataException($"{where} has no {column}");
            var path = Field(file, "filename").Replace('\\', '/');
            while (path.StartsWith("./", StringComparison.Ordinal))
            {
                path = path[2..];
            }

            if (path.StartsWith('/') || path.Split('/').Contains(".."))
            {
                throw new DataException($"{where} names {Short(path)}, which leads out of the data set's folder");
            }

            if (!seen.TryAdd(path, number))
            {
                throw new DataException($"{where} names {Short(path)} again, after line {seen[path]}");
            }

            rows.Add(new LabelRow(path, Field(label, "label"), part ?? (partAt < 0 ? null : PartOf(Field(partAt, "part"), where)), where));
        }

        return rows.Count > 0 ? rows : throw new DataException($"{name} names no files");
    }

    /// <summary>The part that a word names, or null.</summary>
    public static ClassPart? PartNamed(string word) => word.ToLowerInvariant() switch
    {
        "train" or "training" => ClassPart.Train,
        "val" or "valid" or "validation" => ClassPart.Validation,
        "test" => ClassPart.Test,
        _ => null,
    };

    private static ClassPart PartOf(string word, string where) =>
        PartNamed(word) ?? throw new DataException($"{where} names the part {Short(word)}; there are train, val and test");

    private static string Short(string text) => text.Length <= 60 ? text.ReplaceLineEndings(" ") : text[..60].ReplaceLineEndings(" ") + "…";

    /// <summary>The lines that are not empty, as fields (RFC 4180); the separator is the one of comma, semicolon and tab that the first line has first.</summary>
    private static List<(int Number, List<string> Fields)> Lines(string text, string name)
    {
        var first = text.IndexOf('\n') is var end && end >= 0 ? text[..end] : text;
        var separator = first.FirstOrDefault(one => one is ',' or ';' or '\t', ',');
        var lines = new List<(int, List<string>)>();
        var (field, fields) = (new StringBuilder(), new List<string>());
        // blank: the field has nothing but white space so far.
        var (line, start, quoted, blank) = (1, 1, false, true);
        void EndField()
        {
            fields.Add(field.ToString());
            field.Clear();
            blank = true;
        }

        void EndLine()
        {
            EndField();
            if (fields.Count > 1 || fields[0].Trim().Length > 0)
            {
                lines.Add((start, fields));
            }

            (fields, start) = ([], line);
        }

        for (var i = 0; i < text.Length; i++)
        {
            var one = text[i];
            line += one == '\n' ? 1 : 0;
            if (quoted)
            {
                if (one == '"' && i + 1 < text.Length && text[i + 1] == '"')
                {
                    field.Append('"');
                    i++;
                }
                else if (one == '"')
                {
                    quoted = false;
                }
                else
                {
                    field.Append(one);
                }
            }
            else if (one == '"' && blank)
            {
                field.Clear();
                (quoted, blank) = (true, false);
            }
            else if (one == separator)
            {
                EndField();
            }
            else if (one == '\n')
            {
                EndLine();
            }
            else if (one != '\r')
            {
                field.Append(one);
                blank &= char.IsWhiteSpace(one);
            }
        }

        if (quoted)
        {
            throw new DataException($"{name} line {start}: a quotation mark is not closed");
        }

        EndLine();
        return lines;
    }
}
