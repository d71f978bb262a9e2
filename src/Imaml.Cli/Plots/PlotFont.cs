using System.Globalization;
using System.Text;
using ScottPlot;
using SkiaSharp;

namespace Imaml.Cli.Plots;

/// <summary>The font of every picture: DejaVu Sans, carried in the program, so that it looks the same on a machine without fonts; characters that it lacks come from those that there are. Figures have their own, of Latin, Greek and mathematical characters, which a PDF carries.</summary>
internal sealed class PlotFont : IFontResolver
{
    public const string Name = "DejaVu Sans";

    private static readonly Lazy<PlotFont> Installed = new(() =>
    {
        var font = new PlotFont();
        Fonts.FontResolvers.Insert(0, font);
        Fonts.Default = Name;
        return font;
    });

    private readonly SKTypeface _whole = Face("DejaVuSans.ttf"), _upright = Face("DejaVuSans-figures.ttf"), _oblique = Face("DejaVuSans-Oblique-figures.ttf");

    /// <summary>A line of a picture in parts of one font each, for characters that DejaVu Sans lacks one of the machine's. The caller disposes the fonts.</summary>
    public static IEnumerable<(string Text, SKFont Font)> OfPicture(string text, float size)
    {
        var (from, at, face) = (0, 0, (SKTypeface?)null);
        foreach (var rune in text.EnumerateRunes())
        {
            var next = IsMark(rune) && face is not null ? face : With(rune) ?? Installed.Value._whole;
            if (face is not null && next != face)
            {
                yield return (text[from..at], Font(face, size));
                from = at;
            }

            (face, at) = (next, at + rune.Utf16SequenceLength);
        }

        if (face is not null)
        {
            yield return (text[from..], Font(face, size));
        }
    }

    /// <summary>Whether there is a font for each of its characters.</summary>
    public static bool CanDraw(string text) => text.EnumerateRunes().All(rune => IsMark(rune) || With(rune) is not null);

    /// <summary>Makes the font of figures the one that plots are drawn with, and returns it in a size. The caller disposes it.</summary>
    public static SKFont OfFigures(float size, bool oblique = false) => Font(oblique ? Installed.Value._oblique : Installed.Value._upright, size);

    /// <inheritdoc/>
    public SKTypeface? CreateTypeface(string fontName, FontWeight weight, FontSlant slant, FontSpacing spacing) => fontName == Name ? _upright : null;

    /// <inheritdoc/>
    public SKTypeface? CreateTypeface(string fontName, bool bold, bool italic) => fontName == Name ? _upright : null;

    private static SKTypeface? With(Rune rune) => Installed.Value._whole.ContainsGlyph(rune.Value) ? Installed.Value._whole : SystemFonts.With(rune.Value);

    // Accents, joiners and variation selectors belong to the character before them.
    private static bool IsMark(Rune rune) => Rune.GetUnicodeCategory(rune) is UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark or UnicodeCategory.Format;

    private static SKFont Font(SKTypeface face, float size) => new(face, size) { Edging = SKFontEdging.Antialias, Subpixel = true };

    private static SKTypeface Face(string resource)
    {
        using var data = typeof(PlotFont).Assembly.GetManifestResourceStream(resource)!;
        return SKTypeface.FromStream(data);
    }
}
