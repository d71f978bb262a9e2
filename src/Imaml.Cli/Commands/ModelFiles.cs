// imaml models export and import: a model as one file, of this program, of PyTorch (safetensors) or of ONNX runtimes.

using System.CommandLine;
using System.Globalization;
using Imaml.Nets.Prediction;
using Imaml.Nets.Runs;

namespace Imaml.Cli.Commands;

internal static class ModelFiles
{
    private const string Own = "model", SafeTensors = "safetensors", Onnx = "onnx";

    private static readonly Dictionary<string, string> Endings = new(StringComparer.OrdinalIgnoreCase) { [".bin"] = Own, [".safetensors"] = SafeTensors, [".onnx"] = Onnx };

    public static Command Export(CancellationToken stop)
    {
        var model = SharedOptions.Completing(
            new Argument<string>("MODEL") { Description = "Folder that `imaml train` made, checkpoint, model file or name; for ONNX also what `imaml predict --save` wrote" }, ModelsCommand.Names);
        var output = new Argument<string>("FILE") { Description = "The file to write" };
        var format = SharedOptions.OneOf(
            new Option<string?>("--format") { Description = $"{Own}: what predictions need, for this program; {SafeTensors}: θ for PyTorch; {Onnx}: a classifier adapted to examples [default: by FILE's ending: {string.Join(", ", Endings.Keys)}; {Own} where it has none]", HelpName = "NAME" },
            Own, SafeTensors, Onnx);
        var examples = new Option<string?>("--examples") { Description = $"For {Onnx}: folder or zip archive with one folder of pictures for each class, which MODEL is adapted to", HelpName = "DIR" };
        var innerSteps = SharedOptions.AtLeast(new Option<int?>("--inner-steps") { Description = $"For {Onnx} with {examples.Name}: as in `imaml predict`", HelpName = "n" }, 1);
        var command = new Command("export", "Write a run or model into one file: for this program, for PyTorch, or adapted for ONNX runtimes") { model, output, format, examples, innerSteps };
        command.SetAction(parsed =>
        {
            var (from, path) = (parsed.GetRequiredValue(model), parsed.GetRequiredValue(output));
            var kind = parsed.GetValue(format)?.ToLowerInvariant() ?? OfEnding(path, format.Name);
            foreach (var option in (Option[])[examples, innerSteps])
            {
                if (parsed.GetResult(option) is { Implicit: false } && kind != Onnx)
                {
                    throw new ArgumentException($"{option.Name} is for --format {Onnx}, not {kind}");
                }
            }

            void RequireOther(params IEnumerable<string> inputs) => WritableFolder.RequireFile(path, output.Name, inputs);

            RequireOther(from, parsed.GetValue(examples) ?? from);
            if (kind == Onnx)
            {
                using var adapted = Adapted(from, parsed.GetValue(examples), parsed.GetValue(innerSteps), examples.Name, RequireOther, stop);
                adapted.SaveOnnx(path);
                return Written(path, $"ONNX, {adapted.Labels.Count} classes: {string.Join(", ", adapted.Labels)}; pictures at {adapted.Form}");
            }

            if (kind == Own && PretrainedModel.Read(from) is var (name, bytes) && OwnParts.In(Checkpoint.Open(bytes, name).Header.Experiment))
            {
                Checkpoint.WriteModel(path, bytes, name);
                return Written(path, "model; its program gives the parts that are its own");
            }

            using var classifier = FewShotClassifier.Load(from);
            if (kind == SafeTensors)
            {
                classifier.SaveSafeTensors(path);
                return Written(path, "safetensors");
            }

            classifier.Save(path);
            return Written(path, "model");
        });
        return command;
    }

    public static Command Import(CancellationToken stop)
    {
        var file = new Argument<string>("FILE") { Description = "Parameters as safetensors, named as `imaml models export` names them" };
        var output = new Argument<string>("MODEL") { Description = "The model file to write" };
        var experiment = new Option<string?>("--experiment")
        {
            Description = "Tasks, network and method of the model: a preset, an experiment file, or a run or model [default: as the file's metadata say]",
            HelpName = "NAME",
        };
        var command = new Command("import", "Make a model of parameters from PyTorch") { file, output, experiment };
        command.SetAction(parsed =>
        {
            var path = parsed.GetRequiredValue(output);
            var (read, like) = (parsed.GetRequiredValue(file), parsed.GetValue(experiment));
            WritableFolder.RequireFile(path, output.Name, read, like ?? read);
            using var classifier = FewShotClassifier.LoadSafeTensors(read, like is null ? null : Named(like, stop));
            classifier.Save(path);
            return Written(path, $"model, {(classifier.Experiment.Method.ServesAnyWays ? "any number of" : $"at most {classifier.Ways}")} classes, pictures at {classifier.Form}");
        });
        return command;
    }

    private static string OfEnding(string path, string option) => Path.GetExtension(path) switch
    {
        "" => Own,
        var ending when Endings.TryGetValue(ending, out var kind) => kind,
        var ending => throw new ArgumentException($"{path} ends in {ending}, which is not one of {string.Join(", ", Endings.Keys)}; use one of these, or name the format with {option}"),
    };

    private static AdaptedClassifier Adapted(string model, string? examples, int? innerSteps, string option, Action<IEnumerable<string>> requireOther, CancellationToken stop)
    {
        if (examples is null)
        {
            return !PretrainedModel.IsName(model) && !Directory.Exists(model)
                ? AdaptedClassifier.Load(model)
                : throw new ArgumentException($"{option} is missing: an ONNX file is a classifier that has been adapted to examples; or name a file that `imaml predict --save` wrote");
        }

        using var classifier = FewShotClassifier.Load(model, innerSteps);
        var (pictures, skipped) = FoundPicture.OfClasses(examples);
        requireOther(pictures.Select(one => one.Picture.Name));
        PredictCommand.Report(skipped);
        return classifier.Adapt([.. pictures.Select(one => new LabelledPicture(one.Folder!, one.Picture))], stop);
    }

    private static Experiment Named(string name, CancellationToken stop) =>
        ExperimentFile.Presets.Contains(name) ? ExperimentFile.Preset(name)
        : name.EndsWith(".json", StringComparison.OrdinalIgnoreCase) ? ExperimentFile.Parse(ExperimentOptions.TextOf(name, stop), name)
        : Checkpoint.Open(PretrainedModel.Read(name).Bytes, name).Header.Experiment;

    private static int Written(string path, string what)
    {
        Terminal.Line(string.Create(CultureInfo.InvariantCulture, $"{path}: {new FileInfo(path).Length:N0} bytes ({what})"));
        return ExitCode.Success;
    }
}
