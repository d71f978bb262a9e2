namespace Imaml.Mpi;

/// <summary>No MPI can be used, or not the one that started this process; the message says what to do.</summary>
internal sealed class MpiException(string message) : Exception(message)
{
    /// <summary>Whether every process of the job has it.</summary>
    public bool OnAll { get; init; }
}
