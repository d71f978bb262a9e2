// imaml evaluate: the accuracy of a trained run on new classes.

using System.CommandLine;
using System.Globalization;
using Imaml.Math;
using Imaml.Nets.Learning;
using Imaml.Nets.LibTorch;
using Imaml.Nets.Models;
using Imaml.Nets.Runs;
using Imaml.Nets.Tasks;

namespace Imaml.Cli.Commands;

internal static class EvaluateCommand
{
    private const string Transductive = "transductive", Inductive = "inductive", Both = "both";

    public static Command Create(CancellationToken stop)
    {
        var run = SharedOptions.Folder(new Argument<string>("RUN") { Description = "Folder of a run of `imaml train`" });
        var episodes = SharedOptions.AtLeast(new Option<int>("--episodes") { Description = "Episodes", HelpName = "n", DefaultValueFactory = _ => EvaluationRequest.DefaultEpisodes }, 2);
        var part = SharedOptions.OneOf(
            new Option<ClassPart>("--part") { Description = "test, or validation for choosing options", HelpName = "PART", DefaultValueFactory = _ => ClassPart.Test }, "test", "validation");
        var seed = SharedOptions.AtLeast(new Option<ulong>("--seed") { Description = "Seed of the episodes", HelpName = "S", DefaultValueFactory = _ => ImageTasks.EvaluationSeed });
        var ways = SharedOptions.AtLeast(new Option<int?>("--ways") { Description = "Classes of an episode, at most as many as in training [default: as in training]", HelpName = "N" }, 2);
        var shots = SharedOptions.AtLeast(new Option<int?>("--shots") { Description = "Support images per class [default: as in training]", HelpName = "K" }, 1);
        var queries = SharedOptions.AtLeast(new Option<int?>("--queries") { Description = "Query images per class [default: as in training]", HelpName = "Q" }, 1);
        var innerSteps = SharedOptions.AtLeast(new Option<int?>("--inner-steps") { Description = "Gradient steps of the inner solver [default: as in training]", HelpName = "n" }, 1);
        var batchNorm = SharedOptions.OneOf(
            new Option<string?>("--batch-norm") { Description = "Whose statistics normalise the query images: transductive (their own), inductive (the support images'), or both, one after the other [default: as in training]", HelpName = "MODE" }, Transductive, Inductive, Both);
        var state = SharedOptions.OneOf(
            new Option<string?>("--state") { Description = "best: the state of the best validation; last: the last one [default: best, if the run has validated]", HelpName = "STATE" }, EvaluationResult.Best, EvaluationResult.Last);
        var baselines = new Option<bool>("--baselines") { Description = $"Compare with others on the same episodes: the {Baseline.Untrained}, adapted in the same way, and the {Baseline.Centroid}" };
        var data = SharedOptions.Data();
        var device = SharedOptions.Device();
        var tf32 = SharedOptions.Tf32();
        var command = new Command("evaluate", "Measure a run on classes that it has not trained on") { run, episodes, part, seed, ways, shots, queries, innerSteps, batchNorm, state, baselines, data, device, tf32 };
        command.SetAction(parsed =>
        {
            var folder = new RunFolder(parsed.GetRequiredValue(run));
            var opened = SharedOptions.OpenDevice(parsed, device, tf32);
            var request = new EvaluationRequest(parsed.GetValue(part), parsed.GetValue(episodes), parsed.GetValue(seed));
            return new Evaluating(
                folder, request, parsed.GetValue(ways), parsed.GetValue(shots), parsed.GetValue(queries), parsed.GetValue(innerSteps), parsed.GetValue(batchNorm),
                parsed.GetValue(state) ?? (File.Exists(folder.BestCheckpointPath) ? EvaluationResult.Best : EvaluationResult.Last), parsed.GetValue(baselines), parsed.GetValue(data), opened, stop).Run();
        });
        return command;
    }

    /// <summary>One evaluation, or both of two modes; what is null is as in training.</summary>
    private sealed record Evaluating(
        RunFolder Folder, EvaluationRequest Request, int? Ways, int? Shots, int? Queries, int? InnerSteps, string? BatchNorm, string State, bool Baselines, string? Data, ComputeDevice Device, CancellationToken Stop)
    {
        public int Run()
        {
            LibTorchLoader.EnsureLoaded();
            var path = State == EvaluationResult.Best ? Folder.BestCheckpointPath : Folder.CheckpointPath;
            if (State == EvaluationResult.Best && !File.Exists(path) && File.Exists(Folder.CheckpointPath))
            {
                throw new CheckpointException($"{Folder.FolderPath} has no state of the best validation; take --state last");
            }

            var header = Checkpoint.ReadHeader(path);
            var experiment = InnerSteps is { } steps ? header.Experiment with { Method = header.Experiment.Method.WithInnerSteps(steps) } : header.Experiment;
            var (images, model) = SharedOptions.OpenParts(header, Data, Stop);
            var tasks = images.With(Ways ?? images.Ways, Shots ?? images.Shots, Queries ?? images.Queries);
            var outputs = FewerWays.Outputs(images.Ways, tasks.Ways);
            var (network, places) = model.Network.WithOutputs(outputs);
            var (_, learner) = Checkpoint.Read(path, LearningProblem.Of(images, model), Environment.ProcessorCount, experiment);
            using var trained = learner;
            BatchNormMode[] modes = BatchNorm switch
            {
                Transductive => [BatchNormMode.Transductive],
                Inductive => [BatchNormMode.Inductive],
                Both => [BatchNormMode.Transductive, BatchNormMode.Inductive],
                _ => [model.BatchNorm],
            };
            var exit = ExitCode.Success;
            foreach (var mode in modes)
            {
                var problem = LearningProblem.Of(tasks, new ImageClassifier(network, mode));
                using var measured = OnDevice(trained.Restrict(problem, places));
                var result = Measure(measured, header, tasks, mode);
                if (Baselines && result.NotFinite == 0)
                {
                    using var initial = MetaLearner.Create(experiment.Plan, LearningProblem.Of(images, model), Environment.ProcessorCount);
                    using var untrained = OnDevice(initial.Restrict(problem, places));
                    result = result with { Baselines = Compare(result.AccuracyPerEpisode!, untrained, tasks) };
                }

                exit = int.Max(exit, Report(tasks, result));
            }

            return exit;
        }

        private MetaLearner OnDevice(MetaLearner learner)
        {
            learner.MoveTo(Device.Device);
            return learner;
        }

        private Baseline[] Compare(IReadOnlyList<double> accuracies, MetaLearner untrained, ImageTasks tasks)
        {
            var same = ProgressBar.Run(Baseline.Untrained, progress => Evaluation.AfterAdapting(untrained, Request.Part, Request.Seed, Request.Episodes, Stop, progress));
            return
            [
                Baseline.Compare(Baseline.Untrained, accuracies, same.PerTask),
                Baseline.Compare(Baseline.Centroid, accuracies, Baseline.OfCentroids(tasks, Request, Stop)),
            ];
        }

        private EvaluationResult Measure(MetaLearner learner, CheckpointHeader header, ImageTasks tasks, BatchNormMode mode) => ProgressBar.Run(
            $"{Request.Episodes} {Part} episodes, {Word(mode)}",
            progress => EvaluationResult.Measure(learner, header.Experiment, tasks.Split, Device, header.Seconds, Request, Stop, progress)) with
        {
            State = State,
            Ways = tasks.Ways,
            Shots = tasks.Shots,
            Queries = tasks.Queries,
            BatchNormalization = mode,
        };

        private string Part => Request.Part.ToString().ToLowerInvariant();

        private int Report(ImageTasks tasks, EvaluationResult result)
        {
            RunFolder.WriteJson(Folder.File(result.FileName), result);
            Terminal.Line(string.Create(
                CultureInfo.InvariantCulture,
                $"{tasks.Images.Name} {tasks.Ways}-way {tasks.Shots}-shot, {Part} classes, {Word(result.BatchNormalization!.Value)}: {Terminal.Accuracy(result.Accuracy!.Value, result.HalfWidth95)} "
                + $"({Request.Episodes} episodes of one seed, {tasks.Queries} query images per class, chance {100.0 / tasks.Ways:F0} %); "
                + $"{(State == EvaluationResult.Best ? "the state of the best validation" : "the last state")}, {result.MetaStep} meta-steps; written to {Folder.File(result.FileName)}"));
            Terminal.Line($"inner solves: {Terminal.Statuses(result.Inner)}");
            foreach (var baseline in result.Baselines ?? [])
            {
                Terminal.Line(
                    $"{baseline.Name}: {Terminal.Accuracy(baseline.Accuracy, baseline.HalfWidth95)}; the run minus it, episode by episode: {Terminal.Accuracy(baseline.Difference, baseline.DifferenceHalfWidth95)}");
            }

            if (result.NotFinite == 0)
            {
                return ExitCode.Success;
            }

            Terminal.Fail($"no accuracy: in {result.NotFinite} of {Request.Episodes} episodes the adapted network is not finite ({InnerStatus.NonFinite.Describe()})");
            return ExitCode.Failed;
        }

        private static string Word(BatchNormMode mode) => mode == BatchNormMode.Inductive ? Inductive : Transductive;
    }
}
