// imaml reproduce fig2b: memory and time of a meta-step against the number of inner steps, each point in its own process.

using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Imaml.Cli.Benchmarks;
using Imaml.Cli.Results;
using Imaml.Nets.Cost;
using Imaml.Nets.LibTorch;
using Imaml.Nets.Models;
using Imaml.Nets.Runs;
using Spectre.Console;

namespace Imaml.Cli.Commands;

internal static class Figure2bCommand
{
    private const string Name = "fig2b";
    private const int DefaultMetaBatch = 2, DefaultSteps = 3, DefaultMostMemory = 8192;
    private const long Mebi = 1 << 20;

    private static readonly int[] DefaultInnerSteps = [1, 2, 5, 10, 16, 25, 50, 75, 100];
    private static readonly string[] Methods = [BenchMethod.Imaml, BenchMethod.Maml, BenchMethod.MamlRecompute, "fomaml"];

    public static Command Create(CancellationToken stop)
    {
        var methods = SharedOptions.SeveralOf(new Option<string[]>("--methods") { Description = "Methods to measure", HelpName = "NAME", DefaultValueFactory = _ => Methods }, Methods);
        var innerSteps = SharedOptions.AtLeast(new Option<int[]>("--inner-steps") { Description = "Numbers of inner steps", HelpName = "n", AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => DefaultInnerSteps }, 1);
        var metaBatch = SharedOptions.AtLeast(new Option<int>("--meta-batch") { Description = "Tasks at once", HelpName = "B", DefaultValueFactory = _ => DefaultMetaBatch }, 1);
        var steps = SharedOptions.AtLeast(new Option<int>("--steps") { Description = "Measured meta-steps, after those until the time of one has settled", HelpName = "n", DefaultValueFactory = _ => DefaultSteps }, 1, int.MaxValue - 1);
        var filters = SharedOptions.AtLeast(new Option<int>("--filters") { Description = "Filters of each convolution", HelpName = "n", DefaultValueFactory = _ => StridedConvolutions.OmniglotFilters }, 1);
        var memory = SharedOptions.AtLeast(new Option<int>("--most-memory") { Description = "Upper limit of a process's memory in MiB; a process that reaches it is ended, and its point is omitted", HelpName = "MiB", DefaultValueFactory = _ => DefaultMostMemory }, 1);
        var threads = SharedOptions.Threads();
        var output = SharedOptions.Folder(new Option<string>("--out") { Description = "Folder for the figure and numbers", HelpName = "DIR", DefaultValueFactory = _ => $"imaml-{Name}" });
        var json = new Option<bool>("--json") { Description = "Print JSON instead of the table" };
        var command = new Command(Name, "Figure 2(b): memory and time of iMAML, MAML and first-order MAML against inner steps; takes minutes, on an otherwise idle machine")
        {
            methods, innerSteps, metaBatch, steps, filters, memory, threads, output, json,
        };
        command.SetAction(parsed =>
        {
            var options = new Figure2bOptions(
                BenchSetting.Largest,
                [.. parsed.GetRequiredValue(methods).Distinct()],
                [.. parsed.GetRequiredValue(innerSteps).Distinct().Order()],
                parsed.GetValue(metaBatch),
                parsed.GetValue(steps),
                parsed.GetValue(filters),
                parsed.GetValue(threads) ?? Environment.ProcessorCount,
                parsed.GetValue(memory));
            return Run(options, parsed.GetRequiredValue(output), parsed.GetValue(json), stop);
        });
        return command;
    }

    private static int Run(Figure2bOptions options, string output, bool json, CancellationToken stop)
    {
        var requests = options.Methods.SelectMany(method => options.InnerSteps.Select(steps => (Method: method, Request: Request(options, method, steps)))).ToArray();
        foreach (var (_, request) in requests)
        {
            // Before the first process, not in it.
            request.Experiment.Validate();
        }

        using var folder = new ResultFolder(output);
        LibTorchLoader.EnsureLoaded();
        Figure2bPoint[] points = [.. requests.Index().Select(one => Measure(one.Item.Method, one.Item.Request, options, $"{one.Index + 1,3}/{requests.Length}", stop))];
        if (points is [])
        {
            throw new InvalidDataException($"no point could be measured: every process reached the upper limit of {options.MostMemoryMib} MiB; raise --most-memory");
        }

        var file = new Figure2bFile(options, Provenance.Current(ComputeDevice.Processor), Figure2bSummary.Of(points), points);
        Draw(folder, file);
        folder.Write($"{Name}.csv", Table(options, points));
        folder.WriteJson($"{Name}.json", file);
        if (json)
        {
            Terminal.Document(JsonSerializer.Serialize(file, RunJson.Indented));
        }
        else
        {
            Print(file);
        }

        return BenchCommand.Verdict(points.Count(point => !point.Finite), points.Count(point => point.Failed), points.Length);
    }

    /// <summary>Draws the figure again from fig2b.json.</summary>
    public static void Redraw(ResultFolder folder) => Draw(folder, folder.ReadJson<Figure2bFile>($"{Name}.json"));

    private static void Draw(ResultFolder folder, Figure2bFile file) => folder.WriteFigure(Name, new Figure2bPlots(file.Options, file.Points).Panels());

    private static MeasurementRequest Request(Figure2bOptions options, string method, int innerSteps) => new(
        BenchMethod.Of(method).Experiment(BenchSetting.Of(options.Setting), options.MetaBatch, innerSteps, options.Steps, options.Filters), options.Threads, MeasuredWork.MetaStep, options.Steps);

    private static Figure2bPoint Measure(string method, MeasurementRequest request, Figure2bOptions options, string number, CancellationToken stop)
    {
        var (measured, reason, atLimit) = MeasuringProcess.Run(request, options.MostMemoryMib * Mebi, stop);
        var point = new Figure2bPoint(method, request.Experiment.Method.InnerSteps!.Value, measured, reason, Failed: measured is null && !atLimit);
        Terminal.Progress(measured is null
            ? $"{number}  {method}, inner steps {point.InnerSteps}: not measured, {reason}"
            : string.Create(CultureInfo.InvariantCulture, $"{number}  {method}, inner steps {point.InnerSteps}: {point.Mib:F1} MiB of tensors, {point.ProcessMib:F1} MiB of the process, {point.Seconds:F4} s a task{BenchCommand.Ended(measured)}"));
        return point;
    }

    private static string Table(Figure2bOptions options, IEnumerable<Figure2bPoint> points) => Csv.Of(
        ["method", "inner_steps", "ways", "shots", "meta_batch", "tensor_mib", "peak_mib", "resident_mib", "seconds_per_task", "gflop_per_task", "gradients", "hessian_products", "not_finite"],
        points.Select(point => new object[]
        {
            point.Method, point.InnerSteps, BenchSetting.Of(options.Setting).Tasks.Ways, BenchSetting.Of(options.Setting).Tasks.Shots, options.MetaBatch, point.Mib, point.ProcessMib,
            point.Measured?.ResidentBytes / (double)Mebi ?? double.NaN, point.Seconds, point.Measured?.Task.Flops / 1e9 ?? double.NaN,
            point.Measured?.Task.Work.Gradients ?? double.NaN, point.Measured?.Task.Work.HessianProducts ?? double.NaN,
            point.Measured?.NotFinite ?? double.NaN,
        }));

    private static void Print(Figure2bFile file)
    {
        var table = new TextTable(["method", .. file.Options.InnerSteps.Select(steps => $"{steps}"), "MiB an inner step", "s a task, an inner step"])
        {
            Title = $"Largest memory of a thread's live tensors in MiB, {file.Options.Setting}",
            FirstNumber = 1,
        };

        foreach (var method in file.Options.Methods)
        {
            var slopes = file.Summary.SingleOrDefault(one => one.Method == method);
            var memory = file.Points.Where(point => point.Method == method).Select(point => Number(point.Mib, "F1") + (point.Finite ? "" : " (not finite)"));
            table.Add([BenchMethod.Of(method).Label, .. memory, Number(slopes?.MibPerInnerStep, "F3"), Number(slopes?.SecondsPerInnerStep, "F4")]);
        }

        table.Print();
        Terminal.Line(string.Join("; ", file.Summary.Select(one => string.Create(
            CultureInfo.InvariantCulture,
            $"{BenchMethod.Of(one.Method).Label}: with {one.MostInnerSteps} inner steps {one.MemoryRatio:F3} times the memory of {one.FewestInnerSteps}, {one.MibPerInnerStep:F3} MiB an inner step"))));
        Terminal.Line(file.Provenance.Machine);
        foreach (var missing in file.Points.Where(point => point.Measured is null).GroupBy(point => point.Reason))
        {
            Terminal.Line($"{missing.Count()} of {file.Points.Count} points are not measured: {missing.Key}");
        }
    }

    private static string Number(double? value, string format) => value is { } known && double.IsFinite(known) ? known.ToString(format, CultureInfo.InvariantCulture) : "–";
}
