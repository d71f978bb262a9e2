// The Omniglot split of Vinyals et al. 2016 (Matching Networks) in the lists that Prototypical Networks published, built in
// (Resources/omniglot_vinyals.txt, with origin and licence): 1,028 + 172 + 423 characters, each with its four rotations.

using System.Globalization;

namespace Imaml.Nets.Tasks;

/// <summary>The Omniglot split of Vinyals et al. 2016.</summary>
public static class VinyalsSplit
{
    private const string Resource = "omniglot_vinyals.txt";

    /// <summary>The published split: 1,028 characters to train on, 172 to choose by, 423 to report on.</summary>
    /// <param name="rotations">
    /// <see cref="RotationMode.AsClasses"/> gives the published lists of 4,112, 688 and 1,692 classes; the other modes the bare characters.
    /// </param>
    /// <param name="validation">False trains on the validation characters too (the published list <c>trainval</c>).</param>
    public static ClassSplit Create(RotationMode rotations = RotationMode.AsClasses, bool validation = true)
    {
        var parts = Embedded.Lines(Resource).Select(Parse).ToLookup(line => line.Part, line => line.Characters);
        IEnumerable<string> Part(string name) => parts[name].SelectMany(one => one).SelectMany(one => ClassSplit.Expand(one, rotations));
        return validation
            ? new ClassSplit("vinyals", rotations, Part("train"), Part("val"), Part("test"))
            : new ClassSplit("vinyals-trainval", rotations, Part("train").Concat(Part("val")).Order(StringComparer.Ordinal), [], Part("test"));
    }

    /// <summary>A line reads <c>part alphabet ranges</c>, for example <c>train Gurmukhi 1-41</c>.</summary>
    private static (string Part, IEnumerable<string> Characters) Parse(string line)
    {
        var fields = line.Split(' ');
        var characters = fields[2].Split(',').SelectMany(range =>
        {
            var ends = range.Split('-').Select(end => int.Parse(end, CultureInfo.InvariantCulture)).ToArray();
            return Enumerable.Range(ends[0], ends[^1] - ends[0] + 1).Select(number => $"{fields[1]}/character{number:00}");
        });
        return (fields[0], characters);
    }
}
