// Rasterises pen strokes with antialiasing: a pixel's ink is clamp(half the pen's width + ½ − distance to the stroke, 0, 1), the
// greatest over all strokes. Written out here, and not left to a graphics library, so that every machine gives the same bits.

namespace Imaml.Nets.Tasks;

/// <summary>A point in the plane: x to the right, y downwards.</summary>
internal readonly record struct PlanePoint(double X, double Y)
{
    public static PlanePoint operator +(PlanePoint a, PlanePoint b) => new(a.X + b.X, a.Y + b.Y);

    public static PlanePoint operator -(PlanePoint a, PlanePoint b) => new(a.X - b.X, a.Y - b.Y);

    public static PlanePoint operator *(double s, PlanePoint a) => new(s * a.X, s * a.Y);

    public static PlanePoint Middle(PlanePoint a, PlanePoint b) => 0.5 * (a + b);
}

/// <summary>A square sheet of pixels to draw strokes on; coordinates are in pixels, with pixel (0, 0) covering [0, 1)².</summary>
internal sealed class StrokeCanvas(int size)
{
    private const int PiecesPerCurve = 6;
    private readonly double[] _ink = new double[size * size];

    public void Clear() => Array.Clear(_ink);

    /// <summary>
    /// Draws the uniform quadratic B-spline of <paramref name="controls"/>: a straight line for two points; open curves begin and end in their
    /// first and last point, closed ones (three points or more) run round.
    /// </summary>
    public void Stroke(ReadOnlySpan<PlanePoint> controls, bool closed, double penWidth)
    {
        if (controls.Length == 2)
        {
            Line(controls[0], controls[1], penWidth);
            return;
        }

        var (first, last) = closed ? (0, controls.Length) : (1, controls.Length - 1);
        for (var i = first; i < last; i++)
        {
            var (before, at, after) = (controls[(i + controls.Length - 1) % controls.Length], controls[i], controls[(i + 1) % controls.Length]);
            var start = !closed && i == 1 ? before : PlanePoint.Middle(before, at);
            var end = !closed && i == controls.Length - 2 ? after : PlanePoint.Middle(at, after);
            Curve(start, at, end, penWidth);
        }
    }

    /// <summary>Writes the ink as bytes, 255 for full ink, row by row.</summary>
    public void CopyTo(Span<byte> target)
    {
        for (var i = 0; i < _ink.Length; i++)
        {
            target[i] = (byte)((_ink[i] * 255) + 0.5);
        }
    }

    /// <summary>The quadratic Bézier curve as a few straight pieces.</summary>
    private void Curve(PlanePoint start, PlanePoint control, PlanePoint end, double penWidth)
    {
        var from = start;
        for (var i = 1; i <= PiecesPerCurve; i++)
        {
            var t = i / (double)PiecesPerCurve;
            var to = ((1 - t) * (1 - t) * start) + (2 * t * (1 - t) * control) + (t * t * end);
            Line(from, to, penWidth);
            from = to;
        }
    }

    private void Line(PlanePoint a, PlanePoint b, double penWidth)
    {
        var reach = (0.5 * penWidth) + 0.5;
        var along = b - a;
        var squaredLength = (along.X * along.X) + (along.Y * along.Y);
        var (top, bottom) = Rows(a.Y, b.Y, reach);
        var (left, right) = Rows(a.X, b.X, reach);
        for (var row = top; row <= bottom; row++)
        {
            for (var column = left; column <= right; column++)
            {
                // The pixel's centre, seen from a, and the nearest point of the line to it.
                var (x, y) = (column + 0.5 - a.X, row + 0.5 - a.Y);
                var t = squaredLength > 0 ? System.Math.Clamp(((x * along.X) + (y * along.Y)) / squaredLength, 0, 1) : 0;
                var (dx, dy) = (x - (t * along.X), y - (t * along.Y));
                var squared = (dx * dx) + (dy * dy);
                if (squared < reach * reach)
                {
                    var ink = System.Math.Min(1, reach - System.Math.Sqrt(squared));
                    ref var pixel = ref _ink[(row * size) + column];
                    pixel = System.Math.Max(pixel, ink);
                }
            }
        }
    }

    /// <summary>The rows (or columns) whose centres may lie within <paramref name="reach"/> of an interval.</summary>
    private (int First, int Last) Rows(double a, double b, double reach) => (
        (int)System.Math.Clamp(System.Math.Min(a, b) - reach - 0.5, 0, size),
        (int)System.Math.Clamp(System.Math.Max(a, b) + reach, -1, size - 1));
}
