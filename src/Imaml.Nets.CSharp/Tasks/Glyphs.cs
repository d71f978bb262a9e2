// Glyphs: a built-in set of procedurally drawn characters in Omniglot's format, so that the program can be tried without any download.
// Every pixel is a function of (seed, class, drawing) in arithmetic that IEEE 754 rounds exactly, so the set is the same to the last bit on every machine.
//
// A class is a shape of 2 to 4 strokes: lines, arcs, hooks and loops between points of a coarse grid, each likely to begin where an earlier one
// passes, as in written characters. A drawing is a random variation of that shape: every control point is moved, every stroke is shifted,
// and the whole is turned, slanted, stretched and shifted.

using System.Runtime.InteropServices;
using Imaml.Nets.Tensors;

namespace Imaml.Nets.Tasks;

/// <summary>The built-in set of drawn characters.</summary>
internal static class Glyphs
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

/// <summary>The strokes of one class, in a square of [−1, 1]².</summary>
internal sealed class GlyphShape
{
    // How far drawings differ: so far that the nearest neighbour in pixels is right on about half of the 5-way 1-shot queries, as on Omniglot.
    private const double PointJitter = 0.085;
    private const double StrokeJitter = 0.07;
    private const double HalfAngleTangent = 0.1317; // tan(15°/2): turns by up to ±15°
    private const double Slant = 0.25;
    private const double Stretch = 0.18;
    private const double Shift = 0.15;
    private const double ThinnestPen = 1.0;
    private const double ThickestPen = 1.8;
    private const double PixelsPerUnit = 9.5;

    private readonly List<(PlanePoint[] Controls, bool Closed)> _strokes = [];

    private GlyphShape()
    {
    }

    /// <summary>Draws up a new character of 2 to 4 strokes, centred and scaled to fill the square.</summary>
    public static GlyphShape Create(CounterRandom random)
    {
        var shape = new GlyphShape();
        var count = 2 + random.Next(3);
        while (shape._strokes.Count < count)
        {
            shape._strokes.Add(shape.NewStroke(random));
        }

        shape.Fit();
        return shape;
    }

    /// <summary>Draws the character once, varied by <paramref name="random"/>.</summary>
    public void Draw(StrokeCanvas canvas, CounterRandom random)
    {
        // The rotation by θ in rational form: cos θ = (1 − t²)/(1 + t²), sin θ = 2t/(1 + t²) with t = tan(θ/2).
        var t = random.Next(-HalfAngleTangent, HalfAngleTangent);
        var (cos, sin) = ((1 - (t * t)) / (1 + (t * t)), 2 * t / (1 + (t * t)));
        var slant = random.Next(-Slant, Slant);
        var (stretchX, stretchY) = (random.Next(1 - Stretch, 1 + Stretch), random.Next(1 - Stretch, 1 + Stretch));
        var shift = new PlanePoint(random.Next(-Shift, Shift), random.Next(-Shift, Shift));
        var pen = random.Next(ThinnestPen, ThickestPen);
        var centre = new PlanePoint(Glyphs.Size / 2.0, Glyphs.Size / 2.0);
        foreach (var (controls, closed) in _strokes)
        {
            var moved = new PlanePoint[controls.Length];
            var ownShift = Bell(random, StrokeJitter);
            for (var i = 0; i < controls.Length; i++)
            {
                var p = controls[i] + ownShift + Bell(random, PointJitter);
                var q = new PlanePoint((stretchX * p.X) + (slant * p.Y), stretchY * p.Y);
                moved[i] = centre + (PixelsPerUnit * (shift + new PlanePoint((cos * q.X) - (sin * q.Y), (sin * q.X) + (cos * q.Y))));
            }

            canvas.Stroke(moved, closed, pen);
        }
    }

    private (PlanePoint[] Controls, bool Closed) NewStroke(CounterRandom random)
    {
        var kind = random.Next(10);
        if (kind == 0)
        {
            return (Loop(random), true);
        }

        var start = Start(random);
        var end = FarFrom(start, random);
        if (kind <= 3)
        {
            return ([start, end], false);
        }

        // The bulge stands across the chord; hooks and waves have two, of independent size and side.
        var across = new PlanePoint(start.Y - end.Y, end.X - start.X);
        double Bulge() => (random.Next(2) == 0 ? -1 : 1) * random.Next(0.3, 0.9);
        return kind <= 6
            ? ([start, PlanePoint.Middle(start, end) + (Bulge() * across), end], false)
            : ([start, start + (0.25 * (end - start)) + (Bulge() * across), start + (0.75 * (end - start)) + (Bulge() * across), end], false);
    }

    /// <summary>A round: a hexagon's spline of radii between 0.2 and 0.5.</summary>
    private PlanePoint[] Loop(CounterRandom random)
    {
        var centre = 0.7 * Start(random);
        var (rx, ry) = (random.Next(0.3, 0.65), random.Next(0.3, 0.65));
        const double Half = 0.5;
        const double Sine = 0.8660254037844386;
        return
        [
            centre + new PlanePoint(rx, 0), centre + new PlanePoint(Half * rx, Sine * ry), centre + new PlanePoint(-Half * rx, Sine * ry),
            centre + new PlanePoint(-rx, 0), centre + new PlanePoint(-Half * rx, -Sine * ry), centre + new PlanePoint(Half * rx, -Sine * ry),
        ];
    }

    /// <summary>Where a stroke begins: two times in three on a control point of an earlier one or between two, else near a point of the grid.</summary>
    private PlanePoint Start(CounterRandom random)
    {
        if (_strokes.Count == 0 || random.Next(3) == 0)
        {
            return GridPoint(random);
        }

        var (controls, closed) = _strokes[random.Next(_strokes.Count)];
        var i = random.Next(controls.Length);
        return !closed && random.Next(2) == 0
            ? controls[i]
            : PlanePoint.Middle(controls[i], controls[(i + 1) % controls.Length]);
    }

    private static PlanePoint FarFrom(PlanePoint start, CounterRandom random)
    {
        while (true)
        {
            var end = GridPoint(random);
            var chord = end - start;
            if ((chord.X * chord.X) + (chord.Y * chord.Y) > 0.6)
            {
                return end;
            }
        }
    }

    private static PlanePoint GridPoint(CounterRandom random) =>
        new PlanePoint(0.8 * (random.Next(3) - 1), 0.8 * (random.Next(3) - 1)) + Bell(random, 0.12);

    private static PlanePoint Bell(CounterRandom random, double deviation) => new(deviation * random.NextBell(), deviation * random.NextBell());

    /// <summary>Moves and scales the control points so that their bounding box is centred and its longer side is 1.7.</summary>
    private void Fit()
    {
        var all = _strokes.SelectMany(stroke => stroke.Controls).ToList();
        var (left, right) = (all.Min(p => p.X), all.Max(p => p.X));
        var (top, bottom) = (all.Min(p => p.Y), all.Max(p => p.Y));
        var centre = new PlanePoint(0.5 * (left + right), 0.5 * (top + bottom));
        var scale = 1.7 / System.Math.Max(right - left, bottom - top);
        foreach (var (controls, _) in _strokes)
        {
            for (var i = 0; i < controls.Length; i++)
            {
                controls[i] = scale * (controls[i] - centre);
            }
        }
    }
}
