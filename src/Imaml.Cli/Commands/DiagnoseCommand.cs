// imaml diagnose: Theorem 1's assumptions, and what the meta-gradients are worth, at the states that a run has kept.

using System.CommandLine;
using System.Text.Json;
using Imaml.Cli.Diagnoses;
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
        var run = new Argument<string>("RUN") { Description = "Folder that `imaml train` made; --keep-every there keeps states on the way" };
        var tasks = new Option<int>("--tasks") { Description = "Tasks at each state", HelpName = "n", DefaultValueFactory = _ => DefaultTasks };
        var reference = new Option<int?>("--reference-tasks") { Description = $"Of them those on which the exact meta-gradient is found too; 0 for none [default: {DefaultReferenceTasks}]", HelpName = "n" };
        var states = new Option<int[]>("--states") { Description = "Meta-steps of the states to look at [default: all that were kept, the first and the last]", HelpName = "T", AllowMultipleArgumentsPerToken = true };
        var lanczos = new Option<int>("--lanczos-steps") { Description = "Lanczos steps for the ends of a spectrum", HelpName = "n", DefaultValueFactory = _ => AssumptionOptions.DefaultLanczosSteps };
        var part = SharedOptions.OneOf(
            new Option<ClassPart?>("--part") { Description = "validation or train [default: validation, where the run has validation classes]", HelpName = "PART" }, "validation", "train");
        var seed = new Option<ulong>("--seed") { Description = "Seed of the episodes", HelpName = "S", DefaultValueFactory = _ => ImageTasks.EvaluationSeed };
        var output = new Option<string?>("--out") { Description = "Folder of the results [default: diagnosis in RUN]; the same command goes on from the states that are there", HelpName = "DIR" };
        var json = new Option<bool>("--json") { Description = "Print diagnosis.json in place of the tables" };
        var data = SharedOptions.Data();
        var threads = SharedOptions.Threads("Threads of libtorch; the last digits depend on their number");
        var device = SharedOptions.Device();
        SharedOptions.AtLeast(reference, 0);
        var command = new Command("diagnose", "Measure how far a run's network meets the theory's assumptions") { run, tasks, reference, states, lanczos, part, seed, output, json, data, threads, device };
        command.SetAction(parsed =>
        {
            SharedOptions.Require(parsed, tasks, 1);
            SharedOptions.Require(parsed, lanczos, 2);
            var folder = new RunFolder(parsed.GetRequiredValue(run));
            var (all, last) = (folder.States(), Checkpoint.ReadHeader(folder.CheckpointPath));
            if (AssumptionCheck.Refusal(last.Experiment.Method) is { } why)
            {
                throw new ArgumentException($"{folder.FolderPath} is {why}");
            }

            var options = new AssumptionOptions
            {
                Part = parsed.GetValue(part) ?? (last.Experiment.Tasks.HasValidation ? ClassPart.Validation : ClassPart.Train),
                Seed = parsed.GetValue(seed),
                Tasks = parsed.GetValue(tasks),
                ReferenceTasks = int.Min(parsed.GetValue(tasks), parsed.GetValue(reference) ?? DefaultReferenceTasks),
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
        var (tasks, network) = SharedOptions.OpenParts(last, data);
        var problem = LearningProblem.Of(tasks, new ImageClassifier(network));
        // Before the work, not after it.
        WritableFolder.Require(output, "--out");
        try
        {
            var (report, measured) = Measure(run, last, states, options, problem, output, json, device, stop);
            DiagnosisFiles.Write(output, report, measured);
            Terminal.Line(json ? JsonSerializer.Serialize(report, RunJson.Indented) : $"written to {Path.GetFullPath(output)}");
            return ExitCode.Success;
        }
        finally
        {
            new RunFolder(output).RemoveIfEmpty();
        }
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
