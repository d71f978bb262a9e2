// Glyphs: a built-in set of procedurally drawn characters in Omniglot's format, so that the program can be tried without any download.
// A class is a shape of 2 to 4 strokes (GlyphShape); a drawing is that shape in another hand. Every pixel is a function of
// (seed, class, drawing) in arithmetic that IEEE 754 rounds exactly, so the set is the same to the last bit on every machine.

using System.Runtime.InteropServices;
using Imaml.Nets.Tensors;

namespace Imaml.Nets.Tasks;

/// <summary>The built-in set of drawn characters.</summary>
public static class Glyphs
{
    /// <summary>The set's usual number of classes: as many as MAML's Omniglot protocol trains on.</summary>
    public const int DefaultClasses = 1200;

    /// <summary>Drawings per class, as in Omniglot.</summary>
    public const int DefaultDrawings = 20;

    /// <summary>Rows and columns of an image, as in the few-shot literature's Omniglot.</summary>
    public const int Size = 28;

    /// <summary>Draws <paramref name="classes"/> characters <paramref name="drawings"/> times each, named <c>glyph0001</c> and so on; ink is 255.</summary>
    /// <param name="classes">Number of classes, at least 1. A class does not depend on how many there are.</param>
    /// <param name="drawings">Drawings per class, at least 1. A drawing does not depend on how many there are.</param>
    /// <param name="seed">Sets of different seeds have different characters.</param>
    public static ImageSet Create(int classes, int drawings, ulong seed)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(classes);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(drawings);
        var pixels = new byte[(long)classes * drawings * Size * Size];
        Parallel.For(0, classes, one =>
        {
            var shape = GlyphShape.Create(new CounterRandom(seed, RandomPurpose.GlyphShape, (ulong)one));
            var canvas = new StrokeCanvas(Size);
            for (var drawing = 0; drawing < drawings; drawing++)
            {
                canvas.Clear();
                shape.Draw(canvas, new CounterRandom(seed, RandomPurpose.GlyphDrawing, (ulong)one, (ulong)drawing));
                canvas.CopyTo(pixels.AsSpan(((one * drawings) + drawing) * Size * Size, Size * Size));
            }
        });
        return new ImageSet(
            "glyphs", Size, Size, 1, ImmutableCollectionsMarshal.AsImmutableArray(pixels), Enumerable.Range(1, classes).Select(one => ($"glyph{one:0000}", drawings)));
    }
}
