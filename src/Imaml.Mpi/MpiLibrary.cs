// libmpi, found at run time: a build needs none, and a program that runs alone loads none. One binary works with every family, since handles are passed as
// numbers of a pointer's size, which MPICH reads the lower half of.

using System.Runtime.InteropServices;
using System.Text;

namespace Imaml.Mpi;

/// <summary>A loaded MPI library: its functions and handles.</summary>
internal sealed unsafe class MpiLibrary
{
    /// <summary>The variable that names the library: <c>openmpi</c>, <c>mpich</c>, <c>abi</c>, or a file.</summary>
    public const string Variable = "IMAML_MPI";

    // Of every family at most this many bytes.
    private const int TextBytes = 8192;

    // dlfcn.h: all symbols now, and for the plug-ins of Open MPI too, which look for them in the process.
    private const int Now = 2, Global = 0x100;

    private static readonly Dictionary<MpiFamily, (string Name, string[] Files)> Known = new()
    {
        [MpiFamily.OpenMpi] = ("openmpi", ["libmpi.so.40", "libmpi.so.80"]),
        [MpiFamily.Mpich] = ("mpich", ["libmpich.so.12", "libmpi.so.12", "libmpi_cray.so.12", "libmpich.so.10"]),
        [MpiFamily.Standard] = ("abi", ["libmpi_abi.so.0", "libmpi_abi.so.1", "libmpi_abi.so"]),
    };

    private MpiLibrary(nint library, string file)
    {
        File = file;
        Family = NativeLibrary.TryGetExport(library, "ompi_mpi_comm_world", out _) ? MpiFamily.OpenMpi
            : Path.GetFileName(file).StartsWith("libmpi_abi", StringComparison.Ordinal) ? MpiFamily.Standard
            : MpiFamily.Mpich;
        nint Of(string name) => NativeLibrary.GetExport(library, name);
        (World, Byte, Float, Sum, Serialized, Funneled) = Family switch
        {
            MpiFamily.OpenMpi => (Of("ompi_mpi_comm_world"), Of("ompi_mpi_byte"), Of("ompi_mpi_float"), Of("ompi_mpi_op_sum"), 2, 1),
            MpiFamily.Mpich => (0x44000000, 0x4c00010d, 0x4c00040a, 0x58000003, 2, 1),
            _ => (0x101, 0x247, 0x210, 0x21, 2048, 1024),
        };
        InitThread = (delegate* unmanaged<nint, nint, int, int*, int>)Of("MPI_Init_thread");
        Finalize = (delegate* unmanaged<int>)Of("MPI_Finalize");
        Abort = (delegate* unmanaged<nint, int, int>)Of("MPI_Abort");
        CommRank = (delegate* unmanaged<nint, int*, int>)Of("MPI_Comm_rank");
        CommSize = (delegate* unmanaged<nint, int*, int>)Of("MPI_Comm_size");
        GetProcessorName = (delegate* unmanaged<byte*, int*, int>)Of("MPI_Get_processor_name");
        GetLibraryVersion = (delegate* unmanaged<byte*, int*, int>)Of("MPI_Get_library_version");
        Bcast = (delegate* unmanaged<void*, int, nint, int, nint, int>)Of("MPI_Bcast");
        Allgatherv = (delegate* unmanaged<void*, int, nint, void*, int*, int*, nint, nint, int>)Of("MPI_Allgatherv");
        Alltoallv = (delegate* unmanaged<void*, int*, int*, nint, void*, int*, int*, nint, nint, int>)Of("MPI_Alltoallv");
        Allreduce = (delegate* unmanaged<void*, void*, int, nint, nint, nint, int>)Of("MPI_Allreduce");
        Barrier = (delegate* unmanaged<nint, int>)Of("MPI_Barrier");
    }

    /// <summary>Which family's handles it has.</summary>
    public MpiFamily Family { get; }

    /// <summary>The file, as it was asked for.</summary>
    public string File { get; }

    /// <summary>Its name and version, by itself. May be asked before <c>MPI_Init</c>.</summary>
    public string Version
    {
        get
        {
            // "Open MPI v4.1.4, package: …", "MPICH Version:      4.0.2".
            var first = Text(GetLibraryVersion).Split('\n')[0].Split(',')[0];
            return string.Join(' ', first.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries)).Replace("Version:", "", StringComparison.Ordinal).Replace("  ", " ", StringComparison.Ordinal);
        }
    }

    internal nint World { get; }

    internal nint Byte { get; }

    internal nint Float { get; }

    internal nint Sum { get; }

    /// <summary>The levels of threads: calls by any thread, one at a time; calls by the thread that began alone.</summary>
    internal int Serialized { get; }

    internal int Funneled { get; }

    internal delegate* unmanaged<nint, nint, int, int*, int> InitThread { get; }

    internal delegate* unmanaged<int> Finalize { get; }

    internal delegate* unmanaged<nint, int, int> Abort { get; }

    internal delegate* unmanaged<nint, int*, int> CommRank { get; }

    internal delegate* unmanaged<nint, int*, int> CommSize { get; }

    internal delegate* unmanaged<byte*, int*, int> GetProcessorName { get; }

    internal delegate* unmanaged<byte*, int*, int> GetLibraryVersion { get; }

    internal delegate* unmanaged<void*, int, nint, int, nint, int> Bcast { get; }

    internal delegate* unmanaged<void*, int, nint, void*, int*, int*, nint, nint, int> Allgatherv { get; }

    internal delegate* unmanaged<void*, int*, int*, nint, void*, int*, int*, nint, nint, int> Alltoallv { get; }

    internal delegate* unmanaged<void*, void*, int, nint, nint, nint, int> Allreduce { get; }

    internal delegate* unmanaged<nint, int> Barrier { get; }

    /// <summary>Loads the library that the environment names, or that of a launcher, or the first one that there is.</summary>
    /// <param name="family">The launcher's, or null.</param>
    /// <exception cref="MpiException">There is none.</exception>
    public static MpiLibrary Load(MpiFamily? family)
    {
        if (!OperatingSystem.IsLinux())
        {
            throw new MpiException("MPI is supported on Linux only");
        }

        var files = Files(family);
        // UCX takes the signal SIGSEGV, which the runtime needs for null references. It reads the C library's environment, not the runtime's copy.
        _ = SetVariable("UCX_ERROR_SIGNALS", "", 1);
        Error(); // Resolved now: resolving it later could clear an error that is to be read.
        foreach (var file in files)
        {
            if (Open(file, Now | Global) is var library and not 0)
            {
                return new MpiLibrary(library, file);
            }
        }

        var reason = Marshal.PtrToStringUTF8(Error());
        throw new MpiException(Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } name
            ? $"{Variable}={name}: {reason}; it is openmpi, mpich, abi, or the file of a library"
            : $"no MPI library was found ({string.Join(", ", files)}); install the one whose mpirun you use, or name its file in {Variable}");
    }

    /// <summary>The text that a function writes, as the library has it.</summary>
    internal static string Text(delegate* unmanaged<byte*, int*, int> write)
    {
        var bytes = new byte[TextBytes];
        int length;
        fixed (byte* start = bytes)
        {
            write(start, &length);
        }

        return Encoding.UTF8.GetString(bytes, 0, int.Clamp(length, 0, TextBytes)).TrimEnd('\0', ' ');
    }

    private static string[] Files(MpiFamily? family)
    {
        if (Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } named)
        {
            return Known.Values.FirstOrDefault(one => one.Name == named).Files ?? [named];
        }

        // The launcher's family is known, but a library of the standard ABI may belong to any family.
        return family is { } known ? [.. Known[known].Files, .. Known[MpiFamily.Standard].Files] : [.. Known.Values.SelectMany(one => one.Files)];
    }

    [DllImport("libdl.so.2", EntryPoint = "dlopen")]
    private static extern nint Open([MarshalAs(UnmanagedType.LPUTF8Str)] string file, int flags);

    [DllImport("libdl.so.2", EntryPoint = "dlerror")]
    private static extern nint Error();

    [DllImport("libc", EntryPoint = "setenv")]
    private static extern int SetVariable([MarshalAs(UnmanagedType.LPUTF8Str)] string name, [MarshalAs(UnmanagedType.LPUTF8Str)] string value, int overwrite);
}
