// imaml evaluate: the accuracy of a run or a model on new classes.

using System.CommandLine;
using System.Globalization;
using Imaml.Math;
using Imaml.Nets.Learning;
using Imaml.Nets.LibTorch;
using Imaml.Nets.Models;
using Imaml.Nets.Prediction;
using Imaml.Nets.Runs;
using Imaml.Nets.Tasks;

namespace Imaml.Cli.Commands;

internal static class EvaluateCommand
{
    private const string Transductive = "transductive", Inductive = "inductive", Both = "both";

    public static Command Create(CancellationToken stop)
    {
        var model = new Argument<string>("MODEL") { Description = "A folder that `imaml train` made, a model file, or the name of a model of the program (`imaml models`)" };
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
        var output = SharedOptions.Folder(new Option<string?>("--out") { Description = "Folder for the result file [default: the run's; none for a model]", HelpName = "DIR" });
        var data = SharedOptions.Data();
        var device = SharedOptions.Device();
        var tf32 = SharedOptions.Tf32();
        var command = new Command("evaluate", "Measure a run or a model on classes that it has not trained on") { model, episodes, part, seed, ways, shots, queries, innerSteps, batchNorm, state, baselines, output, data, device, tf32 };
        command.SetAction(parsed =>
        {
            var opened = SharedOptions.OpenDevice(parsed, device, tf32);
            var request = new EvaluationRequest(parsed.GetValue(part), parsed.GetValue(episodes), parsed.GetValue(seed));
            return new Evaluating(
                parsed.GetRequiredValue(model), request, parsed.GetValue(ways), parsed.GetValue(shots), parsed.GetValue(queries), parsed.GetValue(innerSteps), parsed.GetValue(batchNorm),
                parsed.GetValue(state), parsed.GetValue(baselines), parsed.GetValue(output), parsed.GetValue(data), opened, stop).Run();
        });
        return command;
    }

    /// <summary>One evaluation, or both of two modes; what is null is as in training.</summary>
    private sealed record Evaluating(
        string Model, EvaluationRequest Request, int? Ways, int? Shots, int? Queries, int? InnerSteps, string? BatchNorm, string? Asked, bool Baselines, string? Output, string? Data, ComputeDevice Device, CancellationToken Stop)
    {
        // A model by its name or in a file has one state, a run the best of its validations and the last.
        private bool IsRun => Directory.Exists(Model);

        private string State =>
            !IsRun ? EvaluationResult.Model : Asked ?? (File.Exists(new RunFolder(Model).BestCheckpointPath) ? EvaluationResult.Best : EvaluationResult.Last);

        private string? Folder => Output ?? (IsRun ? Model : null);

        public int Run()
        {
            LibTorchLoader.EnsureLoaded();
            if (Output is not null)
            {
                // Before the work, so that a folder that cannot be made is reported at once.
                WritableFolder.Require(Output, "--out");
            }

            var (name, bytes) = Read();
            var (header, _) = Checkpoint.Open(bytes, name);
            var experiment = InnerSteps is { } steps ? header.Experiment with { Method = header.Experiment.Method.WithInnerSteps(steps) } : header.Experiment;
            var (images, model) = SharedOptions.OpenParts(header, Data, Stop);
            var tasks = images.With(Ways ?? images.Ways, Shots ?? images.Shots, Queries ?? images.Queries);
            var outputs = FewerWays.Outputs(images.Ways, tasks.Ways);
            var (network, places) = model.Network.WithOutputs(outputs);
            using var trained = Checkpoint.ReadTrained(bytes, name, LearningProblem.Of(images, model), Environment.ProcessorCount, experiment.Plan);
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

        private (string Name, byte[] Bytes) Read()
        {
            if (!IsRun)
            {
                return Asked is null ? PretrainedModel.Read(Model) : throw new CheckpointException($"{Model} is no run: it has one state, without --state");
            }

            var run = new RunFolder(Model);
            var path = State == EvaluationResult.Best ? run.BestCheckpointPath : run.CheckpointPath;
            return State != EvaluationResult.Best || File.Exists(path) || !File.Exists(run.CheckpointPath)
                ? (path, Checkpoint.ReadFile(path))
                : throw new CheckpointException($"{run.FolderPath} has no state of the best validation; take --state last");
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

        private string Which => State switch
        {
            EvaluationResult.Best => "the state of the best validation",
            EvaluationResult.Last => "the last state",
            _ => $"the model {Model}",
        };

        private string Part => Request.Part.ToString().ToLowerInvariant();

        private int Report(ImageTasks tasks, EvaluationResult result)
        {
            var file = Folder is null ? null : new RunFolder(Folder).File(result.FileName);
            if (file is not null)
            {
                RunFolder.WriteJson(file, result);
            }

            Terminal.Line(string.Create(
                CultureInfo.InvariantCulture,
                $"{tasks.Images.Name} {tasks.Ways}-way {tasks.Shots}-shot, {Part} classes, {Word(result.BatchNormalization!.Value)}: {Terminal.Accuracy(result.Accuracy!.Value, result.HalfWidth95)} "
                + $"({Request.Episodes} episodes of one seed, {tasks.Queries} query images per class, chance {100.0 / tasks.Ways:F0} %); "
                + $"{Which}, {result.MetaStep} meta-steps; {(file is null ? "--out keeps it in a file" : $"written to {file}")}"));
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
