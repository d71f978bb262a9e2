// imaml train: meta-trains a network, or continues a run that was stopped.

using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Imaml.Cli.Reports;
using Imaml.Math;
using Imaml.Nets.Learning;
using Imaml.Nets.LibTorch;
using Imaml.Nets.Machines;
using Imaml.Nets.Runs;
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

    private const int PrintEverySeconds = 10;

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
            return Train(
                asked, parsed.GetValue(data), new RunFolder(parsed.GetRequiredValue(output)), SharedOptions.OpenDevice(parsed, device, tf32), parsed.GetValue(threads), parsed.GetValue(json), stop);
        });
        return command;
    }

    private static int Train(Experiment experiment, string? data, RunFolder folder, ComputeDevice device, int? threads, bool json, CancellationToken stop)
    {
        var (tasks, model) = SharedOptions.OpenParts(experiment, data, stop);
        using var run = TrainingRun.OpenShared(folder, experiment, tasks, model, device, Job.Threads(threads), Job.Processes);
        var budget = experiment.Budget;
        foreach (var note in run.Notes)
        {
            Terminal.Progress(note);
        }

        if (run.Finished && run.Processes.FromFirst(() => File.Exists(folder.SummaryPath) ? 1 : 0) == 1)
        {
            if (!Job.Prints)
            {
                return ExitCode.Success;
            }

            Print(json, run, folder, JsonSerializer.Deserialize<TrainingSummary>(File.ReadAllText(folder.SummaryPath), RunJson.Options), [$"the run in {folder.FolderPath} is finished already; measure it with `imaml evaluate`"]);
            return Judged(folder);
        }

        if (run.Learner.MetaStep > 0)
        {
            Terminal.Error.MarkupLineInterpolated($"continuing at meta-step {run.Learner.MetaStep} of {budget.MetaSteps}");
        }

        var sincePrint = Stopwatch.StartNew();
        var (nonPositive, nonFinite, diverged) = (0, 0, 0);
        var (startStep, startSeconds) = (run.Learner.MetaStep, run.Seconds);
        run.Run(
            stop,
            step =>
            {
                (nonPositive, nonFinite) = (nonPositive + step.NonPositiveCurvature, nonFinite + step.NonFinite);
                diverged += step.Ended!.Inner.GetValueOrDefault(InnerStatus.NonFinite);
                if (step.MetaStep == startStep + 1 || step.MetaStep == budget.MetaSteps || sincePrint.Elapsed.TotalSeconds >= PrintEverySeconds)
                {
                    sincePrint.Restart();
                    var perStep = (run.Seconds - startSeconds) / (step.MetaStep - startStep);
                    Terminal.Error.WriteLine(Describe(step, budget, perStep, nonPositive, nonFinite, diverged));
                    (nonPositive, nonFinite, diverged) = (0, 0, 0);
                }
            },
            point => Terminal.Error.WriteLine(
                $"{point.MetaStep,6}/{budget.MetaSteps}  validation accuracy {Terminal.Accuracy(point)} ({budget.ValidationEpisodes} episodes of one seed; inner solves: {SolveWords.Evaluation(point.Inner, experiment.Method)})"));

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

    private static string Describe(StepReport step, Budget budget, double secondsPerStep, int nonPositive, int nonFinite, int diverged)
    {
        var left = TimeSpan.FromSeconds(secondsPerStep * (budget.MetaSteps - step.MetaStep));
        // Counted since the last line; usually zero.
        var trouble = (nonPositive > 0 ? $"non-positive curvature {nonPositive}  " : "") + (nonFinite > 0 ? $"NOT FINITE {nonFinite}  " : "")
            + (diverged > 0 ? $"inner solve diverged {diverged}  " : "");
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{step.MetaStep,6}/{budget.MetaSteps}  loss {step.OuterLoss:F3}  {(double.IsFinite(step.OuterAccuracy) ? string.Create(CultureInfo.InvariantCulture, $"accuracy {100 * step.OuterAccuracy:F1} %") : "no accuracy")}  ‖∇G‖ {step.InnerGradientNorm:F3}  {Solved(step)}"
            + $"{trouble}{secondsPerStep / budget.MetaBatch:F4} s/task  {Terminal.Duration(left)} left");
    }

    // The linear solve's figures, as far as they exist: without a solve, or a finite one, no residual; without Ritz values no curvature.
    private static string Solved(StepReport step) => string.Concat(
        step.CertifiedError is { } bound ? string.Create(CultureInfo.InvariantCulture, $"certified error {bound:0.0e0}  ") :
        !double.IsFinite(step.CgResidual) ? "" : string.Create(CultureInfo.InvariantCulture, $"CG residual {step.CgResidual:F3}  "),
        double.IsNaN(step.LargestCurvature) ? "" : string.Create(CultureInfo.InvariantCulture, $"h_max {step.LargestCurvature:F1}  "),
        step.Learned is { } learned ? string.Create(CultureInfo.InvariantCulture, $"{learned.Name} {learned.Smallest:G3} to {learned.Largest:G3}  ") : "");
}
