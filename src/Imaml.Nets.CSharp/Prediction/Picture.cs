// Pictures as a caller has them: a file, a stream, or pixels in memory. A network's own form is made of them when it is known which network.

using Imaml.Nets.Tasks;

namespace Imaml.Nets.Prediction;

/// <summary>A picture: PNG, JPEG, WebP, BMP or GIF, or pixels. Read as the images of training are.</summary>
public sealed class Picture
{
    private readonly Func<ImageForm, byte[]> _read;

    private Picture(string name, Func<ImageForm, byte[]> read) => (Name, _read) = (name, read);

    /// <summary>Names it in messages and tables.</summary>
    public string Name { get; }

    /// <summary>A file, which is read when the picture is used.</summary>
    public static Picture FromFile(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (path.Contains('\0', StringComparison.Ordinal))
        {
            throw new ArgumentException("a file's name has no null character", nameof(path));
        }

        return new Picture(path, form => form.Read(path));
    }

    /// <summary>A file's content.</summary>
    /// <param name="bytes">The encoded image; not copied.</param>
    /// <param name="name">Names it in messages.</param>
    public static Picture FromBytes(byte[] bytes, string name = "the picture")
    {
        ArgumentNullException.ThrowIfNull(bytes);
        return new Picture(name, form => form.Read(bytes, name));
    }

    /// <summary>A file's content, read from the stream at once and to its end; the stream stays the caller's, and its exceptions pass.</summary>
    /// <exception cref="DataException">It is longer than any picture may be.</exception>
    public static Picture FromStream(Stream stream, string name = "the picture") => FromBytes(ImageForm.Content(stream, name), name);

    /// <summary>Pixels.</summary>
    /// <param name="pixels">[height, width, channels], row by row, 0 … 255; copied.</param>
    /// <param name="height">Rows.</param>
    /// <param name="width">Columns.</param>
    /// <param name="channels">1 for grey; 3 for red, green, blue; 4 with alpha, which lies over white.</param>
    /// <param name="name">Names it in messages.</param>
    /// <exception cref="ArgumentException">The channels or sides are not allowed, or there are not height × width × channels pixels.</exception>
    public static Picture FromPixels(ReadOnlySpan<byte> pixels, int height, int width, int channels, string name = "the picture")
    {
        ImageForm.RequirePixels(pixels.Length, height, width, channels);
        var copy = pixels.ToArray();
        return new Picture(name, form => form.FromPixels(copy, height, width, channels));
    }

    /// <summary>Reads it once, for its exception.</summary>
    /// <inheritdoc cref="Read"/>
    internal void Check(ImageForm form) => _ = Read(form);

    /// <summary>[Size, Size, Channels] of a form.</summary>
    /// <exception cref="DataException">It is not an image, or is damaged.</exception>
    internal byte[] Read(ImageForm form) => _read(form);
}

/// <summary>An example of a class.</summary>
/// <param name="Label">The class.</param>
/// <param name="Picture">The picture.</param>
public sealed record LabelledPicture(string Label, Picture Picture);

/// <summary>A classifier's prediction for a picture.</summary>
/// <param name="Classes">The labels with their probabilities, the most probable first; equal ones in the order of the labels.</param>
public sealed record Prediction(IReadOnlyList<(string Label, double Probability)> Classes)
{
    /// <summary>Whether the other has the same labels with the same probabilities.</summary>
    public bool Equals(Prediction? other) => other is not null && Classes.SequenceEqual(other.Classes);

    /// <inheritdoc/>
    public override int GetHashCode() => Classes.Aggregate(0, HashCode.Combine);

    /// <summary>The most probable label.</summary>
    public string Label => Classes[0].Label;

    /// <summary>Its probability, as the network has it: 0.9 is not right nine times in ten unless that has been measured.</summary>
    public double Probability => Classes[0].Probability;

    /// <summary>−Σ p ln p in units of ln N: 0 is certain, 1 is all classes equally probable.</summary>
    public double Entropy => Classes.Count == 1 ? 0 : -Classes.Sum(one => one.Probability > 0 ? one.Probability * double.Log(one.Probability) : 0) / double.Log(Classes.Count);
}
