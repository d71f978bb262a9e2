// imaml bench: seconds, operations and memory of every method in every setting, each in a process of its own.

using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Imaml.Cli.Benchmarks;
using Imaml.Cli.Results;
using Imaml.Nets.Cost;
using Imaml.Nets.LibTorch;
using Imaml.Nets.Methods;
using Imaml.Nets.Models;
using Imaml.Nets.Runs;
using TorchSharp;

namespace Imaml.Cli.Commands;

internal static class BenchCommand
{
    private const string Name = "bench";
    private const int DefaultSteps = 3;

    public static Command Create(CancellationToken stop)
    {
        string[] allSettings = [.. BenchSetting.All.Select(one => one.Name)], allMethods = [.. BenchMethod.All.Select(one => one.Name)];
        var settings = SharedOptions.SeveralOf(
            new Option<string[]>("--settings") { Description = "Settings to measure", HelpName = "NAME", DefaultValueFactory = _ => allSettings }, allSettings);
        var methods = SharedOptions.SeveralOf(
            new Option<string[]>("--methods") { Description = "Methods to measure", HelpName = "NAME", DefaultValueFactory = _ => allMethods }, allMethods);
        var metaBatch = SharedOptions.AtLeast(
            new Option<int?>("--meta-batch") { Description = $"Tasks of one outer step [default: {string.Join(", ", BenchSetting.All.Select(one => $"{one.MetaBatch} for {one.Name}"))}]", HelpName = "B" }, 1);
        var innerSteps = SharedOptions.AtLeast(
            new Option<int?>("--inner-steps")
            {
                Description = $"Steps of the inner solver [default: {string.Join(", ", BenchSetting.All.Select(one => $"{one.InnerSteps} for {one.Name}"))}; {BenchMethod.Of("imaml-hf").InnerSteps} for {"imaml-hf"}]",
                HelpName = "n",
            },
            1);
        var steps = SharedOptions.AtLeast(new Option<int>("--steps") { Description = "Measured meta-steps, after those until the time of one has settled", HelpName = "n", DefaultValueFactory = _ => DefaultSteps }, 1, int.MaxValue - 1);
        var filters = SharedOptions.AtLeast(new Option<int?>("--filters") { Description = $"Filters of each convolution [default: {StridedConvolutions.OmniglotFilters}; {PooledConvolutions.MiniImageNetFilters} for {BenchSetting.MiniImageNet}]", HelpName = "n" }, 1);
        var threads = SharedOptions.Threads();
        var device = SharedOptions.Device();
        var tf32 = SharedOptions.Tf32();
        var output = SharedOptions.Folder(new Option<string?>("--out") { Description = $"Folder for {Name}.json and {Name}.md", HelpName = "DIR" });
        var json = new Option<bool>("--json") { Description = "Print JSON instead of the table" };
        var command = new Command(Name, "Measure seconds, processor time, page faults, GFLOP/s and memory of every method, on an otherwise idle machine") { settings, methods, metaBatch, innerSteps, steps, filters, threads, device, tf32, output, json };
        command.SetAction(parsed =>
        {
            var options = new BenchOptions(
                [.. parsed.GetRequiredValue(settings).Distinct()],
                [.. parsed.GetRequiredValue(methods).Distinct()],
                parsed.GetValue(metaBatch),
                parsed.GetValue(innerSteps),
                parsed.GetValue(steps),
                parsed.GetValue(filters),
                parsed.GetValue(threads) ?? Environment.ProcessorCount,
                parsed.GetRequiredValue(device),
                parsed.GetValue(tf32));
            return Run(options, SharedOptions.OpenDevice(parsed, device, tf32), parsed.GetValue(output), parsed.GetValue(json), stop);
        });
        return command;
    }

    private static int Run(BenchOptions options, ComputeDevice device, string? output, bool json, CancellationToken stop)
    {
        var plans = BenchPlan.Of(options);
        foreach (var plan in plans)
        {
            // Before the first process, not in it.
            plan.Request.Experiment.Validate();
        }

        using var folder = output is null ? null : new ResultFolder(output);
        var watch = Stopwatch.StartNew();
        var measured = plans.Index().Select(one => (Plan: one.Item, Outcome: Measure(one.Item, one.Index + 1, plans.Count, stop))).ToArray();
        var rows = BenchRow.Of([.. measured.Where(one => one.Outcome.Result is not null).Select(one => (one.Plan, one.Outcome.Result!))]);
        var file = new BenchFile(
            options,
            Provenance.Current(device),
            double.Round(watch.Elapsed.TotalSeconds, 1),
            MatrixMultiplyRange.Of(rows),
            device.Device.type == DeviceType.CPU ? BenchTarget.Of(rows) : [],
            rows,
            [.. measured.Where(one => one.Outcome.Result is null).Select(one => new BenchGap(one.Plan.Setting.Name, one.Plan.Method, one.Plan.Request.Experiment.Method.InnerSteps!.Value, one.Outcome.Reason!))]);
        folder?.WriteJson($"{Name}.json", file);
        folder?.Write($"{Name}.md", BenchReport.Markdown(file));
        if (json)
        {
            Terminal.Document(JsonSerializer.Serialize(file, RunJson.Indented));
        }
        else
        {
            BenchReport.Print(file);
        }

        return Verdict(rows.Count(row => !row.Finite), file.NotMeasured.Count, plans.Count);
    }

    /// <summary>Success where everything was measured on networks that stayed finite; else a line that says how much was not.</summary>
    internal static int Verdict(int notFinite, int failed, int all)
    {
        if (notFinite + failed == 0)
        {
            return ExitCode.Success;
        }

        string[] parts = [$"{failed} failed", $"{notFinite} are of networks that are not finite, and not the cost of training"];
        Terminal.Fail($"of {all} measurements {string.Join("; ", parts.Where((_, part) => (part == 0 ? failed : notFinite) > 0))}");
        return ExitCode.Failed;
    }

    /// <summary>How the solves of a measurement ended, and whether it is the cost of training.</summary>
    internal static string Ended(Measurement result, Method? method = null) =>
        result.Statuses is not { } counts ? "" : $"; {SolveWords.Both(counts, method)}{(result.NotFinite == 0 ? "" : $"; {result.NotFinite} tasks are NOT FINITE: this is not the cost of training")}";

    // A method that fails, for example for lack of memory, is reported among the others' rows.
    private static MeasuringProcess.Outcome Measure(BenchPlan plan, int number, int count, CancellationToken stop)
    {
        var outcome = MeasuringProcess.Run(plan.Request, long.MaxValue, stop);
        Terminal.Progress(string.Create(
            CultureInfo.InvariantCulture,
            $"{number,3}/{count}  {plan.Setting.Name} {plan.Method}, inner steps {plan.Request.Experiment.Method.InnerSteps}: {(outcome.Result is { } result ? $"{result.Task.Seconds:F4} s a task{Ended(result, plan.Request.Experiment.Method)}" : outcome.Reason)}"));
        return outcome;
    }
}
