// imaml evaluate: the accuracy of a trained run on classes that it has never seen.

using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Imaml.Nets.LibTorch;
using Imaml.Nets.Runs;
using Imaml.Nets.Tasks;

namespace Imaml.Cli.Commands;

internal static class EvaluateCommand
{
    // The least that the literature's protocol asks for.
    private const int DefaultEpisodes = 600;

    public static Command Create(CancellationToken stop)
    {
        var run = new Argument<string>("RUN") { Description = "Folder that `imaml train` made" };
        var episodes = new Option<int>("--episodes") { Description = "Episodes", HelpName = "n", DefaultValueFactory = _ => DefaultEpisodes };
        var part = SharedOptions.OneOf(
            new Option<ClassPart>("--part") { Description = "test, or validation while options are being chosen", HelpName = "PART", DefaultValueFactory = _ => ClassPart.Test }, "test", "validation");
        var seed = new Option<ulong>("--seed") { Description = "Seed of the episodes", HelpName = "S", DefaultValueFactory = _ => TaskSource.EvaluationSeed };
        var queries = new Option<int?>("--queries") { Description = "Query images per class [default: as in training]", HelpName = "Q" };
        var innerSteps = new Option<int?>("--inner-steps") { Description = "Gradient steps of the inner solver [default: as in training]", HelpName = "n" };
        SharedOptions.AtLeast(queries, 1);
        SharedOptions.AtLeast(innerSteps, 1);
        var data = SharedOptions.Data();
        var device = SharedOptions.Device();
        var tf32 = SharedOptions.Tf32();
        var command = new Command("evaluate", "Measure a run on classes that it has not trained on") { run, episodes, part, seed, queries, innerSteps, data, device, tf32 };
        command.SetAction(parsed =>
        {
            SharedOptions.Require(parsed, episodes, 2);
            var folder = new RunFolder(parsed.GetRequiredValue(run));
            var opened = SharedOptions.OpenDevice(parsed, device, tf32);
            return Evaluate(folder, parsed.GetValue(part), parsed.GetValue(episodes), parsed.GetValue(seed), parsed.GetValue(queries), parsed.GetValue(innerSteps), parsed.GetValue(data), opened, stop);
        });
        return command;
    }

    private static int Evaluate(RunFolder folder, ClassPart part, int episodes, ulong seed, int? queries, int? innerSteps, string? data, ComputeDevice device, CancellationToken stop)
    {
        LibTorchLoader.EnsureLoaded();
        var (header, learner) = Checkpoint.Read(folder.CheckpointPath, TaskSource.Network, innerSteps, Environment.ProcessorCount);
        using var trained = learner;
        trained.MoveTo(device.Device);
        var options = header.Options;
        var source = SharedOptions.OpenTasks(options, data);
        if (source.Split.Manifest.Hash != header.ManifestHash)
        {
            throw new CheckpointException($"{folder.FolderPath} was trained on other classes than these data have; give the data set it was trained on with --data");
        }

        var sampler = source.Sampler(options, part, queries ?? options.Queries, seed);
        var watch = Stopwatch.StartNew();
        var accuracy = ProgressBar.Run($"{episodes} {part.ToString().ToLowerInvariant()} episodes", progress => Evaluator.AfterAdapting(trained, sampler, episodes, stop, progress));
        var result = new EvaluationResult(
            options,
            source.Split.Manifest,
            Provenance.Current(device),
            header.MetaStep,
            part,
            seed,
            sampler.Queries,
            innerSteps ?? options.InnerSteps,
            EvaluationResult.Transductive,
            episodes,
            accuracy.Mean,
            accuracy.HalfWidth95,
            header.Seconds / ((double)header.MetaStep * options.MetaBatch),
            header.Seconds,
            watch.Elapsed.TotalSeconds / episodes,
            accuracy.PerEpisode);
        // What departs from the usual is in the name, so that a quick look does not replace a full measurement.
        var name = string.Concat(
            $"evaluation-{part.ToString().ToLowerInvariant()}",
            episodes == DefaultEpisodes ? "" : $"-episodes{episodes}",
            seed == TaskSource.EvaluationSeed ? "" : $"-seed{seed}",
            sampler.Queries == options.Queries ? "" : $"-queries{sampler.Queries}",
            result.InnerSteps == options.InnerSteps ? "" : $"-steps{result.InnerSteps}",
            ".json");
        RunFolder.WriteJson(folder.File(name), result);
        Terminal.Line(string.Create(
            CultureInfo.InvariantCulture,
            $"{options.Dataset} {options.Ways}-way {options.Shots}-shot, {part.ToString().ToLowerInvariant()} classes: {100 * accuracy.Mean:F2} ± {100 * accuracy.HalfWidth95:F2} % "
            + $"({episodes} episodes, {sampler.Queries} query images per class, chance {100.0 / options.Ways:F0} %); written to {folder.File(name)}"));
        return ExitCode.Success;
    }
}
