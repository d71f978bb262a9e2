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
        return (Place(folder, "examples", Drawings(batch, batch.Support, batch.Shots)), Place(folder, "new", Drawings(batch, batch.Query, batch.Queries)));
    }

    private static IReadOnlyDictionary<string, byte[]> Drawings(EpisodeBatch batch, float[] pixels, int each)
    {
        var size = batch.Height * batch.Width;
        return Enumerable.Range(0, batch.Ways * each).ToDictionary(
            i => Path.Combine($"{(char)('A' + (i / each))}", $"{(i % each) + 1}.png"),
            i => Png(pixels.AsSpan(i * size, size), batch.Height, batch.Width));
    }

    // In the first folder of the name that holds nothing but these drawings: of anything else nothing is replaced, and no class is added to it.
    private static string Place(string folder, string name, IReadOnlyDictionary<string, byte[]> drawings)
    {
        var place = Enumerable.Range(1, int.MaxValue).Select(i => Path.Combine(Path.GetFullPath(folder), i == 1 ? name : $"{name}-{i}")).First(HoldsNoOther);
        foreach (var (file, png) in drawings)
        {
            AtomicFile.Write(Path.Combine(place, file), png);
        }

        return place;

        bool HoldsNoOther(string path) => !File.Exists(path) && (!Directory.Exists(path) || Directory.EnumerateFileSystemEntries(path, "*", SearchOption.AllDirectories).All(entry =>
            Path.GetRelativePath(path, entry) is var name && drawings.TryGetValue(name, out var png) ? png.AsSpan().SequenceEqual(File.ReadAllBytes(entry))
                : drawings.Keys.Any(file => Path.GetDirectoryName(file) == name)));
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
