using ScottPlot;
using SkiaSharp;

namespace Imaml.Cli.Plots;

/// <summary>The font of every picture: DejaVu Sans, upright and oblique, carried in the program, so that it looks the same on a machine without fonts.</summary>
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

    private readonly SKTypeface _upright = Face("DejaVuSans.ttf"), _oblique = Face("DejaVuSans-Oblique.ttf");

    /// <summary>Makes it the font that plots are drawn with, and returns it in a size. The caller disposes it.</summary>
    public static SKFont OfSize(float size, bool oblique = false) =>
        new(oblique ? Installed.Value._oblique : Installed.Value._upright, size) { Edging = SKFontEdging.Antialias, Subpixel = true };

    /// <inheritdoc/>
    public SKTypeface? CreateTypeface(string fontName, FontWeight weight, FontSlant slant, FontSpacing spacing) => fontName == Name ? _upright : null;

    /// <inheritdoc/>
    public SKTypeface? CreateTypeface(string fontName, bool bold, bool italic) => fontName == Name ? _upright : null;

    private static SKTypeface Face(string resource)
    {
        using var data = typeof(PlotFont).Assembly.GetManifestResourceStream(resource)!;
        return SKTypeface.FromStream(data);
    }
}
