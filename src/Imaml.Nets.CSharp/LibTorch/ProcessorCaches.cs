// oneDNN, by which libtorch convolves, sizes its kernels' blocks by the processor's caches. A virtual machine may hide them (CPUID leaves 4 and
// 8000001D empty); oneDNN 3.7's kernels for AVX2 and AVX-512 then compute wrong numbers without an error: gradients by a plain convolution's input
// that are off by half, values of a grouped one of one channel that are off altogether. Those for AVX are correct. The kernels of this library do not use it.

using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace Imaml.Nets.LibTorch;

/// <summary>What the processor reports of its caches.</summary>
internal static class ProcessorCaches
{
    /// <summary>The widest instructions that oneDNN uses where the caches are hidden, in its own word.</summary>
    public const string Widest = "AVX";

    /// <summary>oneDNN's variables for the widest instructions; the second is its old name.</summary>
    public const string Variable = "ONEDNN_MAX_CPU_ISA", OldVariable = "DNNL_MAX_CPU_ISA";

    // at::Context& at::globalContext() and void at::Context::setUserEnabledNNPACK(bool).
    private const string GlobalContext = "_ZN2at13globalContextEv", EnableNnpack = "_ZN2at7Context20setUserEnabledNNPACKEb";

    private const uint IntelLeaf = 4, AmdLeaf = 0x8000001D, FirstExtended = 0x80000000;

    private delegate nint Context();

    private delegate void Enable(nint context, bool enabled);

    /// <summary>Whether oneDNN is kept from wider instructions for that reason; what the user has set stays.</summary>
    public static bool LimitOneDnn => Hidden && Environment.GetEnvironmentVariable(Variable) is null && Environment.GetEnvironmentVariable(OldVariable) is null;

    /// <summary>Whether the processor names no cache.</summary>
    public static bool Hidden => X86Base.IsSupported && !Named(IntelLeaf) && !Named(AmdLeaf);

    /// <summary>Disables NNPACK in libtorch: it does not start on such a processor either, and libtorch would warn at every convolution.</summary>
    /// <param name="libraries">libtorch's, loaded.</param>
    public static void DisableNnpack(IEnumerable<nint> libraries)
    {
        foreach (var library in libraries)
        {
            if (NativeLibrary.TryGetExport(library, GlobalContext, out var context) && NativeLibrary.TryGetExport(library, EnableNnpack, out var enable))
            {
                Marshal.GetDelegateForFunctionPointer<Enable>(enable)(Marshal.GetDelegateForFunctionPointer<Context>(context)(), false);
                return;
            }
        }
    }

    // The lowest five bits are the first cache's kind, 0 for none.
    private static bool Named(uint leaf) =>
        (uint)X86Base.CpuId((int)(leaf & FirstExtended), 0).Eax >= leaf && (X86Base.CpuId((int)leaf, 0).Eax & 0x1F) != 0;
}
