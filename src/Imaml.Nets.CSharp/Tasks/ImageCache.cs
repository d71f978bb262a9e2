// Keeps a prepared image set as one file: magic, size, classes, pixels, and at the end the SHA-256 of all that, so that a cut-off or
// damaged file is noticed and made anew. Written to a draft beside it and renamed, so that no reader ever sees half a file.

using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Imaml.Nets.Storage;

namespace Imaml.Nets.Tasks;

/// <summary>Image sets on disk.</summary>
internal static class ImageCache
{
    private static readonly byte[] Magic = "imaml image set 1\n"u8.ToArray();

    /// <summary>The per-user folder of prepared data: <c>XDG_CACHE_HOME</c> or <c>~/.cache</c>, then <c>imaml/data</c>.</summary>
    public static string DefaultFolder() => UserCache.Folder("data");

    /// <summary>The set in this file, or null where the file is absent, cannot be read, is cut off, or is damaged.</summary>
    public static ImageSet? TryRead(string path)
    {
        try
        {
            var bytes = File.ReadAllBytes(path);
            var body = bytes.AsSpan(0, System.Math.Max(0, bytes.Length - SHA256.HashSizeInBytes));
            return body.StartsWith(Magic) && SHA256.HashData(body).AsSpan().SequenceEqual(bytes.AsSpan(body.Length)) ? Parse(bytes, body.Length) : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Writes the set, atomically.</summary>
    /// <exception cref="IOException">The folder cannot be made or written.</exception>
    /// <exception cref="UnauthorizedAccessException">Nor may it.</exception>
    public static void Write(string path, ImageSet set) => AtomicFile.Write(path, Format(set));

    private static byte[] Format(ImageSet set)
    {
        using var memory = new MemoryStream(set.Pixels.Length + (64 * set.Classes.Count) + 1024);
        using var writer = new BinaryWriter(memory, Encoding.UTF8);
        writer.Write(Magic);
        writer.Write(set.Name);
        foreach (var number in (int[])[set.Height, set.Width, set.Channels, set.Classes.Count])
        {
            writer.Write(number);
        }

        foreach (var one in set.Classes)
        {
            writer.Write(one.Name);
            writer.Write(one.Count);
        }

        writer.Write(set.Pixels);
        writer.Write(SHA256.HashData(memory.GetBuffer().AsSpan(0, (int)memory.Length)));
        return memory.ToArray();
    }

    /// <summary>Reads what <see cref="Format"/> wrote; the hash has been checked.</summary>
    private static ImageSet Parse(byte[] bytes, int length)
    {
        using var reader = new BinaryReader(new MemoryStream(bytes, 0, length, writable: false), Encoding.UTF8);
        reader.ReadBytes(Magic.Length);
        var name = reader.ReadString();
        var (height, width, channels) = (reader.ReadInt32(), reader.ReadInt32(), reader.ReadInt32());
        var classes = new (string, int)[reader.ReadInt32()];
        for (var i = 0; i < classes.Length; i++)
        {
            classes[i] = (reader.ReadString(), reader.ReadInt32());
        }

        var pixels = reader.ReadBytes(length - (int)reader.BaseStream.Position);
        return new ImageSet(name, height, width, channels, ImmutableCollectionsMarshal.AsImmutableArray(pixels), classes);
    }
}
