// The system's loader maps a library without asking for its length: where the file is cut off, the first touch of a missing page ends the
// process with a bus error that nothing can catch. The headers say where the file must end.

using System.Buffers.Binary;

namespace Imaml.Nets.LibTorch;

/// <summary>Tells a library file that is cut off, or no library at all, before it is loaded.</summary>
internal static class ElfLength
{
    private const int HeaderSize = 64, SegmentSize = 56;

    /// <summary>Returns where the file is a 64-bit little-endian ELF file that is as long as its headers say.</summary>
    /// <exception cref="InvalidDataException">It is not.</exception>
    public static void Check(string path)
    {
        using var file = File.OpenRead(path);
        var header = Read(file, 0, HeaderSize);
        if (!header.AsSpan(0, 6).SequenceEqual((byte[])[0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1]))
        {
            throw new InvalidDataException("not a 64-bit little-endian ELF file");
        }

        var sections = Int64(header, 40) + (long)UInt16(header, 58) * UInt16(header, 60);
        long segments = Int64(header, 32), ends = sections;
        for (var i = 0; i < UInt16(header, 56); i++)
        {
            var segment = Read(file, segments + (long)i * UInt16(header, 54), SegmentSize);
            ends = System.Math.Max(ends, Int64(segment, 8) + Int64(segment, 32));
        }

        if (ends < 0 || ends > file.Length)
        {
            throw new InvalidDataException($"cut off: {file.Length} of {ends} bytes");
        }
    }

    private static byte[] Read(FileStream file, long at, int length)
    {
        if (at < 0 || at > file.Length - length)
        {
            throw new InvalidDataException($"cut off: {file.Length} bytes");
        }

        var bytes = new byte[length];
        file.Position = at;
        file.ReadExactly(bytes);
        return bytes;
    }

    private static ushort UInt16(byte[] bytes, int at) => BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(at));

    private static long Int64(byte[] bytes, int at) => BinaryPrimitives.ReadInt64LittleEndian(bytes.AsSpan(at));
}
