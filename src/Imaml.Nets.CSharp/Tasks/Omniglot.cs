// Omniglot (Lake, Salakhutdinov and Tenenbaum 2015): 1,623 characters of 50 alphabets, drawn once each by 20 people. Loading reduces the
// drawings to 28×28 once and keeps the result in a cache that is keyed by the content of the archives. Its official archives (MIT licence, Brenden
// Lake) are fetched from its author's repository.

using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace Imaml.Nets.Tasks;

/// <summary>A loaded image set, and how it came about.</summary>
/// <param name="Set">The images.</param>
/// <param name="FromCache">Whether the prepared copy in the cache was used.</param>
/// <param name="Warning">One line on why nothing could be kept in the cache, or null.</param>
internal sealed record LoadedImages(ImageSet Set, bool FromCache, string? Warning);

/// <summary>The Omniglot data set, 28×28, ink = 255; classes are named <c>Alphabet/characterNN</c> and listed in ordinal order.</summary>
internal static class Omniglot
{
    /// <summary>Characters of the whole data set.</summary>
    public const int Characters = 1623;

    /// <summary>Drawings of each character.</summary>
    public const int Drawings = 20;

    private const string Preparation = "omniglot 28x28 area 2";

    // Rows and columns of a drawing's file.
    private const int FileSize = 105;

    /// <summary>
    /// Loads both parts from the archives <c>images_background.zip</c> and <c>images_evaluation.zip</c>, or from unpacked folders of these names,
    /// in DATA/omniglot or DATA. From the cache this takes a fraction of a second, else a few seconds.
    /// </summary>
    /// <param name="dataFolder">DATA.</param>
    /// <param name="cacheFolder">Where prepared data are kept; null for the user's cache folder.</param>
    /// <param name="progress">Receives 0 … 1 while drawings are decoded.</param>
    /// <param name="requireComplete">False accepts other numbers of characters and drawings than Omniglot's 1,623 × 20.</param>
    /// <exception cref="DataException">A part is missing, damaged or incomplete, or a drawing does not decode.</exception>
    public static LoadedImages Load(string dataFolder, string? cacheFolder = null, IProgress<double>? progress = null, bool requireComplete = true)
    {
        ArgumentException.ThrowIfNullOrEmpty(dataFolder);
        var sources = OmniglotSource.ReadAll(dataFolder);
        // Only a complete set is kept as one.
        var key = SHA256.HashData([.. Encoding.UTF8.GetBytes(requireComplete ? Preparation : $"{Preparation}, any part of it"), .. sources.SelectMany(source => source.Hash)]);
        var cached = Path.Combine(cacheFolder ?? ImageCache.DefaultFolder(), $"omniglot-{ImageCache.Text(key)[..16]}.images");
        var loaded = ImageCache.TryRead(cached, key) is { } kept
            ? new LoadedImages(kept.Set, true, null)
            : Prepare(sources, cached, key, progress, requireComplete ? dataFolder : null);
        progress?.Report(1);
        return loaded;
    }

    /// <summary>The lines of a table that is built into this library, without comments (#) and empty lines.</summary>
    public static IReadOnlyList<string> Table(string name)
    {
        using var stream = typeof(Omniglot).Assembly.GetManifestResourceStream(name)
            ?? throw new InvalidOperationException($"the table {name} is not built into this library");
        using var reader = new StreamReader(stream);
        return [.. reader.ReadToEnd().Split('\n').Select(line => line.Trim()).Where(line => line.Length > 0 && line[0] != '#')];
    }

    private static LoadedImages Prepare(IReadOnlyList<OmniglotSource> sources, string cached, byte[] key, IProgress<double>? progress, string? completeIn)
    {
        var set = Decode(sources, progress);
        if (completeIn is not null && OmniglotCheck.Compare(sources) is { IsComplete: false } report)
        {
            throw new DataException(
                $"Omniglot in {completeIn} has {set.Classes.Count} characters and {set.Count} drawings in place of {Characters} × {Drawings} ({report.Differences}); "
                + "imaml data check names the differences, imaml data get omniglot gets the official archives");
        }

        try
        {
            ImageCache.Write(cached, key, set);
            return new LoadedImages(set, false, null);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return new LoadedImages(set, false, ImageCache.NotKept(Path.GetDirectoryName(cached), e));
        }
    }

    private static ImageSet Decode(IReadOnlyList<OmniglotSource> sources, IProgress<double>? progress)
    {
        var drawings = sources.SelectMany(source => source.Drawings())
            .OrderBy(one => one.ClassName, StringComparer.Ordinal).ThenBy(one => one.FileName, StringComparer.Ordinal)
            .ToArray();
        if (drawings.Length == 0)
        {
            throw new DataException(
                $"{string.Join(" and ", sources.Select(source => source.Path))} hold no drawings <part>/<alphabet>/<character>/<file>.png; get the official archives: imaml data get omniglot");
        }

        var form = ImageForm.Drawing;
        var pixels = new byte[drawings.Length * form.Bytes];
        const int Chunk = 400;
        var chunks = (drawings.Length + Chunk - 1) / Chunk;
        var done = 0;
        try
        {
            Parallel.For(0, chunks, chunk =>
            {
                for (var i = chunk * Chunk; i < System.Math.Min(drawings.Length, (chunk + 1) * Chunk); i++)
                {
                    Read(drawings[i], pixels.AsSpan(i * form.Bytes, form.Bytes));
                }

                progress?.Report(Interlocked.Increment(ref done) / (double)chunks);
            });
        }
        catch (AggregateException e) when (e.InnerExceptions.All(inner => inner is DataException))
        {
            throw new DataException(e.InnerExceptions.Select(inner => inner.Message).Min(StringComparer.Ordinal) ?? e.Message, e);
        }

        var classes = drawings.GroupBy(one => one.ClassName).Select(one => (one.Key, one.Count()));
        return new ImageSet("omniglot", form.Size, form.Size, form.Channels, ImmutableCollectionsMarshal.AsImmutableArray(pixels), classes);
    }

    /// <summary>Decodes a drawing: ink is 255, paper 0.</summary>
    /// <exception cref="DataException">It does not decode, is cut off, or is not 105×105.</exception>
    public static void Read(OmniglotDrawing drawing, Span<byte> target)
    {
        try
        {
            ImageDecoder.Read(drawing.Png, ImageForm.Drawing, target, drawing.Where, FileSize);
        }
        catch (DataException e)
        {
            throw new DataException($"{e.Message}; get the archive again (imaml data get omniglot)", e);
        }
    }
}

/// <summary>Downloads Omniglot.</summary>
internal static class OmniglotDownload
{
    /// <summary>Where the archives are published.</summary>
    public static readonly Uri Official = new("https://github.com/brendenlake/omniglot/raw/master/python/");

    /// <summary>The archives with their published MD5.</summary>
    public static readonly IReadOnlyList<RemoteArchive> Archives =
    [
        new("images_background.zip", "68d2efa1b9178cc56df9314c21c6e718", MostBytes),
        new("images_evaluation.zip", "6b91aef0f799c5bb55b94e3f2daec811", MostBytes),
    ];

    // The larger one has 9.5 MB.
    private const long MostBytes = 16 << 20;

    private static readonly TimeSpan Stall = TimeSpan.FromSeconds(60);

    /// <summary>Downloads both archives into DATA/omniglot, resuming what was broken off, and says in one line each how it went.</summary>
    /// <param name="dataFolder">DATA; made where it does not exist.</param>
    /// <param name="address">The server's folder, or null for <see cref="Official"/>.</param>
    /// <param name="progress">Receives 0 … 1.</param>
    /// <param name="cancel">Stops; running again resumes.</param>
    /// <exception cref="DataException">See <see cref="ArchiveDownload.GetAsync"/>; or an archive of another MD5 was there already and is not Omniglot.</exception>
    public static async Task<IReadOnlyList<string>> RunAsync(string dataFolder, Uri? address = null, IProgress<double>? progress = null, CancellationToken cancel = default)
    {
        using var client = new HttpClient();
        var archives = await new ArchiveDownload(client, Stall).GetAsync(
            address ?? Official, Archives, Path.Combine(dataFolder, "omniglot"), progress, cancel).ConfigureAwait(false);
        var others = archives.Where(one => one.Outcome == DownloadOutcome.KeptOther).Select(one => one.Path).ToList();
        if (others.Count > 0 && !OmniglotCheck.Run(dataFolder, decode: true).IsComplete)
        {
            throw new DataException($"{string.Join(" and ", others)} differ from the official archives, and do not hold the whole of Omniglot; move them away and run again (imaml data check names the differences)");
        }

        return [.. archives.Select(one => $"{one.Path}: {Words(one.Outcome)}")];
    }

    private static string Words(DownloadOutcome outcome) => outcome switch
    {
        DownloadOutcome.Kept => "already there",
        DownloadOutcome.KeptOther => "already there, another archive than the official one, with the same drawings; left as it is",
        DownloadOutcome.Downloaded => "downloaded",
        DownloadOutcome.Resumed => "downloaded, going on from an earlier attempt",
        _ => outcome.ToString(),
    };
}
