// Images of any size without a data set, for measurements of time and memory, which depend on the size alone.

using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json.Serialization;
using Imaml.Nets.Storage;
using Imaml.Nets.Tensors;

namespace Imaml.Nets.Tasks;

/// <summary>N-way K-shot episodes of images whose bytes are independent and uniform: nothing can be learned from them.</summary>
/// <param name="Ways">N, classes of an episode.</param>
/// <param name="Shots">K, support images per class.</param>
/// <param name="Queries">Q, query images per class.</param>
/// <param name="Size">Rows and columns.</param>
/// <param name="Channels">Channels.</param>
internal sealed record RandomImages(int Ways, int Shots, int Queries, int Size, int Channels) : EpisodeSpec(Ways, Shots, Queries)
{
    private const string Name = "random images";
    private const ulong Seed = 1;

    // Episodes draw from so many times the classes that they need.
    private const int Choice = 8;

    /// <inheritdoc/>
    [JsonIgnore]
    public override string Dataset { get; init; } = Name;

    /// <inheritdoc/>
    [JsonIgnore]
    public override ImageForm Form => new(Size, Channels);

    /// <inheritdoc/>
    [JsonIgnore]
    public override bool HasValidation => false;

    /// <inheritdoc/>
    public override IEnumerable<Complaint> Complaints() =>
    [
        .. Size is >= 1 and <= 1024 ? [] : new[] { new Complaint("size", $"must be from 1 to 1024, not {Size}") },
        .. Channels is >= 1 and <= 16 ? [] : new[] { new Complaint("channels", $"must be from 1 to 16, not {Channels}") },
        .. NumberComplaints(),
    ];

    internal override (ImageSet Images, ClassSplit Split) Open(string? dataFolder, IProgress<double>? progress, Action<string>? warn, CancellationToken cancel)
    {
        var (train, each) = (Choice * Ways, Shots + Queries);
        var pixels = new byte[(train + Ways) * each * Form.Bytes];
        var random = new CounterRandom(Seed, RandomPurpose.Pixels);
        var words = MemoryMarshal.Cast<byte, ulong>(pixels.AsSpan());
        for (var word = 0; word < words.Length; word++)
        {
            words[word] = random.NextBits();
        }

        var names = Enumerable.Range(0, train + Ways).Select(one => one.ToString("D4", CultureInfo.InvariantCulture));
        var images = new ImageSet(Name, Size, Size, Channels, ImmutableCollectionsMarshal.AsImmutableArray(pixels), names.Select(name => (name, each)));
        return (images, ClassSplit.Seeded(images, Seed, RotationMode.None, train, 0, Ways));
    }
}
