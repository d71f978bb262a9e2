// A file of a header and numbers with a check that it is whole:
//
//     magic · header length (int32, little-endian) · header · body · SHA-256 of all before

using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Imaml.Nets.Storage;

/// <summary>Puts such files together and takes them apart.</summary>
internal static class SealedFile
{
    /// <summary>How an adapted classifier begins.</summary>
    public static ReadOnlySpan<byte> Adapted => "IMAMLAC"u8;

    /// <summary>The bytes of a file.</summary>
    public static byte[] Bytes(ReadOnlySpan<byte> magic, ReadOnlySpan<byte> header, IEnumerable<byte[]> body)
    {
        using var stream = new MemoryStream();
        stream.Write(magic);
        Span<byte> length = stackalloc byte[sizeof(int)];
        BinaryPrimitives.WriteInt32LittleEndian(length, header.Length);
        stream.Write(length);
        stream.Write(header);
        foreach (var part in body)
        {
            stream.Write(part);
        }

        stream.Write(SHA256.HashData(stream.GetBuffer().AsSpan(0, (int)stream.Length)));
        return stream.ToArray();
    }

    /// <summary>Header and body of a file that begins with a magic of this length; null where it is cut off or damaged.</summary>
    public static (byte[] Header, byte[] Body)? Open(byte[] bytes, int magic)
    {
        var (start, end) = (magic + sizeof(int), bytes.Length - SHA256.HashSizeInBytes);
        if (end < start || !SHA256.HashData(bytes.AsSpan(0, end)).AsSpan().SequenceEqual(bytes.AsSpan(end)))
        {
            return null;
        }

        var length = BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(magic));
        return length < 0 || length > end - start ? null : (bytes[start..(start + length)], bytes[(start + length)..end]);
    }
}
