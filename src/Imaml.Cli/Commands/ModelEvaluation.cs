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
using Imaml.Nets.Prediction;
using Imaml.Nets.Runs;
using Imaml.Nets.Tasks;

namespace Imaml.Cli.Commands;

/// <summary>One evaluation, or both of two modes; what is null is as in training.</summary>
internal sealed record ModelEvaluation(
    string Model, EvaluationRequest Request, int? Ways, int? Shots, int? Queries, int? InnerSteps, string? BatchNorm, string? Asked, int? Ensemble, bool Baselines, string? Output, bool Json, string? Data, ComputeDevice Device, CancellationToken Stop)
{
    /// <summary>The modes of batch normalisation, as options name them.</summary>
    public const string Transductive = "transductive", Inductive = "inductive", Both = "both";

    // A model by its name or in a file has one state, a run the best of its validations and the last.
    private bool IsRun => Directory.Exists(Model);

    // On all ranks that of rank 0, which alone needs the folder.
    private string? Known { get; init; }

    private string State => Known ?? (
        !IsRun ? EvaluationResult.Model : Ensemble is not null ? EvaluationResult.Several : Asked ?? (File.Exists(new RunFolder(Model).BestCheckpointPath) ? EvaluationResult.Best : EvaluationResult.Last));

    private const string OutputOption = "--out";

    private bool KeepsResult { get; init; } = true;

    /// <summary>Whether what it prints is progress of a command that has results of its own.</summary>
    public bool IsPartOfWork { get; init; }

    private string? Folder => Output ?? (IsRun && KeepsResult ? Model : null);

    /// <summary>Measures, prints and writes.</summary>
    /// <returns>The exit code.</returns>
    public int Run()
    {
        LibTorchLoader.EnsureLoaded();
        // Before the work, so that a folder that cannot be written is reported at once; a run's own is not needed to measure it.
        if (!Job.Prints)
        {
            return Shared();
        }

        if (Output is not null)
        {
            using var folder = new ResultFolder(Output);
            return Shared();
        }

        if (IsRun && WritableFolder.Refusal(Model) is { } refusal)
        {
            Terminal.Progress($"{refusal}: the result will only be printed; {OutputOption} DIR keeps it in a file");
            return (this with { KeepsResult = false }).Shared();
        }

        return Shared();
    }

    // The states that rank 0 has read, on all ranks.
    private int Shared()
    {
        using var from = new BinaryReader(new MemoryStream(Job.Processes.FromFirst(Packed)));
        var known = this with { Known = from.ReadString() };
        var states = new (string Name, byte[] Bytes, int MetaStep)[from.ReadInt32()];
        for (var i = 0; i < states.Length; i++)
        {
            states[i] = (from.ReadString(), from.ReadBytes(from.ReadInt32()), from.ReadInt32());
        }

        return known.Measured(states);
    }

    private byte[] Packed()
    {
        (string Name, byte[] Bytes, int MetaStep)[] states = Ensemble is { } size
            ? [.. BestKept(size).Select(one => (one.Path, Checkpoint.ReadFile(one.Path), one.MetaStep))]
            : [ReadOne()];
        using var stream = new MemoryStream();
        using var to = new BinaryWriter(stream);
        to.Write(State);
        to.Write(states.Length);
        foreach (var (name, bytes, metaStep) in states)
        {
            to.Write(name);
            to.Write(bytes.Length);
            to.Write(bytes);
            to.Write(metaStep);
        }

        to.Flush();
        return stream.ToArray();

        (string, byte[], int) ReadOne()
        {
            var (name, bytes) = Read();
            return (name, bytes, 0);
        }
    }

    private int Measured((string Name, byte[] Bytes, int MetaStep)[] states)
    {
        var (name, bytes, _) = states[0];
        var (header, _) = Checkpoint.Open(bytes, name);
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
        // The inner problem is the same in every mode: one adapting serves them all.
        LearningProblem[] problems = [.. modes.Select(mode => LearningProblem.Of(tasks, new ImageClassifier(network, mode)))];
        var measured = states.Select(state => Restricted(state.Bytes, state.Name)).ToArray();
        EvaluationResult[] results =
        [
            .. Measure(measured, problems, header, tasks).Zip(modes, (result, mode) => result with
            {
                State = State,
                Ways = tasks.Ways,
                Shots = tasks.Shots,
                Queries = tasks.Queries,
                BatchNormalization = mode,
                Ensemble = Ensemble is null ? null : [.. states.Select(one => one.MetaStep)],
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

        var code = results.Max(result => Report(tasks, result));
        if (Json)
        {
            Terminal.Document(JsonSerializer.Serialize(results, RunJson.Indented));
        }

        return code;

        MetaLearner Restricted(byte[] state, string path)
        {
            using var trained = Trained(state, path, LearningProblem.Of(images, model), experiment);
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

    /// <summary>The kept states with the best validations, the best first.</summary>
    private (int MetaStep, string Path)[] BestKept(int count)
    {
        if (!IsRun)
        {
            throw new CheckpointException($"{Model} is not a run: it has one state, so --ensemble does not apply");
        }

        var run = new RunFolder(Model);
        var lines = RunFolder.Read<CurveLine>(run.CurvePath).Where(line => line.Accuracy is { } accuracy && double.IsFinite(accuracy)).ToArray();
        if (lines.GroupBy(line => line.MetaStep).FirstOrDefault(same => same.Count() > 1) is { } repeated)
        {
            throw new CheckpointException($"{run.CurvePath} is damaged: it has {repeated.Count()} lines of meta-step {repeated.Key}");
        }

        var accuracies = lines.ToDictionary(line => line.MetaStep, line => line.Accuracy!.Value);
        var kept = run.KeptCheckpoints().Where(one => accuracies.ContainsKey(one.MetaStep)).OrderByDescending(one => accuracies[one.MetaStep]).ThenByDescending(one => one.MetaStep).ToArray();
        return kept.Length >= count
            ? kept[..count]
            : throw new CheckpointException($"{Model} has {kept.Length} states that were kept and validated, fewer than the {count} of --ensemble; train with --keep-every at the meta-steps of --validate-every");
    }

    private MetaLearner Trained(byte[] bytes, string name, LearningProblem problem, Experiment experiment)
    {
        if (State != EvaluationResult.Average)
        {
            return Checkpoint.ReadTrained(bytes, name, problem, Job.Threads(), experiment.Plan, Job.Processes);
        }

        using var last = Checkpoint.Read(bytes, name, problem, Job.Threads(), experiment, Job.Processes).Learner;
        return last.Averaged() ?? throw new CheckpointException($"{name} has no average: the run was made without --outer-averaging");
    }

    private (string Name, byte[] Bytes) Read()
    {
        if (!IsRun)
        {
            var only = PretrainedModel.Read(Model);
            return Asked is null ? only : throw new CheckpointException($"{Model} is a model and not a run: it has one state, so --state does not apply");
        }

        var run = new RunFolder(Model);
        if (State != EvaluationResult.Best)
        {
            var state = SavedState.Of(run);
            if (state.Note is { } note)
            {
                Terminal.Progress(note);
            }

            return (state.Path, state.Bytes);
        }

        if (!File.Exists(run.BestCheckpointPath) && run.HasRun)
        {
            throw new CheckpointException($"{run.FolderPath} has no state of the best validation; take --state last");
        }

        try
        {
            var bytes = Checkpoint.ReadFile(run.BestCheckpointPath);
            Checkpoint.Open(bytes, run.BestCheckpointPath);
            return (run.BestCheckpointPath, bytes);
        }
        catch (CheckpointException e) when (run.HasRun)
        {
            throw new CheckpointException($"{SavedState.Fault(e)}; take --state last", e);
        }
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

    private string Which => State switch
    {
        EvaluationResult.Best => "the state of the best validation",
        EvaluationResult.Last => "the last state",
        EvaluationResult.Average => "the average of the last states",
        EvaluationResult.Several => $"the {Ensemble} kept states with the best validations together",
        _ => $"the model {Model}",
    };

    private string Part => Request.Part.ToString().ToLowerInvariant();

    private int Report(ImageTasks tasks, EvaluationResult result)
    {
        var file = Folder is null || !Job.Prints ? null : new RunFolder(Folder).File(result.FileName);
        var failure = file is null ? null : Write(file, result);

        if (!Json)
        {
            Print(tasks, result, file, failure);
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

    private void Print(ImageTasks tasks, EvaluationResult result, string? file, string? failure)
    {
        Action<string> say = IsPartOfWork ? Terminal.Progress : Terminal.Line;
        say(string.Create(
            CultureInfo.InvariantCulture,
            $"{tasks.Images.Name} {tasks.Ways}-way {tasks.Shots}-shot, {Part} classes, {Word(result.BatchNormalization!.Value)}: {Terminal.Accuracy(result.Accuracy!.Value, result.HalfWidth95)} "
            + $"({Request.Episodes} episodes of one seed, {tasks.Queries} query images per class, chance {100.0 / tasks.Ways:F0} %); "
            + $"{Which}, {result.MetaStep} meta-{(result.MetaStep == 1 ? "step" : "steps")}; {(file is null ? $"{OutputOption} keeps it in a file" : failure is null ? $"written to {file}" : "not written")}"));
        say($"inner solves: {SolveWords.Evaluation(result)}");
        foreach (var baseline in result.Baselines ?? [])
        {
            say(
                $"{baseline.Name}: {Terminal.Accuracy(baseline.Accuracy, baseline.HalfWidth95)}; the run minus it, episode by episode: {Terminal.Accuracy(baseline.Difference.Mean, baseline.Difference.HalfWidth95)}");
        }
    }

    // The message of what went wrong: the result is worth more than its file.
    private static string? Write(string file, EvaluationResult result)
    {
        try
        {
            RunFolder.WriteJson(file, result);
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return e.Message;
        }
    }

    private static string Word(BatchNormMode mode) => mode == BatchNormMode.Inductive ? Inductive : Transductive;
}
