// The orientation in a PNG's eXIf chunk (PNG 3.0, section 11.3.4.5; EXIF 2.3, tag 0x0112), which SkiaSharp's decoder does not read.

using System.Buffers.Binary;
using SkiaSharp;

namespace Imaml.Nets.Tasks;

/// <summary>How a PNG is to be turned to be seen.</summary>
internal static class PngOrientation
{
    private const int Signature = 8, ChunkFrame = 12, FirstData = 8;
    private const ushort OrientationTag = 0x0112, Short = 3;

    /// <summary>The orientation of the first eXIf chunk; none where there is no such chunk, or it is damaged.</summary>
    public static SKEncodedOrigin Of(ReadOnlySpan<byte> png)
    {
        for (var rest = png[int.Min(Signature, png.Length)..]; rest.Length >= ChunkFrame;)
        {
            var length = BinaryPrimitives.ReadUInt32BigEndian(rest);
            if (length > rest.Length - ChunkFrame)
            {
                break;
            }

            if (rest.Slice(4, 4).SequenceEqual("eXIf"u8))
            {
                return OfExif(rest.Slice(FirstData, (int)length));
            }

            rest = rest[(ChunkFrame + (int)length)..];
        }

        return SKEncodedOrigin.TopLeft;
    }

    // TIFF: byte order, 42, the place of the first directory; a directory is a number of entries of 12 bytes: tag, type, count, value.
    private static SKEncodedOrigin OfExif(ReadOnlySpan<byte> tiff)
    {
        const int Header = 8, Entry = 12, Value = 8;
        if (tiff.Length < Header || !(tiff.StartsWith("II*\0"u8) || tiff.StartsWith("MM\0*"u8)))
        {
            return SKEncodedOrigin.TopLeft;
        }

        var little = tiff[0] == (byte)'I';
        ushort Word(ReadOnlySpan<byte> at) => little ? BinaryPrimitives.ReadUInt16LittleEndian(at) : BinaryPrimitives.ReadUInt16BigEndian(at);
        uint Number(ReadOnlySpan<byte> at) => little ? BinaryPrimitives.ReadUInt32LittleEndian(at) : BinaryPrimitives.ReadUInt32BigEndian(at);
        var first = Number(tiff[4..]);
        if (first > tiff.Length - 2)
        {
            return SKEncodedOrigin.TopLeft;
        }

        var entries = tiff[((int)first + 2)..];
        for (var left = Word(tiff[(int)first..]); left > 0 && entries.Length >= Entry; left--, entries = entries[Entry..])
        {
            if (Word(entries) == OrientationTag && Word(entries[2..]) == Short && Number(entries[4..]) == 1 && Word(entries[Value..]) is >= 1 and <= 8 and var origin)
            {
                return (SKEncodedOrigin)origin;
            }
        }

        return SKEncodedOrigin.TopLeft;
    }
}
