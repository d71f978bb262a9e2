using MathNet.Numerics;
using MathNet.Numerics.Providers.LinearAlgebra;

namespace Imaml.Nets.Diagnostics;

/// <summary>MathNet's native linear algebra: its packages are looked up at run time and are not part of the ordinary build.</summary>
internal static class NativeProvider
{
    /// <summary>The first one that answers, or null; the provider in use stays what it was.</summary>
    public static string? Find()
    {
        var current = LinearAlgebraControl.Provider;
        try
        {
            return Control.TryUseNativeCUDA() ? "CUDA" : Control.TryUseNativeMKL() ? "MKL" : Control.TryUseNativeOpenBLAS() ? "OpenBLAS" : null;
        }
        finally
        {
            LinearAlgebraControl.Provider = current;
        }
    }
}
