// Panels side by side, drawn as pixels (PNG) and as lines (SVG, PDF) from the same description.

using System.Text;
using System.Text.RegularExpressions;
using Imaml.Nets.Tensors;
using SkiaSharp;

namespace Imaml.Cli.Plots;

/// <summary>Draws panels. The same panels give the same bytes.</summary>
internal static partial class Figure
{
    /// <summary>Font sizes in pixels: of titles, and of ticks and legends.</summary>
    public const float Text = 13, SmallText = 12;

    // Pixels of the PNG for one of the SVG; and points of the PDF, in which two panels are as wide as the text of a paper.
    private const float Sharpness = 3, Points = 0.5f;

    /// <summary>What curves with bands show of so many problems or tasks, in words; of one, only that it is one.</summary>
    public static string Spread(int count, string thing) => count == 1 ? $"one {thing}" : $"median of {count} {thing}s, 10–90 %";

    /// <summary>The figure in every format, by the ending of the file's name.</summary>
    public static IReadOnlyList<(string Ending, byte[] Content)> Files(params IReadOnlyList<PlotPanel> panels) => [(".svg", Svg(panels)), (".pdf", Pdf(panels)), (".png", Png(panels))];

    /// <summary>The figure as pixels.</summary>
    public static byte[] Png(params IReadOnlyList<PlotPanel> panels) => Drawn(panels, (size, draw) =>
    {
        using var surface = SKSurface.Create(new SKImageInfo((int)(size.Width * Sharpness), (int)(size.Height * Sharpness), SKColorType.Rgba8888, SKAlphaType.Premul));
        surface.Canvas.Scale(Sharpness);
        draw(surface.Canvas);
        using var image = surface.Snapshot();
        using var encoded = image.Encode(SKEncodedImageFormat.Png, quality: 100);
        return encoded.ToArray();
    });

    /// <summary>The figure as lines.</summary>
    public static byte[] Svg(params IReadOnlyList<PlotPanel> panels) => Drawn(panels, (size, draw) =>
    {
        using var stream = new MemoryStream();
        using (var canvas = SKSvgCanvas.Create(SKRect.Create(size), stream))
        {
            draw(canvas);
        }

        // A viewer without this font takes the next one, which is similar; the file has the position of every letter.
        var text = Encoding.UTF8.GetString(stream.ToArray()).Replace($"font-family=\"{PlotFont.Name}\"", $"font-family=\"{PlotFont.Name}, Verdana, sans-serif\"", StringComparison.Ordinal);
        // The library numbers clips from the process's first figure on.
        var clips = new Dictionary<string, string>();
        text = Clips().Replace(text, clip =>
        {
            if (!clips.TryGetValue(clip.Value, out var name))
            {
                clips.Add(clip.Value, name = $"cl_{clips.Count}");
            }

            return name;
        });
        // With it a page that holds the drawing itself can scale it.
        text = Size().Replace(text, "$0 viewBox=\"0 0 $1 $2\"", 1);
        return Encoding.UTF8.GetBytes(text.TrimEnd() + "\n");
    });

    [GeneratedRegex("(?<=<svg [^>]*)width=\"([0-9.]+)\" height=\"([0-9.]+)\"")]
    private static partial Regex Size();

    [GeneratedRegex(@"\bcl_[0-9a-f]+\b")]
    private static partial Regex Clips();

    /// <summary>The figure as a page of its size, with its fonts and without a date.</summary>
    public static byte[] Pdf(params IReadOnlyList<PlotPanel> panels) => Drawn(panels, (size, draw) =>
    {
        using var stream = new MemoryStream();
        using (var document = SKDocument.CreatePdf(stream, new SKDocumentPdfMetadata { Creator = "imaml", RasterDpi = SKDocumentPdfMetadata.DefaultRasterDpi, EncodingQuality = SKDocumentPdfMetadata.DefaultEncodingQuality }))
        {
            var canvas = document.BeginPage(size.Width * Points, size.Height * Points);
            canvas.Scale(Points);
            draw(canvas);
            document.EndPage();
            document.Close();
        }

        return stream.ToArray();
    });

    // Without finalizers: the drawing libraries leave paths and paints to them while native code still reads these. A garbage collection at that moment would crash the process.
    private static byte[] Drawn(IReadOnlyList<PlotPanel> panels, Func<SKSize, Action<SKCanvas>, byte[]> format) => Finalizers.HeldOffDuring(() =>
    {
        var drawings = panels.Select(panel => new PanelDrawing(panel)).ToArray();
        var bytes = format(new SKSize(drawings.Sum(one => one.Size.Width), drawings.Max(one => one.Size.Height)), canvas =>
        {
            canvas.Clear(SKColors.White);
            foreach (var drawing in drawings)
            {
                drawing.Draw(canvas);
                canvas.Translate(drawing.Size.Width, 0);
            }
        });
        foreach (var drawing in drawings)
        {
            drawing.Dispose();
        }

        return bytes;
    });
}
