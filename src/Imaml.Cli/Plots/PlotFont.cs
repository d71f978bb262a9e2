using ScottPlot;
using SkiaSharp;

namespace Imaml.Cli.Plots;

/// <summary>The font of every picture: DejaVu Sans, carried in the program, so that it looks the same on a machine without fonts. Figures have their own, of Latin, Greek and mathematical characters, which a PDF carries.</summary>
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

    /// <summary>The font of pictures, with all characters, in a size. The caller disposes it.</summary>
    public static SKFont OfSize(float size) => Font(Installed.Value._whole, size);

    /// <summary>Makes the font of figures the one that plots are drawn with, and returns it in a size. The caller disposes it.</summary>
    public static SKFont OfFigures(float size, bool oblique = false) => Font(oblique ? Installed.Value._oblique : Installed.Value._upright, size);

    /// <inheritdoc/>
    public SKTypeface? CreateTypeface(string fontName, FontWeight weight, FontSlant slant, FontSpacing spacing) => fontName == Name ? _upright : null;

    /// <inheritdoc/>
    public SKTypeface? CreateTypeface(string fontName, bool bold, bool italic) => fontName == Name ? _upright : null;

    private static SKFont Font(SKTypeface face, float size) => new(face, size) { Edging = SKFontEdging.Antialias, Subpixel = true };

    private static SKTypeface Face(string resource)
    {
        using var data = typeof(PlotFont).Assembly.GetManifestResourceStream(resource)!;
        return SKTypeface.FromStream(data);
    }
}
