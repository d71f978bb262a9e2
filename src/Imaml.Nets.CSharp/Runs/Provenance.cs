// What files say of where their numbers come from and what they cost.

using System.Diagnostics;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Text.Json.Serialization;
using Imaml.Nets.Learning;
using Imaml.Nets.LibTorch;
using Imaml.Nets.Tasks;

namespace Imaml.Nets.Runs;

/// <summary>The program and the machine.</summary>
/// <param name="Version">This program's version and commit.</param>
/// <param name="Processor">The processor's name, where the system tells it.</param>
/// <param name="Cores">Logical processors that the process may use.</param>
/// <param name="System">Operating system and architecture.</param>
/// <param name="Runtime">The .NET runtime.</param>
/// <param name="LibTorch">libtorch's version, or that it was not used.</param>
/// <param name="Device">What computed: <c>cpu</c>, or a GPU with its name, and whether in TF32; <c>cpu</c> in files of versions that had no others.</param>
/// <param name="InstructionSet">The processor's vector instructions, on which speed and rounding depend; null in files of versions that did not record them.</param>
public sealed record Provenance(
    string Version, string Processor, int Cores, string System, string Runtime, string LibTorch, string Device = ComputeDevice.ProcessorName, InstructionSet? InstructionSet = null)
{
    private const string ProcessorFile = "/proc/cpuinfo", ProcessorField = "model name";

    /// <summary>Those of this process, for results that were computed on a device.</summary>
    public static Provenance Current(ComputeDevice device) => Of(LibTorchVersion.Of(LibTorchLoader.Loaded.Folder), device.Description, InstructionSet.Current);

    /// <summary>Those of this process, for results computed without tensors: libtorch is not loaded.</summary>
    internal static Provenance WithoutLibTorch() => Of("not used", ComputeDevice.ProcessorName, InstructionSet.WithoutLibTorch);

    /// <summary>The machine in one phrase: processor, instruction set, cores.</summary>
    [JsonIgnore]
    public string Machine => $"{Processor} ({InstructionSet?.ToString() ?? "instruction set not recorded"}), {Cores} {(Cores == 1 ? "core" : "cores")}";

    private static Provenance Of(string libTorch, string device, InstructionSet instructions) => new(
        typeof(Provenance).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown",
        ProcessorName(),
        Environment.ProcessorCount,
        $"{RuntimeInformation.OSDescription}, {RuntimeInformation.OSArchitecture}",
        RuntimeInformation.FrameworkDescription,
        libTorch,
        device,
        instructions);

    private static string ProcessorName() =>
        File.Exists(ProcessorFile)
            ? File.ReadLines(ProcessorFile).FirstOrDefault(line => line.StartsWith(ProcessorField, StringComparison.Ordinal))?.Split(':', 2)[^1].Trim() ?? "unknown"
            : Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER") ?? "unknown";
}

/// <summary>The content of provenance.json: what a run was begun with apart from its experiment.</summary>
/// <param name="Tasks">What determines the tasks.</param>
/// <param name="Manifest">For images the classes of each part, with their hash.</param>
/// <param name="Provenance">The program and the machine that began the run.</param>
internal sealed record RunOrigin(string Tasks, ClassSplit? Manifest, Provenance Provenance);

/// <summary>What a finished run cost: training.json.</summary>
/// <param name="Experiment">What was trained.</param>
/// <param name="Provenance">Program and machine that finished the run.</param>
/// <param name="Threads">Threads that shared out the tasks.</param>
/// <param name="Tasks">Tasks trained on.</param>
/// <param name="Seconds">Wall seconds of training, without validation.</param>
/// <param name="SecondsPerTask">Their quotient.</param>
/// <param name="Statuses">How the tasks' solves ended in all meta-steps.</param>
/// <param name="PeakResidentBytes">Largest resident memory of the process that finished the run.</param>
internal sealed record TrainingSummary(Experiment Experiment, Provenance Provenance, int Threads, long Tasks, double Seconds, double SecondsPerTask, TaskStatuses Statuses, long PeakResidentBytes)
{
    /// <summary>What the folder of a finished run has of it; null where that is missing, damaged, or of fewer meta-steps than the run has made since.</summary>
    public static TrainingSummary? Read(TrainingRun run) =>
        RunFolder.ReadJson<TrainingSummary>(run.Folder.SummaryPath) is { Experiment: { } trained, Provenance: not null, Statuses: { Inner: not null } } found
        && ExperimentFile.IsSound(trained) && trained.DifferencesFrom(run.Experiment) is [] && RunSeconds.AreSound(found.Seconds) && found.Tasks == TasksOf(run)
            ? found : null;

    /// <summary>The cost of a run so far.</summary>
    public static TrainingSummary Of(TrainingRun run)
    {
        var tasks = TasksOf(run);
        using var process = Process.GetCurrentProcess();
        return new TrainingSummary(run.Experiment, Provenance.Current(run.Device), run.Threads, tasks, run.Seconds, run.Seconds / tasks, run.Statuses, process.PeakWorkingSet64);
    }

    private static long TasksOf(TrainingRun run) => (long)run.Learner.MetaStep * run.Experiment.Budget.MetaBatch;
}
