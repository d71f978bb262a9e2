// imaml bench: seconds, operations and memory of every method in every setting, each in a process of its own.

using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Imaml.Cli.Benchmarks;
using Imaml.Cli.Results;
using Imaml.Nets.Cost;
using Imaml.Nets.LibTorch;
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
        var steps = new Option<int>("--steps") { Description = "Meta-steps that are measured, after one that is not", HelpName = "n", DefaultValueFactory = _ => DefaultSteps };
        var filters = new Option<int>("--filters") { Description = "Filters of each convolution", HelpName = "n", DefaultValueFactory = _ => StridedConvolutions.OmniglotFilters };
        var threads = SharedOptions.Threads();
        var device = SharedOptions.Device();
        var tf32 = SharedOptions.Tf32();
        var output = new Option<string?>("--out") { Description = $"Folder for {Name}.json and {Name}.md", HelpName = "DIR" };
        var json = new Option<bool>("--json") { Description = "Print JSON in place of the table" };
        var command = new Command(Name, "Measure seconds, GFLOP/s and peak memory of every method; a quiet machine, please") { settings, methods, metaBatch, innerSteps, steps, filters, threads, device, tf32, output, json };
        command.SetAction(parsed =>
        {
            SharedOptions.Require(parsed, steps, 1);
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
        torch.set_num_threads(Environment.ProcessorCount);
        var watch = Stopwatch.StartNew();
        var before = Throughput.Of(device.Device).Gflops;
        var measured = plans.Index().Select(one => (Plan: one.Item, Outcome: Measure(one.Item, one.Index + 1, plans.Count, stop))).ToArray();
        var rate = new MatrixMultiplyRate(before, Throughput.Of(device.Device).Gflops);
        var rows = BenchRow.Of([.. measured.Where(one => one.Outcome.Result is not null).Select(one => (one.Plan, one.Outcome.Result!))], rate);
        var file = new BenchFile(
            options,
            Provenance.Current(device),
            double.Round(watch.Elapsed.TotalSeconds, 1),
            rate,
            device.Device.type == DeviceType.CPU ? BenchTarget.Of(rows) : [],
            rows,
            [.. measured.Where(one => one.Outcome.Result is null).Select(one => new BenchGap(one.Plan.Setting.Name, one.Plan.Method, one.Plan.Request.Experiment.Method.InnerSteps!.Value, one.Outcome.Reason!))]);
        folder?.WriteJson($"{Name}.json", file);
        folder?.Write($"{Name}.md", BenchReport.Markdown(file));
        if (json)
        {
            Terminal.Line(JsonSerializer.Serialize(file, RunJson.Indented));
        }
        else
        {
            BenchReport.Print(file);
        }

        return ExitCode.Success;
    }

    /// <summary>What is said of a measurement in which networks diverged.</summary>
    internal static string NotFinite(Measurement result) => result.NotFinite == 0 ? "" : $"; {result.NotFinite} tasks are not finite: this is not the cost of training";

    // A method that fails, by lack of memory on a GPU say, is a gap among the others' rows.
    private static (Measurement? Result, string? Reason) Measure(BenchPlan plan, int number, int count, CancellationToken stop)
    {
        Measurement? result = null;
        var reason = "the memory does not suffice";
        try
        {
            result = MeasuringProcess.Run(plan.Request, long.MaxValue, stop);
        }
        catch (IOException e)
        {
            reason = e.Message;
        }

        Terminal.Progress(string.Create(
            CultureInfo.InvariantCulture,
            $"{number,3}/{count}  {plan.Setting.Name} {plan.Method}, inner steps {plan.Request.Experiment.Method.InnerSteps}: {(result is null ? reason : $"{result.Task.Seconds:F4} s a task{NotFinite(result)}")}"));
        return (result, result is null ? reason : null);
    }
}
