// Omniglot's official archives (MIT licence, Brenden Lake), fetched from its author's repository.


namespace Imaml.Nets.Tasks;

/// <summary>Downloads Omniglot.</summary>
public static class OmniglotDownload
{
    /// <summary>Where the archives are published.</summary>
    public static readonly Uri Official = new("https://github.com/brendenlake/omniglot/raw/master/python/");

    /// <summary>The archives with their published MD5.</summary>
    public static readonly IReadOnlyList<RemoteArchive> Archives =
    [
        new("images_background.zip", "68d2efa1b9178cc56df9314c21c6e718"),
        new("images_evaluation.zip", "6b91aef0f799c5bb55b94e3f2daec811"),
    ];

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
