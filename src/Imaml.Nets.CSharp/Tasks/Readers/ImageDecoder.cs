// Decodes one picture. The header is read first, so that a file that claims a hundred gigabytes of pixels costs nothing; decoded pixels of
// all threads together stay below an upper limit. The decoders are SkiaSharp's; colour profiles are not applied.

using SkiaSharp;

namespace Imaml.Nets.Tasks;

/// <summary>Encoded pictures to an <see cref="ImageForm"/>.</summary>
internal static class ImageDecoder
{
    /// <summary>The upper limits: of a side, of a picture's pixels (half a gigabyte decoded), and of a file's bytes.</summary>
    public const int LongestSide = 65_535, MostPixels = 1 << 27, LargestFile = 1 << 28;

    /// <summary>What is read.</summary>
    public const string Formats = "PNG, JPEG, WebP, BMP and GIF";

    private static readonly PixelBudget Budget = new(MostPixels);

    /// <summary>The endings of names that are taken for pictures.</summary>
    public static bool HasPictureName(string path) => Path.GetExtension(path).ToLowerInvariant() is ".png" or ".jpg" or ".jpeg" or ".jpe" or ".jfif" or ".webp" or ".bmp" or ".gif";

    /// <summary>Pictures of formats that are not read.</summary>
    public static bool HasForeignPictureName(string path) =>
        Path.GetExtension(path).ToLowerInvariant() is ".tif" or ".tiff" or ".heic" or ".heif" or ".avif" or ".jp2" or ".svg" or ".ico" or ".psd" or ".dng" or ".cr2" or ".nef" or ".arw" or ".raw" or ".ppm" or ".pgm" or ".tga" or ".jxl";

    /// <summary>Decodes into the target.</summary>
    /// <param name="encoded">The file.</param>
    /// <param name="form">The form.</param>
    /// <param name="target">Receives [Size, Size, Channels].</param>
    /// <param name="name">Names the file in messages.</param>
    /// <param name="side">Rows and columns that the picture must have, or null for any.</param>
    /// <exception cref="DataException">It is not an image of a known format, is damaged, has another size, or claims too many pixels.</exception>
    public static void Read(ReadOnlySpan<byte> encoded, ImageForm form, Span<byte> target, string name, int? side = null)
    {
        using var data = SKData.CreateCopy(encoded);
        using var codec = SKCodec.Create(data);
        if (codec is null)
        {
            throw new DataException(ForeignFormat(encoded) is { } format ? $"{name} is {format}; {Formats} are read" : $"{name} is damaged, or no image");
        }

        if (codec.EncodedFormat is not (SKEncodedImageFormat.Png or SKEncodedImageFormat.Jpeg or SKEncodedImageFormat.Webp or SKEncodedImageFormat.Bmp or SKEncodedImageFormat.Gif))
        {
            throw new DataException($"{name} is {codec.EncodedFormat.ToString().ToUpperInvariant()}; {Formats} are read");
        }

        var (width, height) = (codec.Info.Width, codec.Info.Height);
        if (side is not null && (width != side || height != side))
        {
            throw new DataException($"{name} is {width}×{height} pixels, not {side}×{side}");
        }

        if (width > LongestSide || height > LongestSide || (long)width * height > MostPixels)
        {
            throw new DataException($"{name} claims {width}×{height} pixels; the upper limit is {MostPixels:N0} pixels and {LongestSide:N0} a side");
        }

        var pixels = width * height;
        Budget.Take(pixels);
        try
        {
            Decode(codec, new SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Unpremul), codec.EncodedFormat == SKEncodedImageFormat.Png ? PngOrientation.Of(encoded) : codec.EncodedOrigin, form, target, name);
        }
        finally
        {
            Budget.Return(pixels);
        }
    }

    // By the first bytes, where the decoders do not support it.
    private static string? ForeignFormat(ReadOnlySpan<byte> encoded) =>
        encoded.StartsWith("II*\0"u8) || encoded.StartsWith("MM\0*"u8) ? "TIFF"
        : encoded.Length < 12 || !encoded[4..].StartsWith("ftyp"u8) ? null
        : encoded[8..].StartsWith("avi"u8) ? "AVIF"
        : encoded[8..].StartsWith("hei"u8) || encoded[8..].StartsWith("hev"u8) || encoded[8..].StartsWith("mif1"u8) || encoded[8..].StartsWith("msf1"u8) ? "HEIC"
        : null;

    private static void Decode(SKCodec codec, SKImageInfo info, SKEncodedOrigin origin, ImageForm form, Span<byte> target, string name)
    {
        using var bitmap = new SKBitmap();
        if (!bitmap.TryAllocPixels(info))
        {
            throw new DataException($"{name} has {info.Width}×{info.Height} pixels, more than fit into memory");
        }

        if (codec.GetPixels(info, bitmap.GetPixels()) is var result && result != SKCodecResult.Success)
        {
            throw new DataException($"{name} is damaged ({(result == SKCodecResult.IncompleteInput ? "it is cut off" : result)})");
        }

        var rows = new Resampling(
            info.Height,
            info.Width,
            form,
            mirroredRows: origin is SKEncodedOrigin.BottomRight or SKEncodedOrigin.BottomLeft or SKEncodedOrigin.RightTop or SKEncodedOrigin.RightBottom,
            mirroredColumns: origin is SKEncodedOrigin.TopRight or SKEncodedOrigin.BottomRight or SKEncodedOrigin.RightBottom or SKEncodedOrigin.LeftBottom);
        rows.Run(bitmap.GetPixelSpan(), info.BytesPerPixel, bitmap.RowBytes, target);
        Turn(target, form, origin);
    }

    /// <summary>Shows the reduced picture as its EXIF orientation says; the reduction is symmetric, so that this may come after it.</summary>
    private static void Turn(Span<byte> target, ImageForm form, SKEncodedOrigin origin)
    {
        if (origin is SKEncodedOrigin.TopLeft)
        {
            return;
        }

        var (last, stored) = (form.Size - 1, target.ToArray());
        for (var row = 0; row <= last; row++)
        {
            for (var column = 0; column <= last; column++)
            {
                var (fromRow, fromColumn) = origin switch
                {
                    SKEncodedOrigin.TopRight => (row, last - column),
                    SKEncodedOrigin.BottomRight => (last - row, last - column),
                    SKEncodedOrigin.BottomLeft => (last - row, column),
                    SKEncodedOrigin.LeftTop => (column, row),
                    SKEncodedOrigin.RightTop => (last - column, row),
                    SKEncodedOrigin.RightBottom => (last - column, last - row),
                    SKEncodedOrigin.LeftBottom => (column, last - row),
                    _ => (row, column),
                };
                stored.AsSpan(((fromRow * form.Size) + fromColumn) * form.Channels, form.Channels).CopyTo(target[(((row * form.Size) + column) * form.Channels)..]);
            }
        }
    }

    /// <summary>Pixels that threads may hold at once; one picture goes through however large it is.</summary>
    private sealed class PixelBudget(long limit)
    {
        private readonly object _turn = new();
        private long _held;

        public void Take(long pixels)
        {
            lock (_turn)
            {
                while (_held > 0 && _held + pixels > limit)
                {
                    Monitor.Wait(_turn);
                }

                _held += pixels;
            }
        }

        public void Return(long pixels)
        {
            lock (_turn)
            {
                _held -= pixels;
                Monitor.PulseAll(_turn);
            }
        }
    }
}
