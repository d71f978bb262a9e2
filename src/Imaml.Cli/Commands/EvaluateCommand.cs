// imaml evaluate: the accuracy of a trained run on new classes.

using System.CommandLine;
using System.Globalization;
using Imaml.Math;
using Imaml.Nets.Learning;
using Imaml.Nets.LibTorch;
using Imaml.Nets.Runs;
using Imaml.Nets.Tasks;

namespace Imaml.Cli.Commands;

internal static class EvaluateCommand
{
    public static Command Create(CancellationToken stop)
    {
        var run = SharedOptions.Folder(new Argument<string>("RUN") { Description = "Folder of a run of `imaml train`" });
        var episodes = SharedOptions.AtLeast(new Option<int>("--episodes") { Description = "Episodes", HelpName = "n", DefaultValueFactory = _ => EvaluationRequest.DefaultEpisodes }, 2);
        var part = SharedOptions.OneOf(
            new Option<ClassPart>("--part") { Description = "test, or validation for choosing options", HelpName = "PART", DefaultValueFactory = _ => ClassPart.Test }, "test", "validation");
        var seed = SharedOptions.AtLeast(new Option<ulong>("--seed") { Description = "Seed of the episodes", HelpName = "S", DefaultValueFactory = _ => ImageTasks.EvaluationSeed });
        var queries = SharedOptions.AtLeast(new Option<int?>("--queries") { Description = "Query images per class [default: as in training]", HelpName = "Q" }, 1);
        var innerSteps = SharedOptions.AtLeast(new Option<int?>("--inner-steps") { Description = "Gradient steps of the inner solver [default: as in training]", HelpName = "n" }, 1);
        var data = SharedOptions.Data();
        var device = SharedOptions.Device();
        var tf32 = SharedOptions.Tf32();
        var command = new Command("evaluate", "Measure a run on classes that it has not trained on") { run, episodes, part, seed, queries, innerSteps, data, device, tf32 };
        command.SetAction(parsed =>
        {
            var folder = new RunFolder(parsed.GetRequiredValue(run));
            var opened = SharedOptions.OpenDevice(parsed, device, tf32);
            return Evaluate(folder, new EvaluationRequest(parsed.GetValue(part), parsed.GetValue(episodes), parsed.GetValue(seed)), parsed.GetValue(queries), parsed.GetValue(innerSteps), parsed.GetValue(data), opened, stop);
        });
        return command;
    }

    private static int Evaluate(RunFolder folder, EvaluationRequest request, int? queries, int? innerSteps, string? data, ComputeDevice device, CancellationToken stop)
    {
        LibTorchLoader.EnsureLoaded();
        var header = Checkpoint.ReadHeader(folder.CheckpointPath);
        var experiment = header.Experiment;
        if (innerSteps is { } steps)
        {
            experiment = experiment with { Method = experiment.Method.WithInnerSteps(steps) };
        }

        var (images, network) = SharedOptions.OpenParts(header, data);
        var tasks = queries is { } q ? images.WithQueries(q) : images;
        var (_, learner) = Checkpoint.Read(folder.CheckpointPath, LearningProblem.Of(tasks, new ImageClassifier(network)), Environment.ProcessorCount, experiment);
        using var trained = learner;
        trained.MoveTo(device.Device);
        var part = request.Part.ToString().ToLowerInvariant();
        var result = ProgressBar.Run(
            $"{request.Episodes} {part} episodes",
            progress => EvaluationResult.Measure(trained, header.Experiment, tasks.Split, device, header.Seconds, request, stop, progress)) with
        {
            Queries = tasks.Queries,
            BatchNormalization = EvaluationResult.Transductive,
        };
        RunFolder.WriteJson(folder.File(result.FileName), result);
        Terminal.Line(string.Create(
            CultureInfo.InvariantCulture,
            $"{tasks.Images.Name} {tasks.Ways}-way {tasks.Shots}-shot, {part} classes: {Terminal.Accuracy(result.Accuracy!.Value, result.HalfWidth95)} "
            + $"({request.Episodes} episodes of one seed, {tasks.Queries} query images per class, chance {100.0 / tasks.Ways:F0} %); written to {folder.File(result.FileName)}"));
        Terminal.Line($"inner solves: {Terminal.Statuses(result.Inner)}");
        if (result.NotFinite == 0)
        {
            return ExitCode.Success;
        }

        Terminal.Fail($"no accuracy: in {result.NotFinite} of {request.Episodes} episodes the adapted network is not finite ({InnerStatus.NonFinite.Describe()})");
        return ExitCode.Failed;
    }
}
