// imaml demo: meta-trains on drawn characters in about half a minute on two cores, without a download, adapts to new characters and shows the result.

using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Imaml.Cli.Plots;
using Imaml.Cli.Results;
using Imaml.Math;
using Imaml.Nets.Learning;
using Imaml.Nets.LibTorch;
using Imaml.Nets.Methods;
using Imaml.Nets.Models;
using Imaml.Nets.Runs;
using Imaml.Nets.Storage;
using Imaml.Nets.Tasks;
using Spectre.Console;
using static TorchSharp.torch;

namespace Imaml.Cli.Commands;

internal static class DemoCommand
{
    private const int Ways = 5, Shots = 1, Queries = 5, PictureEpisode = 0;
    private const string PictureName = "episode.png", ModelName = "model.bin";

    /// <summary>The length of the demo: long enough to learn, or only to test that it runs.</summary>
    private sealed record Length(int MetaSteps, int Episodes)
    {
        public static readonly Length Usual = new(MetaSteps: 600, Episodes: 300), Quick = new(MetaSteps: 60, Episodes: 60);
    }

    public static Command Create(CancellationToken stop)
    {
        var quick = new Option<bool>("--quick") { Description = "A tenth of the training: a test that it runs" };
        var output = SharedOptions.Folder(new Option<string>("--out") { Description = "Folder for the picture, the model and drawings to try it on", HelpName = "DIR", DefaultValueFactory = _ => "imaml-demo" });
        var threads = SharedOptions.Threads();
        var device = SharedOptions.Device();
        var tf32 = SharedOptions.Tf32();
        var command = new Command("demo", "Meta-train on built-in drawn characters and adapt to new ones (about half a minute on two cores, no download)") { quick, output, threads, device, tf32 };
        command.SetAction(parsed => Run(
            parsed.GetValue(quick) ? Length.Quick : Length.Usual,
            parsed.GetRequiredValue(output),
            parsed.GetValue(threads) ?? Environment.ProcessorCount,
            SharedOptions.OpenDevice(parsed, device, tf32),
            stop));
        return command;
    }

    private static Experiment Experiment(Length length) => new(
        new ImageEpisodes(ImageEpisodes.Glyphs, ImageEpisodes.SeededSplit, ValidationClasses: 0, Ways, Shots, Queries),
        new StridedConvolutions(Filters: 32),
        new ImplicitMaml(new Inner.GradientDescent(ImplicitMaml.PaperOmniglotInnerSteps), ImplicitMaml.PaperOmniglotLambda, new Adjoint.ConjugateGradients(Adjoint.PaperSteps)),
        new Outer.Adam(2e-3, Schedule.Cosine),
        new Budget(length.MetaSteps, MetaBatch: 8),
        Seed: 1);

    private static int Run(Length length, string output, int threads, ComputeDevice device, CancellationToken stop)
    {
        LibTorchLoader.EnsureLoaded();
        // Before the training, so that a folder that cannot be made is reported at once.
        using var folder = new ResultFolder(output);
        var experiment = Experiment(length);
        var (source, classifier) = SharedOptions.OpenParts(experiment, null);
        Terminal.Out.MarkupLineInterpolated($"{Ways}-way {Shots}-shot: tell {Ways} characters apart after one example of each.");
        Terminal.Out.MarkupLineInterpolated($"{source.Split.Train.Count} characters to learn from, {source.Split.Test.Count} others to be tested on.");

        using var learner = MetaLearner.Create(experiment.Plan, LearningProblem.Of(source, classifier), threads);
        learner.MoveTo(device.Device);
        Evaluation Measure(IProgress<double>? progress = null) => Evaluation.AfterAdapting(learner, ClassPart.Test, ImageTasks.EvaluationSeed, length.Episodes, stop, progress);
        var untrained = Measure();
        var watch = Stopwatch.StartNew();
        Train(learner, stop);
        var seconds = watch.Elapsed.TotalSeconds;
        var before = Evaluation.BeforeAdapting(learner, ClassPart.Test, ImageTasks.EvaluationSeed, length.Episodes, stop);
        var after = ProgressBar.Run("adapting to new characters", Measure);

        var table = new TextTable("network", "accuracy") { Border = TableBorder.Rounded, Title = $"Right answers on characters never seen, {length.Episodes} episodes" };
        table.Add("chance", string.Create(CultureInfo.InvariantCulture, $"{100.0 / Ways:F1} %"));
        table.Add("meta-trained, before it sees the examples", Percent(before));
        table.Add("untrained, after adapting to the examples", Percent(untrained));
        table.AddStyled("bold", "meta-trained, after adapting to the examples", Percent(after));
        table.Print();

        var picture = Path.Combine(Path.GetFullPath(output), PictureName);
        AtomicFile.Write(picture, Picture(learner, source));
        var model = Path.Combine(Path.GetFullPath(output), ModelName);
        Checkpoint.WriteModel(model, new CheckpointHeader(experiment, learner.Problem.Identity, learner.MetaStep, seconds, OptimizerMemory.None, Learned: null), learner);
        var (examples, unknown) = DemoDrawings.Write(output, source.Take(new TaskRange(ClassPart.Test, ImageTasks.EvaluationSeed, PictureEpisode, 1)));
        var tasks = length.MetaSteps * learner.Plan.MetaBatch;
        Terminal.Line(string.Create(CultureInfo.InvariantCulture, $"{tasks:N0} tasks in {seconds:F0} s ({seconds / tasks:F4} s a task, {threads} {(threads == 1 ? "thread" : "threads")}), the whole command in {WholeSeconds():F0} s; {Provenance.Current(device).Machine}"));
        Terminal.Line($"one episode with its predictions: {picture}");
        Terminal.Line("the model is kept; adapt it to the examples of that episode, or to drawings of your own, one folder for each class:");
        Terminal.Document($"  imaml predict {Quoted(model)} --examples {Quoted(examples)} {Quoted(unknown)}");
        // As a shell takes it.
        static string Quoted(string path) => path.All(one => char.IsAsciiLetterOrDigit(one) || one is '/' or '.' or '-' or '_') ? path : $"'{path.Replace("'", "'\\''", StringComparison.Ordinal)}'";
        var notFinite = untrained.NotFinite + before.NotFinite + after.NotFinite;
        if (notFinite == 0)
        {
            return ExitCode.Success;
        }

        Terminal.Fail($"no accuracy: {notFinite} of {3 * length.Episodes} networks are not finite; inner solves: untrained {SolveWords.Evaluation(untrained.Inner, experiment.Method)}, meta-trained {SolveWords.Evaluation(after.Inner, experiment.Method)} ({InnerStatus.NonFinite.Describe()})");
        return ExitCode.Failed;
    }

    private static void Train(MetaLearner learner, CancellationToken stop) =>
        ProgressBar.Run("meta-training", progress =>
        {
            while (learner.MetaStep < learner.Plan.MetaSteps)
            {
                stop.ThrowIfCancellationRequested();
                learner.Step(learner.NextTasks);
                progress.Report((double)learner.MetaStep / learner.Plan.MetaSteps);
            }

            return learner.MetaStep;
        });

    private static byte[] Picture(MetaLearner learner, ImageTasks source)
    {
        using var scope = NewDisposeScope();
        var batch = source.Take(new TaskRange(ClassPart.Test, ImageTasks.EvaluationSeed, PictureEpisode, 1));
        var problem = (FewShotProblem)learner.Problem.Problem(new TaskRange(ClassPart.Test, ImageTasks.EvaluationSeed, PictureEpisode, 1), learner.Theta);
        var predictions = problem.QueryLogits(learner.Adapt(problem, 1).Phi).argmax(-1).cpu().data<long>().Select(label => (int)label).ToArray();
        return EpisodePicture.Render(source.Images, batch.Episodes[0], predictions);
    }

    // Since the process began: with loading, drawing and evaluating.
    private static double WholeSeconds()
    {
        using var process = Process.GetCurrentProcess();
        return (DateTime.Now - process.StartTime).TotalSeconds;
    }

    private static string Percent(Evaluation accuracy) =>
        double.IsFinite(accuracy.Mean) ? string.Create(CultureInfo.InvariantCulture, $"{100 * accuracy.Mean:F1} ± {100 * accuracy.HalfWidth95:F1} %") : "no accuracy";
}
