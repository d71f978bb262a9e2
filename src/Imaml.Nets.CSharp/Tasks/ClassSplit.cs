// Which classes are for training, for choosing (validation) and for reporting (test). The parts are disjoint at the level of characters,
// asserted on construction: two rotations of one character are never in different parts.

using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using Imaml.Nets.Tensors;

namespace Imaml.Nets.Tasks;

/// <summary>What a result file says about the classes used.</summary>
/// <param name="Split">Name of the split.</param>
/// <param name="Rotations">What quarter turns do: <c>None</c>, <c>Augment</c> or <c>AsClasses</c>.</param>
/// <param name="Hash">SHA-256 (lower-case hex) of the name, the mode and the three lists.</param>
/// <param name="Train">Classes for training.</param>
/// <param name="Validation">Classes for choosing; may be empty.</param>
/// <param name="Test">Classes for reporting.</param>
public sealed record ClassManifest(
    string Split, string Rotations, string Hash, IReadOnlyList<string> Train, IReadOnlyList<string> Validation, IReadOnlyList<string> Test);

/// <summary>A division of an image set's classes into disjoint parts.</summary>
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

        Manifest = new ClassManifest(name, rotations.ToString(), HashOf(), Train, Validation, Test);
    }

    /// <summary>Name of the split in messages and result files.</summary>
    public string Name { get; }

    /// <summary>What quarter turns do; the mode to give to an episode sampler of these classes.</summary>
    public RotationMode Rotations { get; }

    /// <summary>Classes for training.</summary>
    public IReadOnlyList<string> Train { get; }

    /// <summary>Classes for choosing hyper-parameters; may be empty.</summary>
    public IReadOnlyList<string> Validation { get; }

    /// <summary>Classes for reporting.</summary>
    public IReadOnlyList<string> Test { get; }

    /// <summary>The three lists and their hash, for result files.</summary>
    public ClassManifest Manifest { get; }

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

    internal static IEnumerable<string> Expand(string character, RotationMode rotations) =>
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
