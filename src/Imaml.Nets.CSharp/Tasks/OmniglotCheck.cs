// Compares the files of an Omniglot download with what the data set holds (Resources/omniglot_alphabets.txt) and names every difference.

using System.Globalization;
using System.Text.Json.Serialization;

namespace Imaml.Nets.Tasks;

/// <summary>What a part of Omniglot holds.</summary>
/// <param name="Part"><c>images_background</c> or <c>images_evaluation</c>.</param>
/// <param name="Path">The archive or folder.</param>
/// <param name="Alphabets">Alphabets with at least one expected drawing.</param>
/// <param name="Characters">Characters with at least one expected drawing.</param>
/// <param name="Drawings">Expected drawings that are there.</param>
internal sealed record OmniglotPartReport(string Part, string Path, int Alphabets, int Characters, int Drawings);

/// <summary>How an Omniglot download differs from the data set.</summary>
/// <param name="Parts">Counts by part.</param>
/// <param name="MissingCharacters">Characters without any drawing, as <c>images_background/Alphabet/characterNN</c>.</param>
/// <param name="MissingDrawings">Missing files of characters that have others.</param>
/// <param name="Extra">PNG files that the data set does not have.</param>
/// <param name="Damaged">One line for each drawing that does not decode as 105×105 pixels; empty where decoding was not asked for.</param>
internal sealed record OmniglotReport(
    IReadOnlyList<OmniglotPartReport> Parts,
    IReadOnlyList<string> MissingCharacters,
    IReadOnlyList<string> MissingDrawings,
    IReadOnlyList<string> Extra,
    IReadOnlyList<string> Damaged)
{
    /// <summary>Whether every drawing is there and sound, and nothing else.</summary>
    public bool IsComplete => MissingCharacters.Count + MissingDrawings.Count + Extra.Count + Damaged.Count == 0;

    /// <summary>What kinds of difference there are, and how many of each; empty where there are none.</summary>
    [JsonIgnore]
    public string Differences => string.Join(", ", new[]
    {
        Counted(MissingCharacters.Count, "character", "missing"), Counted(MissingDrawings.Count, "drawing", "missing"), Counted(Extra.Count, "file", "too many"),
        Counted(Damaged.Count, "drawing", "damaged"),
    }.OfType<string>());

    /// <summary>One line: complete, or how it differs and how to mend that.</summary>
    public string Verdict => IsComplete
        ? $"complete: {Parts.Sum(part => part.Characters)} characters, {Parts.Sum(part => part.Drawings)} drawings"
        : $"not complete: {Differences}; move it away and get the official archives: imaml data get omniglot";

    /// <summary>The report in lines of text: the counts, then every difference, then the <see cref="Verdict"/>.</summary>
    public IEnumerable<string> Lines()
    {
        foreach (var part in Parts)
        {
            yield return $"{part.Part}: {part.Alphabets} alphabets, {part.Characters} characters, {part.Drawings} drawings ({part.Path})";
        }

        foreach (var line in MissingCharacters.Select(one => $"missing character: {one}")
            .Concat(MissingDrawings.Select(one => $"missing drawing: {one}"))
            .Concat(Extra.Select(one => $"not part of Omniglot: {one}"))
            .Concat(Damaged.Select(one => $"damaged: {one}")))
        {
            yield return line;
        }

        yield return Verdict;
    }

    private static string? Counted(int count, string what, string fault) => count == 0 ? null : $"{count} {what}{(count == 1 ? "" : "s")} {fault}";
}

/// <summary>Checks an Omniglot download, archives or folders.</summary>
internal static class OmniglotCheck
{
    /// <summary>Compares file by file.</summary>
    /// <param name="dataFolder">DATA; see <see cref="Omniglot.Load"/> for the places looked in.</param>
    /// <param name="decode">True decodes every drawing too, which takes about two seconds of one core.</param>
    /// <param name="cancel">Ends it with an <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="DataException">A part is missing altogether, or its archive is cut off.</exception>
    public static OmniglotReport Run(string dataFolder, bool decode, CancellationToken cancel = default)
    {
        var sources = OmniglotSource.ReadAll(dataFolder);
        var report = Compare(sources);
        return decode ? report with { Damaged = [.. sources.SelectMany(source => source.Drawings()).AsParallel().WithCancellation(cancel).Select(Fault).OfType<string>().Order(StringComparer.Ordinal)] } : report;
    }

    /// <summary>Compares the names of the files, as training does before it takes them.</summary>
    public static OmniglotReport Compare(IReadOnlyList<OmniglotSource> sources)
    {
        var (parts, missingCharacters, missingDrawings, extra) = (new List<OmniglotPartReport>(), new List<string>(), new List<string>(), new List<string>());
        foreach (var source in sources)
        {
            var present = source.ImagePaths().ToHashSet(StringComparer.Ordinal);
            var expected = Expected(source.Part).ToList();
            var found = expected
                .Select(character => (character.Alphabet, character.Path, Missing: character.Drawings.Where(one => !present.Contains(one)).ToList()))
                .ToList();
            var absent = found.Where(one => one.Missing.Count == Omniglot.Drawings).ToList();
            missingCharacters.AddRange(absent.Select(one => one.Path));
            missingDrawings.AddRange(found.Except(absent).SelectMany(one => one.Missing));
            extra.AddRange(present.Except(expected.SelectMany(one => one.Drawings)).Order(StringComparer.Ordinal));
            parts.Add(new OmniglotPartReport(
                source.Part,
                source.Path,
                found.Except(absent).Select(one => one.Alphabet).Distinct().Count(),
                found.Count - absent.Count,
                found.Sum(one => Omniglot.Drawings - one.Missing.Count)));
        }

        return new OmniglotReport(parts, missingCharacters, missingDrawings, extra, []);
    }

    /// <summary>Every character of a part, with the paths of its 20 drawings.</summary>
    private static IEnumerable<(string Alphabet, string Path, List<string> Drawings)> Expected(string part) =>
        from line in Omniglot.Table("omniglot_alphabets.txt")
        let fields = line.Split(' ')
        where "images_" + fields[0] == part
        let first = int.Parse(fields[3], CultureInfo.InvariantCulture)
        from number in Enumerable.Range(1, int.Parse(fields[2], CultureInfo.InvariantCulture))
        let path = $"{part}/{fields[1]}/character{number:00}"
        select (fields[1], path, Enumerable.Range(1, Omniglot.Drawings).Select(drawer => $"{path}/{first + number - 1:0000}_{drawer:00}.png").ToList());

    private static string? Fault(OmniglotDrawing drawing)
    {
        try
        {
            Span<byte> reduced = stackalloc byte[ImageForm.Drawing.Bytes];
            Omniglot.Read(drawing, reduced);
            return null;
        }
        catch (DataException e)
        {
            return e.Message;
        }
    }
}
