// Hashes and decodes the pictures of a layout, in parallel, into the cache; in memory where the cache cannot be written.

using System.Security.Cryptography;
using System.Text;

namespace Imaml.Nets.Tasks;

/// <summary>One preparation of a folder's pictures.</summary>
internal sealed class FolderPreparation(
    string full, string name, FolderReading reading, ImageLayout layout, FolderCache cache, IProgress<double>? progress, CancellationToken cancel)
{
    private const int LargestChunk = 64, ListedInNotes = 10;

    private const long LargeFile = 16 << 20;

    private readonly Lock _oneLarge = new();
    private readonly ParallelOptions _parallel = new() { MaxDegreeOfParallelism = Environment.ProcessorCount, CancellationToken = cancel };

    /// <summary>The prepared images, from the cache where these very files were prepared before.</summary>
    public OpenedImages Run(byte[] listing, double hashingShare)
    {
        var images = layout.Images;
        var hashes = new byte[images.Count][];
        var unreadable = ForAll(images.Count, 0, hashingShare, i => hashes[i] = images[i].Tree.HashOf(images[i].File));
        RefuseDamaged(unreadable);

        var content = ContentOf(hashes);
        var path = cache.Images(content);
        try
        {
            if (!reading.Verify && cache.ByContent(content) is { } known)
            {
                return Kept(ImageFolder.Opened(known, fromCache: true), listing, content);
            }

            Decode(hashes, content, unreadable, hashingShare, count => ImageCache.Write(path, count, reading.Form.Bytes));
            // Mapped, not kept in memory. Another process may have replaced it by an equal one meanwhile.
            var written = cache.ByContent(content) ?? throw new IOException("what was written cannot be read again");
            return Kept(ImageFolder.Opened(written, fromCache: false), listing, content);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return InMemory(hashes, content, unreadable, hashingShare, NotKept(e));
        }
    }

    private string NotKept(Exception e) => ImageCache.NotKept(cache.Folder, e);

    /// <summary>With the note that leads from the listing to the images; without it they are found by their content, after hashing.</summary>
    private OpenedImages Kept(OpenedImages opened, byte[] listing, byte[] content)
    {
        progress?.Report(1);
        try
        {
            cache.Keep(listing, content);
            return opened;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return opened with { Notes = [.. opened.Notes, NotKept(e)] };
        }
    }

    private OpenedImages InMemory(byte[][] hashes, byte[] content, IReadOnlyDictionary<int, string> unreadable, double from, string warning)
    {
        byte[][] pixels = [];
        var index = Decode(hashes, content, unreadable, from, count => new ImageMemory(pixels = new byte[count][]));
        progress?.Report(1);
        var opened = ImageFolder.Opened(new CachedImages(ImageCache.SetOf(new SeparatePixels(pixels), index), index), fromCache: false);
        return opened with { Notes = [.. opened.Notes, warning] };
    }

    private CachedIndex Decode(byte[][] hashes, byte[] content, IReadOnlyDictionary<int, string> unreadable, double from, Func<long, IPreparedImages> begin)
    {
        var damaged = new SortedDictionary<int, string>(unreadable.ToDictionary());
        while (true)
        {
            var sound = Enumerable.Range(0, layout.Images.Count).Where(i => !damaged.ContainsKey(i)).ToArray();
            if (sound.Length == 0)
            {
                throw new DataException($"{full}: no image can be read; {damaged.Values.First()}");
            }

            using var target = begin(sound.Length);
            var failed = ForAll(sound.Length, from, 1 - (from / 2), at =>
            {
                var (image, file) = (sound[at], layout.Images[sound[at]].File);
                // Many threads with such files would take gigabytes, whether they can be decoded or not.
                using var turn = file.Length > LargeFile ? _oneLarge.EnterScope() : default;
                var encoded = layout.Images[image].Tree.Read(file);
                if (!SHA256.HashData(encoded).AsSpan().SequenceEqual(hashes[image]))
                {
                    throw new DataException($"{file.Where} was changed while it was read; run again");
                }

                var pixels = new byte[reading.Form.Bytes];
                ImageDecoder.Read(encoded, reading.Form, pixels, file.Where);
                target.Add(at, pixels);
            });
            foreach (var (at, message) in failed)
            {
                damaged[sound[at]] = message;
            }

            // Their places are closed by decoding the others again; damaged files are few.
            if (failed.Count == 0)
            {
                return Finish(target, content, sound, damaged);
            }

            RefuseDamaged(damaged);
        }
    }

    private CachedIndex Finish(IPreparedImages target, byte[] content, int[] sound, SortedDictionary<int, string> damaged)
    {
        List<string> notes = [.. layout.Notes];
        if (damaged.Count > 0)
        {
            notes.Add($"skipped {LayoutReader.Counted(damaged.Count, "damaged image")}: {string.Join("; ", damaged.Values.Take(ListedInNotes))}{(damaged.Count > ListedInNotes ? "; …" : "")}");
        }

        var lost = layout.Images.Select(one => one.Class).Distinct(StringComparer.Ordinal).Except(sound.Select(i => layout.Images[i].Class), StringComparer.Ordinal).ToList();
        if (lost.Count > 0)
        {
            throw new DataException($"{full}: no image of {LayoutReader.Listed(lost)} can be read; {damaged.Values.First()}");
        }

        notes.AddRange(Duplicates(target, sound));
        var classes = sound.GroupBy(i => layout.Images[i].Class).Select(group => (Name: group.Key, Count: group.Count())).ToList();
        using var hash = ImageSet.HashOf(reading.Form.Size, reading.Form.Size, reading.Form.Channels, classes);
        var pixels = new byte[reading.Form.Bytes];
        for (var i = 0; i < sound.Length; i++)
        {
            cancel.ThrowIfCancellationRequested();
            target.Read(i, pixels);
            hash.AppendData(pixels);
        }

        var index = new CachedIndex(
            ImageCache.Text(content),
            name,
            reading.Form.Size,
            reading.Form.Size,
            reading.Form.Channels,
            reading.Form.ToString(),
            [.. classes.Select(one => new CachedClass(one.Name, one.Count, layout.Division is not null && layout.Parts.TryGetValue(one.Name, out var part) ? part : null))],
            Convert.ToHexStringLower(hash.GetHashAndReset()),
            layout.Division,
            notes,
            [.. damaged.Values]);
        target.Finish(index);
        return index;
    }

    /// <summary>Equal images of different classes: they make accuracies false.</summary>
    private IEnumerable<string> Duplicates(IPreparedImages target, int[] sound)
    {
        string Named(int at) => layout.Images[sound[at]] is var image && layout.Division is not null && layout.Parts.TryGetValue(image.Class, out var part)
            ? $"{image.File.Path} ({image.Class}, {part.ToString().ToLowerInvariant()})"
            : $"{image.File.Path} ({image.Class})";
        var groups = Enumerable.Range(0, sound.Length)
            .GroupBy(at => Convert.ToHexString(target.Digest(at)), StringComparer.Ordinal)
            .Where(group => group.Select(at => layout.Images[sound[at]].Class).Distinct(StringComparer.Ordinal).Skip(1).Any())
            .OrderBy(group => group.First())
            .ToList();
        if (groups.Count > 0)
        {
            yield return $"equal images in different classes, {LayoutReader.Counted(groups.Count, "time")}: "
                + string.Join("; ", groups.Take(ListedInNotes).Select(group => string.Join(" = ", group.Take(ListedInNotes).Select(Named)))) + (groups.Count > ListedInNotes ? "; …" : "");
        }
    }

    private void RefuseDamaged(IReadOnlyDictionary<int, string> damaged)
    {
        if (damaged.Count > 0 && !reading.SkipDamaged)
        {
            throw new DataException(damaged.Count == 1
                ? $"{damaged.Values.First()}; mend or remove it, or take --skip-damaged"
                : $"{damaged.Count:N0} images are damaged: {string.Join("; ", damaged.Values.Take(ListedInNotes))}{(damaged.Count > ListedInNotes ? "; …" : "")}; mend or remove them, or take --skip-damaged");
        }
    }

    private byte[] ContentOf(byte[][] hashes)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes($"{ImageFolder.KindOf(name, reading)}\n{layout.Division}\n{string.Join('\n', layout.Notes)}\n"));
        for (var i = 0; i < hashes.Length; i++)
        {
            var image = layout.Images[i];
            hash.AppendData(Encoding.UTF8.GetBytes($"{image.Class}\n{layout.Parts.GetValueOrDefault(image.Class)}\n{image.File.Path}\n"));
            hash.AppendData(hashes[i] ?? []);
        }

        return hash.GetHashAndReset();
    }

    /// <summary>Does something with each image, in parallel; what failed, with its message.</summary>
    private SortedDictionary<int, string> ForAll(int count, double from, double to, Action<int> act)
    {
        var failed = new SortedDictionary<int, string>();
        var size = int.Clamp(count / (8 * Environment.ProcessorCount), 1, LargestChunk);
        var (done, chunks) = (0, (count + size - 1) / size);
        try
        {
            Parallel.For(0, chunks, _parallel, chunk =>
            {
                for (var i = chunk * size; i < int.Min(count, (chunk + 1) * size); i++)
                {
                    try
                    {
                        act(i);
                    }
                    catch (DataException e)
                    {
                        lock (failed)
                        {
                            failed.Add(i, e.Message);
                        }
                    }
                }

                progress?.Report(from + ((to - from) * Interlocked.Increment(ref done) / chunks));
            });
        }
        catch (AggregateException e) when (e.InnerExceptions.All(inner => inner is IOException or UnauthorizedAccessException))
        {
            throw e.InnerExceptions[0];
        }

        return failed;
    }

    /// <summary>Prepared images in memory.</summary>
    private sealed class ImageMemory(byte[][] images) : IPreparedImages
    {
        public void Add(int image, ReadOnlySpan<byte> pixels) => images[image] = pixels.ToArray();

        public byte[] Digest(int image) => SHA256.HashData(images[image]);

        public void Read(int image, Span<byte> pixels) => images[image].CopyTo(pixels);

        public void Finish(CachedIndex index)
        {
        }

        public void Dispose()
        {
        }
    }
}

/// <summary>Where prepared images are put: in any order, from any thread.</summary>
internal interface IPreparedImages : IDisposable
{
    /// <summary>Puts an image.</summary>
    void Add(int image, ReadOnlySpan<byte> pixels);

    /// <summary>SHA-256 of an image's pixels.</summary>
    byte[] Digest(int image);

    /// <summary>Gets an image.</summary>
    void Read(int image, Span<byte> pixels);

    /// <summary>All are there.</summary>
    void Finish(CachedIndex index);
}
