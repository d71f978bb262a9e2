// Loads libtorch before TorchSharp's first use.
//
// Where the plain load fails only because TorchSharp's library asks for the symbol version GLIBCXX_3.4.32 (Debian 12 and other systems
// with a C++ runtime older than GCC 13's), a patched copy in the user's cache folder is loaded in its place (see ElfSymbolPatch).
// TorchSharp then finds it by its soname. On other systems the loader changes nothing. With IMAML_LIBTORCH=FOLDER, libtorch itself comes
// from that folder, for instance the torch/lib of a PyTorch installation, CUDA libraries included; for builds without a libtorch of their own
// (-p:LibTorch=external).

using System.Reflection;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.RegularExpressions;
using Imaml.Nets.Storage;
using TorchSharp;

namespace Imaml.Nets.LibTorch;

/// <summary>Where libtorch came from.</summary>
/// <param name="Folder">The folder of libtorch_cpu.so; empty where the operating system's own search is left to find it.</param>
/// <param name="CompatibilityCopy">The patched copy of TorchSharp's library that is in use, or null where none was needed.</param>
/// <param name="Missing">Symbols that TorchSharp needs and this libtorch, of another version, lacks: to use one of them ends the process.</param>
internal sealed record LibTorchOrigin(string Folder, string? CompatibilityCopy, IReadOnlyList<string> Missing);

/// <summary>libtorch could not be loaded; the message names the cause and the remedy in one line.</summary>
public sealed class LibTorchLoadException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>Loads libtorch once per process; every entry point of this library calls it first.</summary>
public static class LibTorchLoader
{
    /// <summary>Names a folder with libtorch_cpu.so (and the CUDA libraries) to use in place of the packaged ones.</summary>
    public const string FolderVariable = "IMAML_LIBTORCH";

    /// <summary>The library that computes on NVIDIA's GPUs; a libtorch without it supports the processor alone.</summary>
    internal const string CudaLibrary = "libtorch_cuda.so";

    /// <summary>The library that computes on the processor, and that every libtorch has.</summary>
    internal const string ProcessorLibrary = "libtorch_cpu.so";

    private const string MissingVersion = "GLIBCXX_3.4.32";
    private const string MissingSymbol = "_ZSt21ios_base_library_initv";
    private const string StandIn = "_ZNSt6chrono3_V212steady_clock3nowEv";

    private static readonly Lazy<LibTorchOrigin> Origin = new(LoadAll);

    /// <summary>Where libtorch came from; loads it where that has not happened.</summary>
    /// <exception cref="LibTorchLoadException">libtorch cannot be loaded on this machine.</exception>
    internal static LibTorchOrigin Loaded => Origin.Value;

    /// <summary>Makes TorchSharp usable; later calls cost nothing.</summary>
    /// <exception cref="LibTorchLoadException">libtorch cannot be loaded on this machine.</exception>
    public static void EnsureLoaded() => _ = Loaded;

    private static LibTorchOrigin LoadAll()
    {
        if (!OperatingSystem.IsLinux())
        {
            return new LibTorchOrigin("", null, []);
        }

        // libtorch's threads would spin while they wait for each other: no faster on idle cores, and many times slower on busy ones.
        // .NET's own SetEnvironmentVariable does not reach native code. What the user has set stays.
        _ = SetEnvironment("OMP_WAIT_POLICY", "passive", 0);
        if (ProcessorCaches.LimitOneDnn)
        {
            _ = SetEnvironment(ProcessorCaches.Variable, ProcessorCaches.Widest, 0);
        }

        AllocatorSettings.KeepFreedMemory();
        var packaged = PackagedFolder();
        var named = Environment.GetEnvironmentVariable(FolderVariable);
        var (folder, handles) = LoadLibTorch(packaged, named is { Length: > 0 } ? named : null);
        var binding = Path.Combine(packaged, "libLibTorchSharp.so");
        // The packaged libtorch is the one that TorchSharp was built for.
        var missing = folder == packaged || !File.Exists(binding) ? [] : MissingSymbols.Of(File.ReadAllBytes(binding), handles).Where(name => name != MissingSymbol).ToArray();
        try
        {
            var copy = LoadBinding(binding, UserCache.Folder("libtorch"));
            if (ProcessorCaches.Hidden)
            {
                ProcessorCaches.DisableNnpack(handles);
            }

            return new LibTorchOrigin(folder, copy, missing);
        }
        catch (LibTorchLoadException e) when (missing.Length > 0)
        {
            throw new LibTorchLoadException(
                $"libtorch {LibTorchVersion.Of(folder)} in {folder} does not fit TorchSharp, which is built for {LibTorchVersion.Expected}: "
                + $"{missing.Length} symbols are missing: {string.Join(" ", missing)}; set {FolderVariable} to the torch/lib folder of PyTorch {LibTorchVersion.Expected}", e);
        }
    }

    /// <summary>Loads libtorch itself from the folder that <see cref="FolderVariable"/> names, or else from the packaged one.</summary>
    /// <returns>The folder, and the handles of the libraries.</returns>
    /// <exception cref="LibTorchLoadException">The folder holds no libtorch, or one that does not load.</exception>
    internal static (string Folder, IReadOnlyList<nint> Handles) LoadLibTorch(string packaged, string? named)
    {
        var folder = named is null ? packaged : Path.GetFullPath(named);
        if (!File.Exists(Path.Combine(folder, ProcessorLibrary)))
        {
            throw new LibTorchLoadException(named is null
                ? $"libtorch is not in the program's folder ({folder}); restore the package TorchSharp-cpu, or with -p:Cuda=true TorchSharp-cuda-linux, or set {FolderVariable} to the torch/lib folder of a PyTorch installation"
                : $"{FolderVariable}={named} holds no {ProcessorLibrary}; set it to the torch/lib folder of a PyTorch installation, or unset it");
        }

        // TorchSharp loads the program's own libtorch whatever is loaded already, and two libtorchs in one process make it crash.
        if (folder != packaged && File.Exists(Path.Combine(packaged, ProcessorLibrary)))
        {
            throw new LibTorchLoadException($"{FolderVariable}={named}: this build brings a libtorch of its own ({packaged}), and there can be only one; build with -p:LibTorch=external, or unset the variable");
        }

        var neighbours = SharedLibrary.Neighbours(folder);
        string[] libraries = ["libc10.so", ProcessorLibrary, "libc10_cuda.so", CudaLibrary, "libtorch.so"];
        return (folder, [.. libraries.Select(library => Path.Combine(folder, library)).Where(File.Exists).Select(path => SharedLibrary.Load(path, neighbours))]);
    }

    /// <summary>Loads TorchSharp's native library, by way of a patched copy in <paramref name="cache"/> where this system needs one.</summary>
    /// <returns>The copy's path, or null where the library loads as it is.</returns>
    /// <exception cref="LibTorchLoadException">It loads neither way.</exception>
    internal static string? LoadBinding(string path, string cache)
    {
        if (!File.Exists(path))
        {
            throw new LibTorchLoadException($"TorchSharp's native library is missing ({path}); restore the package TorchSharp");
        }

        try
        {
            SharedLibrary.Load(path, []);
            return null;
        }
        catch (LibTorchLoadException e) when (e.InnerException is DllNotFoundException { Message: var cause } && cause.Contains(MissingVersion, StringComparison.Ordinal))
        {
            var copy = CompatibilityCopy(path, cache);
            SharedLibrary.Load(copy, []);
            return copy;
        }
    }

    /// <summary>The patched copy of <paramref name="path"/> in <paramref name="cache"/>, named by the original's hash; made where it is absent, damaged or another user's.</summary>
    /// <exception cref="LibTorchLoadException">The library cannot be patched, or the copy cannot be written.</exception>
    internal static string CompatibilityCopy(string path, string cache)
    {
        try
        {
            var original = File.ReadAllBytes(path);
            var patched = ElfSymbolPatch.Apply(original, MissingVersion, MissingSymbol, StandIn);
            var folder = Path.Combine(cache, Convert.ToHexStringLower(SHA256.HashData(original))[..16]);
            var copy = Path.Combine(folder, Path.GetFileName(path));
            UserCache.Make(cache);
            UserCache.Make(folder);
            if (!File.Exists(copy) || !Owner.IsTrusted(copy) || !Holds(copy, patched))
            {
                AtomicFile.Write(copy, patched);
            }

            return copy;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            throw new LibTorchLoadException(
                $"this system's C++ runtime lacks {MissingVersion}, which {path} needs, and no compatible copy could be made in {cache} ({e.Message}); "
                + "set XDG_CACHE_HOME to a writable folder, or install a libstdc++ of GCC 13.2 or later", e);
        }
    }

    // What cannot be read is made anew.
    private static bool Holds(string path, byte[] bytes)
    {
        try
        {
            return File.ReadAllBytes(path).AsSpan().SequenceEqual(bytes);
        }
        catch (UnauthorizedAccessException)
        {
            return false;
        }
    }

    [DllImport("libc", EntryPoint = "setenv", CharSet = CharSet.Ansi, BestFitMapping = false, ThrowOnUnmappableChar = true)]
    private static extern int SetEnvironment(string name, string value, int overwrite);

    private static string PackagedFolder()
    {
        var portable = Path.Combine(AppContext.BaseDirectory, "runtimes", "linux-x64", "native");
        return File.Exists(Path.Combine(portable, "libLibTorchSharp.so")) ? portable : AppContext.BaseDirectory;
    }
}

/// <summary>Versions of libtorch.</summary>
internal static partial class LibTorchVersion
{
    // TorchSharp's own property of this value would load libtorch first.
    private const string Constant = "libtorchPackageVersion";

    /// <summary>The one that TorchSharp is built for, in the three numbers of a PyTorch version.</summary>
    public static string Expected { get; } =
        typeof(torch).GetField(Constant, BindingFlags.Static | BindingFlags.NonPublic)?.GetRawConstantValue() is string text && System.Version.TryParse(text, out var version)
            ? version.ToString(3)
            : "unknown";

    /// <summary>The one in a folder: a PyTorch installation has it in a file next to its lib folder; any other is taken for the expected one.</summary>
    public static string Of(string folder)
    {
        var file = Path.Combine(folder, "..", "version.py");
        var found = File.Exists(file) ? Stated().Match(File.ReadAllText(file)) : Match.Empty;
        return found.Success ? found.Groups["version"].Value : Expected;
    }

    [GeneratedRegex("__version__ = '(?<version>.*)'")]
    private static partial Regex Stated();
}
