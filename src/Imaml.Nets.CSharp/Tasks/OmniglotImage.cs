// Decodes one Omniglot drawing and brings it to the 28×28 pixels of the few-shot literature by area averaging: each target pixel is the
// mean of the 3¾ × 3¾ source pixels that it covers, in integer arithmetic, so the result does not depend on the machine. Ink becomes 255
// and paper 0 (the files have ink = 0).

using SkiaSharp;

namespace Imaml.Nets.Tasks;

/// <summary>Reads an Omniglot PNG as 28×28 bytes.</summary>
internal static class OmniglotImage
{
    /// <summary>Rows and columns of the files.</summary>
    public const int FileSize = 105;

    /// <summary>Rows and columns of the result.</summary>
    public const int Size = 28;

    // In units of 1/4 of a file's pixel, a file's pixel is 4 long and a target pixel 15.
    private const int FileUnits = 4;
    private const int TargetUnits = 15;

    /// <summary>Decodes and reduces <paramref name="png"/> into <paramref name="target"/>.</summary>
    /// <param name="png">The file's bytes.</param>
    /// <param name="target">Receives [28, 28] bytes, ink = 255.</param>
    /// <param name="where">Names the file in messages, for example <c>images_background/…/0001_01.png of …/images_background.zip</c>.</param>
    /// <exception cref="DataException">It does not decode, is cut off, or is not 105×105.</exception>
    public static void Read(byte[] png, Span<byte> target, string where)
    {
        using var data = SKData.CreateCopy(png);
        using var codec = SKCodec.Create(data);
        if (codec is null)
        {
            throw new DataException($"{where} is not an image that decodes; get the archive again (imaml data get omniglot)");
        }

        if (codec.Info.Width != FileSize || codec.Info.Height != FileSize)
        {
            throw new DataException($"{where} is {codec.Info.Width}×{codec.Info.Height} pixels, not {FileSize}×{FileSize}; get the archive again (imaml data get omniglot)");
        }

        var info = new SKImageInfo(FileSize, FileSize, SKColorType.Rgba8888, SKAlphaType.Unpremul);
        using var bitmap = new SKBitmap(info);
        if (codec.GetPixels(info, bitmap.GetPixels()) is var result && result != SKCodecResult.Success)
        {
            throw new DataException($"{where} is damaged ({result}); get the archive again (imaml data get omniglot)");
        }

        Reduce(bitmap.GetPixelSpan(), target);
    }

    /// <summary>Area averaging of the red channel (the files are grey), first along rows, then along columns.</summary>
    private static void Reduce(ReadOnlySpan<byte> rgba, Span<byte> target)
    {
        Span<int> narrow = stackalloc int[FileSize * Size];
        narrow.Clear();
        for (var row = 0; row < FileSize; row++)
        {
            for (var column = 0; column < FileSize; column++)
            {
                var ink = 255 - rgba[((row * FileSize) + column) * 4];
                var (to, first, second) = Shares(column);
                narrow[(row * Size) + to] += first * ink;
                if (second > 0)
                {
                    narrow[(row * Size) + to + 1] += second * ink;
                }
            }
        }

        Span<int> sums = stackalloc int[Size * Size];
        sums.Clear();
        for (var row = 0; row < FileSize; row++)
        {
            var (to, first, second) = Shares(row);
            for (var column = 0; column < Size; column++)
            {
                sums[(to * Size) + column] += first * narrow[(row * Size) + column];
                if (second > 0)
                {
                    sums[((to + 1) * Size) + column] += second * narrow[(row * Size) + column];
                }
            }
        }

        const int Whole = TargetUnits * TargetUnits;
        for (var i = 0; i < sums.Length; i++)
        {
            target[i] = (byte)((sums[i] + (Whole / 2)) / Whole);
        }
    }

    /// <summary>The target pixel in which a file's pixel begins, and how many quarters of it lie there and in the next.</summary>
    private static (int To, int First, int Second) Shares(int filePixel)
    {
        var begin = filePixel * FileUnits;
        var to = begin / TargetUnits;
        var first = System.Math.Min(FileUnits, ((to + 1) * TargetUnits) - begin);
        return (to, first, FileUnits - first);
    }
}
