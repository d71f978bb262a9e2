// imaml train: meta-trains a network, or continues a run that was stopped.

using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Imaml.Nets.Learning;
using Imaml.Nets.LibTorch;
using Imaml.Nets.Methods;
using Imaml.Nets.Models;
using Imaml.Nets.Runs;
using Imaml.Nets.Tasks;
using Spectre.Console;

namespace Imaml.Cli.Commands;

internal static class TrainCommand
{
    private const int PrintEverySeconds = 10, DefaultValidateEvery = 250;

    // What the paper leaves open, declared here, printed by --help and written into every result file.
    private const int DefaultQueries = 5, DefaultFilters = ConvolutionalNetworks.OmniglotFilters;
    private const double DefaultOuterRate = 1e-3;

    public static Command Create(CancellationToken stop)
    {
        var dataset = new Option<string>("--dataset") { Description = "omniglot, or glyphs (built in)", Required = true, HelpName = "NAME" };
        var ways = Number<int>("--ways", "Classes of an episode (N)", "N");
        var shots = Number<int>("--shots", "Support images per class (K)", "K");
        var method = new MethodOptions();
        var metaSteps = Number<int>("--meta-steps", "Outer steps", "T");
        var metaBatch = Number<int>("--meta-batch", "Tasks of one outer step", "B");
        var seed = new Option<ulong>("--seed") { Description = "Seed of initial parameters and episodes", Required = true, HelpName = "S" };
        var output = new Option<string>("--out") { Description = "Folder of the run; the same command continues a run that was stopped", Required = true, HelpName = "RUN" };
        var threads = SharedOptions.Threads();
        var device = SharedOptions.Device();
        var tf32 = SharedOptions.Tf32();
        var data = SharedOptions.Data();
        var queries = WithDefault("--queries", "Query images per class (Q)", "Q", DefaultQueries);
        var outerRate = SharedOptions.Decimal(WithDefault("--outer-rate", "Adam's step size", "η", DefaultOuterRate));
        var schedule = SharedOptions.OneOf(WithDefault("--outer-schedule", "constant, or cosine: to zero over the run", "NAME", OuterSchedule.Cosine), "constant", "cosine");
        var split = WithDefault("--split", "Division of the classes: seeded, or (omniglot) vinyals", "NAME", TaskSource.SeededSplit);
        var validation = new Option<int?>("--validation-classes") { Description = "Training characters set aside to choose options by [default: 100; 172 for vinyals]", HelpName = "n" };
        var filters = WithDefault("--filters", "Filters of each convolution", "n", DefaultFilters);
        var activation = SharedOptions.OneOf(WithDefault("--activation", "rectifier, or softplus: without kinks", "NAME", Activation.Rectifier), "rectifier", "softplus");
        var validateEvery = new Option<int?>("--validate-every") { Description = $"Meta-steps between validations; 0 for none [default: {DefaultValidateEvery}, or 0 without validation classes]", HelpName = "n" };
        SharedOptions.AtLeast(validateEvery, 0);
        var validationEpisodes = WithDefault("--validation-episodes", "Episodes of one validation", "n", 200);
        var checkpointEvery = WithDefault("--checkpoint-every", "Meta-steps between checkpoints", "n", 100);

        var keepEvery = new Option<int?>("--keep-every") { Description = "Meta-steps between checkpoints that stay beside the last one, for `imaml diagnose` [default: none stay]", HelpName = "n" };
        SharedOptions.AtLeast(keepEvery, 1);

        var command = new Command("train", "Meta-train a few-shot classifier")
        {
            dataset, ways, shots, metaSteps, metaBatch, seed, output, threads, device, tf32, data, queries, outerRate, schedule,
            split, validation, filters, activation, validateEvery, validationEpisodes, checkpointEvery, keepEvery,
        };
        foreach (var option in method.All)
        {
            command.Add(option);
        }

        command.SetAction(parsed =>
        {
            var options = method.Apply(parsed, new TrainingOptions
            {
                Dataset = parsed.GetRequiredValue(dataset),
                Split = parsed.GetRequiredValue(split),
                ValidationClasses = parsed.GetValue(validation) ?? TaskSource.DefaultValidationClasses(parsed.GetRequiredValue(split)),
                Ways = parsed.GetValue(ways),
                Shots = parsed.GetValue(shots),
                Queries = parsed.GetValue(queries),
                Algorithm = parsed.GetRequiredValue(method.Algorithm),
                MetaSteps = parsed.GetValue(metaSteps),
                MetaBatch = parsed.GetValue(metaBatch),
                InnerSteps = parsed.GetValue(method.InnerSteps),
                OuterRate = parsed.GetValue(outerRate),
                OuterSchedule = parsed.GetValue(schedule),
                Filters = parsed.GetValue(filters),
                Activation = parsed.GetValue(activation),
                Seed = parsed.GetValue(seed),
                Threads = parsed.GetValue(threads) ?? Environment.ProcessorCount,
            });
            options.Validate();
            SharedOptions.Require(parsed, checkpointEvery, 1);
            SharedOptions.Require(parsed, validationEpisodes, 2);
            var every = parsed.GetValue(validateEvery) ?? (options.ValidationClasses == 0 ? 0 : DefaultValidateEvery);
            if (every > 0 && options.ValidationClasses == 0)
            {
                throw new ArgumentException($"--validate-every {every} needs validation classes, but --validation-classes is 0");
            }

            var cadence = new RunCadence(parsed.GetValue(checkpointEvery), every, parsed.GetValue(validationEpisodes), parsed.GetValue(keepEvery) ?? 0);
            return Train(options, cadence, parsed.GetValue(data), new RunFolder(parsed.GetRequiredValue(output)), SharedOptions.OpenDevice(parsed, device, tf32), stop);
        });
        return command;
    }

    private static int Train(TrainingOptions options, RunCadence cadence, string? data, RunFolder folder, ComputeDevice device, CancellationToken stop)
    {
        var source = SharedOptions.OpenTasks(options, data);
        using var run = TrainingRun.Open(folder, options, source, device);
        if (run.Learner.MetaStep == options.MetaSteps && File.Exists(folder.SummaryPath))
        {
            Terminal.Line($"the run in {folder.FolderPath} is finished already; `imaml evaluate` measures it");
            return ExitCode.Success;
        }

        if (run.Learner.MetaStep > 0)
        {
            Terminal.Error.MarkupLineInterpolated($"continuing at meta-step {run.Learner.MetaStep} of {options.MetaSteps}");
        }

        var sincePrint = Stopwatch.StartNew();
        var (nonPositive, nonFinite) = (0, 0);
        var (startStep, startSeconds) = (run.Learner.MetaStep, run.Seconds);
        run.Run(
            cadence,
            line =>
            {
                (nonPositive, nonFinite) = (nonPositive + line.Step.NonPositiveCurvature, nonFinite + line.Step.NonFinite);
                if (line.MetaStep == startStep + 1 || line.MetaStep == options.MetaSteps || sincePrint.Elapsed.TotalSeconds >= PrintEverySeconds)
                {
                    sincePrint.Restart();
                    var perStep = (line.Seconds - startSeconds) / (line.MetaStep - startStep);
                    Terminal.Error.WriteLine(Describe(line, options, perStep, nonPositive, nonFinite));
                    (nonPositive, nonFinite) = (0, 0);
                }
            },
            point => Terminal.Error.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{point.MetaStep,6}/{options.MetaSteps}  validation accuracy {100 * point.Accuracy:F2} ± {100 * point.HalfWidth95:F2} % ({cadence.ValidationEpisodes} episodes)")),
            stop);

        if (run.Learner.MetaStep < options.MetaSteps)
        {
            Terminal.Fail($"stopped at meta-step {run.Learner.MetaStep}; the same command goes on from there");
            return ExitCode.Stopped;
        }

        var summary = TrainingSummary.Of(run);
        RunFolder.WriteJson(folder.SummaryPath, summary);
        Terminal.Out.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{summary.Tasks:N0} tasks in {summary.Seconds:F0} s ({summary.SecondsPerTask:F4} s a task), peak memory {summary.PeakResidentBytes / 1048576.0:F0} MiB"));
        Terminal.Line($"the run is in {folder.FolderPath}; `imaml evaluate` measures it");
        return ExitCode.Success;
    }

    private static string Describe(ProgressLine line, TrainingOptions options, double secondsPerStep, int nonPositive, int nonFinite)
    {
        var step = line.Step;
        var left = TimeSpan.FromSeconds(secondsPerStep * (options.MetaSteps - line.MetaStep));
        // Counted since the last line, of which most steps have none.
        var trouble = (nonPositive > 0 ? $"non-positive curvature {nonPositive}  " : "") + (nonFinite > 0 ? $"NOT FINITE {nonFinite}  " : "");
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{line.MetaStep,6}/{options.MetaSteps}  loss {step.OuterLoss:F3}  accuracy {100 * step.OuterAccuracy:F1} %  ‖∇G‖ {step.InnerGradientNorm:F3}  {Solved(step)}"
            + $"{trouble}{secondsPerStep / options.MetaBatch:F4} s/task  {Terminal.Duration(left)} left");
    }

    // What is known of the linear solve: nothing where none is made, no curvature where there are no Ritz values.
    private static string Solved(StepReport step) => string.Concat(
        double.IsNaN(step.CgResidual) ? "" : string.Create(CultureInfo.InvariantCulture, $"CG residual {step.CgResidual:F3}  "),
        double.IsNaN(step.LargestCurvature) ? "" : string.Create(CultureInfo.InvariantCulture, $"h_max {step.LargestCurvature:F1}  "),
        step.Learned is { } learned ? string.Create(CultureInfo.InvariantCulture, $"{learned.Name} {learned.Smallest:G3} to {learned.Largest:G3}  ") : "");

    private static Option<T> Number<T>(string name, string description, string placeholder) => new(name) { Description = description, Required = true, HelpName = placeholder };

    private static Option<T> WithDefault<T>(string name, string description, string placeholder, T value) =>
        new(name) { Description = description, HelpName = placeholder, DefaultValueFactory = _ => value };
}
