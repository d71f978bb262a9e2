// One episode as a picture: a row for each class, its examples on the left, the drawings to be recognised on the right,
// each with the class it was taken for. Right and wrong differ in colour and in sign.

using Imaml.Nets.Tasks;
using SkiaSharp;

namespace Imaml.Cli.Plots;

/// <summary>Draws an episode with predictions.</summary>
internal static class EpisodePicture
{
    // Sizes in pixels: images are enlarged to about ImageGoal, by whole factors so that their pixels stay sharp.
    private const int ImageGoal = 84, Frame = 4, Tab = 24, Gap = 10, Margin = 24, Badge = 30, Divider = 48;
    private const int TitleHeight = 15, TextHeight = 10, HeadTop = Margin + TitleHeight + 24, RowsTop = HeadTop + TextHeight + 16, LegendHeight = 34;

    // Of DejaVu Sans: the height of a capital letter over the size of the font. Heights of text are those of its capitals.
    private const float Capital = 0.729f;

    internal const char RightSign = '\u2713', WrongSign = '\u2717';

    internal static readonly SKColor Paper = new(0xFB, 0xFA, 0xF6), Ink = new(0x22, 0x26, 0x2B), Quiet = new(0x6E, 0x73, 0x79), Line = new(0xDD, 0xDB, 0xD3),
        RightGreen = new(0x2A, 0x91, 0x4E), WrongRed = new(0xCB, 0x30, 0x2B), OnColour = SKColors.White, ClassBlue = new(0x35, 0x53, 0x7A);

    /// <summary>The picture as a PNG; the same arguments give the same bytes.</summary>
    /// <param name="set">The images that the episode refers to, grey (ink = 255) or RGB.</param>
    /// <param name="episode">The episode, of classes that were not trained on, as the title says.</param>
    /// <param name="predictions">The predicted label of each query image, 0 … N − 1, in the order of <see cref="Episode.QueryImages"/>: [N·Q].</param>
    /// <exception cref="ArgumentException">Another number of predictions than of query images, a label outside 0 … N − 1, or images of 2 or more than 3 channels.</exception>
    public static byte[] Render(ImageSet set, Episode episode, IReadOnlyList<int> predictions)
    {
        ArgumentNullException.ThrowIfNull(set);
        ArgumentNullException.ThrowIfNull(episode);
        ArgumentNullException.ThrowIfNull(predictions);
        if (predictions.Count != episode.QueryImages.Length)
        {
            throw new ArgumentException($"{predictions.Count} predictions for {episode.QueryImages.Length} query images", nameof(predictions));
        }

        if (predictions.Where(label => label < 0 || label >= episode.Ways).Select(label => (int?)label).FirstOrDefault() is { } none)
        {
            throw new ArgumentException($"prediction {none}: the labels of this episode are 0 to {episode.Ways - 1}", nameof(predictions));
        }

        if (set.Channels is not (1 or 3))
        {
            throw new ArgumentException($"images of {set.Channels} channels; only grey and RGB can be drawn", nameof(set));
        }

        var title = Title(episode, predictions);
        var layout = new Layout(set, episode, title);
        using var bitmap = new SKBitmap(new SKImageInfo(layout.Width, layout.Height, SKColorType.Rgba8888, SKAlphaType.Opaque));
        using (var canvas = new SKCanvas(bitmap))
        {
            canvas.Clear(Paper);
            Write(canvas, title, Margin, Margin, TitleHeight, Ink);
            Write(canvas, Examples(episode.Shots), layout.SupportX(0), HeadTop, TextHeight, Quiet);
            Write(canvas, "new: which class is it?", layout.QueryX(0), HeadTop, TextHeight, Quiet);
            DrawRows(canvas, layout, EpisodeBatch.Pack(set, [episode]), predictions);
            DrawLegend(canvas, layout);
        }

        using var png = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        return png.ToArray();
    }

    private static string Title(Episode episode, IReadOnlyList<int> predictions)
    {
        var right = predictions.Where((label, query) => label == query / episode.Queries).Count();
        return $"{episode.Ways} {(episode.Ways == 1 ? "class" : "classes")} never seen in training, {episode.Shots} {Examples(episode.Shots)} each: {right} of {predictions.Count} right";
    }

    private static string Examples(int count) => count == 1 ? "example" : "examples";

    /// <summary>A, B, …, Z, AA, AB, …</summary>
    private static string Letter(int label) => (label < 26 ? "" : Letter((label / 26) - 1)) + (char)('A' + (label % 26));

    private static void DrawRows(SKCanvas canvas, Layout layout, EpisodeBatch batch, IReadOnlyList<int> predictions)
    {
        for (var label = 0; label < batch.Ways; label++)
        {
            var y = layout.RowY(label);
            var badge = SKRect.Create(Margin, y + ((layout.ImageHeight - Badge) / 2f), Badge, Badge);
            Fill(canvas, badge, ClassBlue, 6);
            Centred(canvas, Letter(label), badge, label < 26 ? 14 : 10);
            for (var k = 0; k < batch.Shots; k++)
            {
                DrawImage(canvas, layout, batch, batch.Support, (label * batch.Shots) + k, layout.SupportX(k), y, Line, Frame);
            }

            for (var q = 0; q < batch.Queries; q++)
            {
                var query = (label * batch.Queries) + q;
                var right = predictions[query] == label;
                var (x, colour) = (layout.QueryX(q), right ? RightGreen : WrongRed);
                DrawImage(canvas, layout, batch, batch.Query, query, x, y, colour, Tab);
                var tab = SKRect.Create(x, y + layout.ImageHeight, layout.ImageWidth, Tab);
                Centred(canvas, $"{(right ? RightSign : WrongSign)} {Letter(predictions[query])}", tab, 11);
            }
        }

        using var pen = new SKPaint { Color = Line, StrokeWidth = 1 };
        var middle = layout.QueryX(0) - Frame - (Divider / 2) + 0.5f;
        canvas.DrawLine(middle, HeadTop, middle, layout.RowY(batch.Ways) - Gap, pen);
    }

    private static void DrawLegend(SKCanvas canvas, Layout layout)
    {
        var (x, y) = ((float)Margin, layout.RowY(layout.Ways) + (LegendHeight - Margin) + 2);
        foreach (var (sign, colour, words) in new[] { (RightSign, RightGreen, "right"), (WrongSign, WrongRed, "wrong") })
        {
            var box = SKRect.Create(x, y - 4, 20, 18);
            Fill(canvas, box, colour, 4);
            Centred(canvas, $"{sign}", box, 9);
            x += box.Width + 7;
            Write(canvas, words, x, y, TextHeight, Quiet);
            x += Width(words, TextHeight) + 18;
        }

        Write(canvas, "the letter is the class it was taken for", x, y, TextHeight, Quiet);
    }

    private static void DrawImage(SKCanvas canvas, Layout layout, EpisodeBatch batch, float[] pixels, int index, int x, int y, SKColor frame, int frameBelow)
    {
        Fill(canvas, SKRect.Create(x - Frame, y - Frame, layout.ImageWidth + (2 * Frame), layout.ImageHeight + Frame + frameBelow), frame, 4);
        using var brush = new SKPaint();
        var size = batch.Height * batch.Width * batch.Channels;
        for (var row = 0; row < batch.Height; row++)
        {
            for (var column = 0; column < batch.Width; column++)
            {
                brush.Color = Colour(pixels.AsSpan((index * size) + (((row * batch.Width) + column) * batch.Channels), batch.Channels));
                canvas.DrawRect(x + (column * layout.Scale), y + (row * layout.Scale), layout.Scale, layout.Scale, brush);
            }
        }
    }

    /// <summary>RGB as it is; grey as ink on white.</summary>
    internal static SKColor Colour(ReadOnlySpan<float> pixel)
    {
        static byte Mix(byte paper, byte ink, float share) => (byte)float.Round(paper + ((ink - paper) * share));
        static byte Whole(float value) => (byte)float.Round(255 * value);
        return pixel.Length == 3
            ? new SKColor(Whole(pixel[0]), Whole(pixel[1]), Whole(pixel[2]))
            : new SKColor(Mix(255, Ink.Red, pixel[0]), Mix(255, Ink.Green, pixel[0]), Mix(255, Ink.Blue, pixel[0]));
    }

    internal static void Fill(SKCanvas canvas, SKRect where, SKColor colour, float corner)
    {
        using var brush = new SKPaint { Color = colour, IsAntialias = true };
        canvas.DrawRoundRect(where, corner, corner, brush);
    }

    internal static void Write(SKCanvas canvas, string text, float x, float top, float height, SKColor colour)
    {
        using var brush = new SKPaint { Color = colour, IsAntialias = true };
        foreach (var (part, font) in PlotFont.OfPicture(text, height / Capital))
        {
            using (font)
            {
                canvas.DrawText(part, x, top + height, font, brush);
                x += font.MeasureText(part);
            }
        }
    }

    internal static float Width(string text, float height)
    {
        var width = 0f;
        foreach (var (part, font) in PlotFont.OfPicture(text, height / Capital))
        {
            using (font)
            {
                width += font.MeasureText(part);
            }
        }

        return width;
    }

    internal static void Centred(SKCanvas canvas, string text, SKRect where, float height) =>
        Write(canvas, text, where.MidX - (Width(text, height) / 2), where.MidY - (height / 2), height, OnColour);

    /// <summary>Where things are; images' places are those of their own corners, inside the frames.</summary>
    private sealed class Layout
    {
        private readonly int _shots;

        public Layout(ImageSet set, Episode episode, string title)
        {
            (_shots, Ways) = (episode.Shots, episode.Ways);
            Scale = int.Max(1, ImageGoal / int.Max(set.Height, set.Width));
            (ImageWidth, ImageHeight) = (set.Width * Scale, set.Height * Scale);
            Width = int.Max(QueryX(episode.Queries) - Gap - Frame, Margin + (int)float.Ceiling(EpisodePicture.Width(title, TitleHeight))) + Margin;
            Height = RowY(Ways) + LegendHeight + Gap;
        }

        public int Ways { get; }

        public int Scale { get; }

        public int ImageWidth { get; }

        public int ImageHeight { get; }

        public int Width { get; }

        public int Height { get; }

        private int Column => ImageWidth + (2 * Frame) + Gap;

        public int SupportX(int shot) => Margin + Badge + Gap + Frame + (shot * Column);

        public int QueryX(int query) => SupportX(_shots) - Gap + Divider + (query * Column);

        public int RowY(int label) => RowsTop + (label * (ImageHeight + Frame + Tab + Gap));
    }
}
