// The launcher of this process: mpirun, mpiexec and srun set environment variables. No library is loaded to find it.

using System.Globalization;

namespace Imaml.Mpi;

/// <summary>The families of MPI, which differ in their handles.</summary>
internal enum MpiFamily
{
    /// <summary>Open MPI: handles are addresses of its symbols.</summary>
    OpenMpi,

    /// <summary>MPICH and what has its ABI (Intel MPI, MVAPICH, Cray MPICH): handles are numbers.</summary>
    Mpich,

    /// <summary>The standard ABI of MPI 5. Written from the standard; not tested, since no library of it was at hand.</summary>
    Standard,
}

/// <summary>A process of several that a launcher started.</summary>
/// <param name="Family">The MPI of the launcher, or null where it is not known.</param>
/// <param name="Rank">This process's number.</param>
/// <param name="Size">How many there are, at least 2.</param>
/// <param name="By">The variable that says so.</param>
internal sealed record Launch(MpiFamily? Family, int Rank, int Size, string By)
{
    // From the innermost launcher to the outermost: Slurm's variables are inherited by what mpirun starts within a job.
    private static readonly (string Size, string Rank, MpiFamily? Family)[] Known =
    [
        ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", MpiFamily.OpenMpi),
        ("PMI_SIZE", "PMI_RANK", MpiFamily.Mpich),
        ("SLURM_STEP_NUM_TASKS", "SLURM_PROCID", null),
    ];

    /// <summary>The launcher of this process, or null where it was started alone, be it by a launcher of one.</summary>
    public static Launch? Current => Of(Environment.GetEnvironmentVariable);

    /// <summary>The same of an environment.</summary>
    public static Launch? Of(Func<string, string?> variable)
    {
        foreach (var (sizeName, rankName, family) in Known)
        {
            if (Number(variable(sizeName)) is { } size && Number(variable(rankName)) is { } rank)
            {
                // `srun --mpi=pmix`, which Open MPI understands.
                var known = family ?? (variable("PMIX_RANK") is null ? null : MpiFamily.OpenMpi);
                return size > 1 ? new Launch(known, rank, size, sizeName) : null;
            }
        }

        return null;
    }

    private static int? Number(string? text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;
}
