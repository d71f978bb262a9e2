// Keeps a prepared image set as one file that is mapped into memory, so that opening it costs the same whatever its size:
//
//     magic · pixels of all images · SHA-256 of each image's pixels · what the set is, as JSON · the two's lengths · SHA-256 of the three
//
// A file is accepted where its end has the right hash and its length is that of its images. It is written to a draft next to it and renamed, so that no
// reader ever sees half a file, and two processes that write the same one do not clash. Each image is checked against its hash before it is used: all
// at once in a small set, at its first use in a large one. A file that fails is made anew, never trusted.

using System.Buffers.Binary;
using System.Collections.Immutable;
using System.IO.MemoryMappedFiles;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;
using Imaml.Nets.Storage;

namespace Imaml.Nets.Tasks;

/// <summary>The description of a set in a cache file, apart from pixels.</summary>
/// <param name="Key">What it was prepared from; a file under another key's name is foreign.</param>
/// <param name="Name">The set's name.</param>
/// <param name="Height">Rows of an image.</param>
/// <param name="Width">Columns.</param>
/// <param name="Channels">Channels.</param>
/// <param name="Preparation">How the images were prepared, or null.</param>
/// <param name="Classes">The classes in the order of their images.</param>
/// <param name="ContentHash">Of the set.</param>
/// <param name="Division">What divides the classes, or null.</param>
/// <param name="Notes">What was found while it was prepared.</param>
/// <param name="Damaged">The damaged files that were skipped.</param>
internal sealed record CachedIndex(
    string Key, string Name, int Height, int Width, int Channels, string? Preparation, IReadOnlyList<CachedClass> Classes, string ContentHash, string? Division, IReadOnlyList<string> Notes, IReadOnlyList<string> Damaged)
{
    /// <summary>Whether it describes a set: a file may have the right hash of a wrong description.</summary>
    [JsonIgnore]
    public bool IsWhole =>
        (Key, Name, Classes, ContentHash, Notes, Damaged) is ({ }, { Length: > 0 }, { Count: > 0 }, { Length: 2 * SHA256.HashSizeInBytes }, { }, { })
        && int.Min(Height, int.Min(Width, Channels)) > 0 && (double)Height * Width * Channels <= int.MaxValue
        && Classes.All(one => one is { Name.Length: > 0, Count: > 0 } && (one.Part is not { } part || Enum.IsDefined(part))) && Count <= int.MaxValue
        && Classes.Select(one => one.Name).Distinct(StringComparer.Ordinal).Count() == Classes.Count
        && Notes.Concat(Damaged).All(line => line is not null);

    /// <summary>Bytes of one image.</summary>
    public long ImageBytes => (long)Height * Width * Channels;

    /// <summary>Number of images.</summary>
    public long Count => Classes.Sum(one => (long)one.Count);
}

/// <summary>A class of a cached set.</summary>
internal sealed record CachedClass(string Name, int Count, ClassPart? Part);

/// <summary>A set and what was kept with it.</summary>
internal sealed record CachedImages(ImageSet Set, CachedIndex Index);

/// <summary>Image sets on disk.</summary>
internal static class ImageCache
{
    private const int FooterLength = (2 * sizeof(long)) + SHA256.HashSizeInBytes;

    // Checked as a whole when it is opened; hashing more would take longer than opening may.
    private const long CheckedAtOnce = 64 << 20;

    private static readonly byte[] Magic = "imaml image set 4\n"u8.ToArray();

    /// <summary>The per-user folder of prepared data: <c>XDG_CACHE_HOME</c> or <c>~/.cache</c>, then <c>imaml/data</c>.</summary>
    public static string DefaultFolder() => UserCache.Folder("data");

    /// <summary>Why nothing could be kept, in one line.</summary>
    public static string NotKept(string? folder, Exception e) =>
        $"the prepared data could not be kept in {folder} ({e.Message.TrimEnd('.')}); set XDG_CACHE_HOME to a writable folder to save this work next time";

    /// <summary>The set of this key in this file, or null where the file is absent, cannot be read, is cut off, is damaged, or is something else.</summary>
    public static CachedImages? TryRead(string path, byte[] key)
    {
        try
        {
            using var file = File.OpenHandle(path, share: FileShare.Read | FileShare.Delete);
            if (!Owner.IsTrusted(path))
            {
                return null;
            }

            var (length, footer, magic) = (RandomAccess.GetLength(file), new byte[FooterLength], new byte[Magic.Length]);
            if (length < Magic.Length + FooterLength || RandomAccess.Read(file, magic, 0) < magic.Length || !magic.AsSpan().SequenceEqual(Magic)
                || RandomAccess.Read(file, footer, length - FooterLength) < FooterLength)
            {
                return null;
            }

            var (digests, json) = (BinaryPrimitives.ReadInt64LittleEndian(footer), BinaryPrimitives.ReadInt64LittleEndian(footer.AsSpan(sizeof(long))));
            if (digests < 0 || json < 0 || digests > int.MaxValue / 2 || json > int.MaxValue / 2 || digests + json > length - Magic.Length - FooterLength)
            {
                return null;
            }

            var trailer = new byte[digests + json];
            return RandomAccess.Read(file, trailer, length - FooterLength - trailer.Length) == trailer.Length && HashOf(trailer, footer).AsSpan().SequenceEqual(footer.AsSpan(2 * sizeof(long)))
                ? Open(path, length, key, trailer[..(int)digests], trailer.AsSpan((int)digests))
                : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException or ArgumentException or OverflowException or NotSupportedException)
        {
            return null;
        }
    }

    private static CachedImages? Open(string path, long length, byte[] key, byte[] digests, ReadOnlySpan<byte> json)
    {
        var pixels = length - Magic.Length - digests.Length - json.Length - FooterLength;
        if (JsonSerializer.Deserialize<CachedIndex>(json) is not { IsWhole: true } index || index.Key != Text(key) || index.Count * SHA256.HashSizeInBytes != digests.Length || index.Count * index.ImageBytes != pixels)
        {
            return null;
        }

        var map = MemoryMappedFile.CreateFromFile(path, FileMode.Open, null, 0, MemoryMappedFileAccess.Read);
        var store = new MappedPixels(path, map, Magic.Length, pixels, (int)index.ImageBytes, digests);
        if (pixels <= CheckedAtOnce && !store.IsSound())
        {
            store.Close();
            return null;
        }

        return new CachedImages(SetOf(store, index), index);
    }

    /// <summary>Of what ends a file: the images' hashes, the index, and the lengths of the two.</summary>
    internal static byte[] HashOf(byte[] trailer, ReadOnlySpan<byte> footer) => SHA256.HashData([.. trailer, .. footer[..(2 * sizeof(long))]]);

    /// <summary>Begins a file of so many images.</summary>
    /// <exception cref="IOException">The folder cannot be made or written, or has no room.</exception>
    /// <exception cref="UnauthorizedAccessException">Likewise.</exception>
    public static ImageCacheWriter Write(string path, long count, int imageBytes)
    {
        var folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        UserCache.Make(folder);
        Drafts.RemoveAbandoned(folder, "*.images");
        return new ImageCacheWriter(path, Magic, count, imageBytes);
    }

    /// <summary>Writes a set that is in memory.</summary>
    /// <exception cref="IOException">The folder cannot be made or written.</exception>
    /// <exception cref="UnauthorizedAccessException">Likewise.</exception>
    public static void Write(string path, byte[] key, ImageSet set)
    {
        using var writer = Write(path, set.Count, set.ImageSize);
        for (var i = 0; i < set.Count; i++)
        {
            writer.Add(i, set.Image(i));
        }

        writer.Finish(new CachedIndex(
            Text(key), set.Name, set.Height, set.Width, set.Channels, set.Preparation, [.. set.Classes.Select(one => new CachedClass(one.Name, one.Count, null))], set.ContentHash, null, [], []));
    }

    /// <summary>A key as an index has it.</summary>
    public static string Text(byte[] key) => Convert.ToHexStringLower(key);

    /// <summary>The set that an index describes.</summary>
    public static ImageSet SetOf(PixelStore store, CachedIndex index) =>
        new(index.Name, index.Height, index.Width, index.Channels, store, index.Classes.Select(one => (one.Name, one.Count)), index.ContentHash) { Preparation = index.Preparation };
}

/// <summary>A cache file that is being written: its images in any order, from any thread, then what the set is.</summary>
internal sealed class ImageCacheWriter : IPreparedImages
{
    private readonly string _path, _draft;
    private readonly FileStream _file;
    private readonly int _start, _imageBytes;
    private readonly long _count;
    private readonly byte[] _digests;

    public ImageCacheWriter(string path, ReadOnlySpan<byte> magic, long count, int imageBytes)
    {
        (_path, _draft) = (path, Drafts.NameFor(path));
        (_start, _count, _imageBytes, _digests) = (magic.Length, count, imageBytes, new byte[count * SHA256.HashSizeInBytes]);
        try
        {
            // Room for all of it at once: a full disk is found here, before an hour's work.
            _file = Drafts.Create(_draft, new FileStreamOptions
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.ReadWrite,
                Share = FileShare.Delete,
                BufferSize = 0,
                PreallocationSize = _start + (count * imageBytes) + _digests.Length,
            });
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Drafts.OfFile(e, _draft, path);
        }

        RandomAccess.Write(_file.SafeFileHandle, magic, 0);
    }

    /// <summary>SHA-256 of an image's pixels, once it is added.</summary>
    public byte[] Digest(int image) => _digests.AsSpan(image * SHA256.HashSizeInBytes, SHA256.HashSizeInBytes).ToArray();

    /// <summary>Writes an image.</summary>
    public void Add(int image, ReadOnlySpan<byte> pixels)
    {
        SHA256.HashData(pixels, _digests.AsSpan(image * SHA256.HashSizeInBytes, SHA256.HashSizeInBytes));
        RandomAccess.Write(_file.SafeFileHandle, pixels, _start + ((long)image * _imageBytes));
    }

    /// <summary>The images as they are in the draft, for the set's hash.</summary>
    public void Read(int image, Span<byte> pixels)
    {
        if (RandomAccess.Read(_file.SafeFileHandle, pixels, _start + ((long)image * _imageBytes)) < pixels.Length)
        {
            throw new IOException($"{_draft} is shorter than what was written to it");
        }
    }

    /// <summary>Ends the file and gives it its name.</summary>
    public void Finish(CachedIndex index)
    {
        var json = JsonSerializer.SerializeToUtf8Bytes(index);
        byte[] trailer = [.. _digests, .. json];
        var footer = new byte[(2 * sizeof(long)) + SHA256.HashSizeInBytes];
        BinaryPrimitives.WriteInt64LittleEndian(footer, _digests.Length);
        BinaryPrimitives.WriteInt64LittleEndian(footer.AsSpan(sizeof(long)), json.Length);
        ImageCache.HashOf(trailer, footer).CopyTo(footer, 2 * sizeof(long));
        var end = _start + (_count * _imageBytes);
        RandomAccess.Write(_file.SafeFileHandle, trailer, end);
        RandomAccess.Write(_file.SafeFileHandle, footer, end + trailer.Length);
        _file.SetLength(end + trailer.Length + footer.Length);
        _file.Flush(flushToDisk: true);
        File.Move(_draft, _path, overwrite: true);
    }

    /// <summary>Removes the draft where it was not finished.</summary>
    public void Dispose()
    {
        _file.Dispose();
        Drafts.Remove(_draft);
    }
}

/// <summary>The pixels of a set's images.</summary>
internal abstract class PixelStore
{
    /// <summary>The pixels of one image; from any thread.</summary>
    public abstract ReadOnlySpan<byte> Image(int index);
}

/// <summary>One array of all images.</summary>
internal sealed class ArrayPixels(ImmutableArray<byte> pixels, int imageBytes) : PixelStore
{
    public override ReadOnlySpan<byte> Image(int index) => pixels.AsSpan(index * imageBytes, imageBytes);
}

/// <summary>An array for each image, of which all together may be longer than an array can be.</summary>
internal sealed class SeparatePixels(byte[][] images) : PixelStore
{
    public override ReadOnlySpan<byte> Image(int index) => images[index];
}

/// <summary>Images in a mapped file, copied out one at a time; each is checked against its hash before its first use.</summary>
internal sealed class MappedPixels(string path, MemoryMappedFile map, long start, long length, int imageBytes, byte[] digests) : PixelStore
{
    private readonly MemoryMappedViewAccessor _view = map.CreateViewAccessor(0, start + length, MemoryMappedFileAccess.Read);
    private readonly bool[] _sound = new bool[digests.Length / SHA256.HashSizeInBytes];

    /// <summary>Gives the file up; no image may be asked for afterwards.</summary>
    public void Close()
    {
        _view.Dispose();
        map.Dispose();
    }

    public override ReadOnlySpan<byte> Image(int index)
    {
        var pixels = GC.AllocateUninitializedArray<byte>(imageBytes);
        _view.SafeMemoryMappedViewHandle.ReadSpan<byte>((ulong)(start + ((long)index * imageBytes)), pixels);
        if (!Volatile.Read(ref _sound[index]))
        {
            if (!SHA256.HashData(pixels).AsSpan().SequenceEqual(digests.AsSpan(index * SHA256.HashSizeInBytes, SHA256.HashSizeInBytes)))
            {
                throw new DataException($"{Removed()}; run again to prepare the images anew");
            }

            Volatile.Write(ref _sound[index], true);
        }

        return pixels;
    }

    /// <summary>Whether all images have their hash.</summary>
    public bool IsSound()
    {
        try
        {
            Parallel.For(0, _sound.Length, index => Image(index));
            return true;
        }
        catch (AggregateException e) when (e.InnerExceptions.All(inner => inner is DataException))
        {
            return false;
        }
    }

    private string Removed()
    {
        try
        {
            File.Delete(path);
            return $"the prepared images in {path} are damaged, and have been removed";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return $"the prepared images in {path} are damaged, and cannot be removed ({e.Message.TrimEnd('.')}); remove them";
        }
    }
}
