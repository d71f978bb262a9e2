// Which classes are for training, for choosing (validation) and for reporting (test). The parts are disjoint at the level of characters,
// asserted on construction: two rotations of one character are never in different parts.

using System.Collections.Immutable;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Serialization;
using Imaml.Nets.Tensors;

namespace Imaml.Nets.Tasks;

/// <summary>A division of an image set's classes into disjoint parts. As JSON it is what a result file says about the classes: name, rotations, hash and lists.</summary>
public sealed class ClassSplit
{
    /// <summary>Characters for training (with those set aside for validation) in MAML's and iMAML's Omniglot protocol.</summary>
    public const int OmniglotTrain = 1200;

    /// <summary>Characters held back for testing in MAML's and iMAML's Omniglot protocol.</summary>
    public const int OmniglotTest = 423;

    /// <summary>Our choice of how many of the 1,200 are set aside for validation; 0 trains on all of them.</summary>
    public const int OmniglotValidation = 100;

    /// <summary>Checks that the parts are disjoint.</summary>
    /// <exception cref="DataException">
    /// A character is in two parts (in whatever rotation), a class is listed twice, or a name lacks the rotation that <paramref name="rotations"/> asks for.
    /// </exception>
    public ClassSplit(string name, RotationMode rotations, IEnumerable<string> train, IEnumerable<string> validation, IEnumerable<string> test)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        (Name, Rotations, Train, Validation, Test) = (name, rotations, (ImmutableArray<string>)[.. train], (ImmutableArray<string>)[.. validation], (ImmutableArray<string>)[.. test]);

        var seen = new HashSet<string>(StringComparer.Ordinal);
        var partOf = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (part, classes) in new[] { ("train", Train), ("validation", Validation), ("test", Test) })
        {
            foreach (var one in classes)
            {
                var character = TurnedClass.CharacterOf(one, rotations);
                if (partOf.GetValueOrDefault(character, part) is var other && other != part)
                {
                    throw new DataException($"split {name}: {character} is in {other} and in {part}; the parts must not share a character, in whatever rotation");
                }

                partOf[character] = part;
                if (!seen.Add(one))
                {
                    throw new DataException($"split {name}: class {one} is listed twice in {part}");
                }
            }
        }

        Hash = HashOf();
    }

    // As a file has it.
    [JsonConstructor]
    private ClassSplit(string name, RotationMode rotations, IReadOnlyList<string>? train, IReadOnlyList<string>? validation, IReadOnlyList<string>? test)
        : this(name, rotations, (IEnumerable<string>)Listed(train), Listed(validation), Listed(test))
    {
    }

    private static IReadOnlyList<string> Listed(IReadOnlyList<string>? part) => part is not null && !part.Contains(null) ? part : throw new DataException("a division of classes has three lists of names");

    /// <summary>Name of the split in messages and result files.</summary>
    [JsonPropertyName("split")]
    public string Name { get; }

    /// <summary>What quarter turns do; the mode to give to an episode sampler of these classes.</summary>
    [JsonConverter(typeof(JsonStringEnumConverter<RotationMode>))]
    public RotationMode Rotations { get; }

    /// <summary>SHA-256 (lower-case hex) of the name, the mode and the three lists.</summary>
    public string Hash { get; }

    /// <summary>Classes for training.</summary>
    public IReadOnlyList<string> Train { get; }

    /// <summary>Classes for choosing hyper-parameters; may be empty.</summary>
    public IReadOnlyList<string> Validation { get; }

    /// <summary>Classes for reporting.</summary>
    public IReadOnlyList<string> Test { get; }

    /// <summary>
    /// Shuffles the classes' names with <paramref name="seed"/> and deals them out: <paramref name="train"/>, of which the last
    /// <paramref name="validation"/> are set aside, then <paramref name="test"/>. The test part does not depend on <paramref name="validation"/>.
    /// Each part is listed in ordinal order.
    /// </summary>
    /// <param name="set">The image set; only its classes' names matter, in whatever order.</param>
    /// <param name="seed">Seed of the shuffle.</param>
    /// <param name="rotations"><see cref="RotationMode.AsClasses"/> makes four classes of each character.</param>
    /// <param name="train">Characters to train on or to choose by, for example <see cref="OmniglotTrain"/>.</param>
    /// <param name="validation">How many of them are set aside, for example <see cref="OmniglotValidation"/>; 0 trains on all.</param>
    /// <param name="test">Characters to report on, for example <see cref="OmniglotTest"/>.</param>
    /// <exception cref="DataException">The set has fewer than train + test classes, or the numbers leave a part without classes.</exception>
    public static ClassSplit Seeded(ImageSet set, ulong seed, RotationMode rotations, int train, int validation, int test)
    {
        ArgumentNullException.ThrowIfNull(set);
        if (validation < 0 || train <= validation || test < 1 || train > set.Classes.Count - test)
        {
            throw new DataException(
                $"{set.Name} has {set.Classes.Count} classes; a split needs train + test of at most that, 0 ≤ validation < train and test ≥ 1, not train {train}, validation {validation}, test {test}");
        }

        var names = set.Classes.Select(one => one.Name).Order(StringComparer.Ordinal).ToArray();
        new CounterRandom(seed, RandomPurpose.Split).ShuffleFront(names.AsSpan(), names.Length);
        IEnumerable<string> Part(int from, int to) => names[from..to].Order(StringComparer.Ordinal).SelectMany(one => Expand(one, rotations));
        return new ClassSplit(
            $"seeded-{seed}-{train - validation}-{validation}-{test}", rotations, Part(0, train - validation), Part(train - validation, train), Part(train, train + test));
    }

    /// <summary>
    /// The Omniglot split of Vinyals et al. 2016 in the lists that Prototypical Networks published, built in (Resources/omniglot_vinyals.txt, with origin
    /// and licence): 1,028 characters to train on, 172 to choose by, 423 to report on.
    /// </summary>
    /// <param name="rotations">
    /// <see cref="RotationMode.AsClasses"/> gives the published lists of 4,112, 688 and 1,692 classes; the other modes the bare characters.
    /// </param>
    /// <param name="validation">False trains on the validation characters too (the published list <c>trainval</c>).</param>
    public static ClassSplit Vinyals(RotationMode rotations = RotationMode.AsClasses, bool validation = true)
    {
        var parts = Omniglot.Table("omniglot_vinyals.txt").Select(ParseLine).ToLookup(line => line.Part, line => line.Characters);
        IEnumerable<string> Part(string name) => parts[name].SelectMany(one => one).SelectMany(one => Expand(one, rotations));
        return validation
            ? new ClassSplit("vinyals", rotations, Part("train"), Part("val"), Part("test"))
            : new ClassSplit("vinyals-trainval", rotations, Part("train").Concat(Part("val")).Order(StringComparer.Ordinal), [], Part("test"));
    }

    /// <summary>A line reads <c>part alphabet ranges</c>, for example <c>train Gurmukhi 1-41</c>.</summary>
    private static (string Part, IEnumerable<string> Characters) ParseLine(string line)
    {
        var fields = line.Split(' ');
        var characters = fields[2].Split(',').SelectMany(range =>
        {
            var ends = range.Split('-').Select(end => int.Parse(end, CultureInfo.InvariantCulture)).ToArray();
            return Enumerable.Range(ends[0], ends[^1] - ends[0] + 1).Select(number => $"{fields[1]}/character{number:00}");
        });
        return (fields[0], characters);
    }

    private static IEnumerable<string> Expand(string character, RotationMode rotations) =>
        rotations == RotationMode.AsClasses ? TurnedClass.NamesOf(character) : [character];

    private string HashOf()
    {
        var text = new StringBuilder($"{Name}\n{Rotations}\n");
        foreach (var (part, classes) in new[] { ("train", Train), ("validation", Validation), ("test", Test) })
        {
            text.Append(part).Append('\n').AppendJoin('\n', classes).Append('\n');
        }

        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())));
    }
}

/// <summary>What quarter turns do to the classes of an image set.</summary>
public enum RotationMode
{
    /// <summary>Images are used as they are.</summary>
    None,

    /// <summary>
    /// Each class of each episode is turned by 0°, 90°, 180° or 270°, drawn at random (MAML's and iMAML's protocol). An episode never holds two
    /// rotations of one character.
    /// </summary>
    Augment,

    /// <summary>
    /// Each rotation of a character is a class of its own, named <c>Alphabet/characterNN/rotDDD</c> (Vinyals et al. 2016). An episode may hold
    /// two rotations of one character.
    /// </summary>
    AsClasses,
}

/// <summary>A character turned counter-clockwise by 0 … 3 quarter turns, with the name that the Vinyals lists give it.</summary>
internal readonly record struct TurnedClass(string Character, int QuarterTurns)
{
    private static readonly ImmutableArray<string> Suffixes = ["/rot000", "/rot090", "/rot180", "/rot270"];

    /// <summary>The four rotations of a character.</summary>
    public static IEnumerable<string> NamesOf(string character) => Suffixes.Select(suffix => character + suffix);

    /// <summary>Splits <c>…/rotDDD</c> into character and quarter turns; null where the name ends otherwise.</summary>
    public static TurnedClass? Parse(string name)
    {
        for (var turns = 0; turns < Suffixes.Length; turns++)
        {
            if (name.EndsWith(Suffixes[turns], StringComparison.Ordinal))
            {
                return new TurnedClass(name[..^Suffixes[turns].Length], turns);
            }
        }

        return null;
    }

    /// <summary>The character that a class name of a split is about.</summary>
    public static string CharacterOf(string name, RotationMode rotations) => rotations == RotationMode.AsClasses
        ? (Parse(name) ?? throw new DataException($"class {name} names no rotation; where rotations are classes, names end in /rot000, /rot090, /rot180 or /rot270")).Character
        : name;
}
