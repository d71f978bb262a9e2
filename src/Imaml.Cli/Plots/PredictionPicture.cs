// Predictions as one picture: a block for each class, its examples first, then the pictures that were taken for it, each with its probability.
// Where a picture's own class is known, right and wrong differ in colour and in sign.

using System.Globalization;
using Imaml.Nets.Tasks;
using SkiaSharp;
using static Imaml.Cli.Plots.EpisodePicture;

namespace Imaml.Cli.Plots;

/// <summary>A picture on the sheet.</summary>
/// <param name="Pixels">In the network's form.</param>
/// <param name="Label">The class that it is an example of, or was taken for.</param>
/// <param name="Probability">Null for an example.</param>
/// <param name="Right">Null where its class is not known.</param>
internal sealed record SheetPicture(byte[] Pixels, string Label, double? Probability, bool? Right);

/// <summary>Draws predictions.</summary>
internal static class PredictionPicture
{
    private const int ImageGoal = 84, Frame = 4, Tab = 22, Gap = 8, Margin = 24, HeadHeight = 13, TitleHeight = 15, InRow = 10;

    /// <summary>The sheet as a PNG; the same arguments give the same bytes.</summary>
    /// <param name="form">The form of the pixels.</param>
    /// <param name="labels">The classes, in the order of their blocks.</param>
    /// <param name="title">The line at the top.</param>
    /// <param name="pictures">Examples and predictions.</param>
    public static byte[] Render(ImageForm form, IReadOnlyList<string> labels, string title, IReadOnlyList<SheetPicture> pictures)
    {
        var scale = int.Max(1, ImageGoal / form.Size);
        var side = form.Size * scale;
        var (column, row) = (side + (2 * Frame) + Gap, side + Frame + Tab + Gap);
        SheetPicture[][] blocks = [.. labels.Select(label => pictures.Where(one => one.Label == label).OrderBy(one => one.Probability is not null).ThenByDescending(one => one.Probability).ToArray())];
        var width = int.Max((2 * Margin) + (column * int.Min(InRow, blocks.Max(block => block.Length))), (2 * Margin) + (int)float.Ceiling(Width(title, TitleHeight)));
        var height = (2 * Margin) + TitleHeight + blocks.Sum(block => (3 * Gap) + HeadHeight + (row * Lines(block)));
        using var bitmap = new SKBitmap(new SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Opaque));
        using (var canvas = new SKCanvas(bitmap))
        {
            canvas.Clear(Paper);
            Write(canvas, title, Margin, Margin, TitleHeight, Ink);
            var y = Margin + TitleHeight + (2 * Gap);
            foreach (var (label, block) in labels.Zip(blocks))
            {
                Write(canvas, label, Margin, y, HeadHeight, ClassBlue);
                y += HeadHeight + Gap;
                foreach (var (i, one) in block.Index())
                {
                    Draw(canvas, form, one, scale, Margin + Frame + (i % InRow * column), y + Frame + (i / InRow * row));
                }

                y += (row * Lines(block)) + (2 * Gap);
            }
        }

        using var png = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        return png.ToArray();
    }

    private static int Lines(SheetPicture[] block) => (block.Length + InRow - 1) / InRow;

    private static void Draw(SKCanvas canvas, ImageForm form, SheetPicture one, int scale, int x, int y)
    {
        var side = form.Size * scale;
        var colour = one.Right switch { true => RightGreen, false => WrongRed, null => one.Probability is null ? ClassBlue : Quiet };
        Fill(canvas, SKRect.Create(x - Frame, y - Frame, side + (2 * Frame), side + Frame + Tab), colour, 4);
        using var brush = new SKPaint();
        Span<float> pixel = stackalloc float[form.Channels];
        for (var i = 0; i < form.Size * form.Size; i++)
        {
            for (var k = 0; k < form.Channels; k++)
            {
                pixel[k] = one.Pixels[(i * form.Channels) + k] / 255f;
            }

            brush.Color = form is { Channels: 1, Ink: false } ? new SKColor(one.Pixels[i], one.Pixels[i], one.Pixels[i]) : Colour(pixel);
            canvas.DrawRect(x + (i % form.Size * scale), y + (i / form.Size * scale), scale, scale, brush);
        }

        var sign = one.Right switch { true => $"{RightSign} ", false => $"{WrongSign} ", null => "" };
        Centred(canvas, one.Probability is { } p ? string.Create(CultureInfo.InvariantCulture, $"{sign}{100 * p:F0} %") : "example", SKRect.Create(x, y + side, side, Tab), 10);
    }
}
