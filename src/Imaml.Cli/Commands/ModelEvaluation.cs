// The accuracy of a run or a model on new classes: measured, printed, and written to the run's folder.

using System.Globalization;
using System.Text.Json;
using Imaml.Cli.Results;
using Imaml.Math;
using Imaml.Nets.Learning;
using Imaml.Nets.LibTorch;
using Imaml.Nets.Machines;
using Imaml.Nets.Methods;
using Imaml.Nets.Models;
using Imaml.Nets.Runs;
using Imaml.Nets.Storage;
using Imaml.Nets.Tasks;

namespace Imaml.Cli.Commands;

/// <summary>One evaluation, or both of two modes; what is null is as in training.</summary>
internal sealed record ModelEvaluation(
    string Model, EvaluationRequest Request, int? Ways, int? Shots, int? Queries, int? InnerSteps, string? BatchNorm, string? Asked, int? Ensemble, bool Baselines, string? Output, bool Json, string? Data, ComputeDevice Device, CancellationToken Stop)
{
    /// <summary>The modes of batch normalisation, as options name them.</summary>
    public const string Transductive = "transductive", Inductive = "inductive", Both = "both";

    private const string OutputOption = "--out";

    private bool KeepsResult { get; init; } = true;

    /// <summary>Whether what it prints is progress of a command that has results of its own.</summary>
    public bool IsPartOfWork { get; init; }

    private bool IsRun => MeasuredStates.IsRun(Model);

    private bool IsOutputItself => IsRun && Output is not null && Directory.Exists(Output) && Owner.Identity(Output) == Owner.Identity(Model);

    // In a folder for several models each file says whose it is.
    private string Prefix => Output is null || IsOutputItself ? "" : $"{Name(Path.TrimEndingDirectorySeparator(Path.GetFullPath(Model)))}-";

    private string Name(string path) => IsRun ? Path.GetFileName(path) : Path.GetFileNameWithoutExtension(path);

    private string? Folder => Output ?? (IsRun && KeepsResult ? Model : null);

    /// <summary>Measures, prints and writes.</summary>
    /// <returns>The exit code.</returns>
    public int Run()
    {
        LibTorchLoader.EnsureLoaded();
        // Before the work, so that a folder that cannot be written is reported at once; a run's own is not needed to measure it.
        if (!Job.Prints)
        {
            return Measured();
        }

        if (Output is not null)
        {
            if (new RunFolder(Output).HasRun && !IsOutputItself)
            {
                throw new ArgumentException($"{OutputOption} {Output} is the folder of another run, whose evaluations are in it; name another folder");
            }

            using var folder = new ResultFolder(Output);
            return Measured();
        }

        if (IsRun && new RunFolder(Model).HasRun && WritableFolder.Refusal(Model) is { } refusal)
        {
            Terminal.Progress($"{refusal}: the result will only be printed; {OutputOption} DIR keeps it in a file");
            return (this with { KeepsResult = false }).Measured();
        }

        return Measured();
    }

    private int Measured()
    {
        var states = MeasuredStates.Read(Model, Asked, Ensemble, Job.Processes);
        var (header, _) = Checkpoint.Open(states.All[0].Bytes, states.All[0].Name);
        var experiment = InnerSteps is { } steps ? header.Experiment with { Method = OtherSteps(header.Experiment.Method, steps) } : header.Experiment;
        var (images, model) = SharedOptions.OpenParts(header, Data, Stop);
        if (!images.Has(Request.Part))
        {
            throw new ArgumentException($"--part {Part}: the run has no {Part} classes; take --part test");
        }

        var tasks = images.With(Ways ?? images.Ways, Shots ?? images.Shots, Queries ?? images.Queries);
        var (network, places) = OtherWays.Of(experiment.Method, model.Network, images.Ways, tasks.Ways);
        BatchNormMode[] modes = BatchNorm switch
        {
            Transductive => [BatchNormMode.Transductive],
            Inductive => [BatchNormMode.Inductive],
            Both => [BatchNormMode.Transductive, BatchNormMode.Inductive],
            _ => [model.BatchNorm],
        };
        // The inner problem is the same in every mode: one adaptation is used for all of them.
        LearningProblem[] problems = [.. modes.Select(mode => LearningProblem.Of(tasks, new ImageClassifier(network, mode)))];
        var measured = states.All.Select(Restricted).ToArray();
        EvaluationResult[] results =
        [
            .. Measure(measured, problems, header, tasks).Zip(modes, (result, mode) => result with
            {
                State = states.Kind,
                Ways = tasks.Ways,
                Shots = tasks.Shots,
                Queries = tasks.Queries,
                BatchNormalization = mode,
                Ensemble = Ensemble is null ? null : [.. states.All.Select(one => one.MetaStep)],
            }),
        ];
        Array.ForEach(measured, one => one.Dispose());
        if (Baselines && results.Any(result => result.NotFinite > 0))
        {
            Terminal.Progress("no comparison with baselines: adapted networks are not finite");
        }
        else if (Baselines)
        {
            using var initial = MetaLearner.Create(experiment.Plan, LearningProblem.Of(images, model), Job.Threads(), Job.Processes);
            using var untrained = OnDevice(initial.Restrict(problems[0], places));
            results = Compare(results, untrained, problems, tasks);
        }

        var code = results.Max(result => Report(tasks, result, states.Describe(Model)));
        if (Json)
        {
            Terminal.Document(JsonSerializer.Serialize(results, RunJson.Indented));
        }

        return code;

        MetaLearner Restricted(MeasuredState state)
        {
            using var trained = Trained(state, states.Kind == EvaluationResult.Average, LearningProblem.Of(images, model), experiment);
            return OnDevice(trained.Restrict(problems[0], places));
        }
    }

    private static Method OtherSteps(Method method, int steps)
    {
        try
        {
            return method.WithInnerSteps(steps);
        }
        catch (ArgumentException e)
        {
            throw new ArgumentException($"--inner-steps: {e.Message}", e);
        }
    }

    private static MetaLearner Trained(MeasuredState state, bool average, LearningProblem problem, Experiment experiment)
    {
        if (!average)
        {
            return Checkpoint.ReadTrained(state.Bytes, state.Name, problem, Job.Threads(), experiment.Plan, Job.Processes);
        }

        using var last = Checkpoint.Read(state.Bytes, state.Name, problem, Job.Threads(), experiment, Job.Processes).Learner;
        return last.Averaged() ?? throw new CheckpointException($"{state.Name} has no average: the run was made without --outer-averaging") { IsOfRequest = true };
    }

    private MetaLearner OnDevice(MetaLearner learner)
    {
        learner.MoveTo(Device.Device);
        return learner;
    }

    private EvaluationResult[] Compare(IReadOnlyList<EvaluationResult> results, MetaLearner untrained, IReadOnlyList<LearningProblem> problems, ImageTasks tasks)
    {
        var same = ProgressBar.Run(Baseline.Untrained, progress => Evaluation.AfterAdapting([untrained], problems, new TaskRange(Request.Part, Request.Seed, 0, Request.Episodes), Stop, progress));
        var centroids = Baseline.OfCentroids(tasks, Request, Stop);
        return
        [
            .. results.Zip(same, (result, other) => result with
            {
                Baselines =
                [
                    Baseline.Compare(Baseline.Untrained, result.AccuracyPerEpisode!, other.PerTask), Baseline.Compare(Baseline.Centroid, result.AccuracyPerEpisode!, centroids),
                ],
            }),
        ];
    }

    private EvaluationResult[] Measure(IReadOnlyList<MetaLearner> learners, IReadOnlyList<LearningProblem> problems, CheckpointHeader header, ImageTasks tasks) => ProgressBar.Run(
        $"{Request.Episodes} {Part} episodes",
        progress => EvaluationResult.Measure(learners, problems, header.Experiment, tasks.Split, Device, header.Seconds, Request, Stop, progress));

    private string Part => Request.Part.ToString().ToLowerInvariant();

    private int Report(ImageTasks tasks, EvaluationResult result, string which)
    {
        var file = Folder is null || !Job.Prints ? null : new RunFolder(Folder).File(Prefix + result.FileName);
        var failure = file is null ? null : Write(file, result);

        if (!Json)
        {
            Print(tasks, result, which, file, failure);
        }

        if (failure is not null)
        {
            Terminal.Fail($"{file} cannot be written ({failure.TrimEnd('.')}); the result is printed above, and {OutputOption} DIR names another folder");
        }

        if (result.NotFinite == 0)
        {
            return failure is null ? ExitCode.Success : ExitCode.Failed;
        }

        Terminal.Fail($"no accuracy: in {result.NotFinite} of {Request.Episodes} episodes the adapted network is not finite ({InnerStatus.NonFinite.Describe()})");
        return ExitCode.Failed;
    }

    private void Print(ImageTasks tasks, EvaluationResult result, string which, string? file, string? failure)
    {
        Action<string> say = IsPartOfWork ? Terminal.Progress : Terminal.Line;
        say(string.Create(
            CultureInfo.InvariantCulture,
            $"{tasks.Images.Name} {tasks.Ways}-way {tasks.Shots}-shot, {Part} classes, {Word(result.BatchNormalization!.Value)}: {Terminal.Accuracy(result.Accuracy!.Value, result.HalfWidth95)} "
            + $"({Request.Episodes} episodes of one seed, {tasks.Queries} query images per class, chance {100.0 / tasks.Ways:F0} %); "
            + $"{which}, {result.MetaStep} meta-{(result.MetaStep == 1 ? "step" : "steps")}; {(file is null ? $"{OutputOption} keeps it in a file" : failure is null ? $"written to {file}" : "not written")}"));
        say($"inner solves: {SolveWords.Evaluation(result)}");
        foreach (var baseline in result.Baselines ?? [])
        {
            say(
                $"{baseline.Name}: {Terminal.Accuracy(baseline.Accuracy, baseline.HalfWidth95)}; the run minus it, episode by episode: {Terminal.Accuracy(baseline.Difference.Mean, baseline.Difference.HalfWidth95)}");
        }
    }

    // Returns the message of an error in place of throwing it: the result is printed even where its file cannot be written.
    private static string? Write(string file, EvaluationResult result)
    {
        try
        {
            if (File.Exists(file) && JsonSerializer.Deserialize<EvaluationResult>(FileContent.Whole(file), RunJson.Options) is { Experiment: { } other } old
                && (old.Tasks != result.Tasks || (old.MetaStep != result.MetaStep && old.State == EvaluationResult.Model) || other.DifferencesFrom(result.Experiment) is not []))
            {
                return "it holds the evaluation of another model";
            }

            RunFolder.WriteJson(file, result);
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return e.Message;
        }
        catch (Exception e) when (e is JsonException or DataException or ArgumentException or NotSupportedException or InvalidOperationException)
        {
            return "it holds something else";
        }
    }

    private static string Word(BatchNormMode mode) => mode == BatchNormMode.Inductive ? Inductive : Transductive;
}
