// The form in which a network takes an image: size, channels, and how a picture of another shape is fitted. Training, evaluation and prediction
// read pictures by this one type, so that the same file always gives the same bytes.

using System.Text.Json.Serialization;
using Imaml.Nets.Storage;

namespace Imaml.Nets.Tasks;

/// <summary>How a picture that is not square becomes one.</summary>
public enum ImageFit
{
    /// <summary>The largest square in its middle is taken; the rest is cut off.</summary>
    Crop,

    /// <summary>All of it is taken; the longer side is reduced more.</summary>
    Squeeze,
}

/// <summary>A form of image: [Size, Size, Channels] bytes.</summary>
/// <param name="Size">Rows and columns.</param>
/// <param name="Channels">3 for red, green, blue; 1 for grey.</param>
/// <param name="Fit">How a picture that is not square becomes one.</param>
/// <param name="Ink">True reads a drawing: 255 is ink, 0 is paper, and ink of any colour counts as 255 − min(red, green, blue). One channel.</param>
public sealed record ImageForm(int Size, int Channels, ImageFit Fit = ImageFit.Crop, bool Ink = false)
{
    /// <summary>Drawings as Omniglot and the glyphs have them: 28×28, one channel, ink is 255.</summary>
    public static readonly ImageForm Drawing = new(28, 1, ImageFit.Squeeze, Ink: true);

    /// <summary>Bytes of one image.</summary>
    [JsonIgnore]
    public int Bytes => Size * Size * Channels;

    /// <summary>Reads a PNG, JPEG, WebP, BMP or GIF file; of a GIF its first frame. Transparency lies over white, and EXIF orientation is applied.</summary>
    /// <param name="path">The file.</param>
    /// <returns>[Size, Size, Channels], row by row.</returns>
    /// <exception cref="ArgumentException">There is no such form.</exception>
    /// <exception cref="DataException">It is not an image, is damaged, or claims more pixels than the upper limit; one line that names it.</exception>
    public byte[] Read(string path)
    {
        try
        {
            if (Owner.IsSpecial(path))
            {
                throw new DataException($"{path} is not a file");
            }

            using var file = File.OpenRead(path);
            return Read(file, path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new DataException($"{path} cannot be read ({e.Message.TrimEnd('.')})", e);
        }
    }

    /// <summary>Reads a stream to its end, as <see cref="Read(string)"/> reads a file.</summary>
    /// <param name="stream">The encoded image.</param>
    /// <param name="name">Names it in messages.</param>
    /// <exception cref="DataException">It is not an image, or is damaged.</exception>
    public byte[] Read(Stream stream, string name) => Read(Content(stream, name), name);

    /// <summary>A stream's bytes to its end.</summary>
    /// <exception cref="DataException">They are more than a picture may have.</exception>
    internal static byte[] Content(Stream stream, string name)
    {
        ArgumentNullException.ThrowIfNull(stream);
        using var memory = new MemoryStream();
        var block = new byte[1 << 16];
        for (int count; (count = stream.Read(block)) > 0; memory.Write(block, 0, count))
        {
            if (memory.Length + count > ImageDecoder.LargestFile)
            {
                throw new DataException($"{name} is longer than {ImageDecoder.LargestFile:N0} bytes, the upper limit of a picture");
            }
        }

        return memory.ToArray();
    }

    /// <summary>Reads the bytes of a file, as <see cref="Read(string)"/> does.</summary>
    /// <param name="encoded">The encoded image.</param>
    /// <param name="name">Names it in messages.</param>
    /// <exception cref="DataException">It is not an image, or is damaged.</exception>
    public byte[] Read(ReadOnlySpan<byte> encoded, string name)
    {
        RequireForm();
        var target = new byte[Bytes];
        ImageDecoder.Read(encoded, this, target, name);
        return target;
    }

    /// <summary>Brings pixels that are in memory into this form.</summary>
    /// <param name="pixels">[height, width, channels], row by row.</param>
    /// <param name="height">Rows.</param>
    /// <param name="width">Columns.</param>
    /// <param name="channels">1 for grey; 3 for red, green, blue; 4 with alpha, not premultiplied, which lies over white.</param>
    /// <exception cref="ArgumentException">The sizes do not agree or are out of range.</exception>
    public byte[] FromPixels(ReadOnlySpan<byte> pixels, int height, int width, int channels)
    {
        RequireForm();
        RequirePixels(pixels.Length, height, width, channels);
        var target = new byte[Bytes];
        new Resampling(height, width, this, mirroredRows: false, mirroredColumns: false).Run(pixels, channels, width * channels, target);
        return target;
    }

    private void RequireForm()
    {
        if (Size is < 1 or > ImageDecoder.LongestSide || Channels is not (1 or 3) || !Enum.IsDefined(Fit) || (Ink && Channels != 1))
        {
            throw new ArgumentException($"a form has sides of 1 to {ImageDecoder.LongestSide}, 1 channel or 3, ink with 1, and a fit that there is, not {Size}, {Channels}, {(Ink ? "ink" : "no ink")}, {Fit}");
        }
    }

    /// <exception cref="ArgumentException">The number of bytes does not fit this height, width and channels.</exception>
    internal static void RequirePixels(int bytes, int height, int width, int channels)
    {
        if (channels is not (1 or 3 or 4) || height is < 1 or > ImageDecoder.LongestSide || width is < 1 or > ImageDecoder.LongestSide || bytes != (long)height * width * channels)
        {
            throw new ArgumentException($"{bytes} bytes for {height}×{width} pixels of {channels} channels; there are 1, 3 or 4 channels, and sides of 1 to {ImageDecoder.LongestSide}");
        }
    }

    /// <summary>For result files: <c>84×84 colour, cropped</c>.</summary>
    public override string ToString() =>
        $"{Size}×{Size} {(Ink ? "ink" : Channels == 1 ? "grey" : "colour")}, {(Fit == ImageFit.Crop ? "cropped" : "squeezed")}";
}
