// imaml predict: adapts a model to a folder of examples, one folder for each class, and classifies other pictures.

using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Imaml.Cli.Plots;
using Imaml.Nets.Prediction;
using Imaml.Nets.Runs;
using Imaml.Nets.Storage;
using Imaml.Nets.Tasks;
using Spectre.Console;

namespace Imaml.Cli.Commands;

internal static class PredictCommand
{
    private const int LowestChunk = 32;
    private const string PictureOption = "--picture", SaveOption = "--save";

    public static Command Create(CancellationToken stop)
    {
        var model = SharedOptions.Completing(
            new Argument<string>("MODEL") { Description = "Folder that `imaml train` made, model file, or name of a model that comes with the program, see `imaml models`" }, ModelsCommand.Names);
        var examples = new Option<string>("--examples") { Description = "Folder or zip archive with one folder of pictures for each class", HelpName = "DIR", Required = true };
        var images = new Argument<string[]>("IMAGES") { Description = "Pictures, and folders of pictures", Arity = ArgumentArity.OneOrMore };
        var skip = new Option<bool>("--skip-damaged") { Description = "Skip damaged pictures and list them" };
        var json = new Option<bool>("--json") { Description = "Print JSON in place of the table" };
        var csv = new Option<bool>("--csv") { Description = "Print CSV in place of the table" };
        var picture = new Option<string?>(PictureOption) { Description = "Also write the predictions as one picture, a PNG file", HelpName = "FILE" };
        var save = new Option<string?>(SaveOption) { Description = "Also write the adapted classifier, for programs that load it", HelpName = "FILE" };
        var innerSteps = SharedOptions.AtLeast(new Option<int?>("--inner-steps") { Description = "Gradient steps of adapting [default: as in training; for imaml-* at least 100, for imaml-hf 10, since every step comes nearer to the solution]", HelpName = "n" }, 1, Imaml.Nets.Storage.Rule.MostSteps);
        var command = new Command("predict", "Adapt a model to examples of your own and classify pictures") { model, images, examples, innerSteps, skip, json, csv, picture, save };
        command.SetAction(parsed =>
        {
            var from = parsed.GetRequiredValue(examples);
            if (parsed.GetValue(json) && parsed.GetValue(csv))
            {
                throw new ArgumentException($"{json.Name} and {csv.Name} contradict each other; give one");
            }

            if (parsed.GetValue(picture) is { } drawn && parsed.GetValue(save) is { } saved && WritableFolder.IsOnePlace(drawn, saved))
            {
                throw new ArgumentException($"{picture.Name} and {save.Name} name the same file");
            }

            // Before the work: neither file is written where the other cannot be.
            foreach (var (file, option) in new[] { (parsed.GetValue(picture), picture.Name), (parsed.GetValue(save), save.Name) })
            {
                if (file is not null)
                {
                    WritableFolder.RequireFile(file, option, [.. parsed.GetRequiredValue(images), from, parsed.GetRequiredValue(model)]);
                }
            }

            var form = parsed.GetValue(json) ? Form.Json : parsed.GetValue(csv) ? Form.Csv : Form.Table;
            return Predict(parsed.GetRequiredValue(model), from, parsed.GetRequiredValue(images), parsed.GetValue(innerSteps), parsed.GetValue(skip), form, parsed.GetValue(picture), parsed.GetValue(save), stop);
        });
        return command;
    }

    private enum Form
    {
        Table,
        Json,
        Csv,
    }

    /// <summary>What is printed of a picture.</summary>
    /// <param name="Picture">The file.</param>
    /// <param name="Label">The most probable class.</param>
    /// <param name="Probability">Its probability.</param>
    /// <param name="Entropy">0: one class is certain; 1: all classes are equally probable.</param>
    /// <param name="Truth">The class whose folder the picture lies in, where it is one of the examples' classes.</param>
    /// <param name="Probabilities">Of every class.</param>
    private sealed record Row(string Picture, string Label, double Probability, double Entropy, string? Truth, IReadOnlyDictionary<string, double> Probabilities);

    private static int Predict(string model, string examples, string[] images, int? innerSteps, bool skipDamaged, Form form, string? picture, string? save, CancellationToken stop)
    {
        void RequireOthers(IReadOnlyList<FoundPicture> read)
        {
            foreach (var (file, option) in new[] { (picture, PictureOption), (save, SaveOption) })
            {
                if (file is not null)
                {
                    WritableFolder.RequireFile(file, option, read.Select(one => one.Picture.Name));
                }
            }
        }

        using var classifier = FewShotClassifier.Load(model, innerSteps);
        var skipped = new List<string>();
        IReadOnlyList<FoundPicture> Usable(IReadOnlyList<FoundPicture> found)
        {
            if (!skipDamaged)
            {
                return found;
            }

            var usable = new List<FoundPicture>();
            foreach (var one in found)
            {
                stop.ThrowIfCancellationRequested();
                try
                {
                    one.Picture.Check(classifier.Form);
                    usable.Add(one);
                }
                catch (DataException e)
                {
                    skipped.Add(e.Message);
                }
            }

            return usable;
        }

        var (known, skippedExamples) = FoundPicture.OfClasses(examples);
        RequireOthers(known);
        var labelled = Usable(known);
        foreach (var empty in known.Select(one => one.Folder!).Distinct().Except(labelled.Select(one => one.Folder!)))
        {
            throw new DataException($"{examples}: class {empty} has no picture that can be read");
        }

        using var adapted = classifier.Adapt([.. labelled.Select(one => new LabelledPicture(one.Folder!, one.Picture))], stop);
        var (found, skippedPictures) = FoundPicture.Of(images);
        RequireOthers(found);
        var pictures = Usable(found);
        if (pictures.Count == 0)
        {
            throw new DataException($"no picture can be read; {skipped[^found.Count]}{(found.Count == 1 ? "" : $", and {found.Count - 1} more")}");
        }

        var rows = new List<Row>();
        foreach (var chunk in pictures.Chunk(LowestChunk))
        {
            stop.ThrowIfCancellationRequested();
            rows.AddRange(chunk.Zip(adapted.Predict([.. chunk.Select(one => one.Picture)], stop), (one, prediction) => new Row(
                one.Picture.Name, prediction.Label, prediction.Probability, prediction.Entropy,
                adapted.Labels.Contains(one.Folder) ? one.Folder : null, prediction.Classes.ToDictionary(pair => pair.Label, pair => pair.Probability))));
        }

        // Printed first, so that a file that cannot be written does not lose the results.
        Print(form, classifier, adapted, labelled.Count, rows);
        foreach (var line in skipped)
        {
            Terminal.Progress($"skipped: {line}");
        }

        Report(skippedExamples + skippedPictures);
        var paths = labelled.Select(one => Path.GetFullPath(one.Picture.Name)).ToHashSet(StringComparer.Ordinal);
        if (pictures.Count(one => paths.Contains(Path.GetFullPath(one.Picture.Name))) is > 0 and var same)
        {
            Terminal.Progress($"warning: {same} of the pictures {(same == 1 ? "is" : "are")} among the examples, so that {(same == 1 ? "its" : "their")} prediction says nothing of new pictures");
        }

        if (picture is not null)
        {
            var right = rows.Where(row => row.Truth is not null).Select(row => row.Truth == row.Label).ToArray();
            var title = right.Length > 0 ? $"{right.Count(one => one)} of {right.Length} right, {labelled.Count} examples" : $"{rows.Count} pictures, {labelled.Count} examples";
            AtomicFile.Write(picture, PredictionPicture.Render(
                classifier.Form, adapted.Labels, title,
                [
                    .. labelled.Select(one => new SheetPicture(one.Picture.Read(classifier.Form), one.Folder!, null, null)),
                    .. pictures.Zip(rows, (one, row) => new SheetPicture(one.Picture.Read(classifier.Form), row.Label, row.Probability, row.Truth is null ? null : row.Truth == row.Label)),
                ]));
            if (adapted.Labels.FirstOrDefault(label => !PlotFont.CanDraw(label)) is { } strange)
            {
                Terminal.Progress($"{picture}: no font of this machine has all characters of {strange}; they are boxes");
            }
        }

        if (save is not null)
        {
            adapted.Save(save);
        }

        return ExitCode.Success;
    }

    /// <summary>Says which files are not used.</summary>
    public static void Report(SkippedFiles skipped)
    {
        foreach (var path in skipped.Special)
        {
            Terminal.Progress($"skipped: {path} is a pipe, a socket or a device, not a file");
        }

        if (skipped.Others > 0)
        {
            Terminal.Progress($"skipped {skipped.Others} {(skipped.Others == 1 ? "file that is not a picture" : "files that are not pictures")}");
        }

        if (skipped.Clutter is [_, ..])
        {
            var count = skipped.Clutter.Sum(one => one.Count);
            Terminal.Progress($"skipped {count} {(count == 1 ? "file" : "files")}, hidden or of other programs: {string.Join(", ", skipped.Clutter.Select(one => one.Name).Distinct())}");
        }

        if (skipped.Foreign > 0)
        {
            Terminal.Progress($"skipped {skipped.Foreign} {(skipped.Foreign == 1 ? "picture of a format that is not read" : "pictures of formats that are not read")}; {ImageDecoder.Formats} are read");
        }
    }

    private static void Print(Form form, FewShotClassifier classifier, AdaptedClassifier adapted, int examples, List<Row> rows)
    {
        var judged = rows.Where(row => row.Truth is not null).ToList();
        var right = judged.Count(row => row.Truth == row.Label);
        switch (form)
        {
            case Form.Json:
                Terminal.Document(JsonSerializer.Serialize(
                    new
                    {
                        Model = classifier.Name,
                        adapted.Labels,
                        Examples = examples,
                        Status = adapted.Status,
                        AdaptingSeconds = adapted.AdaptingTime.TotalSeconds,
                        Normalization = "inductive",
                        Pictures = $"{classifier.Form}",
                        Judged = judged.Count,
                        Right = judged.Count > 0 ? right : (int?)null,
                        Predictions = rows,
                    },
                    RunJson.Indented));
                break;
            case Form.Csv:
                Terminal.Whole(string.Join(',', (string[])["picture", "label", "probability", "entropy", "truth", .. adapted.Labels.Select(Quoted)]));
                foreach (var row in rows)
                {
                    Terminal.Whole(string.Join(',', (string[])[
                        Quoted(row.Picture), Quoted(row.Label), Number(row.Probability), Number(row.Entropy), Quoted(row.Truth ?? ""), .. adapted.Labels.Select(label => Number(row.Probabilities[label]))]));
                }

                break;
            default:
                var table = new TextTable("picture", "class", "probability", "entropy") { Border = TableBorder.Rounded };
                foreach (var row in rows)
                {
                    table.Add(
                        row.Picture, row.Truth is null ? row.Label : row.Truth == row.Label ? $"✓ {row.Label}" : $"✗ {row.Label} (it is {row.Truth})",
                        string.Create(CultureInfo.InvariantCulture, $"{100 * row.Probability:F1} %"), string.Create(CultureInfo.InvariantCulture, $"{row.Entropy:F2}"));
                }

                table.Print();
                if (judged.Count > 0)
                {
                    Terminal.Line(string.Create(CultureInfo.InvariantCulture, $"{right} of {judged.Count} right ({100.0 * right / judged.Count:F0} %)"));
                }

                Terminal.Line(string.Create(
                    CultureInfo.InvariantCulture,
                    $"{classifier.Name}, adapted to {examples} pictures of {adapted.Labels.Count} classes in {adapted.AdaptingTime.TotalSeconds:F2} s; pictures at {classifier.Form}; entropy: 0 is certain, 1 is all classes equally probable"));
                break;
        }
    }

    private static string Number(double value) => value.ToString("R", CultureInfo.InvariantCulture);

    private static string Quoted(string text) => text.AsSpan().IndexOfAny(",\"\r\n") >= 0 ? $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"" : text;
}
