// What this machine offers, found by trying it: versions, where libtorch comes from and whether it loads, GPUs, native linear algebra,
// threads, speed, data sets.

using System.Reflection;
using System.Runtime.InteropServices;
using Imaml.Nets.Cost;
using Imaml.Nets.LibTorch;
using Imaml.Nets.Tasks;
using TorchSharp;

namespace Imaml.Nets.Assumptions;

/// <summary>libtorch as it was found.</summary>
/// <param name="Version">Its version.</param>
/// <param name="Folder">Where it was loaded from; empty where the operating system's own search found it.</param>
/// <param name="CompatibilityCopy">The patched copy of TorchSharp's library in use, or null where none is needed.</param>
/// <param name="Missing">Symbols that TorchSharp needs and this libtorch, of another version than <c>TorchSharp</c> is built for, lacks.</param>
/// <param name="Threads">Threads that one operation may use.</param>
/// <param name="Cuda">Whether it can compute on a GPU.</param>
/// <param name="Devices">The GPUs' names.</param>
internal sealed record LibTorchFacts(string Version, string Folder, string? CompatibilityCopy, IReadOnlyList<string> Missing, int Threads, bool Cuda, IReadOnlyList<string> Devices);

/// <summary>The facts that <c>imaml doctor</c> prints.</summary>
/// <param name="Imaml">This program's version, with the commit it was built from.</param>
/// <param name="Runtime">The .NET runtime.</param>
/// <param name="System">The operating system and the processor architecture.</param>
/// <param name="Cores">Logical processors that this process may use.</param>
/// <param name="InstructionSet">The processor's vector instructions, and those that libtorch uses where it loads.</param>
/// <param name="TorchSharp">TorchSharp's version.</param>
/// <param name="LibTorch">libtorch, or null where it cannot be loaded.</param>
/// <param name="LibTorchProblem">Why it cannot be loaded, in one line.</param>
/// <param name="NativeLinearAlgebra">MathNet's native provider in reach (CUDA, MKL or OpenBLAS), or null where it computes in .NET code.</param>
/// <param name="CachesHidden">Whether the processor hides its caches, so that libtorch's convolutions are limited to older instructions.</param>
/// <param name="ConvolutionError">The relative error of libtorch's convolutions in single precision, or null where libtorch cannot be loaded; above <see cref="ConvolutionCheck.Allowed"/> they are wrong.</param>
/// <param name="MatrixMultiply">Measured speed, per device.</param>
/// <param name="DataFolder">The data folder, or null where none is named or it does not exist.</param>
/// <param name="DataSets">What lies in it; the built-in glyphs need no folder and are not listed.</param>
/// <param name="DataProblem">Why there is no data folder, in one line.</param>
/// <param name="Mpi">The MPI library that runs on several machines would use, with its version; null where there is none.</param>
internal sealed record Diagnosis(
    string Imaml,
    string Runtime,
    string System,
    int Cores,
    InstructionSet InstructionSet,
    string TorchSharp,
    LibTorchFacts? LibTorch,
    string? LibTorchProblem,
    string? NativeLinearAlgebra,
    bool CachesHidden,
    double? ConvolutionError,
    IReadOnlyList<Throughput> MatrixMultiply,
    string? DataFolder,
    IReadOnlyList<FoundData> DataSets,
    string? DataProblem,
    string? Mpi = null)
{
    /// <summary>Tries everything; takes about a second per device. What is missing is a fact like the others, not an exception.</summary>
    /// <param name="dataFolder">The data folder, or null for the one that <see cref="DataRoot.Variable"/> names.</param>
    /// <param name="threads">Threads for libtorch, or null for libtorch's own choice.</param>
    public static Diagnosis Run(string? dataFolder, int? threads)
    {
        var (facts, problem) = Load(threads);
        var (root, dataProblem) = Locate(dataFolder);
        return new Diagnosis(
            Informational(typeof(Diagnosis)),
            RuntimeInformation.FrameworkDescription,
            $"{RuntimeInformation.OSDescription}, {RuntimeInformation.OSArchitecture}",
            Environment.ProcessorCount,
            facts is null ? InstructionSet.WithoutLibTorch : InstructionSet.Current,
            Informational(typeof(torch)),
            facts,
            problem,
            NativeProvider.Find(),
            ProcessorCaches.Hidden,
            facts is null ? null : ConvolutionCheck.Error(),
            facts is null ? [] : Throughput.Measure(facts.Devices),
            root?.Folder,
            root?.Find() ?? [],
            dataProblem);
    }

    private static (DataRoot? Root, string? Problem) Locate(string? dataFolder)
    {
        try
        {
            return (DataRoot.Resolve(dataFolder), null);
        }
        catch (DataException e) when (!e.IsOfRequest)
        {
            return (null, e.Message);
        }
    }

    private static (LibTorchFacts? Facts, string? Problem) Load(int? threads)
    {
        try
        {
            var origin = LibTorchLoader.Loaded;
            if (threads is { } count)
            {
                torch.set_num_threads(count);
            }

            var cuda = torch.cuda.is_available();
            return (new LibTorchFacts(LibTorchVersion.Of(origin.Folder), origin.Folder, origin.CompatibilityCopy, origin.Missing, torch.get_num_threads(), cuda, cuda ? CudaDevices.Names() : []), null);
        }
        catch (LibTorchLoadException e)
        {
            return (null, e.Message);
        }
    }

    private static string Informational(Type type) =>
        type.Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? type.Assembly.GetName().Version?.ToString() ?? "unknown";
}
