// When garbage is collected. TorchSharp may free a number that libtorch still reads (see HeldScalars): the library's own code holds its numbers,
// but a user's losses need not. So handles of tensors are collected while no loss of a user's is being computed.

namespace Imaml.Nets.Tensors;

/// <summary>Keeps the collections that the library asks for out of a user's own code.</summary>
internal static class Collection
{
    private static readonly ReaderWriterLockSlim Gate = new(LockRecursionPolicy.SupportsRecursion);

    /// <summary>Runs a user's code, during which the library asks for no collection.</summary>
    public static T During<T>(Func<T> ownCode)
    {
        Gate.EnterReadLock();
        try
        {
            return ownCode();
        }
        finally
        {
            Gate.ExitReadLock();
        }
    }

    /// <summary>Collects the youngest handles.</summary>
    public static void Collect()
    {
        Gate.EnterWriteLock();
        try
        {
            GC.Collect(0);
        }
        finally
        {
            Gate.ExitWriteLock();
        }
    }
}
