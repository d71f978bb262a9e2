// Reads a data set of photographs as training does, but every file of it, and says what it holds: what this accepts can be trained on, and nothing else.

using System.Globalization;

namespace Imaml.Nets.Tasks;

/// <summary>A part of a data set.</summary>
/// <param name="Part">train, validation or test.</param>
/// <param name="Classes">Its classes.</param>
/// <param name="Images">Its images.</param>
/// <param name="Fewest">Images of its smallest class.</param>
/// <param name="Smallest">That class.</param>
internal sealed record PhotographPartReport(string Part, int Classes, int Images, int Fewest, string Smallest);

/// <summary>What a data set of photographs holds.</summary>
/// <param name="Dataset">Its name.</param>
/// <param name="Path">Its folder or archive.</param>
/// <param name="Split">Name of the division of its classes.</param>
/// <param name="Form">The form of its images.</param>
/// <param name="Parts">The parts that have classes.</param>
/// <param name="Notes">What was skipped, and equal images of different classes.</param>
/// <param name="Damaged">The damaged images, where these are skipped.</param>
/// <param name="Tasks">The episodes that can be drawn.</param>
internal sealed record PhotographReport(
    string Dataset, string Path, string Split, string Form, IReadOnlyList<PhotographPartReport> Parts, IReadOnlyList<string> Notes, IReadOnlyList<string> Damaged, string Tasks)
{
    /// <summary>The report in lines of text.</summary>
    public IEnumerable<string> Lines() =>
    [
        $"{Dataset}: {Path}, {Form}, split {Split}",
        .. Parts.Select(one => string.Create(CultureInfo.InvariantCulture, $"{one.Part}: {one.Classes:N0} classes, {one.Images:N0} images, at least {one.Fewest:N0} of a class ({one.Smallest})")),
        .. Notes,
        .. Damaged.Select(one => $"damaged: {one}"),
        $"ready: {Tasks}",
    ];
}

/// <summary>Checks a data set of photographs.</summary>
internal static class PhotographCheck
{
    /// <summary>Reads and decodes every file.</summary>
    /// <exception cref="DataException">What training would refuse.</exception>
    public static PhotographReport Run(PhotographEpisodes spec, string? dataFolder, IProgress<double>? progress = null, CancellationToken cancel = default)
    {
        var (path, name) = spec.Locate(dataFolder);
        var opened = ImageFolder.Open(path, name, spec.Reading with { Verify = true }, progress, cancel);
        var (images, split) = spec.Divided(opened, path, null);
        var tasks = new ImageTasks(images, split, spec.Ways, spec.Shots, spec.Queries);
        return new PhotographReport(
            name,
            path,
            split.Name,
            spec.Form.ToString(),
            [.. Enum.GetValues<ClassPart>().Where(tasks.Has).Select(part => Of(part, [.. tasks.Classes(part).Select(images.Class)]))],
            opened.Notes,
            opened.Damaged,
            tasks.Identity);
    }

    private static PhotographPartReport Of(ClassPart part, IReadOnlyList<ImageClass> classes)
    {
        var smallest = classes.MinBy(one => one.Count)!;
        return new PhotographPartReport(part.ToString().ToLowerInvariant(), classes.Count, classes.Sum(one => one.Count), smallest.Count, smallest.Name);
    }
}
