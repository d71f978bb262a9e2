// The vector instructions that a figure was computed with. The same program on the same kind of processor is up to twice as fast with the wider ones, and
// rounds otherwise; so every file with figures names them. The libraries choose by themselves, each by its own environment variable.

using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Imaml.Nets.LibTorch;

/// <summary>The processor's vector instructions, and what is used of them.</summary>
/// <param name="Processor">The widest that the processor and the .NET runtime have: <c>avx512</c>, <c>avx2</c>, <c>avx</c>, <c>sse</c>, <c>neon</c> or <c>none</c>.</param>
/// <param name="LibTorch">Those of libtorch's own kernels, in the same words; null where it is not used or does not report them.</param>
/// <param name="Limits">Environment variables that keep libtorch, oneDNN, MKL or .NET from wider ones, as <c>NAME=VALUE</c>; oneDNN and MKL report nothing else.</param>
public sealed record InstructionSet(string Processor, string? LibTorch, IReadOnlyList<string> Limits)
{
    private static readonly string[] Variables =
    [
        "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY", "MKL_ENABLE_INSTRUCTIONS", "MKL_CBWR",
        "DOTNET_EnableAVX512", "DOTNET_EnableAVX512F", "DOTNET_EnableAVX2", "DOTNET_EnableAVX",
    ];

    /// <summary>That of this process, with libtorch, which is loaded.</summary>
    internal static InstructionSet Current => OfProcess(TorchCapability.Read(LibTorchLoader.Loaded.Folder));

    /// <summary>That of this process, where libtorch is not loaded.</summary>
    internal static InstructionSet WithoutLibTorch => OfProcess(null);

    /// <summary>In one phrase: <c>avx512</c>, or <c>avx512, libtorch avx2 (ATEN_CPU_CAPABILITY=avx2)</c>.</summary>
    public override string ToString() =>
        Processor + (LibTorch is null || LibTorch == Processor ? "" : $", libtorch {LibTorch}") + (Limits is [] ? "" : $" ({string.Join(", ", Limits)})");

    private static InstructionSet OfProcess(string? libTorch) =>
        new(Widest(), libTorch, [.. ProcessorCaches.LimitOneDnn ? [$"{ProcessorCaches.Variable}={ProcessorCaches.Widest}"] : (string[])[], .. Variables.Where(name => Environment.GetEnvironmentVariable(name) is { Length: > 0 }).Select(name => $"{name}={Environment.GetEnvironmentVariable(name)}")]);

    // libtorch, too, reports AVX-512 where the processor has these parts of it.
    private static string Widest() =>
        Avx512BW.VL.IsSupported && Avx512DQ.VL.IsSupported ? "avx512"
        : Avx2.IsSupported && Fma.IsSupported ? "avx2"
        : Avx.IsSupported ? "avx"
        : X86Base.IsSupported ? "sse"
        : AdvSimd.IsSupported ? "neon"
        : "none";
}

/// <summary>libtorch's report of the instructions of its own kernels, which TorchSharp does not pass on.</summary>
internal static class TorchCapability
{
    // std::string at::get_cpu_capability(). The symbol's name has the layout of its result: pointer and length, then room for a short text.
    private const string Function = "_ZN2at18get_cpu_capabilityB5cxx11Ev";
    private const int StringBytes = 32;

    private delegate nint Capability(nint result);

    /// <summary><c>avx512</c>, <c>avx2</c>, or <c>default</c> for kernels that need neither; null where this libtorch has no such function.</summary>
    /// <param name="folder">Where libtorch was loaded from.</param>
    public static string? Read(string folder)
    {
        if (!NativeLibrary.TryLoad(Path.Combine(folder, LibTorchLoader.ProcessorLibrary), out var library) || !NativeLibrary.TryGetExport(library, Function, out var address))
        {
            return null;
        }

        var text = Marshal.AllocHGlobal(StringBytes);
        try
        {
            Marshal.GetDelegateForFunctionPointer<Capability>(address)(text);
            return Marshal.PtrToStringUTF8(Marshal.ReadIntPtr(text), (int)Marshal.ReadIntPtr(text, nint.Size)).ToLowerInvariant();
        }
        finally
        {
            Marshal.FreeHGlobal(text);
        }
    }
}
