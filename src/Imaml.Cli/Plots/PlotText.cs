// Labels with formulas, in the notation of TeX as far as labels need it: `relative error $‖g − g^∗‖ / ‖g^∗‖$`.

using System.Text.RegularExpressions;
using SkiaSharp;

namespace Imaml.Cli.Plots;

/// <summary>A line of text. Between dollar signs, letters are oblique, and <c>_</c> and <c>^</c> lower and raise the next character or the next <c>{group}</c>.</summary>
/// <param name="text">The text in this notation.</param>
/// <param name="size">The font size in pixels.</param>
internal sealed partial class PlotText(string text, float size)
{
    private const float ScriptSize = 0.72f, Raised = -0.36f, Lowered = 0.16f;

    private readonly Run[] _runs = [.. Parse(text)];

    /// <summary>The width in pixels.</summary>
    public float Width => _runs.Sum(run => run.Width(size));

    /// <summary>The text without its notation, as a reader sees it.</summary>
    public string Plain => string.Concat(_runs.Select(run => run.Text));

    /// <summary>Whether the font has all its characters.</summary>
    public bool IsComplete => _runs.All(run =>
    {
        using var font = run.Font(size);
        return font.ContainsGlyphs(run.Text);
    });

    /// <summary>Draws it in black.</summary>
    /// <param name="canvas">The canvas.</param>
    /// <param name="x">The left end, the middle or the right end, by <paramref name="align"/>.</param>
    /// <param name="y">The baseline.</param>
    /// <param name="align">What lies at <paramref name="x"/>.</param>
    public void Draw(SKCanvas canvas, float x, float y, SKTextAlign align = SKTextAlign.Left)
    {
        using var ink = new SKPaint { Color = SKColors.Black, IsAntialias = true };
        x -= align switch { SKTextAlign.Center => Width / 2, SKTextAlign.Right => Width, _ => 0 };
        foreach (var run in _runs)
        {
            using var font = run.Font(size);
            canvas.DrawText(run.Text, x, y + (run.Drop * size), font, ink);
            x += run.Width(size);
        }
    }

    private static IEnumerable<Run> Parse(string text) =>
        text.Split('$').SelectMany((part, i) => i % 2 == 0 ? [new Run(part, false, 1, 0)] : Tokens().Matches(part).SelectMany(OfFormula)).Where(run => run.Text.Length > 0);

    private static IEnumerable<Run> OfFormula(Match token)
    {
        var (scale, drop) = token.Value[0] switch { '^' when token.Length > 1 => (ScriptSize, Raised), '_' when token.Length > 1 => (ScriptSize, Lowered), _ => (1f, 0f) };
        return Slants().Matches(scale < 1 ? token.Value[1..].Trim('{', '}') : token.Value).Select(run => new Run(run.Value, run.Groups["letters"].Success, scale, drop));
    }

    // A script, or what lies before the next script.
    [GeneratedRegex(@"[_^](\{[^}]*\}|\P{M}\p{M}*)|[^_^]+")]
    private static partial Regex Tokens();

    // Letters with their accents, or what lies before the next letter.
    [GeneratedRegex(@"(?<letters>[\p{L}\p{M}]+)|[^\p{L}\p{M}]+")]
    private static partial Regex Slants();

    private sealed record Run(string Text, bool Oblique, float Scale, float Drop)
    {
        public SKFont Font(float size) => PlotFont.OfFigures(size * Scale, Oblique);

        public float Width(float size)
        {
            using var font = Font(size);
            return font.MeasureText(Text);
        }
    }
}
