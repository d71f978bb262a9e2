// Downloads archives of known MD5 over HTTP. What has arrived is kept next to the target as NAME.part (with the server's entity tag in
// NAME.part.etag), so that a broken download goes on where it stopped; the target appears only when it is whole and its MD5 is correct.

using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using Imaml.Nets.Storage;

namespace Imaml.Nets.Tasks;

/// <summary>A file to download.</summary>
/// <param name="FileName">Its name, at the server and in the folder.</param>
/// <param name="Md5">Its MD5 in lower-case hex.</param>
/// <param name="MostBytes">An upper limit of its length: a body without an end must not fill the disk.</param>
internal sealed record RemoteArchive(string FileName, string Md5, long MostBytes);

/// <summary>How a file came to be in the folder.</summary>
internal enum DownloadOutcome
{
    /// <summary>It was there already, with the right MD5.</summary>
    Kept,

    /// <summary>A file of this name but another MD5 was there; it has not been changed.</summary>
    KeptOther,

    /// <summary>It was downloaded in one go.</summary>
    Downloaded,

    /// <summary>It was downloaded from where an earlier attempt broke off.</summary>
    Resumed,
}

/// <summary>A file that is now in the folder.</summary>
/// <param name="Path">Where.</param>
/// <param name="Outcome">How it came there.</param>
internal sealed record DownloadedArchive(string Path, DownloadOutcome Outcome);

/// <summary>Downloads archives, resuming what was broken off.</summary>
/// <param name="client">Does the requests; its timeout covers the answer's head.</param>
/// <param name="stall">How long no bytes of the answer's body may arrive before the download is given up.</param>
internal sealed class ArchiveDownload(HttpClient client, TimeSpan stall)
{
    /// <summary>Downloads every archive that is not there yet.</summary>
    /// <param name="address">The folder at the server; file names are appended to it.</param>
    /// <param name="archives">What to download.</param>
    /// <param name="folder">Where to; made where it does not exist.</param>
    /// <param name="progress">Receives 0 … 1 over all archives.</param>
    /// <param name="cancel">Stops; running again resumes.</param>
    /// <exception cref="DataException">
    /// The network or server fails (what arrived is kept, and running again resumes), the MD5 is wrong (what arrived is removed), or the folder cannot be written.
    /// </exception>
    public async Task<IReadOnlyList<DownloadedArchive>> GetAsync(
        Uri address, IReadOnlyList<RemoteArchive> archives, string folder, IProgress<double>? progress = null, CancellationToken cancel = default)
    {
        var done = new List<DownloadedArchive>();
        foreach (var archive in archives)
        {
            var url = new Uri(address.AbsoluteUri.TrimEnd('/') + "/" + archive.FileName);
            void Report(double fraction) => progress?.Report((done.Count + fraction) / archives.Count);
            try
            {
                using var made = new MadeFolders(folder);
                Directory.CreateDirectory(folder);
                done.Add(await GetOneAsync(url, archive, Path.Combine(folder, archive.FileName), Report, cancel).ConfigureAwait(false));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new DataException($"{Path.Combine(folder, archive.FileName)} cannot be written ({e.Message.TrimEnd('.')}); choose another folder with --data, or make room", e);
            }

            progress?.Report(done.Count / (double)archives.Count);
        }

        return done;
    }

    /// <summary>The MD5 of a file in lower-case hex.</summary>
    public static string Md5Of(string path)
    {
        using var file = FileContent.Open(path);
        return Convert.ToHexStringLower(MD5.HashData(file));
    }

    private async Task<DownloadedArchive> GetOneAsync(Uri url, RemoteArchive archive, string target, Action<double> report, CancellationToken cancel)
    {
        if (File.Exists(target))
        {
            return new DownloadedArchive(target, Md5Of(target) == archive.Md5 ? DownloadOutcome.Kept : DownloadOutcome.KeptOther);
        }

        var part = new PartFile(target);
        part.RefuseLinks();
        var resumed = part.Length > 0;
        if (!resumed || Md5Of(part.Path) != archive.Md5)
        {
            // A part that the server will not continue is dropped, once, and the file fetched from its beginning.
            resumed = await FetchAsync(url, archive, part, report, cancel).ConfigureAwait(false) ?? await FetchAsync(url, archive, part.Dropped(), report, cancel).ConfigureAwait(false)
                ?? throw new DataException($"{Shown(url)} answers a request for the whole file with a part of it; try again, or name another server with --url");
            if (Md5Of(part.Path) is var md5 && md5 != archive.Md5)
            {
                part.Dropped();
                throw new DataException($"{Shown(url)} gave a file of MD5 {md5}, not {archive.Md5}: it was damaged in transfer or is another file; it has been removed, run again to fetch it anew");
            }
        }

        part.MoveTo(target);
        return new DownloadedArchive(target, resumed ? DownloadOutcome.Resumed : DownloadOutcome.Downloaded);
    }

    /// <summary>Requests what the part lacks and appends it. True where the server continued the part, false where it sent the whole file, null where it did neither.</summary>
    private async Task<bool?> FetchAsync(Uri url, RemoteArchive archive, PartFile part, Action<double> report, CancellationToken cancel)
    {
        var have = part.Length;
        using var request = new HttpRequestMessage(HttpMethod.Get, url);
        if (have > 0)
        {
            request.Headers.Range = new RangeHeaderValue(have, null);
            request.Headers.IfRange = part.Tag is { } tag ? new RangeConditionHeaderValue(tag) : null;
        }

        using var response = await HeadAsync(url, request, part, cancel).ConfigureAwait(false);
        var range = response.Content.Headers.ContentRange;
        var continues = response.StatusCode == HttpStatusCode.PartialContent && range?.From == have && have > 0;
        if (response.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable || (response.StatusCode == HttpStatusCode.PartialContent && !continues))
        {
            return null;
        }

        if (!response.IsSuccessStatusCode)
        {
            throw new DataException(string.Create(
                CultureInfo.InvariantCulture, $"{Shown(url)} answered {(int)response.StatusCode} {response.ReasonPhrase}; try again later, or name another server with --url"));
        }

        part.Tag = response.Headers.ETag;
        have = continues ? have : 0;
        var total = range?.Length ?? (have + response.Content.Headers.ContentLength);
        if (total > archive.MostBytes)
        {
            throw TooLong(url, archive, part);
        }

        await CopyAsync(response, url, archive, part, have, total, report, cancel).ConfigureAwait(false);
        return continues;
    }

    private async Task<HttpResponseMessage> HeadAsync(Uri url, HttpRequestMessage request, PartFile part, CancellationToken cancel)
    {
        try
        {
            return await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancel).ConfigureAwait(false);
        }
        catch (Exception e) when (e is HttpRequestException || (e is OperationCanceledException && !cancel.IsCancellationRequested))
        {
            throw Broken(url, part.Length, null, e);
        }
        catch (Exception e) when (e is NotSupportedException or FormatException)
        {
            // What it redirects to has another scheme, or, as file:///, no server.
            throw new DataException($"{Shown(url)} leads to an address that is not http or https ({e.Message.TrimEnd('.')}); name another server with --url", e);
        }
    }

    private async Task CopyAsync(HttpResponseMessage response, Uri url, RemoteArchive archive, PartFile part, long from, long? total, Action<double> report, CancellationToken cancel)
    {
        using var file = part.OpenAt(from);
        using var body = await response.Content.ReadAsStreamAsync(cancel).ConfigureAwait(false);
        var buffer = new byte[1 << 16];
        while (true)
        {
            var count = 0;
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            patience.CancelAfter(stall);
            try
            {
                count = await body.ReadAsync(buffer, patience.Token).ConfigureAwait(false);
            }
            catch (Exception e) when (e is IOException or HttpRequestException || (e is OperationCanceledException && !cancel.IsCancellationRequested))
            {
                throw Broken(url, file.Position, total, e);
            }

            if (count == 0)
            {
                return;
            }

            if (file.Position + count > archive.MostBytes)
            {
                file.Close();
                throw TooLong(url, archive, part);
            }

            await file.WriteAsync(buffer.AsMemory(0, count), cancel).ConfigureAwait(false);
            report(total > 0 ? System.Math.Min(1, file.Position / (double)total) : 0);
        }
    }

    private static DataException TooLong(Uri url, RemoteArchive archive, PartFile part)
    {
        part.Dropped();
        return new DataException($"{Shown(url)} sends more than {archive.MostBytes:N0} bytes, so it is another file than {archive.FileName}; it has been removed, name another server with --url");
    }

    // What a user may have put before the server's name or behind the path is for the server alone.
    private static string Shown(Uri url) => url.GetComponents(UriComponents.SchemeAndServer | UriComponents.Path, UriFormat.UriEscaped);

    // Of a refused TLS connection the outer exception says no more than that there is an inner one.
    private static string Reason(Exception e) =>
        e.InnerException is { } inner && e.Message.Contains("see inner exception", StringComparison.Ordinal) ? Reason(inner) : e.Message.TrimEnd('.');

    private static DataException Broken(Uri url, long have, long? total, Exception e)
    {
        var cause = e is OperationCanceledException ? "no answer in time" : Reason(e);
        return e is HttpRequestException { HttpRequestError: HttpRequestError.NameResolutionError or HttpRequestError.ConnectionError }
            ? new DataException($"{Shown(url)} cannot be reached ({cause}); check the address and the network, or name another server with --url", e)
            : new DataException($"the download of {Shown(url)} broke off after {have}{(total is null ? "" : $" of {total}")} bytes ({cause}); run again to go on from there", e);
    }
}

/// <summary>The part of a file that has arrived so far (NAME.part), and the entity tag of what it is a part of (NAME.part.etag).</summary>
internal sealed class PartFile(string target)
{
    private readonly string _tag = target + ".part.etag";

    /// <summary>The part's file.</summary>
    public string Path { get; } = target + ".part";

    /// <summary>Bytes that have arrived; 0 where there is no file.</summary>
    public long Length => File.Exists(Path) ? new FileInfo(Path).Length : 0;

    /// <summary>The tag to resume with; weak tags are not kept, since they do not promise equal bytes.</summary>
    public EntityTagHeaderValue? Tag
    {
        get => File.Exists(_tag) && EntityTagHeaderValue.TryParse(File.ReadAllText(_tag), out var tag) ? tag : null;
        set
        {
            if (value is { IsWeak: false })
            {
                File.WriteAllText(_tag, value.ToString());
            }
            else
            {
                File.Delete(_tag);
            }
        }
    }

    /// <summary>Refuses a part that leads elsewhere: what it leads to would be overwritten.</summary>
    /// <exception cref="DataException">It, or the file of its tag, is a symbolic link.</exception>
    public void RefuseLinks()
    {
        foreach (var file in new[] { Path, _tag })
        {
            if (new FileInfo(file).LinkTarget is { } elsewhere)
            {
                throw new DataException($"{file} is a symbolic link to {elsewhere}; remove it and run again");
            }
        }
    }

    /// <summary>Opens the part to go on writing at <paramref name="position"/>; what lies behind is cut off.</summary>
    public FileStream OpenAt(long position)
    {
        var file = new FileStream(Path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.None);
        file.SetLength(position);
        file.Seek(position, SeekOrigin.Begin);
        return file;
    }

    /// <summary>Removes what has arrived.</summary>
    public PartFile Dropped()
    {
        File.Delete(Path);
        File.Delete(_tag);
        return this;
    }

    /// <summary>The part is whole: gives it its name.</summary>
    public void MoveTo(string whole)
    {
        File.Delete(_tag);
        File.Move(Path, whole);
    }
}
