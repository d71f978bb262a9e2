// A labelled set of images of one size, held as bytes, in memory or in a mapped file: the only form in which data reaches the episodes. For Omniglot and the glyphs
// ink is 255 and paper 0, so that byte/255 has ink = 1 as in the few-shot literature.

using System.Buffers.Binary;
using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;

namespace Imaml.Nets.Tasks;

/// <summary>A class of an <see cref="ImageSet"/>: the images <paramref name="First"/> … <paramref name="First"/> + <paramref name="Count"/> − 1.</summary>
/// <param name="Name">The class's name, unique in its set; for Omniglot <c>Alphabet/characterNN</c>.</param>
/// <param name="First">Index of its first image in the set.</param>
/// <param name="Count">Number of its images, at least 1.</param>
public sealed record ImageClass(string Name, int First, int Count);

/// <summary>Images of one size, grouped by class; immutable, and safe to read from many threads.</summary>
public sealed class ImageSet
{
    private readonly PixelStore _pixels;
    private readonly FrozenDictionary<string, ImageClass> _byName;
    private readonly Lazy<string> _hash;

    /// <summary>Groups <paramref name="pixels"/> into classes.</summary>
    /// <param name="name">The set's name in messages and result files, for example <c>omniglot</c>.</param>
    /// <param name="height">Rows of an image.</param>
    /// <param name="width">Columns of an image.</param>
    /// <param name="channels">1 for grey, 3 for red, green, blue.</param>
    /// <param name="pixels">All images one after the other, each [height, width, channels] in row-major order.</param>
    /// <param name="classes">Names and numbers of images, in the order of the images.</param>
    /// <exception cref="ArgumentException">The sizes do not agree, a class is empty, or a name occurs twice.</exception>
    public ImageSet(string name, int height, int width, int channels, ImmutableArray<byte> pixels, IEnumerable<(string Name, int Count)> classes)
        : this(name, height, width, channels, new ArrayPixels(pixels, height * width * channels), classes, null)
    {
        if (pixels.IsDefault || pixels.Length != (long)Count * ImageSize)
        {
            throw new ArgumentException($"{(pixels.IsDefault ? 0 : pixels.Length)} bytes for {Count} images of {height}×{width}×{channels}", nameof(pixels));
        }
    }

    /// <summary>Groups images that lie anywhere.</summary>
    /// <param name="name">The set's name.</param>
    /// <param name="height">Rows of an image.</param>
    /// <param name="width">Columns of an image.</param>
    /// <param name="channels">Channels of an image.</param>
    /// <param name="pixels">The images, as many as <paramref name="classes"/> have together.</param>
    /// <param name="classes">Names and numbers of images.</param>
    /// <param name="contentHash">Their hash, where it is known.</param>
    internal ImageSet(string name, int height, int width, int channels, PixelStore pixels, IEnumerable<(string Name, int Count)> classes, string? contentHash)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(height);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(width);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(channels);
        ArgumentNullException.ThrowIfNull(classes);
        (Name, Height, Width, Channels, _pixels) = (name, height, width, channels, pixels);

        var list = ImmutableArray.CreateBuilder<ImageClass>();
        var byName = new Dictionary<string, ImageClass>(StringComparer.Ordinal);
        var next = 0;
        foreach (var (className, count) in classes)
        {
            var one = new ImageClass(className, next, count);
            if (count < 1 || !byName.TryAdd(className, one))
            {
                throw new ArgumentException($"class {className} with {count} images: every class needs at least one image and a name of its own", nameof(classes));
            }

            list.Add(one);
            next += count;
        }

        (Classes, Count, _byName) = (list.ToImmutable(), next, byName.ToFrozenDictionary(StringComparer.Ordinal));
        _hash = contentHash is null ? new Lazy<string>(ComputeHash) : new Lazy<string>(contentHash);
    }

    /// <summary>The set's name in messages and result files.</summary>
    public string Name { get; }

    /// <summary>Rows of an image.</summary>
    public int Height { get; }

    /// <summary>Columns of an image.</summary>
    public int Width { get; }

    /// <summary>Channels of an image: 1 for grey, 3 for red, green, blue.</summary>
    public int Channels { get; }

    /// <summary>Number of images.</summary>
    public int Count { get; }

    /// <summary>The classes in the order of their images.</summary>
    public IReadOnlyList<ImageClass> Classes { get; }

    /// <summary>Bytes of one image: height × width × channels.</summary>
    public int ImageSize => Height * Width * Channels;

    /// <summary>SHA-256 (lower-case hex) of the size, the classes' names and counts, and all pixels. Computed once, at first use.</summary>
    public string ContentHash => _hash.Value;

    /// <summary>How the images were brought to this size, for result files; null where that is part of the set's definition.</summary>
    public string? Preparation { get; internal init; }

    /// <summary>The pixels of one image: [Height, Width, Channels], 0 … 255.</summary>
    /// <param name="index">0 … Count − 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such image.</exception>
    public ReadOnlySpan<byte> Image(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
        return _pixels.Image(index);
    }

    /// <summary>The class of this name, or null.</summary>
    public ImageClass? Find(string className) => _byName.GetValueOrDefault(className);

    /// <summary>The class of this name.</summary>
    /// <exception cref="DataException">The set has no such class.</exception>
    public ImageClass Class(string className) =>
        Find(className) ?? throw new DataException($"the data set {Name} has no class {className} (it has {Classes.Count}, from {Classes[0].Name} to {Classes[^1].Name})");

    private string ComputeHash()
    {
        using var hash = HashOf(Height, Width, Channels, [.. Classes.Select(one => (one.Name, one.Count))]);
        for (var image = 0; image < Count; image++)
        {
            hash.AppendData(Image(image));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>The content hash before its pixels, which follow image by image.</summary>
    internal static IncrementalHash HashOf(int height, int width, int channels, IReadOnlyList<(string Name, int Count)> classes)
    {
        var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> number = stackalloc byte[4];
        foreach (var size in (int[])[height, width, channels, classes.Count])
        {
            BinaryPrimitives.WriteInt32LittleEndian(number, size);
            hash.AppendData(number);
        }

        foreach (var (name, count) in classes)
        {
            hash.AppendData(Encoding.UTF8.GetBytes($"{name}\n{count}\n"));
        }

        return hash;
    }
}

/// <summary>
/// Something is wrong with the data, or with what was asked of it: a missing or damaged archive, an image that does not decode, a split or an
/// episode that the classes do not allow. The message is one line that says what, where, and how to mend it.
/// </summary>
public sealed class DataException(string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>Whether what the caller named is not there, or cannot be had from these data: a mistake in the request, not in a file.</summary>
    internal bool IsOfRequest { get; init; }
}
