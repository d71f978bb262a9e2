// Loads a shared library with those that it needs. The system's loader looks for these where the library says, which need not be where they
// are: PyTorch's CUDA libraries come in packages of their own, next to PyTorch's. So where the system's loader names one that it does not
// find, it is looked for in further folders, loaded, and the library tried again; the loader then finds it by its name.
//
// TorchSharp is built for one version of libtorch; a PyTorch installation may hold another. The system's loader binds a function at its first call, so
// a library with functions missing may load all the same, and a call of one of them then ends the process with no more than its name.

using System.Runtime.InteropServices;
using System.Text.RegularExpressions;

namespace Imaml.Nets.LibTorch;

/// <summary>Loads shared libraries.</summary>
internal static partial class SharedLibrary
{
    /// <summary>Loads a library.</summary>
    /// <param name="path">Its file.</param>
    /// <param name="neighbours">Folders that may hold what it needs.</param>
    /// <returns>Its handle.</returns>
    /// <exception cref="LibTorchLoadException">It is damaged, or misses something; the message has that of the system's loader.</exception>
    public static nint Load(string path, IReadOnlyList<string> neighbours) => Load(path, neighbours, []);

    /// <summary>The folders that may hold what a libtorch needs: its own, and those of NVIDIA's packages where PyTorch is installed by pip.</summary>
    public static IReadOnlyList<string> Neighbours(string folder)
    {
        var packages = Path.GetFullPath(Path.Combine(folder, "..", "..", "nvidia"));
        return Directory.Exists(packages)
            ? [folder, .. Directory.EnumerateDirectories(packages).Select(package => Path.Combine(package, "lib")).Where(Directory.Exists).Order(StringComparer.Ordinal)]
            : [folder];
    }

    /// <param name="path">The file.</param>
    /// <param name="neighbours">Where to look.</param>
    /// <param name="tried">The names that were looked for already; what is still missing then is not there.</param>
    private static nint Load(string path, IReadOnlyList<string> neighbours, HashSet<string> tried)
    {
        while (true)
        {
            try
            {
                ElfLength.Check(path);
                return NativeLibrary.Load(path);
            }
            catch (Exception e) when (e is InvalidDataException or IOException or UnauthorizedAccessException)
            {
                throw new LibTorchLoadException(
                    $"libtorch does not load: {path}: {e.Message}; restore the packages again, or check the folder that {LibTorchLoader.FolderVariable} names", e);
            }
            catch (DllNotFoundException e)
            {
                var cause = Cause(e);
                if (NotFound().Match(cause) is { Success: true } missing && tried.Add(missing.Groups["name"].Value)
                    && neighbours.Select(folder => Path.Combine(folder, missing.Groups["name"].Value)).FirstOrDefault(File.Exists) is { } found)
                {
                    Load(found, neighbours, tried);
                    continue;
                }

                throw new LibTorchLoadException(
                    $"libtorch does not load: {(cause.StartsWith(path, StringComparison.Ordinal) ? "" : $"{path}: ")}{cause}; "
                    + (NotMapped().IsMatch(cause)
                        ? "there is too little memory or address space (`ulimit -v` shows its limit), or the file system is mounted noexec"
                        : $"`ldd {path}` shows what it misses (libtorch needs glibc 2.28 and libgomp; with CUDA also NVIDIA's libraries, looked for in {string.Join(", ", neighbours)})"), e);
            }
        }
    }

    // The first line is the runtime's own explanation; the message of the system's loader follows.
    private static string Cause(DllNotFoundException e) =>
        e.Message.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries) is { Length: > 1 } lines ? lines[1] : e.Message;

    [GeneratedRegex(@"^(?<name>[^/:\s]+): cannot open shared object file")]
    private static partial Regex NotFound();

    [GeneratedRegex("failed to map segment|cannot allocate memory", RegexOptions.IgnoreCase)]
    private static partial Regex NotMapped();
}

/// <summary>Compares what a library needs with what is loaded.</summary>
internal static class MissingSymbols
{
    private static readonly string[] SystemLibraries = ["libstdc++.so.6", "libm.so.6", "libgcc_s.so.1", "libc.so.6", "ld-linux-x86-64.so.2"];

    /// <summary>The symbols that a library needs and none of the loaded ones defines, mangled as C++ has them, in order.</summary>
    /// <param name="image">The library's bytes.</param>
    /// <param name="loaded">Handles of the libraries that it is to find them in; the system's own are looked into as well.</param>
    /// <exception cref="InvalidDataException">The bytes are not a library.</exception>
    public static IReadOnlyList<string> Of(byte[] image, IReadOnlyList<nint> loaded)
    {
        var system = SystemLibraries.Select(name => NativeLibrary.TryLoad(name, out var handle) ? handle : 0).Where(handle => handle != 0);
        nint[] handles = [.. loaded, .. system];
        return [.. new ElfImage(image).RequiredSymbols().Where(name => !handles.Any(handle => NativeLibrary.TryGetExport(handle, name, out _))).Order(StringComparer.Ordinal)];
    }
}
