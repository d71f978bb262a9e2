// imaml diagnose: Theorem 1's assumptions and the errors of the meta-gradients, at the states that a run has kept.

using System.CommandLine;
using System.Text.Json;
using Imaml.Cli.Diagnoses;
using Imaml.Math;
using Imaml.Nets.Assumptions;
using Imaml.Nets.Learning;
using Imaml.Nets.LibTorch;
using Imaml.Nets.Runs;
using Imaml.Nets.Tasks;
using Spectre.Console;
using TorchSharp;

namespace Imaml.Cli.Commands;

internal static class DiagnoseCommand
{
    private const int DefaultTasks = 100, DefaultReferenceTasks = 20;

    public static Command Create(CancellationToken stop)
    {
        var run = SharedOptions.Folder(new Argument<string>("RUN") { Description = "Folder of a run of `imaml train`; its --keep-every keeps states during training" });
        var tasks = SharedOptions.AtLeast(new Option<int>("--tasks") { Description = "Tasks at each state", HelpName = "n", DefaultValueFactory = _ => DefaultTasks }, 1);
        var reference = SharedOptions.AtLeast(new Option<int?>("--reference-tasks") { Description = $"Tasks among them for which the exact meta-gradient is computed too; 0 for none [default: {DefaultReferenceTasks}]", HelpName = "n" }, 0);
        var states = SharedOptions.AtLeast(new Option<int[]>("--states") { Description = "Meta-steps of the measured states [default: all that were kept, the first and the last]", HelpName = "T", AllowMultipleArgumentsPerToken = true }, 0);
        var lanczos = SharedOptions.AtLeast(new Option<int>("--lanczos-steps") { Description = "Lanczos steps for the ends of a spectrum", HelpName = "n", DefaultValueFactory = _ => AssumptionOptions.DefaultLanczosSteps }, 2);
        var part = SharedOptions.OneOf(
            new Option<ClassPart?>("--part") { Description = "validation or train [default: validation, where the run has validation classes]", HelpName = "PART" }, "validation", "train");
        var seed = SharedOptions.AtLeast(new Option<ulong>("--seed") { Description = "Seed of the episodes", HelpName = "S", DefaultValueFactory = _ => ImageTasks.EvaluationSeed });
        var output = SharedOptions.Folder(new Option<string?>("--out") { Description = "Folder of the results [default: diagnosis in RUN]; the same command continues after the states that are there", HelpName = "DIR" });
        var json = new Option<bool>("--json") { Description = "Print diagnosis.json instead of the tables" };
        var data = SharedOptions.Data();
        var threads = SharedOptions.Threads("Threads of libtorch; the last digits depend on their number");
        var device = SharedOptions.Device();
        var command = new Command("diagnose", "Measure whether a run's network satisfies the theory's assumptions") { run, tasks, reference, states, lanczos, part, seed, output, json, data, threads, device };
        command.SetAction(parsed =>
        {
            var folder = new RunFolder(parsed.GetRequiredValue(run));
            var (all, state) = (folder.States(), SavedState.Of(folder));
            var last = state.Header;
            if (state.Note is { } note)
            {
                Terminal.Progress(note);
            }

            if (AssumptionCheck.Refusal(last.Experiment.Method) is { } why)
            {
                throw new ArgumentException($"{folder.FolderPath} is {why}");
            }

            var options = new AssumptionOptions
            {
                Part = parsed.GetValue(part) ?? (last.Experiment.Tasks.HasValidation ? ClassPart.Validation : ClassPart.Train),
                Seed = parsed.GetValue(seed),
                Tasks = parsed.GetValue(tasks),
                ReferenceTasks = parsed.GetValue(reference) is { } wanted && wanted > parsed.GetValue(tasks) ? throw new ArgumentException($"{reference.Name} {wanted}: there are {parsed.GetValue(tasks)} tasks ({tasks.Name})") : int.Min(parsed.GetValue(tasks), parsed.GetValue(reference) ?? DefaultReferenceTasks),
                LanczosSteps = parsed.GetValue(lanczos),
            };
            if (options.Part == ClassPart.Validation && !last.Experiment.Tasks.HasValidation)
            {
                throw new ArgumentException("--part validation: the run has no validation classes; use train");
            }

            var chosen = Choose(all, parsed.GetValue(states) ?? []);
            LibTorchLoader.EnsureLoaded();
            var opened = SharedOptions.OpenDevice(parsed, device);
            torch.set_num_threads(parsed.GetValue(threads) ?? Environment.ProcessorCount);
            return Diagnose(folder, last, chosen, options, parsed.GetValue(data), parsed.GetValue(output) ?? folder.File("diagnosis"), parsed.GetValue(json), opened, stop);
        });
        return command;
    }

    private static IReadOnlyList<int> Choose(IReadOnlyList<int> all, int[] wanted)
    {
        var missing = wanted.Except(all).ToArray();
        return missing.Length > 0
            ? throw new ArgumentException($"--states {string.Join(", ", missing)}: the run has kept the states {string.Join(", ", all)}")
            : [.. all.Where(state => wanted.Length == 0 || wanted.Contains(state))];
    }

    private static int Diagnose(RunFolder run, CheckpointHeader last, IReadOnlyList<int> states, AssumptionOptions options, string? data, string output, bool json, ComputeDevice device, CancellationToken stop)
    {
        var (tasks, model) = SharedOptions.OpenParts(last, data, stop);
        var problem = LearningProblem.Of(tasks, model);
        // Before the work, not after it.
        StateFile.RequireNoOthers(output, options, states);
        WritableFolder.Require(output, "--out");
        try
        {
            var (report, measured) = Measure(run, last, states, options, problem, output, json, device, stop);
            DiagnosisFiles.Write(output, report, measured);
            if (json)
            {
                Terminal.Document(JsonSerializer.Serialize(report, RunJson.Indented));
            }
            else
            {
                Terminal.Line($"written to {Path.GetFullPath(output)}");
            }

            return Verdict(report.States);
        }
        finally
        {
            new RunFolder(output).RemoveIfEmpty();
        }
    }

    private static int Verdict(IReadOnlyList<StateSummary> states)
    {
        var unusable = states.Where(state => state.NotFinite > 0).ToArray();
        if (unusable is [])
        {
            return ExitCode.Success;
        }

        var counts = unusable.Select(state => $"{state.NotFinite} of {state.Tasks} tasks after {state.MetaStep} meta-steps");
        Terminal.Fail($"adapted networks are not finite, and the figures of these states are not to be used: {string.Join(", ", counts)} ({InnerStatus.NonFinite.Describe()})");
        return ExitCode.Failed;
    }

    private static (AssumptionReport Report, IReadOnlyList<StateAssumptions> States) Measure(
        RunFolder run, CheckpointHeader last, IReadOnlyList<int> states, AssumptionOptions options, LearningProblem problem, string output, bool json, ComputeDevice device, CancellationToken stop)
    {
        var measured = new List<StateAssumptions>();
        foreach (var state in states)
        {
            using var learner = run.Load(problem, state);
            learner.MoveTo(device.Device);
            measured.Add(StateFile.ReadOrMeasure(output, learner, last.Tasks, options, device, () =>
                ProgressBar.Run($"state {state}", progress => AssumptionCheck.Measure(learner, options, progress, stop))));
            if (!json)
            {
                DiagnosisTable.Print(StateSummary.Of(measured[^1]));
            }
        }

        return (new AssumptionReport(options, last.Experiment, last.Tasks, Provenance.Current(device), measured[0].Parameters, [.. measured.Select(StateSummary.Of)]), measured);
    }
}
