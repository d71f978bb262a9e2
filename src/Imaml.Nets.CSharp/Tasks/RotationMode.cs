// The two ways in which the literature enlarges Omniglot by quarter turns, and the names of turned classes.

using System.Collections.Immutable;

namespace Imaml.Nets.Tasks;

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
