// The bytes of tensors, counted where libtorch takes and frees them: also of those that a graph keeps and that have no handle in .NET, and the buffers in which
// oneDNN rearranges them, which come from the same place. It is what the library holds, without the C library's reserve, the runtime and the libraries
// themselves, which the process's resident memory includes; and without arrays of .NET that a tensor is a view of, such as an episode's images.
//
// libtorch takes a tensor's memory from an object with a table of functions (c10::Allocator), and lets others put one of their own in its place. The one
// here has the same table except for `allocate` and `raw_deleter`: it calls libtorch's own functions, and counts. The tables and the result of `allocate`,
// c10::DataPtr, are those of libtorch's C++ interface, so this is done with the version that TorchSharp is built for alone.

using System.Runtime.InteropServices;

namespace Imaml.Nets.LibTorch;

/// <summary>Counts the bytes of allocated tensors on the processor while a piece of work runs.</summary>
internal sealed class TensorMemory
{
    private const string Library = "libc10.so", Setter = "_ZN3c1012SetAllocatorENS_10DeviceTypeEPNS_9AllocatorEh", Getter = "_ZN3c1012GetAllocatorERKNS_10DeviceTypeE";

    // Of the C++ interface: two words of type information before the table; in it two destructors, allocate, is_simple_data_ptr, raw_deleter, copy_data.
    private const int WordsBefore = 2, Words = 6, Allocate = 2, RawDeleter = 4;

    // c10::DataPtr: the numbers, the function that frees, and what it is called with.
    private const int Data = 0, Deleter = 1, Context = 2;
    private const byte HighestPriority = byte.MaxValue;

    private static readonly Lazy<TensorMemory?> Instance = new(Create);

    private readonly object _gate = new();
    private readonly Dictionary<nint, long> _live = [];
    private readonly SetAllocator _set;
    private readonly AllocateFunction _allocate, _original;
    private readonly DeleteFunction _delete, _free;
    private readonly RawDeleterFunction _rawDeleter;
    private readonly nint _own, _libTorchs, _deleteAddress, _freeAddress;
    private long _held, _most;
    private volatile bool _counts;

    private TensorMemory(SetAllocator set, nint libTorchs)
    {
        (_set, _libTorchs, _allocate, _delete, _rawDeleter) = (set, libTorchs, Take, Free, _ => _deleteAddress);
        _deleteAddress = Marshal.GetFunctionPointerForDelegate(_delete);
        var table = Marshal.ReadIntPtr(libTorchs);
        _freeAddress = Marshal.GetDelegateForFunctionPointer<RawDeleterFunction>(Word(table, RawDeleter))(libTorchs);
        _free = Marshal.GetDelegateForFunctionPointer<DeleteFunction>(_freeAddress);
        _original = Marshal.GetDelegateForFunctionPointer<AllocateFunction>(Word(table, Allocate));
        // Never freed, like this object: a tensor that was made meanwhile may be freed at any later time.
        var block = Marshal.AllocHGlobal((WordsBefore + Words + 1) * nint.Size);
        for (var word = 0; word < WordsBefore + Words; word++)
        {
            Marshal.WriteIntPtr(block, word * nint.Size, Word(table, word - WordsBefore));
        }

        var copy = block + (WordsBefore * nint.Size);
        Marshal.WriteIntPtr(copy, Allocate * nint.Size, Marshal.GetFunctionPointerForDelegate(_allocate));
        Marshal.WriteIntPtr(copy, RawDeleter * nint.Size, Marshal.GetFunctionPointerForDelegate(_rawDeleter));
        _own = copy + (Words * nint.Size);
        Marshal.WriteIntPtr(_own, copy);
    }

    private delegate void SetAllocator(sbyte device, nint allocator, byte priority);

    private delegate nint GetAllocator(ref sbyte device);

    // The result is where its first argument says.
    private delegate nint AllocateFunction(nint result, nint allocator, nuint bytes);

    private delegate void DeleteFunction(nint context);

    private delegate nint RawDeleterFunction(nint allocator);

    /// <summary>Whether memory is being counted.</summary>
    public static bool Counts => Instance is { IsValueCreated: true, Value._counts: true };

    /// <summary>Peak bytes of the tensors and oneDNN's buffers made by <paramref name="work"/>, on whatever thread; null where they cannot be counted.</summary>
    /// <remarks>One count at a time: a second caller waits.</remarks>
    public static (T Result, long? Bytes) During<T>(Func<T> work)
    {
        if (Instance.Value is not { } counter)
        {
            return (work(), null);
        }

        lock (Instance)
        {
            counter.Begin();
            try
            {
                var result = work();
                return (result, counter.End());
            }
            finally
            {
                _ = counter.End();
            }
        }
    }

    private static TensorMemory? Create()
    {
        const sbyte processor = 0;
        var folder = LibTorchLoader.Loaded.Folder;
        if (LibTorchVersion.Of(folder) != LibTorchVersion.Expected
            || !NativeLibrary.TryLoad(Path.Combine(folder, Library), out var library)
            || !NativeLibrary.TryGetExport(library, Setter, out var setter)
            || !NativeLibrary.TryGetExport(library, Getter, out var getter))
        {
            return null;
        }

        var device = processor;
        return new TensorMemory(Marshal.GetDelegateForFunctionPointer<SetAllocator>(setter), Marshal.GetDelegateForFunctionPointer<GetAllocator>(getter)(ref device));
    }

    private static nint Word(nint at, int index) => Marshal.ReadIntPtr(at, index * nint.Size);

    private void Begin()
    {
        lock (_gate)
        {
            _live.Clear();
            (_held, _most, _counts) = (0, 0, true);
        }

        _set(0, _own, HighestPriority);
    }

    private long End()
    {
        _set(0, _libTorchs, HighestPriority);
        lock (_gate)
        {
            _counts = false;
            return _most;
        }
    }

    private nint Take(nint result, nint allocator, nuint bytes)
    {
        _original(result, _libTorchs, bytes);
        var data = Word(result, Data);
        lock (_gate)
        {
            if (_counts && data != 0 && Word(result, Context) == data && Word(result, Deleter) == _freeAddress)
            {
                _held += (long)bytes - _live.GetValueOrDefault(data);
                _live[data] = (long)bytes;
                _most = long.Max(_most, _held);
                Marshal.WriteIntPtr(result, Deleter * nint.Size, _deleteAddress);
            }
        }

        return result;
    }

    private void Free(nint context)
    {
        lock (_gate)
        {
            if (_live.Remove(context, out var bytes))
            {
                _held -= bytes;
            }
        }

        _free(context);
    }
}
