// A small built-in font of strokes. The native SkiaSharp package brings no fonts: on a machine without any, the system's text would be
// blank, and on others it would look different on each.

using System.Collections.Frozen;
using SkiaSharp;

namespace Imaml.Nets.Runs;

/// <summary>Draws letters, digits and a few signs as strokes of even width; other characters are blank.</summary>
internal static class StrokeFont
{
    /// <summary>Height of a capital letter or digit, in the font's units.</summary>
    private const float CapHeight = 7;

    private const float Space = 3, Between = 1.7f;

    // Shapes that several characters share: the bowl of the small letters and the big O.
    private const string Bowl = "M0 4.5A2 2.5 0 0 1 4 4.5A2 2.5 0 0 1 0 4.5", Round = "M0 3.5A2.8 3.5 0 0 1 5.6 3.5A2.8 3.5 0 0 1 0 3.5";

    // SVG path data; capitals from 0 to 7, small letters from 2, descenders to 9. A stroke of almost no length is a dot.
    private static readonly FrozenDictionary<char, SKPath> Shapes = new Dictionary<char, string>
    {
        ['a'] = Bowl + "M4 2V7",
        ['b'] = Bowl + "M0 0V7",
        ['c'] = "M3.7 2.9A2.2 2.5 0 1 0 3.7 6.1",
        ['d'] = Bowl + "M4 0V7",
        ['e'] = "M0 4.5H4A2 2.5 0 1 0 3.5 6.3",
        ['f'] = "M3 .2A1.4 1.5 0 0 0 1.2 1.6V7M0 2.3H2.8",
        ['g'] = Bowl + "M4 2V7A2 2 0 0 1 .4 8.2",
        ['h'] = "M0 0V7M0 4A2 2 0 0 1 4 4V7",
        ['i'] = "M0 2.3V7M0 .3H.01",
        ['j'] = "M1.4 2.3V7.5A1.4 1.4 0 0 1 0 8.8M1.4 .3H1.41",
        ['k'] = "M0 0V7M3.6 2L0 5M1.3 4L3.8 7",
        ['l'] = "M0 0V7",
        ['m'] = "M0 2V7M0 3.8A1.6 1.8 0 0 1 3.2 3.8V7M3.2 3.8A1.6 1.8 0 0 1 6.4 3.8V7",
        ['n'] = "M0 2V7M0 4A2 2 0 0 1 4 4V7",
        ['o'] = Bowl,
        ['p'] = Bowl + "M0 2V9",
        ['q'] = Bowl + "M4 2V9",
        ['r'] = "M0 2V7M0 4.2A2.2 2.1 0 0 1 2.4 2.1",
        ['s'] = "M3.3 2.8C2.8 1.8 .3 1.6 .3 3.2C.3 4.8 3.5 4.1 3.5 5.7C3.5 7.4 .6 7.3 0 6.1",
        ['t'] = "M1.2 .6V5.6A1.3 1.4 0 0 0 3.1 6.8M0 2.2H2.9",
        ['u'] = "M0 2V5A2 2 0 0 0 4 5V2M4 2V7",
        ['v'] = "M0 2L1.9 7L3.8 2",
        ['w'] = "M0 2L1.5 7L3 2.6L4.5 7L6 2",
        ['x'] = "M0 2L3.6 7M3.6 2L0 7",
        ['y'] = "M0 2L2 7M4 2L1.6 8C1.3 8.8 .8 9 0 9",
        ['z'] = "M0 2H3.6L0 7H3.8",
        ['A'] = "M0 7L2.6 0L5.2 7M.9 4.6H4.3",
        ['B'] = "M0 0V7H2.5A1.9 1.85 0 0 0 2.5 3.3H0M0 0H2.3A1.6 1.65 0 0 1 2.3 3.3",
        ['C'] = "M4.9 1.2A2.8 3.5 0 1 0 4.9 5.8",
        ['D'] = "M0 0V7H1.8A3.2 3.5 0 0 0 1.8 0Z",
        ['E'] = "M3.8 0H0V7H3.8M0 3.4H3.3",
        ['F'] = "M3.8 0H0V7M0 3.4H3.3",
        ['G'] = "M4.9 1.2A2.8 3.5 0 1 0 5.4 3.8H3.4",
        ['H'] = "M0 0V7M4.6 0V7M0 3.4H4.6",
        ['I'] = "M0 0V7",
        ['J'] = "M3 0V5A1.55 1.9 0 0 1 0 5.4",
        ['K'] = "M0 0V7M4.3 0L0 4.4M1.5 2.9L4.5 7",
        ['L'] = "M0 0V7H3.6",
        ['M'] = "M0 7V0L2.9 5L5.8 0V7",
        ['N'] = "M0 7V0L4.7 7V0",
        ['O'] = Round,
        ['P'] = "M0 7V0H2.4A2 2 0 0 1 2.4 4H0",
        ['Q'] = Round + "M3.7 5.3L5.6 7.4",
        ['R'] = "M0 7V0H2.4A2 2 0 0 1 2.4 4H0M2.2 4L4.3 7",
        ['S'] = "M4.2 1.4C3.5 -.6 .3 -.4 .3 1.8C.3 4 4.4 3 4.4 5.2C4.4 7.5 .7 7.6 0 5.5",
        ['T'] = "M0 0H4.8M2.4 0V7",
        ['U'] = "M0 0V4.6A2.35 2.4 0 0 0 4.7 4.6V0",
        ['V'] = "M0 0L2.5 7L5 0",
        ['W'] = "M0 0L1.8 7L3.6 .8L5.4 7L7.2 0",
        ['X'] = "M0 0L4.5 7M4.5 0L0 7",
        ['Y'] = "M0 0L2.4 3.4L4.8 0M2.4 3.4V7",
        ['Z'] = "M0 0H4.4L0 7H4.6",
        ['0'] = "M0 3.5A2.1 3.5 0 0 1 4.2 3.5A2.1 3.5 0 0 1 0 3.5",
        ['1'] = "M0 1.5L1.7 0V7",
        ['2'] = "M.1 1.8A1.9 1.8 0 0 1 3.8 1.9C3.8 3.6 1.4 4.8 0 7H4",
        ['3'] = "M.2 1.1A1.75 1.65 0 1 1 1.9 3.3A1.95 1.85 0 1 1 0 5.8",
        ['4'] = "M3 7V0L0 4.9H4.2",
        ['5'] = "M3.6 0H.6L.3 3.1C2 2 4 3 4 4.7C4 7.4 .9 7.7 0 5.9",
        ['6'] = "M3.4 .2C1.2 .8 0 2.8 0 4.8A2 2.2 0 1 0 4 4.8A2 2.2 0 0 0 0 4.8",
        ['7'] = "M0 0H4L1.4 7",
        ['8'] = "M2 3.2A1.65 1.6 0 0 1 2 0A1.65 1.6 0 0 1 2 3.2A1.95 1.9 0 0 0 2 7A1.95 1.9 0 0 0 2 3.2",
        ['9'] = "M.6 6.8C2.8 6.2 4 4.2 4 2.2A2 2.2 0 1 0 0 2.2A2 2.2 0 0 0 4 2.2",
        ['.'] = "M0 6.9H.01",
        [','] = "M.6 6.8L0 8.3",
        [':'] = "M0 3H.01M0 6.9H.01",
        ['?'] = "M.1 1.7A1.75 1.7 0 1 1 2.3 3.4Q1.8 3.8 1.8 4.9M1.8 6.9H1.81",
        ['-'] = "M0 4.4H2.4",
        ['\u2713'] = "M0 4L2 6.5L5.4 .8",
        ['\u2717'] = "M0 1L5 6.5M5 1L0 6.5",
    }.ToFrozenDictionary(one => one.Key, one => SKPath.ParseSvgPathData(one.Value));

    /// <summary>Width of the text when capitals are <paramref name="height"/> pixels high.</summary>
    public static float Width(string text, float height) => float.Max(0, text.Sum(Advance) - Between) * height / CapHeight;

    /// <summary>Draws the text; (<paramref name="x"/>, <paramref name="y"/>) is the upper left corner of its first capital.</summary>
    public static void Draw(SKCanvas canvas, string text, float x, float y, float height, SKColor colour)
    {
        var unit = height / CapHeight;
        using var pen = new SKPaint { Color = colour, IsAntialias = true, IsStroke = true, StrokeWidth = 0.95f, StrokeCap = SKStrokeCap.Round, StrokeJoin = SKStrokeJoin.Round };
        canvas.Save();
        canvas.Translate(x, y);
        canvas.Scale(unit);
        foreach (var character in text)
        {
            if (Shapes.TryGetValue(character, out var shape))
            {
                canvas.DrawPath(shape, pen);
            }

            canvas.Translate(Advance(character), 0);
        }

        canvas.Restore();
    }

    private static float Advance(char character) => (Shapes.TryGetValue(character, out var shape) ? shape.TightBounds.Right : Space - Between) + Between;
}
