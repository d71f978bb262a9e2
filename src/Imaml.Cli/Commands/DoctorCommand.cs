// imaml doctor: versions, libtorch, GPUs, speed and data sets, as a table or as JSON; exit code 1 if libtorch cannot be used.

using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Imaml.Mpi;
using Imaml.Nets.Assumptions;
using Imaml.Nets.LibTorch;
using Imaml.Nets.Runs;

namespace Imaml.Cli.Commands;

internal static class DoctorCommand
{
    /// <summary>The command.</summary>
    public const string Name = "doctor";

    public static Command Create()
    {
        var data = SharedOptions.Data();
        var threads = SharedOptions.Threads();
        var json = new Option<bool>("--json") { Description = "Print JSON instead of the table" };
        var command = new Command(Name, "Show this machine's versions, libtorch, GPUs, speed and data sets") { data, threads, json };
        command.SetAction(parsed => Run(parsed.GetValue(data), parsed.GetValue(threads), parsed.GetValue(json)));
        return command;
    }

    private static int Run(string? data, int? threads, bool json)
    {
        var found = Diagnosis.Run(data, threads) with { Mpi = Mpi() };
        if (json)
        {
            Terminal.Document(JsonSerializer.Serialize(found, RunJson.Indented));
        }
        else
        {
            TextTable.PrintFacts(Facts(found));
        }

        if (found.LibTorchProblem is { } problem)
        {
            Terminal.Fail(problem);
            return ExitCode.Failed;
        }

        if (found.ConvolutionError > ConvolutionCheck.Allowed)
        {
            Terminal.Fail($"libtorch's convolutions are wrong on this processor; unset {ProcessorCaches.Variable}, or set it to {ProcessorCaches.Widest}, and report what `imaml doctor --json` prints");
            return ExitCode.Failed;
        }

        if (data is not null && found.DataProblem is { } fault)
        {
            Terminal.Fail(fault);
            return ExitCode.Failed;
        }

        return ExitCode.Success;
    }

    // The library that a run under mpirun would use.
    private static string? Mpi()
    {
        try
        {
            var library = MpiLibrary.Load(Launch.Current?.Family);
            return $"{library.Version} ({library.File})";
        }
        catch (MpiException)
        {
            return null;
        }
    }

    private static IEnumerable<(string Name, string Value)> Facts(Diagnosis found)
    {
        yield return ("imaml", found.Imaml);
        yield return (".NET", found.Runtime);
        yield return ("system", found.System);
        yield return ("cores", $"{found.Cores}");
        yield return ("instruction set", $"{found.InstructionSet}");
        yield return ("TorchSharp", found.TorchSharp);
        if (found.LibTorch is { } libtorch)
        {
            yield return ("libtorch", libtorch.Version);
            yield return ("  from", libtorch.Folder is "" ? "the system's own search" : libtorch.Folder);
            yield return ("  compatibility copy", libtorch.CompatibilityCopy ?? "not needed");
            yield return ("  missing symbols", libtorch.Missing is [] ? "none" : $"{libtorch.Missing.Count}: {string.Join(" ", libtorch.Missing)}");
            yield return ("  threads", $"{libtorch.Threads}");
            yield return ("  CUDA", libtorch.Cuda ? string.Join(", ", libtorch.Devices) : "no");
        }
        else
        {
            yield return ("libtorch", "does not load");
        }

        if (found.ConvolutionError is { } error)
        {
            yield return ("convolutions", string.Create(
                CultureInfo.InvariantCulture,
                $"{(error > ConvolutionCheck.Allowed ? "WRONG" : "right")}, relative error {error:0e-0}{(ProcessorCaches.LimitOneDnn ? "; by AVX, since this processor hides its caches, without which libtorch's wider kernels are wrong" : "")}"));
        }

        yield return ("MPI", found.Mpi ?? "no");
        yield return ("MathNet native provider", found.NativeLinearAlgebra ?? "no");
        foreach (var one in found.MatrixMultiply)
        {
            yield return ($"matrix multiply, {one.Device}", $"{one.Gflops:N0} GFLOP/s (float32)");
        }

        yield return ("data folder", found.DataFolder ?? found.DataProblem ?? "none");
        yield return ("  glyphs", "built in");
        foreach (var one in found.DataSets)
        {
            yield return ($"  {one.Name}", one.Description);
        }
    }
}
