// Draws N-way K-shot episodes. Episode number n is a pure function of (seed, n): evaluation uses the same tasks in every run, threads may
// sample side by side, and resuming a run needs no more than the number of the next episode.

using System.Collections.Immutable;
using Imaml.Nets.Tensors;

namespace Imaml.Nets.Tasks;

/// <summary>Draws episodes from the classes of one part of a split; immutable, and safe to use from many threads.</summary>
internal sealed class EpisodeSampler
{
    private readonly ImmutableArray<(string Name, ImageClass Images, int QuarterTurns)> _classes;

    /// <summary>Prepares to draw from <paramref name="classes"/>.</summary>
    /// <param name="set">The images.</param>
    /// <param name="classes">Names of the classes to draw from; with <see cref="RotationMode.AsClasses"/> they end in <c>/rotDDD</c>.</param>
    /// <param name="rotations">What quarter turns do.</param>
    /// <param name="ways">N, classes of an episode.</param>
    /// <param name="shots">K, support images per class.</param>
    /// <param name="queries">Q, query images per class.</param>
    /// <param name="seed">Episodes of different seeds are independent.</param>
    /// <exception cref="DataException">
    /// The data do not allow it: N, K or Q below 1, N above the number of classes, K + Q above the images of the smallest class, a class that the
    /// set lacks or that is named twice, or rotations of images that are not square.
    /// </exception>
    public EpisodeSampler(ImageSet set, IReadOnlyList<string> classes, RotationMode rotations, int ways, int shots, int queries, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(set);
        ArgumentNullException.ThrowIfNull(classes);
        if (ways < 1 || shots < 1 || queries < 1)
        {
            throw new DataException($"{ways}-way {shots}-shot with {queries} query images per class: each of the three must be at least 1");
        }

        if (rotations != RotationMode.None && set.Height != set.Width)
        {
            throw new DataException($"the images of {set.Name} are {set.Height}×{set.Width}; only square images can be rotated");
        }

        if (classes.Count == 0)
        {
            throw new DataException($"this part of {set.Name} has no classes");
        }

        _classes = [.. classes.Select(name => Resolve(set, name, rotations))];
        if (_classes.Select(one => one.Name).Distinct(StringComparer.Ordinal).Count() < _classes.Length)
        {
            throw new DataException("a class to draw episodes from is named twice");
        }

        if (ways > _classes.Length)
        {
            throw new DataException($"{ways}-way episodes need {ways} classes, but this part of {set.Name} has {_classes.Length}; {(_classes.Length < 2 ? "divide the classes so that every part has at least 2" : $"choose at most {_classes.Length} ways")}") { IsOfRequest = true };
        }

        var small = _classes.Where(one => shots > one.Images.Count - queries).Select(one => $"{one.Name} has {one.Images.Count}").ToList();
        if (small.Count > 0)
        {
            throw new DataException(
                $"{shots} support + {queries} query images per class need {(long)shots + queries}, but in {set.Name} class {LayoutReader.Listed(small)}; choose fewer shots or queries")
            { IsOfRequest = true };
        }

        (Set, Rotations, Ways, Shots, Queries, Seed) = (set, rotations, ways, shots, queries, seed);
    }

    /// <summary>The images that episodes refer to.</summary>
    public ImageSet Set { get; }

    /// <summary>What quarter turns do.</summary>
    public RotationMode Rotations { get; }

    /// <summary>N, classes of an episode.</summary>
    public int Ways { get; }

    /// <summary>K, support images per class.</summary>
    public int Shots { get; }

    /// <summary>Q, query images per class.</summary>
    public int Queries { get; }

    /// <summary>The seed.</summary>
    public ulong Seed { get; }

    /// <summary>The episode of this number: N classes, uniformly without replacement, labelled in the order drawn; K + Q images of each, likewise.</summary>
    public Episode Sample(long number)
    {
        var random = new CounterRandom(Seed, RandomPurpose.Episode, unchecked((ulong)number));
        var drawn = Enumerable.Range(0, _classes.Length).ToArray();
        random.ShuffleFront(drawn.AsSpan(), Ways);

        var names = ImmutableArray.CreateBuilder<string>(Ways);
        var turns = ImmutableArray.CreateBuilder<int>(Ways);
        var support = ImmutableArray.CreateBuilder<int>(Ways * Shots);
        var query = ImmutableArray.CreateBuilder<int>(Ways * Queries);
        foreach (var index in drawn.AsSpan(0, Ways))
        {
            var (name, images, fixedTurns) = _classes[index];
            names.Add(name);
            turns.Add(Rotations == RotationMode.Augment ? random.Next(4) : fixedTurns);
            var drawings = Enumerable.Range(images.First, images.Count).ToArray();
            random.ShuffleFront(drawings.AsSpan(), Shots + Queries);
            support.AddRange(drawings.AsSpan(0, Shots));
            query.AddRange(drawings.AsSpan(Shots, Queries));
        }

        return new Episode(number, names.MoveToImmutable(), turns.MoveToImmutable(), Shots, Queries, support.MoveToImmutable(), query.MoveToImmutable());
    }

    /// <summary>The episodes <paramref name="first"/> … <paramref name="first"/> + <paramref name="count"/> − 1, packed for one forward pass.</summary>
    public EpisodeBatch Batch(long first, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        return EpisodeBatch.Pack(Set, [.. Enumerable.Range(0, count).Select(i => Sample(first + i))]);
    }

    private static (string Name, ImageClass Images, int QuarterTurns) Resolve(ImageSet set, string name, RotationMode rotations)
    {
        var character = TurnedClass.CharacterOf(name, rotations);
        return (name, set.Class(character), rotations == RotationMode.AsClasses ? TurnedClass.Parse(name)?.QuarterTurns ?? 0 : 0);
    }
}
