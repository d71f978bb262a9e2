// imaml train: meta-trains a network, or continues a run that was stopped.

using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Imaml.Cli.Reports;
using Imaml.Nets.LibTorch;
using Imaml.Nets.Machines;
using Imaml.Nets.Runs;
using Imaml.Nets.Tasks;
using Spectre.Console;

namespace Imaml.Cli.Commands;

/// <summary>What `imaml train --json` prints.</summary>
/// <param name="Run">The run's folder.</param>
/// <param name="Finished">Whether all meta-steps are made.</param>
/// <param name="MetaStep">Meta-steps made.</param>
/// <param name="MetaSteps">Meta-steps asked for.</param>
/// <param name="LastValidation">The last line of curve.jsonl; null where there is none.</param>
/// <param name="Training">training.json; null where the run is not finished.</param>
internal sealed record TrainedRun(string Run, bool Finished, int MetaStep, int MetaSteps, CurveLine? LastValidation, TrainingSummary? Training);

internal static class TrainCommand
{
    /// <summary>The command.</summary>
    public const string Name = "train";

    public static Command Create(CancellationToken stop)
    {
        var experiment = new ExperimentOptions(stop);
        var output = SharedOptions.Folder(new Option<string>("--out") { Description = "Folder of the run; the same command continues a stopped run", HelpName = "RUN" });
        var threads = SharedOptions.Threads();
        var stall = SharedOptions.StallLimit();
        var device = SharedOptions.Device();
        var tf32 = SharedOptions.Tf32();
        var data = SharedOptions.Data();
        var json = new Option<bool>("--json") { Description = "Print one JSON object at the end instead of text" };
        var command = new Command(Name, "Meta-train a few-shot classifier: an experiment from a file, a preset, or options") { output, threads, device, tf32, data, json, stall };
        experiment.AddTo(command);
        command.SetAction(parsed =>
        {
            var asked = experiment.Read(parsed, output);
            var folder = new RunFolder(parsed.GetRequiredValue(output));
            if (experiment.File(parsed) is { } file && folder.Replaces(file) is { } replaced)
            {
                throw new ArgumentException($"{file} would be replaced: {replaced} is a file of the run; keep the experiment in another place, or name another folder with {output.Name}");
            }

            return Train(
                asked, parsed.GetValue(data), folder, SharedOptions.OpenDevice(parsed, device, tf32), parsed.GetValue(threads), parsed.GetValue(json), stop);
        });
        return command;
    }

    private static int Train(Experiment experiment, string? data, RunFolder folder, ComputeDevice device, int? threads, bool json, CancellationToken stop)
    {
        // The images of a run that goes on are compared with those that it has seen.
        var from = folder.HasRun && experiment.Tasks is PhotographEpisodes photographs ? experiment with { Tasks = photographs with { MayHaveMoved = true } } : experiment;
        var (tasks, model) = SharedOptions.OpenParts(from, data, stop);
        using var run = TrainingRun.OpenShared(folder, experiment, tasks, model, device, Job.Threads(threads), Job.Processes);
        var budget = experiment.Budget;
        foreach (var note in run.Notes)
        {
            Terminal.Progress(note);
        }

        var finished = Job.Prints && run.Finished ? TrainingSummary.Read(run) : null;
        if (run.Finished && run.Processes.FromFirst(() => finished is null ? 0 : 1) == 1)
        {
            if (!Job.Prints)
            {
                return ExitCode.Success;
            }

            run.Describe();
            Print(json, run, folder, finished, [$"the run in {folder.FolderPath} is finished already; measure it with `imaml evaluate`"]);
            return Judged(folder);
        }

        if (run.Learner.MetaStep > 0)
        {
            Terminal.Error.MarkupLineInterpolated($"continuing at meta-step {run.Learner.MetaStep} of {budget.MetaSteps}");
        }

        var (sincePrint, display, trouble) = (Stopwatch.StartNew(), new TrainingDisplay(), default(TrainingTrouble));
        var (startStep, startSeconds) = (run.Learner.MetaStep, run.Seconds);
        try
        {
            run.Run(
                stop,
                step =>
                {
                    trouble = trouble.And(step);
                    if (step.MetaStep == startStep + 1 || step.MetaStep == budget.MetaSteps || sincePrint.Elapsed.TotalSeconds >= TrainingDisplay.Every)
                    {
                        sincePrint.Restart();
                        display.Show(step, budget, (run.Seconds - startSeconds) / (step.MetaStep - startStep), trouble);
                        trouble = default;
                    }
                },
                point => display.Keep(
                    $"{point.MetaStep,6}/{budget.MetaSteps}  validation accuracy {Terminal.Accuracy(point)} ({budget.ValidationEpisodes} episodes of one seed; inner solves: {SolveWords.Evaluation(point.Inner, experiment.Method)})"));
        }
        finally
        {
            display.End();
        }

        if (!Job.Prints)
        {
            return run.Finished ? ExitCode.Success : ExitCode.Stopped;
        }

        if (!run.Finished)
        {
            Print(json, run, folder, null, []);
            Terminal.Fail($"stopped at meta-step {run.Learner.MetaStep}; the same command continues it");
            return ExitCode.Stopped;
        }

        var summary = TrainingSummary.Of(run);
        RunFolder.WriteJson(folder.SummaryPath, summary);
        Print(json, run, folder, summary,
        [
            string.Create(
                CultureInfo.InvariantCulture,
                $"{summary.Tasks:N0} tasks in {summary.Seconds:F0} s ({summary.SecondsPerTask:F4} s a task), peak memory {summary.PeakResidentBytes / 1048576.0:F0} MiB"),
            SolveWords.Both(summary.Statuses, experiment.Method) + (summary.Statuses.Inner.Values.Sum() is var logged && logged < summary.Tasks ? $" (of the {logged} tasks that the log has)" : ""),
            $"the run is in {folder.FolderPath}; `imaml show` draws its curve, `imaml evaluate` measures it",
        ]);
        return Judged(folder);
    }

    private static CurveLine? LastValidation(RunFolder folder) => JsonLines.Read<CurveLine>(folder.CurvePath, line => line.MetaStep > 0).LastOrDefault();

    // A run that ends with networks that are not finite has failed, however many steps it made.
    private static int Judged(RunFolder folder)
    {
        if (LastValidation(folder) is not { } last || double.IsFinite(last.Accuracy ?? last.Loss ?? double.NaN))
        {
            return ExitCode.Success;
        }

        Terminal.Fail($"no accuracy at the last validation, after {last.MetaStep} meta-steps: adapted networks are not finite; lower --outer-rate or --inner-step-size, or raise --lambda");
        return ExitCode.Failed;
    }

    // One JSON document, or the lines.
    private static void Print(bool json, TrainingRun run, RunFolder folder, TrainingSummary? summary, IReadOnlyList<string> lines)
    {
        if (json)
        {
            Terminal.Document(JsonSerializer.Serialize(new TrainedRun(folder.FolderPath, run.Finished, run.Learner.MetaStep, run.Experiment.Budget.MetaSteps, LastValidation(folder), summary), RunJson.Indented));
            return;
        }

        foreach (var line in lines)
        {
            Terminal.Line(line);
        }
    }
}
