// The drawings of an episode as files, one folder for each class, as `imaml predict` takes them.

using Imaml.Nets.Storage;
using Imaml.Nets.Tasks;
using SkiaSharp;

namespace Imaml.Cli.Plots;

/// <summary>Writes drawings.</summary>
internal static class DemoDrawings
{
    // Large enough to be looked at; reading takes the mean of so many pixels, which is the pixel itself.
    private const int Enlarged = 4;

    /// <summary>Writes the support images and the query images of one episode of drawings, ink black on white.</summary>
    /// <param name="folder">The folder that gets both folders.</param>
    /// <param name="batch">The episode: one channel, ink is 1.</param>
    /// <returns>The two folders.</returns>
    public static (string Examples, string Unknown) Write(string folder, EpisodeBatch batch)
    {
        var (examples, unknown) = (Free(folder, "examples", batch.Ways), Free(folder, "new", batch.Ways));
        foreach (var (below, pixels, each) in new[] { (examples, batch.Support, batch.Shots), (unknown, batch.Query, batch.Queries) })
        {
            for (var i = 0; i < batch.Ways * each; i++)
            {
                var size = batch.Height * batch.Width;
                AtomicFile.Write(Path.Combine(below, Name(i / each), $"{(i % each) + 1}.png"), Png(pixels.AsSpan(i * size, size), batch.Height, batch.Width));
            }
        }

        return (examples, unknown);
    }

    private static string Name(int label) => $"{(char)('A' + label)}";

    // Another class in it would be one of the examples'.
    private static string Free(string folder, string name, int ways)
    {
        string[] classes = [.. Enumerable.Range(0, ways).Select(Name)];
        return Enumerable.Range(1, int.MaxValue).Select(i => Path.Combine(Path.GetFullPath(folder), i == 1 ? name : $"{name}-{i}"))
            .First(path => !Directory.Exists(path) || Directory.EnumerateFileSystemEntries(path).All(entry => classes.Contains(Path.GetFileName(entry))));
    }

    private static byte[] Png(ReadOnlySpan<float> ink, int height, int width)
    {
        using var bitmap = new SKBitmap(new SKImageInfo(width * Enlarged, height * Enlarged, SKColorType.Rgba8888, SKAlphaType.Opaque));
        for (var y = 0; y < height * Enlarged; y++)
        {
            for (var x = 0; x < width * Enlarged; x++)
            {
                var grey = (byte)(255 - float.Round(255 * ink[((y / Enlarged) * width) + (x / Enlarged)]));
                bitmap.SetPixel(x, y, new SKColor(grey, grey, grey));
            }
        }

        using var png = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        return png.ToArray();
    }
}
