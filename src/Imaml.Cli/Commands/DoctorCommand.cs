// imaml doctor: versions, libtorch, GPUs, speed and data sets, as a table or as JSON; exit code 1 if libtorch cannot be used.

using System.CommandLine;
using System.Text.Json;
using Imaml.Nets.Assumptions;
using Imaml.Nets.Runs;
using Spectre.Console;

namespace Imaml.Cli.Commands;

internal static class DoctorCommand
{
    public static Command Create()
    {
        var data = SharedOptions.Data();
        var threads = SharedOptions.Threads();
        var json = new Option<bool>("--json") { Description = "Print JSON instead of the table" };
        var command = new Command("doctor", "Show this machine's versions, libtorch, GPUs, speed and data sets") { data, threads, json };
        command.SetAction(parsed => Run(parsed.GetValue(data), parsed.GetValue(threads), parsed.GetValue(json)));
        return command;
    }

    private static int Run(string? data, int? threads, bool json)
    {
        var found = Diagnosis.Run(data, threads);
        if (json)
        {
            Terminal.Line(JsonSerializer.Serialize(found, RunJson.Indented));
        }
        else
        {
            Terminal.Out.Write(Table(found));
        }

        if (found.LibTorchProblem is { } problem)
        {
            Terminal.Fail(problem);
            return ExitCode.Failed;
        }

        return ExitCode.Success;
    }

    private static Grid Table(Diagnosis found)
    {
        var table = new Grid().AddColumn().AddColumn();
        void Row(string what, string value) => table.AddRow(Markup.Escape(what), Markup.Escape(value));

        Row("imaml", found.Imaml);
        Row(".NET", found.Runtime);
        Row("system", found.System);
        Row("cores", $"{found.Cores}");
        Row("instruction set", $"{found.InstructionSet}");
        Row("TorchSharp", found.TorchSharp);
        if (found.LibTorch is { } libtorch)
        {
            Row("libtorch", libtorch.Version);
            Row("  from", libtorch.Folder is "" ? "the system's own search" : libtorch.Folder);
            Row("  compatibility copy", libtorch.CompatibilityCopy ?? "not needed");
            Row("  missing symbols", libtorch.Missing is [] ? "none" : $"{libtorch.Missing.Count}: {string.Join(" ", libtorch.Missing)}");
            Row("  threads", $"{libtorch.Threads}");
            Row("  CUDA", libtorch.Cuda ? string.Join(", ", libtorch.Devices) : "no");
        }
        else
        {
            Row("libtorch", "does not load");
        }

        Row("MathNet native provider", found.NativeLinearAlgebra ?? "no");
        foreach (var one in found.MatrixMultiply)
        {
            Row($"matrix multiply, {one.Device}", $"{one.Gflops:N0} GFLOP/s (float32)");
        }

        Row("data folder", found.DataFolder ?? found.DataProblem ?? "none");
        Row("  glyphs", "built in");
        foreach (var one in found.DataSets)
        {
            Row($"  {one.Name}", one.Description);
        }

        return table;
    }
}
