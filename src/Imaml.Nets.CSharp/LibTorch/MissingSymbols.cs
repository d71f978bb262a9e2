// Which functions of libtorch TorchSharp would call in vain. TorchSharp is built for one version of libtorch; a PyTorch installation may hold
// another. The system's loader binds a function at its first call, so a library with functions missing may load all the same, and a call of
// one of them then ends the process with no more than its name.

using System.Runtime.InteropServices;

namespace Imaml.Nets.LibTorch;

/// <summary>Compares what a library needs with what is loaded.</summary>
internal static class MissingSymbols
{
    private static readonly string[] SystemLibraries = ["libstdc++.so.6", "libm.so.6", "libgcc_s.so.1", "libc.so.6", "ld-linux-x86-64.so.2"];

    /// <summary>The symbols that a library needs and none of the loaded ones defines, mangled as C++ has them, in order.</summary>
    /// <param name="image">The library's bytes.</param>
    /// <param name="loaded">Handles of the libraries that it is to find them in; the system's own are looked into as well.</param>
    /// <exception cref="InvalidDataException">The bytes are no library.</exception>
    public static IReadOnlyList<string> Of(byte[] image, IReadOnlyList<nint> loaded)
    {
        var system = SystemLibraries.Select(name => NativeLibrary.TryLoad(name, out var handle) ? handle : 0).Where(handle => handle != 0);
        nint[] handles = [.. loaded, .. system];
        return [.. new ElfImage(image).RequiredSymbols().Where(name => !handles.Any(handle => NativeLibrary.TryGetExport(handle, name, out _))).Order(StringComparer.Ordinal)];
    }
}
