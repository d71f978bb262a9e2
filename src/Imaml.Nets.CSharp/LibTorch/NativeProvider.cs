using MathNet.Numerics;
using MathNet.Numerics.Providers.LinearAlgebra;

namespace Imaml.Nets.LibTorch;

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

    /// <summary>Solves dense systems (the oracles of diagnoses and tests) on the GPU from now on, if the provider answers; else all stays as it is.</summary>
    public static bool UseCuda() => Control.TryUseNativeCUDA();
}
